import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { createHandler, type Env } from "../../supabase/functions/strata-report/handler.ts";
import { badInput, HOSTILE_TEXTS } from "../support/bad_input.ts";
import { testChain } from "../support/chain.ts";
import { call, TEST_ENV, testDeps } from "../support/function_deps.ts";
import { addNote, manageNotes, settle } from "../support/notes.ts";
import { keys, quietlessCore } from "../support/outbox.ts";
import { telegramEnv } from "../support/notify.ts";
import { rpcTo } from "../support/rpc.ts";
import { parseHtml, telegramServer } from "../support/telegram.ts";
import { pretendSize } from "../support/watch.ts";

badInput("strata-report", {
  handler: () => createHandler(testDeps({ env: TEST_ENV })),
  good: [{ method: "GET", query: "?format=json" }, { method: "POST", body: { send: true } }],
  texts: [
    { method: "POST", body: (kind) => ({ send: true, kind }), status: 400, code: "invalid_body" },
    { method: "POST", body: (to) => ({ send: true, to }), status: 400, code: "invalid_body" },
  ],
});

/** The function over a database: what it answers to a request. */
function reportOver(sql: Sql, env: Partial<Env> = {}) {
  const deps = testDeps<Env>({ env: { ...TEST_ENV, ...env }, rpc: rpcTo(sql), fetch });
  const handler = createHandler(deps);
  return {
    deps,
    async get(query = ""): Promise<string> {
      const response = await handler(call("GET", query));
      const text = await response.text();
      assert.equal(response.status, 200, text);
      return text;
    },
    async post(body: unknown, query = "") {
      const response = await handler(call("POST", query, { body }));
      assert.ok(response.status < 300, await response.clone().text());
      return await response.json();
    },
  };
}

/** A chain of three where each tier has told the hotter one about itself. */
async function toldChain() {
  const chain = await testChain({ driver: "pull" });
  await chain.freezeClock("2026-03-01T12:00:00Z");
  return Object.assign(chain, {
    async tell() {
      for (const { sql } of chain.databases.toReversed()) await sql`call strata.watchdog()`;
    },
  });
}

Deno.test("report: every tier's size, moves, what is due and where that leads, in three forms", async () => {
  await using chain = await toldChain();
  const { core, main } = chain;
  await manageNotes(core.sql);
  await addNote(core.sql, 1, "2025-12-01T00:00:00Z");
  await settle(chain);
  await settle(chain);
  await addNote(core.sql, 2, "2025-12-02T00:00:00Z");
  await pretendSize(main.sql, 9_000 * 1024 * 1024);
  await chain.tell();
  const report = reportOver(core.sql);

  const markdown = await report.get();
  assert.match(
    markdown,
    /^## Strata, 2026\\?-03\\?-01\n\nAs core sees it on 2026-03-01 12:00 UTC\./,
  );
  assert.match(markdown, /## core\n\n🟢 \*\*\d+ MB of 500 MB \(\d+\.\d %\)\*\*/);
  assert.match(markdown, /\| filled by \| size \|\n\| - \| - \|\n\| \S+ \(\w+\) \| \d+/);
  assert.match(
    markdown,
    /- moves of the last 24 hours: 1, 1 successful, 0 failed; 1 row, \d+ B carried\n- deleted in the last 24 hours: 0 rows/,
  );
  assert.match(markdown, /- due to move: \*\*notes\*\*, 1 row[,\n]/);
  assert.match(markdown, /## main, as of 2026-03-01 12:00 UTC\n\n🟡 \*\*8\.8 GB of 10,000 MB/);
  assert.match(markdown, /## archive, as of 2026-03-01 12:00 UTC\n\n🟢/);
  assert.match(markdown, /full: not enough data/);
  assert.match(markdown, /main is nearly full: see who fills it: `deno task strata monitor sizes`/);
  assert.match(markdown, /nobody is told: set up Telegram/);

  const json = JSON.parse(await report.get("?format=json"));
  assert.deepEqual(json.tiers.map(({ tier }: { tier: string }) => tier), [
    "core",
    "main",
    "archive",
  ]);
  for (const { part } of json.tiers) {
    assert.deepEqual(Object.keys(part).sort(), [
      "costs",
      "due",
      "limits",
      "months",
      "moves",
      "size",
    ]);
  }
  assert.equal(typeof json.recommendations[0].command, "string");

  const html = await report.get("?format=html");
  assert.match(html, /^<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">/);
  assert.match(html, /<title>Strata, 2026-03-01<\/title>/);
  assert.match(
    html,
    /<svg role="img"[^]*>core<\/text>[^]*>main<\/text>[^]*<\/svg>\n<h2>Strata, 2026-03-01<\/h2>\n<p>As core/,
  );
  assert.doesNotMatch(html, /<script|javascript:|style="|\son\w+=|(src|href)=/);
  assert.match(html, /<\/body>\n<\/html>\n$/);
});

Deno.test("report: a tier that is down or has never spoken is said to be, the others are there", async () => {
  await using chain = await toldChain();
  const { core } = chain;
  const report = reportOver(core.sql);
  assert.match(
    await report.get(),
    /## main\n\n⚪ main has said nothing yet: it reports with its heartbeat, every five minutes\n/,
  );
  await chain.tell();
  await core.sql`select strata.note_link('main', '08006', 'no route to <main>')`;
  await core.freezeClock("2026-03-02T12:00:00Z");
  const markdown = await report.get();
  assert.match(
    markdown,
    /⚪ main was last heard from on 2026-03-01 12:00: no route to &lt;main&gt; \\\[08006\\\]/,
  );
  assert.match(markdown, /⚪ archive was last heard from on 2026-03-01 12:00/);
  assert.match(markdown, /## core\n\n🟢/);
});

Deno.test("report: a section that fails leaves the others", async () => {
  await using db = await quietlessCore();
  await db.sql.unsafe(
    `create or replace function strata.report_moves() returns jsonb language plpgsql
    set search_path = '' as $$ begin raise exception 'broken' using errcode = 'XX001'; end $$`,
  );
  const markdown = await reportOver(db.sql).get();
  assert.match(markdown, /⚪ core could not say anything about: moves \(broken \\\[XX001\\\]\)/);
  assert.match(markdown, /nothing is due/);
});

Deno.test("report: what another tier says is text, whatever stands in it", async () => {
  await using chain = await toldChain();
  const { core } = chain;
  const hostile = HOSTILE_TEXTS.join("\n");
  await chain.tell();
  const [row] = await core.sql<{ says: Record<string, unknown> }[]>`
    select says from strata.report_parts where tier = 'main'`;
  const due = [{
    dataset: hostile,
    action: "move",
    rows: "7",
    at_least: true,
    trouble: hostile,
    waiting_since: hostile,
  }];
  const parts = [
    { ...row?.says, due, size: { billed_bytes: hostile } },
    {
      tier: "archive",
      made_at: "2026-03-01T12:00:00+00:00",
      moves: [hostile],
      due: { failed: hostile },
    },
    { tier: "nowhere", made_at: hostile },
    "x",
  ];
  await core.sql`select strata.hear_parts('main', ${
    core.sql.json(JSON.parse(JSON.stringify(parts)))
  })`;
  await core
    .sql`select strata.raise_alert('overdue', 'main', ${hostile}, 'warning', ${hostile}, ${hostile})`;
  const report = reportOver(core.sql);
  assert.match(await report.get(), /could not say anything about: size/);
  assert.match(await report.get(), /due to move: .* 7 or more rows/);
  const tags = [...(await report.get("?format=html")).matchAll(/<\/?([^\s<>]+)/g)].map(([, t]) =>
    t
  );
  const known =
    ("h2 p b i code ul li table thead tbody tr th td !doctype html head meta title style " +
      "body svg text rect line").split(" ");
  assert.deepEqual(tags.filter((tag) => !known.includes(tag ?? "")), []);

  await using telegram = telegramServer();
  await reportOver(core.sql, telegramEnv(telegram)).post({ send: true, wait: true });
  assert.ok(telegram.sent.length > 0);
  for (const { text } of telegram.sent) assert.ok("text" in parseHtml(text));
});

Deno.test("report: sent once a day, whoever asks how often, and with it the warnings", async () => {
  await using db = await quietlessCore();
  await using telegram = telegramServer();
  const report = reportOver(db.sql, telegramEnv(telegram));
  await db
    .sql`select strata.raise_alert('audit_mismatch', null, 'notes', 'warning', 'a row too many', 'look')`;
  const first = await report.post({ send: true, wait: true });
  assert.equal(first.sent_before, false);
  await db.sql`call strata.report_daily()`;
  const again = await report.post({ send: true, wait: true });
  assert.deepEqual([again.sent_before, again.deliveries], [true, []]);
  await db.sql`call strata.deliver()`;
  assert.deepEqual(await keys(db.sql), ["report/2026-03-01/owner"]);
  const text = telegram.sent.map((one) => one.text).join("");
  assert.match(text, /^<b>Strata, 2026-03-01<\/b>/);
  assert.match(
    text,
    /🟡 <b>core: audit mismatch, notes<\/b> \(since 2026-03-01 12:00 UTC\)\na row too many\n→ look/,
  );
  await db.freezeClock("2026-03-02T09:00:00Z");
  await db.sql`call strata.report_daily()`;
  assert.deepEqual((await keys(db.sql)).at(-1), "report/2026-03-02/owner");
});

Deno.test("report: a preview sends nothing and writes nothing down", async () => {
  await using db = await quietlessCore();
  const preview = await reportOver(db.sql).post({ send: true, kind: "month" }, "?dry_run=1");
  assert.equal(preview.to, "admin");
  assert.match(preview.text, /^## Strata in 2026/);
  assert.deepEqual(await keys(db.sql), []);
});

/** A finished batch of long ago. */
async function moved(sql: Sql, dataset: string, at: string, rows: number, to: string | null) {
  await sql`
    insert into strata.moves (dataset, from_tier, to_tier, kind, state, rows_claimed, rows_moved, bytes,
                              started_at, purged_at, finished_at)
    values (${dataset}, 'core', ${to}, ${
    to === null ? "delete" : "move"
  }, 'closed', ${rows}, ${rows},
            ${rows * 100}, ${at}::timestamptz, ${at}::timestamptz, ${at}::timestamptz)`;
}

Deno.test("report: the monthly one compares months, lists what was deleted, and goes to the admin", async () => {
  await using db = await quietlessCore("2026-03-01T09:00:00Z");
  await using telegram = telegramServer();
  await moved(db.sql, "notes", "2026-01-10T00:00:00Z", 200, "main");
  await moved(db.sql, "notes", "2026-02-10T00:00:00Z", 300, "main");
  await moved(db.sql, "notes", "2026-03-01T00:00:00Z", 999, "main");
  await moved(db.sql, "tasks", "2026-02-11T00:00:00Z", 40, null);
  await moved(db.sql, "tasks", "2026-02-12T00:00:00Z", 2, null);
  await moved(db.sql, "tasks", "2026-01-12T00:00:00Z", 84, null);
  await db.sql`insert into strata.samples (taken_at, billed_bytes, level) values
    ('2026-01-31T23:45:00Z', 104857600, 'ok'), ('2026-02-28T23:45:00Z', 115343360, 'ok')`;
  await db
    .sql`insert into strata.costs (at, kind, units, usd) values ('2026-02-03T00:00:00Z', 'voice', 10, 0.25)`;

  const markdown = await reportOver(db.sql).get("?kind=month");
  assert.match(markdown, /^## Strata in 2026-02\n/);
  assert.match(
    markdown,
    /\| core \| 300 \(\+50 %\) \| 42 \(-50 %\) \| 110 MB \(\+10 %\) \| \$0\.25 \|/,
  );
  assert.match(
    markdown,
    /## Deleted in 2026-02\n\n\| dataset \| on \| rows \|\n\| - \| - \| - \|\n\| tasks \| core \| 42 \|/,
  );

  await db.sql`call strata.report_monthly()`;
  await db.sql`call strata.report_monthly()`;
  assert.deepEqual(await keys(db.sql), ["report/2026-02/admin"]);
  const env = { ...telegramEnv(telegram), TELEGRAM_ADMIN_CHAT_ID: "-100815" };
  await reportOver(db.sql, env).post({ send: true, kind: "month", wait: true });
  assert.deepEqual([...new Set(telegram.sent.map(({ chat }) => chat))], ["-100815"]);
  const tables = telegram.sent.map(({ text }) => text).join("");
  assert.match(tables, /<pre>tier {2}rows moved on {2}rows deleted {2}size at its end {2}costs/);
});

Deno.test("report: months that were rolled up count as before", async () => {
  await using db = await quietlessCore("2026-03-01T09:00:00Z");
  await moved(db.sql, "notes", "2026-02-10T00:00:00Z", 300, "main");
  await moved(db.sql, "tasks", "2026-02-11T00:00:00Z", 40, null);
  const report = reportOver(db.sql);
  const month = async () => /\| core \| 300 .* \| 40 /.test(await report.get("?kind=month"));
  assert.ok(await month());
  await db.sql`update strata.settings set value = 1 where name = 'keep_moves'`;
  await db.sql`select strata.roll_up_moves()`;
  assert.equal((await db.sql`select from strata.moves`).length, 0);
  assert.ok(await month());
});

Deno.test("a tier makes its part once an hour, and passes on what it has heard", async () => {
  await using chain = await toldChain();
  await chain.tell();
  const made = async (sql: Sql) =>
    (await sql<{ tier: string; at: string }[]>`
      select tier, to_char(made_at at time zone 'UTC', 'HH24:MI') as at from strata.report_parts order by tier`)
      .map(({ tier, at }) => `${tier} ${at}`);
  assert.deepEqual(await made(chain.core.sql), ["archive 12:00", "core 12:00", "main 12:00"]);
  assert.deepEqual(await made(chain.archive.sql), ["archive 12:00"]);
  await chain.freezeClock("2026-03-01T12:30:00Z");
  await chain.tell();
  assert.deepEqual(await made(chain.main.sql), ["archive 12:00", "main 12:00"]);
  await chain.freezeClock("2026-03-01T13:00:00Z");
  await chain.tell();
  assert.deepEqual(await made(chain.core.sql), ["archive 13:00", "core 13:00", "main 13:00"]);
  await chain.core.sql`select strata.leave_tier('main')`; // and with it what it told
  assert.deepEqual(await made(chain.core.sql), ["core 13:00"]);
});

Deno.test("how many rows are due is looked up among the oldest, and said to be more", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { sql } = chain.core;
  await manageNotes(sql);
  await sql`insert into public.notes select n, now() - interval '60 days', '' from generate_series(1, 30) as n`;
  await sql`select strata.hold('notes', p_key => array['1'], p_reason => 'kept', p_prevents => 'move')`;
  await sql`update strata.settings set value = 10 where name = 'report_due_rows'`;
  await sql`update public.notes set created_at = created_at - interval '1 day' where id = 1`;
  assert.match(await reportOver(sql).get(), /due to move: \*\*notes\*\*, 9 rows/);
  await sql`select strata.release(h.hold_id) from strata.holds as h`;
  assert.match(await reportOver(sql).get(), /due to move: \*\*notes\*\*, 10 or more rows/);
});

Deno.test("a report or a reader nobody knows is refused", async () => {
  await using db = await quietlessCore();
  for (const [kind, audience] of [["year", "owner"], ["day", "everybody"]]) {
    const refused = await db.sql`select strata.tell_report(${kind ?? ""}, ${audience ?? ""})`
      .then(() => "told", (error) => error.code);
    assert.equal(refused, "ST112");
  }
});

Deno.test("a report that somebody asks for in quiet hours goes out at once, with what is so now", async () => {
  await using db = await quietlessCore();
  await db.sql`update strata.quiet_hours set starts = '00:00', ends = '23:59:59.999', zone = 'UTC'`;
  await db.freezeClock("2026-03-01T12:00:00Z");
  const due = async () =>
    (await db.sql`select key from strata.due_messages('{telegram}') as m
    join strata.outbox as o on o.message_id = m.message_id`).map(({ key }) => key);
  await db.sql`select strata.tell_report()`; // as cron does it
  assert.deepEqual(await due(), []);
  await db.freezeClock("2026-03-01T12:28:00Z");
  const [asked] = await db.sql`select strata.tell_report(p_asked => true) as message`;
  assert.ok(asked?.message !== null);
  assert.deepEqual(await due(), ["report/2026-03-01/owner"]);
  const [made] = await db
    .sql`select body ->> 'made_at' as at from strata.outbox where kind = 'report'`;
  assert.match(made?.at, /T12:28:00/);
});
