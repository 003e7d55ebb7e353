import assert from "node:assert/strict";
import { testDatabase } from "../support/database.ts";
import { becomes, openKinds } from "../support/watch.ts";

/** A core at noon. */
async function core() {
  const db = await testDatabase("core");
  await becomes(db.sql, "core");
  await db.freezeClock("2026-04-15T12:00:00Z");
  return db;
}

Deno.test("spending() tells each kind's day and month, and what nobody has settled", async () => {
  await using db = await core();
  await db.sql`update strata.allowances set amount = 0`;
  await db.sql`select strata.note_cost('other', 1, 0.5)`;
  await db.freezeClock("2026-04-16T12:00:00Z");
  await db.sql`
    select strata.settle_cost((strata.reserve_cost('elevenlabs', 'eleven_flash_v2_5', 'briefing', 100, 'x')).cost_id)`;
  await db.sql`select strata.reserve_cost('elevenlabs', 'eleven_flash_v2_5', 'briefing', 40, 'y')`;
  const rows = await db.sql`
    select kind, usd_today::float8 as today, usd_month::float8 as month, worth_allowed::float8 as allowed,
           calls_month::integer as calls, open_reservations::integer as open from strata.spending()`;
  assert.deepEqual(rows.map((row) => ({ ...row })), [
    { kind: "briefing", today: 0.007, month: 0.007, allowed: null, calls: 2, open: 1 },
    { kind: "deploy-notice", today: 0, month: 0, allowed: 0.12, calls: 0, open: 0 },
    { kind: "other", today: 0, month: 0.5, allowed: null, calls: 1, open: 0 },
    { kind: "voice-test", today: 0, month: 0, allowed: 0.05, calls: 0, open: 0 },
  ]);
});

Deno.test("costs that age out stay as totals per month, added to what is there", async () => {
  await using db = await core();
  const add = async (ago: number, usd: number) =>
    await db.sql`
      insert into strata.costs (at, kind, units, usd, service, item, credits, worth)
      values (strata.clock() - make_interval(days => ${ago}), 'briefing', 100, ${usd}, 's', 'i', 50, 0.02)`;
  await add(402, 0.01);
  await add(399, 1);
  await db.sql`select strata.prune()`;
  await add(403, 0.02);
  await db.sql`select strata.prune()`;
  const totals = await db.sql`
    select kind, month::text, service, item, calls::integer as calls, units::integer as units,
           usd::float8 as usd, worth::float8 as worth from strata.costs_totals`;
  assert.deepEqual(totals.map((row) => ({ ...row })), [{
    kind: "briefing",
    month: "2025-03-01",
    service: "s",
    item: "i",
    calls: 2,
    units: 200,
    usd: 0.03,
    worth: 0.04,
  }]);
  assert.equal((await db.sql`select from strata.costs`).length, 1);
});

Deno.test("spending within the ceilings is never an alert", async () => {
  await using db = await core();
  await db.sql`update strata.allowances set amount = 0`;
  for (const day of ["2026-04-15T23:59:00Z", "2026-04-16T00:01:00Z"]) {
    await db.freezeClock(day); // two days within two minutes, each up to its limit
    const [row] = await db.sql`
      select (strata.reserve_cost('elevenlabs', 'eleven_flash_v2_5', 'briefing', 200, 'x')).cost_id`;
    assert.notEqual(row?.cost_id, null);
    await db.sql`select strata.check_alerts()`;
    assert.deepEqual((await openKinds(db.sql)).filter((kind) => kind === "cost"), []);
  }
});
