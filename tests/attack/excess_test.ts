/** Attacker: the owner of a neighbouring tier, who sends more than anybody can want to keep. */
import assert from "node:assert/strict";
import { run } from "../../cli/main.ts";
import { toPlain, toTelegram, visible } from "../../supabase/functions/_strata/render/document.ts";
import { testChain } from "../support/chain.ts";
import type { TestDatabase } from "../support/database.ts";
import { refusal } from "../support/refusal.ts";

/** Asks core over main's link, as the mover main dials with. */
async function askCore({ sql }: TestDatabase, question: string, value: unknown) {
  return await refusal(sql`
    select strata.ask('core', ${question}, strata.unlogged_sql(
      strata.handing_sql('value', ${JSON.stringify(value)}::text)))`);
}

const alert = (n: number, says = "no room") => ({
  kind: "overdue",
  tier: "main",
  subject: `dataset ${n}`,
  severity: "warning",
  says,
  remedy: null,
});
const HEARTBEAT =
  "select strata.exchange_heartbeats('main', strata.take_over('value')::jsonb)::text";

/** The open alerts of a tier that tell of too much. */
async function excesses({ sql }: TestDatabase): Promise<string[]> {
  await sql`select strata.check_alerts()`;
  const rows = await sql<{ says: string }[]>`
    select says from strata.alerts where kind = 'excess' and cleared_at is null`;
  return rows.map(({ says }) => says);
}

Deno.test("more alerts than anybody reads, or a huge heartbeat, are refused as a whole", async () => {
  await using chain = await testChain({ tiers: ["core", "main"], driver: "pull" });
  const { core, main } = chain;
  const alerts = Array.from({ length: 201 }, (_, n) => alert(n));
  const many = await askCore(main, HEARTBEAT, { tier: "main", alerts });
  assert.deepEqual([many.code, many.message], [
    "ST065",
    "the colder tier sends alerts of 201, and 200 is the most that is taken (heard_alerts)",
  ]);
  const huge = { tier: "main", alerts: [], overdue: "x".repeat(2_000_000) };
  assert.equal((await askCore(main, HEARTBEAT, huge)).code, "ST065");
  const [kept] = await core.sql`
    select (select count(*)::integer from strata.alerts where heard_from is not null) as alerts,
           (select count(*)::integer from strata.heartbeats) as heartbeats`;
  assert.deepEqual({ ...kept }, { alerts: 0, heartbeats: 0 });
  assert.deepEqual(await excesses(core), [
    "main has sent more than it may, which was refused 2 times",
  ]);
  await core.sql`call strata.upkeep()`;
  assert.deepEqual(await excesses(core), []);
});

Deno.test("a neighbour cannot fill the alerts bit by bit, nor the log of failures", async () => {
  await using chain = await testChain({ tiers: ["core", "main"], driver: "pull" });
  const { core, main } = chain;
  await core
    .sql`update strata.settings set value = 3 where name in ('heard_alerts_daily', 'failures_daily')`;
  const outcomes: string[] = [];
  for (let n = 0; n < 6; n++) {
    const { code } = await main.sql`
      select strata.ask('core', ${HEARTBEAT}, strata.unlogged_sql(strata.handing_sql('value',
        ${JSON.stringify({ tier: "main", alerts: [alert(n)] })}::text)))`
      .then(() => ({ code: "taken" }), (error) => error);
    outcomes.push(code);
  }
  assert.deepEqual(outcomes, ["taken", "taken", "taken", "taken", "ST065", "ST065"]);
  await core.sql`create table public.notes (id bigint primary key, created_at timestamptz)`;
  await core.sql`select strata.manage('public.notes')`;
  for (let n = 0; n < 6; n++) {
    await main
      .sql`select strata.ask('core', 'select strata.note_failure(''notes'', ''22000'', ''no'')::text')`;
  }
  const [log] = await core.sql`select count(*)::integer as lines from strata.failures`;
  assert.equal(log?.lines, 3);
});

Deno.test("descriptions, keys and refused rows have a size", async () => {
  await using chain = await testChain({ tiers: ["core", "main", "archive"], driver: "push" });
  const { core, main } = chain;
  await main.sql`update strata.settings set value = 1000 where name = 'heard_list'`;
  const ask = (question: string, value: string) =>
    refusal(core.sql`select strata.ask('main', ${question},
      strata.unlogged_sql(strata.handing_sql('value', ${value}::text)))`);
  const types = Array(500).fill("x".repeat(20));
  const description = JSON.stringify({ name: "notes", schema: "public", table: "notes", types });
  const accept = "select strata.accept(strata.take_over('value')::jsonb, 'core')::text";
  assert.equal((await ask(accept, description)).code, "ST065");
  const keys = `{{${Array.from({ length: 500 }, (_, n) => n).join(",")}}}`;
  const lookFor = "select strata.look_for('notes', strata.take_over('value')::text[], now())::text";
  assert.equal((await ask(lookFor, keys)).code, "ST065");
  assert.deepEqual(await excesses(main), [
    "core has sent more than it may, which was refused 2 times",
  ]);
});

Deno.test("what a neighbour says moves no cursor and is no markup", async () => {
  await using chain = await testChain({ tiers: ["core", "main"], driver: "pull" });
  const { core, main } = chain;
  const says = "\u001b[2J\u001b]0;x\u0007<b>no</b>\u009b31m \u202eroom\nagain " + "x".repeat(5000);
  await main
    .sql`select strata.ask('core', ${HEARTBEAT}, strata.unlogged_sql(strata.handing_sql('value',
    ${JSON.stringify({ tier: "main", alerts: [alert(1, says)] })}::text)))`;
  const [kept] = await core.sql<{ says: string }[]>`
    select says from strata.alerts where heard_from = 'main'`;
  assert.equal(kept?.says.length, 2000);
  assert.match(kept?.says ?? "", /^ \[2J \]0;x <b>no<\/b> 31m {2}room again x/);

  const document = [{ paragraph: [says.slice(0, 60)] }, { table: ["a"], rows: [[says]] }];
  const escape = String.fromCharCode(27);
  assert.ok(!toTelegram(document).includes(escape));
  assert.ok(toTelegram(document).includes("&lt;b&gt;no&lt;/b&gt;"));
  assert.equal(visible(toPlain(document)), toPlain(document));
});

Deno.test("the command line shows no control characters, and escapes them in JSON", async () => {
  const shown: string[] = [];
  const io = { out: (text: string) => shown.push(text), err: (text: string) => shown.push(text) };
  assert.equal(await run([`\u001b[2J\u202e`], io), 2);
  assert.equal(await run([`\u009b2J`, "--json"], io), 2);
  assert.ok(shown.length >= 2);
  assert.deepEqual(shown.filter((text) => visible(text) !== text), []);
  assert.match(shown.at(-1) ?? "", /\\u009b2J/);
});
