import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { testChain } from "../support/chain.ts";
import { claim, deliveries, keys, noteSent, quietlessCore } from "../support/outbox.ts";

/** Raises an alert and returns its id. */
async function raise(sql: Sql, kind: string, severity: string, subject = ""): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    select strata.raise_alert(${kind}, null, ${subject}, ${severity}, 'it is so', 'mend it') as id`;
  return row?.id ?? "";
}

/** Vault has an address of functions, at which nobody listens. */
async function withFunctions(sql: Sql): Promise<void> {
  await sql`select vault.create_secret('http://127.0.0.1:9', 'project_url')`;
  await sql`select vault.create_secret('a secret of a test', 'wake_secret')`;
}

/** Requests that wait to be sent, once their transaction has committed. */
async function wakes(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: string }[]>`
    select count(*) from (select id from net.http_request_queue union all
                          select id from net._http_response) as r`;
  return Number(row?.count);
}

Deno.test("deliver() puts a critical alert into the outbox once, however often it runs", async () => {
  await using db = await quietlessCore("2026-03-01T03:00:00Z"); // in the quiet hours
  const id = await raise(db.sql, "size_critical", "critical");
  for (let run = 0; run < 3; run++) {
    await db.sql`call strata.deliver()`;
    await raise(db.sql, "size_critical", "critical"); // seen again
  }
  assert.deepEqual(await keys(db.sql), [`alert/${id}/critical`]);
  const [message] = await claim(db.sql);
  assert.equal(message?.severity, "critical");
  assert.equal(message?.silent, false);
  assert.ok(message !== undefined && await noteSent(db.sql, message));
  await db.sql`call strata.deliver()`;
  assert.deepEqual(await claim(db.sql), []);
});

Deno.test("a warning becomes critical: that is told, once", async () => {
  await using db = await quietlessCore();
  await db.sql`call strata.deliver()`;
  const id = await raise(db.sql, "egress", "warning");
  await db.freezeClock("2026-03-01T08:00:00Z");
  await db.sql`call strata.deliver()`;
  assert.deepEqual(await keys(db.sql), []);
  await raise(db.sql, "egress", "critical");
  await db.sql`call strata.deliver()`;
  await db.sql`call strata.deliver()`;
  assert.deepEqual(await keys(db.sql), [`alert/${id}/critical`]);
});

Deno.test("warnings are told once a day, after the hour of the report, in one message", async () => {
  await using db = await quietlessCore("2026-03-01T08:55:00Z");
  await raise(db.sql, "failed_moves", "warning");
  await raise(db.sql, "row_set_aside", "warning", "notes");
  await db.sql`call strata.deliver()`;
  assert.deepEqual(await keys(db.sql), []);
  await db.freezeClock("2026-03-01T09:05:00Z");
  await db.sql`call strata.deliver()`;
  await raise(db.sql, "overdue", "warning", "notes");
  await db.freezeClock("2026-03-01T15:00:00Z");
  await db.sql`call strata.deliver()`;
  assert.deepEqual(await keys(db.sql), ["digest/2026-03-01"]);
  const [digest] = await claim(db.sql);
  const alerts = digest?.body.alerts;
  assert.ok(Array.isArray(alerts));
  assert.deepEqual(alerts.map(({ kind }) => kind), ["failed_moves", "row_set_aside"]);
  await db.freezeClock("2026-03-02T09:05:00Z");
  await db.sql`call strata.deliver()`;
  assert.deepEqual(await keys(db.sql), ["digest/2026-03-01", "digest/2026-03-02"]);
});

Deno.test("an alert that is cleared before it was sent is not told", async () => {
  await using db = await quietlessCore();
  const id = await raise(db.sql, "size_critical", "critical");
  await db.sql`call strata.deliver()`;
  await db.sql`select strata.clear_alert('size_critical')`;
  assert.deepEqual(await claim(db.sql), []);
  assert.deepEqual((await deliveries(db.sql, `alert/${id}/critical`)).map(({ state }) => state), [
    "dropped",
  ]);
});

Deno.test("what comes and goes is not told every time", async () => {
  await using db = await quietlessCore();
  await raise(db.sql, "size_critical", "critical");
  await db.sql`call strata.deliver()`;
  const [first] = await claim(db.sql);
  assert.ok(first !== undefined && await noteSent(db.sql, first));
  for (let round = 0; round < 3; round++) {
    await db.sql`select strata.clear_alert('size_critical')`;
    await raise(db.sql, "size_critical", "critical");
    await db.sql`call strata.deliver()`;
  }
  assert.deepEqual(await claim(db.sql), []);
  await db.freezeClock("2026-03-01T15:00:00Z");
  assert.equal((await claim(db.sql)).length, 1);
});

Deno.test("in the quiet hours only critical messages and silent notices go out", async () => {
  await using db = await quietlessCore("2026-03-01T21:30:00Z");
  await db.sql`update strata.quiet_hours set zone = 'Europe/Berlin'`; // quiet from 21:00 UTC
  await db.sql`select strata.tell('digest/x', 'digest', '{}', 'warning')`;
  await db.sql`select strata.tell('notice/x', 'notice', '{}')`;
  await raise(db.sql, "size_critical", "critical");
  const claimed = await claim(db.sql);
  assert.deepEqual(claimed.map(({ kind, silent }) => ({ kind, silent })), [
    { kind: "alert", silent: false },
    { kind: "notice", silent: true },
  ]);
  await db.freezeClock("2026-03-02T06:00:00Z");
  assert.deepEqual((await claim(db.sql)).map(({ kind }) => kind).filter((k) => k === "digest"), [
    "digest",
  ]);
});

Deno.test("quiet hours within one day, none at all, and a time zone nobody knows", async () => {
  await using db = await quietlessCore("2026-03-01T12:00:00Z");
  const quiet = async () => (await db.sql`select strata.is_quiet() as quiet`)[0]?.quiet;
  assert.equal(await quiet(), false);
  await db.sql`update strata.quiet_hours set starts = '11:00', ends = '13:00'`;
  assert.equal(await quiet(), true);
  await db.sql`update strata.quiet_hours set starts = '11:00', ends = '12:00'`;
  assert.equal(await quiet(), false);
  await db.sql`update strata.quiet_hours set starts = '12:00', ends = '12:00'`;
  assert.equal(await quiet(), false);
  const refused = await db.sql`update strata.quiet_hours set zone = 'Europe/Atlantis'`
    .then(() => "done", (error) => error.code);
  assert.equal(refused, "22023");
});

Deno.test("what has expired is dropped, not sent late", async () => {
  await using db = await quietlessCore();
  await db.sql`select strata.tell('report/x', 'report', '{}', p_lasts => '1 hour')`;
  await db.freezeClock("2026-03-01T13:00:00Z");
  assert.deepEqual(await claim(db.sql), []);
  assert.equal((await deliveries(db.sql, "report/x"))[0]?.state, "dropped");
});

Deno.test("main tells people what core cannot: that core is silent; the rest is core's to tell", async () => {
  await using chain = await testChain({ tiers: ["core", "main"], driver: "push" });
  const { sql } = chain.main;
  await chain.freezeClock("2026-03-01T12:00:00Z");
  await raise(sql, "size_critical", "critical");
  await sql`select strata.raise_alert('silent', 'core', '', 'critical', 'core is silent')`;
  await sql`call strata.deliver()`;
  const said = await sql<{ kind: string }[]>`
    select m.body #>> '{alerts,0,kind}' as kind from strata.outbox as m`;
  assert.deepEqual(said.map(({ kind }) => kind), ["silent"]);
});

Deno.test("deliver() wakes the function when something is to be sent, and only then", async () => {
  await using db = await quietlessCore();
  await withFunctions(db.sql);
  const before = await wakes(db.sql);
  await db.sql`call strata.deliver()`;
  assert.equal(await wakes(db.sql), before);
  await db.sql`select strata.tell('notice/1', 'notice', '{}')`;
  await db.sql`call strata.deliver()`;
  assert.equal(await wakes(db.sql), before + 1);
  await claim(db.sql); // it is being sent
  await db.sql`call strata.deliver()`;
  assert.equal(await wakes(db.sql), before + 1);
});

Deno.test("where nothing is configured nobody is woken, but once an hour, and the state says so", async () => {
  await using db = await quietlessCore();
  const states = async () =>
    (await db.sql`select channel, state, says from strata.channel_states()`).map((row) => ({
      ...row,
    }));
  assert.match((await states())[0]?.says, /^nobody delivers: Vault has no project_url/);
  await withFunctions(db.sql);
  await db.sql`select strata.tell('notice/1', 'notice', '{}')`;
  assert.deepEqual(await claim(db.sql, { telegram: null, webhook: null }), []);
  assert.deepEqual(await states(), [
    { channel: "telegram", state: "off", says: "not configured" },
    { channel: "webhook", state: "off", says: "not configured" },
  ]);
  const before = await wakes(db.sql);
  await db.sql`call strata.deliver()`;
  assert.equal(await wakes(db.sql), before);
  await db.freezeClock("2026-03-01T13:01:00Z");
  await db.sql`call strata.deliver()`;
  assert.equal(await wakes(db.sql), before + 1);
});

Deno.test("deliver() works on a database that was turned read-only", async () => {
  await using db = await quietlessCore();
  await raise(db.sql, "size_critical", "critical");
  await db.sql.unsafe(`alter database ${db.name} set default_transaction_read_only = on`);
  await db.connect({ max: 1 })`call strata.deliver()`;
  assert.equal((await keys(db.sql)).length, 1);
});

Deno.test("old messages go with the other records, and their deliveries with them", async () => {
  await using db = await quietlessCore();
  await db.sql`select strata.tell('notice/1', 'notice', '{}')`;
  const [message] = await claim(db.sql);
  assert.ok(message !== undefined && await noteSent(db.sql, message));
  await db.freezeClock("2026-03-30T12:00:00Z");
  await db.sql`select strata.prune_records()`;
  assert.deepEqual(await keys(db.sql), ["notice/1"]);
  await db.freezeClock("2026-04-01T12:00:00Z");
  await db.sql`select strata.prune_records()`;
  assert.deepEqual(await keys(db.sql), []);
});
