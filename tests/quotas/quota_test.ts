import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { testChain } from "../support/chain.ts";
import { testDatabase } from "../support/database.ts";
import { addNote, manageNotes, settle } from "../support/notes.ts";
import { refusal } from "../support/refusal.ts";
import { addSamples, after, becomes, MB, openAlerts } from "../support/watch.ts";

interface Quota {
  used: number;
  allowed: number | null;
  projection: number | null;
  unit: string;
  source: string;
}

async function quota(sql: Sql, name: string): Promise<Quota | undefined> {
  const [row] = await sql<Quota[]>`
    select used::float8 as used, allowed::float8 as allowed, projection::float8 as projection, unit, source
      from strata.quota() where name = ${name}`;
  return row;
}

/** A core whose clock stands. */
async function core(now: string) {
  const db = await testDatabase("core");
  await becomes(db.sql, "core");
  await db.freezeClock(now);
  return db;
}

function near(found: number | null | undefined, truth: number, what: string): void {
  assert.ok(
    Math.abs((found ?? NaN) - truth) <= Math.abs(truth) * 0.01,
    `${what}: ${found} ${truth}`,
  );
}

Deno.test("every quota says where it is written and in which unit", async () => {
  await using db = await core("2026-04-11T00:00:00Z");
  await addSamples(db.sql, [{ at: "2026-04-10T12:00:00Z", bytes: 100 * MB }]);
  const rows = await db.sql<{ name: string; unit: string; source: string }[]>`
    select name, unit, source from strata.quota()`;
  assert.deepEqual(rows.map(({ name }) => name), [
    "average_size",
    "database_size",
    "edge_invocations",
    "egress",
    "rows",
  ]);
  for (const { unit, source } of rows) assert.ok(unit !== "" && source.length > 10);
});

Deno.test("a self-hosted tier has no quota of a plan", async () => {
  await using db = await testDatabase("archive");
  await becomes(db.sql, "archive");
  await db.sql`call strata.watch()`;
  const rows = await db.sql<{ name: string }[]>`select name from strata.quota()`;
  assert.deepEqual(rows.map(({ name }) => name), ["database_size", "rows"]);
  assert.equal((await quota(db.sql, "database_size"))?.allowed, 50_000 * MB);
});

Deno.test("the average counts days, not samples, and shrinking late does not undo it", async () => {
  // ten days at 480 MB, one sample each; then three at 60 MB, with 96 samples each
  await using db = await core("2026-04-13T23:59:00Z");
  const large = Array.from({ length: 10 }, (_, day) => ({
    at: after("2026-04-01T12:00:00Z", day * 24),
    bytes: 480 * MB,
  }));
  const small = Array.from({ length: 3 * 96 }, (_, quarter) => ({
    at: after("2026-04-11T00:00:00Z", quarter / 4),
    bytes: 60 * MB,
  }));
  await addSamples(db.sql, [{ at: "2026-03-31T12:00:00Z", bytes: 900 * MB }, ...large, ...small]);
  const { used, allowed, projection } = await quota(db.sql, "average_size") ?? {};
  near(used, (10 * 480 + 3 * 60) / 13 * MB, "used");
  assert.equal(allowed, 500 * MB);
  near(projection, (10 * 480 + 3 * 60 + 17 * 60) / 30 * MB, "projection");
});

Deno.test("the average of a thinned day is that day's, not its last sample", async () => {
  await using db = await core("2026-04-20T00:00:00Z");
  for (let day = 1; day < 20; day += 1) {
    const start = `2026-04-${String(day).padStart(2, "0")}T00:00:00Z`;
    await addSamples(
      db.sql,
      [0, 6, 12, 18].map((hour) => ({ at: after(start, hour), bytes: hour === 18 ? 0 : 400 * MB })),
    );
  }
  await db.sql`select strata.thin_samples()`;
  near((await quota(db.sql, "average_size"))?.used, 300 * MB, "used");
});

Deno.test("an average foreseen above its limit is an alert while there is time", async () => {
  await using db = await core("2026-04-11T00:00:00Z");
  const course = Array.from({ length: 11 }, (_, day) => ({
    at: after("2026-04-01T00:00:00Z", day * 24),
    bytes: (400 + 12 * day) * MB,
  }));
  await addSamples(db.sql, course);
  await db.sql`select strata.check_alerts()`;
  const alert = (await openAlerts(db.sql)).find(({ kind }) => kind === "average_size");
  assert.equal(alert?.severity, "warning");
  assert.match(alert?.says ?? "", /^92 % of the average size .*, 11\d % expected at its end$/);
});

Deno.test("egress is what moves carried away, each attempt of them, and what was counted", async () => {
  await using chain = await testChain({ tiers: ["core", "main"], driver: "pull" });
  const { sql } = chain.core;
  await manageNotes(sql);
  for (const id of [1, 2, 3]) await addNote(sql, id, "2020-01-01", "x".repeat(1000));
  await sql`call strata.watch()`;
  await settle(chain);
  const [move] = await sql<{ bytes: number }[]>`select bytes::float8 as bytes from strata.moves`;
  assert.ok((move?.bytes ?? 0) > 3000);
  assert.equal((await quota(sql, "egress"))?.used, move?.bytes);
  await sql`update strata.moves set attempts = 3`;
  await sql`select strata.count_usage('egress', 500), strata.count_usage('egress', 250)`;
  assert.equal((await quota(sql, "egress"))?.used, 3 * (move?.bytes ?? 0) + 750);
  const rows = await sql`select from strata.usage`;
  assert.equal(rows.length, 1);
});

Deno.test("what was used in the month before counts for the pace, not for the month", async () => {
  await using db = await core("2026-04-03T00:00:00Z");
  const use = async (day: string, amount: number) => {
    await db.freezeClock(`${day}T12:00:00Z`);
    await db.sql`select strata.count_usage('edge_invocations', ${amount})`;
  };
  await use("2026-03-20", 1_000_000);
  for (const day of ["2026-03-28", "2026-03-30", "2026-04-01", "2026-04-02"]) await use(day, 7_000);
  await db.freezeClock("2026-04-03T00:00:00Z");
  const { used, projection, allowed } = await quota(db.sql, "edge_invocations") ?? {};
  assert.deepEqual([used, allowed], [14_000, 500_000]);
  // 28,000 in seven days are 4,000 a day, for the 28 days that are left
  assert.equal(projection, 14_000 + 28 * 4_000);
});

Deno.test("egress nearly used up is an alert, used up a critical one, and a new month clears it", async () => {
  await using db = await core("2026-04-28T12:00:00Z");
  const GB = 1024 * MB;
  const course: [number, string | undefined][] = [[3.9 * GB, undefined], [0.2 * GB, "warning"], [
    GB,
    "critical",
  ]];
  await db.freezeClock("2026-04-02T12:00:00Z"); // long ago: the pace of the last week is nothing
  for (const [amount, severity] of course) {
    await db.sql`select strata.count_usage('egress', ${Math.round(amount)})`;
    await db.freezeClock("2026-04-28T12:00:00Z");
    await db.sql`select strata.check_alerts()`;
    const alert = (await openAlerts(db.sql)).find(({ kind }) => kind === "egress");
    assert.equal(alert?.severity, severity);
    await db.freezeClock("2026-04-02T12:00:00Z");
  }
  await db.freezeClock("2026-05-01T00:00:00Z");
  await db.sql`select strata.check_alerts()`;
  assert.deepEqual((await openAlerts(db.sql)).filter(({ kind }) => kind === "egress"), []);
});

Deno.test("the billing month begins on its day, also in shorter months", async () => {
  await using db = await core("2026-04-11T00:00:00Z");
  for (
    const [day, now, starts, ends] of [
      [1, "2026-04-11T00:00:00Z", "2026-04-01", "2026-05-01"],
      [1, "2026-04-01T00:00:00Z", "2026-04-01", "2026-05-01"],
      [15, "2026-04-14T23:59:59Z", "2026-03-15", "2026-04-15"],
      [31, "2026-02-28T00:00:00Z", "2026-02-28", "2026-03-31"],
      [31, "2026-04-29T00:00:00Z", "2026-03-31", "2026-04-30"],
      [10, "2026-12-31T00:00:00Z", "2026-12-10", "2027-01-10"],
    ] as const
  ) {
    await db.sql`update strata.settings set value = ${day} where name = 'billing_day'`;
    await db.freezeClock(now);
    const [period] = await db.sql`
      select to_char(starts at time zone 'UTC', 'YYYY-MM-DD') as starts,
             to_char(ends at time zone 'UTC', 'YYYY-MM-DD') as ends from strata.billing_period()`;
    assert.deepEqual({ ...period }, { starts, ends }, `${day} at ${now}`);
  }
});

Deno.test("a changed limit counts at once", async () => {
  await using db = await core("2026-04-11T00:00:00Z");
  await db.sql`update strata.quotas set amount = 7 where name = 'edge_invocations'`;
  assert.equal((await quota(db.sql, "edge_invocations"))?.allowed, 7);
  await db.sql`select strata.set_tier('core', p_capacity_mb => 8000)`;
  await addSamples(db.sql, [{ at: "2026-04-10T12:00:00Z", bytes: 100 * MB }]);
  assert.equal((await quota(db.sql, "database_size"))?.allowed, 8_000 * MB);
});

Deno.test("count_usage() refuses what is no amount", async () => {
  await using db = await core("2026-04-11T00:00:00Z");
  for (const [name, amount] of [["egress", -1], ["", 1]] as const) {
    const { code } = await refusal(db.sql`select strata.count_usage(${name}, ${amount})`);
    assert.equal(code, "ST062");
  }
});
