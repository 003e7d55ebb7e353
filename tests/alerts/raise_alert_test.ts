import assert from "node:assert/strict";
import { testDatabase } from "../support/database.ts";
import { refusal } from "../support/refusal.ts";
import { waitFor } from "../support/wait_for.ts";
import { becomes, openAlerts } from "../support/watch.ts";

Deno.test("raise_alert() opens one row and counts every further notice of it", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  await db.freezeClock("2026-03-01T10:00:00Z");
  await db.sql`select strata.raise_alert('audit_mismatch', 'main', 'notes', 'warning', 'two rows')`;
  await db.freezeClock("2026-03-01T11:00:00Z");
  await db
    .sql`select strata.raise_alert('audit_mismatch', 'main', 'notes', 'critical', 'nine rows')`;

  const [alert, ...others] = await db.sql`
    select severity, says, seen_count, first_seen_at, last_seen_at from strata.alerts`;
  assert.deepEqual(others, []);
  assert.deepEqual({ ...alert }, {
    severity: "critical",
    says: "nine rows",
    seen_count: 2,
    first_seen_at: new Date("2026-03-01T10:00:00Z"),
    last_seen_at: new Date("2026-03-01T11:00:00Z"),
  });
});

Deno.test("raise_alert() tells kinds, tiers and subjects apart", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  await db.sql`select strata.raise_alert(kind, tier, subject, 'info', 'so it is')
    from (values ('audit_mismatch', 'core', 'a'), ('audit_mismatch', 'core', 'b'),
                 ('audit_mismatch', 'main', 'a'), ('nothing_movable', 'core', 'a'),
                 ('nothing_movable', null, null)) as v (kind, tier, subject)`;
  const open = await openAlerts(db.sql);
  assert.deepEqual(open.map(({ kind, tier, subject }) => `${kind} ${tier} ${subject}`), [
    "audit_mismatch core a",
    "audit_mismatch core b",
    "audit_mismatch main a",
    "nothing_movable core ",
    "nothing_movable core a",
  ]);
});

Deno.test("clear_alert() closes the row for good; what comes again is a new one", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  const raise = () =>
    db.sql`select strata.raise_alert('audit_mismatch', 'core', 'notes', 'info', 'x')`;
  const clear = async () =>
    (await db.sql`select strata.clear_alert('audit_mismatch', 'core', 'notes') as done`)[0]?.done;
  assert.equal(await clear(), false);
  await raise();
  assert.equal(await clear(), true);
  assert.equal(await clear(), false);
  await raise();
  const rows = await db.sql`
    select cleared_at is null as open, seen_count from strata.alerts order by alert_id`;
  assert.deepEqual(rows.map((row) => ({ ...row })), [
    { open: false, seen_count: 1 },
    { open: true, seen_count: 1 },
  ]);
});

Deno.test("raise_alert() refuses a kind or a severity that does not exist", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  for (
    const [kind, severity] of [["weather", "info"], ["nothing_movable", "awful"]] as const
  ) {
    const { code, message, hint } = await refusal(
      db.sql`select strata.raise_alert(${kind}, null, null, ${severity}, 'x')`,
    );
    assert.equal(code, "ST060");
    assert.match(message, new RegExp(`"${kind}" with severity "${severity}"`));
    assert.match(hint ?? "", /alert_kinds/);
  }
});

Deno.test("two sessions that notice the same at once leave one row", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  const [one, other] = [db.connect({ max: 1 }), db.connect({ max: 1 })];
  const raise = "select strata.raise_alert('audit_mismatch', 'core', 'notes', 'info', 'x')";
  await one.unsafe(`begin; ${raise}`);
  const second = other.unsafe(raise);
  second.execute();
  await waitFor("the second session to wait for the first", async () => {
    const waiting = await db.sql`
      select from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`;
    return waiting.length > 0;
  });
  await one.unsafe("commit");
  await second;
  assert.deepEqual((await openAlerts(db.sql)).map(({ seen_count }) => seen_count), [2]);
});
