import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { briefingCore, briefingStates, openBriefing, startDelivery } from "../support/briefings.ts";
import { openAlerts } from "../support/watch.ts";

/** Asks for a retry in a transaction that does not commit, so that nobody takes the calls away. */
async function retried(sql: Sql): Promise<{ count: number; calls: unknown[] }> {
  let found: { count: number; calls: unknown[] } | undefined;
  await sql.begin(async (transaction) => {
    const [row] = await transaction`select strata.retry_briefings() as count`;
    const calls = await transaction`
      select url, convert_from(body, 'UTF8')::jsonb as body from net.http_request_queue`;
    found = { count: row?.count, calls: calls.map((call) => ({ ...call })) };
    throw new Error("back");
  }).catch((error) => {
    if (error.message !== "back") throw error;
  });
  assert.ok(found !== undefined);
  return found;
}

async function reachable(sql: Sql) {
  await sql`
    select strata.set_secret('project_url', 'http://127.0.0.1:9'), strata.set_secret('wake_secret', 'x')`;
}

Deno.test("at its hour the briefing of everybody who wants one is due, once", async () => {
  await using db = await briefingCore();
  await db.sql`
    insert into strata.owners (owner, timezone, wants_briefing)
    values ('anna', 'Pacific/Auckland', true), ('max', 'UTC', false)`;
  await db.sql`call strata.wake_voice()`;
  await db.sql`call strata.wake_voice()`;
  assert.deepEqual(await briefingStates(db.sql), [
    "anna 2026-11-22 due",
    "owner 2026-11-22 due",
  ]);
});

Deno.test("the function is woken while something is to be sent, for some hours and attempts", async () => {
  await using db = await briefingCore();
  await reachable(db.sql);
  assert.deepEqual(await retried(db.sql), { count: 0, calls: [] });
  await db.sql`select strata.briefings_due()`;
  assert.deepEqual(await retried(db.sql), {
    count: 1,
    calls: [{ url: "http://127.0.0.1:9/functions/v1/strata-voice", body: { action: "send" } }],
  });
  const { lease } = await openBriefing(db.sql);
  assert.equal((await retried(db.sql)).count, 0); // somebody is at it
  await db.sql`select strata.fail_briefing(${lease}, 'x', false)`;
  assert.equal((await retried(db.sql)).count, 0); // not at once: a wake that is repeated uses no attempt up
  await db.freezeClock("2026-11-22T07:15:00Z");
  assert.equal((await retried(db.sql)).count, 1);
  await db.sql`update strata.briefings set attempts = 5`;
  assert.equal((await retried(db.sql)).count, 0);
  await db.sql`update strata.briefings set attempts = 1`;
  await db.freezeClock("2026-11-22T13:00:01Z");
  assert.equal((await retried(db.sql)).count, 0);
});

Deno.test("what was sent, or may have been, is not woken for", async () => {
  await using db = await briefingCore();
  await reachable(db.sql);
  const lease = await startDelivery(db.sql);
  await db.sql`select strata.fail_briefing(${lease}, 'no answer', true)`;
  assert.equal((await retried(db.sql)).count, 0);
  await db.sql`select strata.finish_briefing(${lease}, '1', 'text', 'refused')`;
  assert.equal((await retried(db.sql)).count, 0);
  const [row] = await db.sql`select state, channel, reason from strata.briefings`;
  assert.deepEqual({ ...row }, { state: "sent", channel: "text", reason: "refused" });
});

Deno.test("one that was not sent is an alert until one is; one nobody ever set up is none", async () => {
  await using db = await briefingCore();
  const alert = async () => {
    await db.sql`select strata.check_alerts()`;
    return (await openAlerts(db.sql)).find(({ kind }) => kind === "briefing");
  };
  await db.sql`select strata.briefings_due()`;
  await db.freezeClock("2026-11-22T09:00:00Z");
  assert.equal(await alert(), undefined); // nobody has set it up
  const first = await startDelivery(db.sql);
  await db.sql`select strata.fail_briefing(${first}, 'chat not found', false)`;
  assert.match((await alert())?.says ?? "", /of 2026-11-22 could not be sent: chat not found$/);
  const second = await startDelivery(db.sql);
  await db.sql`select strata.finish_briefing(${second}, '1')`;
  assert.equal(await alert(), undefined);

  await db.freezeClock("2026-11-23T07:00:00Z");
  await db.sql`select strata.briefings_due()`;
  await db.freezeClock("2026-11-23T08:00:01Z");
  assert.match((await alert())?.says ?? "", /was due at 2026-11-23 07:00 and nobody has sent it$/);
  await db.sql`update strata.owners set wants_briefing = false`;
  assert.equal(await alert(), undefined);
});

Deno.test("the log ages out", async () => {
  await using db = await briefingCore();
  const lease = await startDelivery(db.sql);
  await db.sql`select strata.finish_briefing(${lease}, '1')`;
  await db.freezeClock("2027-12-27T07:00:00Z");
  await db.sql`select strata.prune()`;
  assert.equal((await briefingStates(db.sql)).length, 1);
  await db.freezeClock("2027-12-28T07:00:00Z");
  await db.sql`select strata.prune()`;
  assert.deepEqual(await briefingStates(db.sql), []);
});
