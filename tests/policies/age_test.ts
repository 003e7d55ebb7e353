import { assertEquals } from "@std/assert";
import type { Tier } from "../../local/settings.ts";
import { testChain } from "../support/chain.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addNote, idsOn, manage, manageNotes, type Policy, settle } from "../support/notes.ts";

const NOW = "2026-03-01T12:00:00Z";

/** What would move from core now, with notes managed under a policy. */
async function dueNow(db: TestDatabase): Promise<number> {
  const [plan] = await db.sql`select rows_now::int as rows from strata.plan('notes')`;
  return plan?.rows;
}

/** A core that settles into main; nothing moves in these tests. */
async function coreAt(now: string) {
  const db = await testDatabase("core");
  await db.freezeClock(now);
  await db.sql`select strata.become('core')`;
  await db.sql`select strata.join_tier('main', 'pull')`;
  return db;
}

const BOUNDARIES: [string, string, string][] = [
  ["timestamptz", "2026-02-28T12:00:00Z", "2026-02-28T12:00:00.000001Z"],
  ["timestamp", "2026-02-28T12:00:00", "2026-02-28T12:00:00.000001"],
  ["date", "2026-02-28", "2026-03-01"],
];

for (const [type, due, young] of BOUNDARIES) {
  Deno.test(`a row of age ${type} is due when it is exactly as old as its policy says`, async () => {
    await using db = await coreAt(NOW);
    await db.sql.unsafe(`create table public.notes (id int primary key, created_at ${type})`);
    await manage(db.sql, "public.notes", { core_retention_days: 1 });
    await db.sql.unsafe(`insert into public.notes values (1, '${young}')`);
    assertEquals(await dueNow(db), 0);
    await db.sql.unsafe(`insert into public.notes values (2, '${due}')`);
    assertEquals(await dueNow(db), 1);
  });
}

Deno.test("a date is the midnight it begins with, in UTC, whatever the session's time zone", async () => {
  await using db = await coreAt("2026-03-01T00:00:00Z");
  await db.sql`create table public.notes (id int primary key, created_at date)`;
  await manage(db.sql, "public.notes", { core_retention_days: 1 });
  await db.sql`insert into public.notes values (1, '2026-02-28')`;
  for (const zone of ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"]) {
    await db.sql.begin(async (sql) => {
      await sql`select set_config('timezone', ${zone}, true)`;
      const [plan] = await sql`select rows_now::int as rows from strata.plan()`;
      assertEquals(plan?.rows, 1, zone);
    });
  }
});

Deno.test("a day counts 24 hours, also when clocks are put forward", async () => {
  await using db = await coreAt("2026-03-29T12:00:00Z"); // that night, in Berlin
  await manageNotes(db.sql, { core_retention_days: 1 });
  await addNote(db.sql, 1, "2026-03-28T12:00:00Z");
  await db.sql.begin(async (sql) => {
    await sql`set local timezone = 'Europe/Berlin'`;
    const [plan] = await sql`select rows_now::int as rows from strata.plan()`;
    assertEquals(plan?.rows, 1);
  });
});

const POLICIES: [string, Policy, string | null, number][] = [
  ["0 days: a row of this moment is due", { core_retention_days: 0 }, NOW, 1],
  ["0 days: a row from the future is not", { core_retention_days: 0 }, "2026-03-01T12:00:01Z", 0],
  [
    "never: an ancient row stays",
    { core_retention_days: null, main_retention_days: null, delete_after_days: null },
    "1900-01-01",
    0,
  ],
  ["-infinity is older than any age", { core_retention_days: 30 }, "-infinity", 1],
  ["infinity is younger than any", { core_retention_days: 0 }, "infinity", 0],
  ["a row without an age is never due", { core_retention_days: 0 }, null, 0],
  ["a condition that holds lets an old row go", { due_when: "id = 1" }, "2000-01-01", 1],
  ["a condition that does not hold keeps it", { due_when: "id = 2" }, "2000-01-01", 0],
  ["a condition that is null keeps it", { due_when: "null" }, "2000-01-01", 0],
  ["a condition makes no young row due", { due_when: "id = 1" }, NOW, 0],
];

for (const [what, policy, createdAt, due] of POLICIES) {
  Deno.test(what, async () => {
    await using db = await coreAt(NOW);
    await manageNotes(db.sql, policy);
    await addNote(db.sql, 1, createdAt);
    assertEquals(await dueNow(db), due);
  });
}

Deno.test("rows without an age are counted in the plan", async () => {
  await using db = await coreAt(NOW);
  await manageNotes(db.sql, { core_retention_days: 0 });
  await addNote(db.sql, 1, null);
  await addNote(db.sql, 2, NOW);
  const [plan] = await db.sql`select rows_now, without_age from strata.plan()`;
  assertEquals(plan, { rows_now: "1", without_age: "1" });
});

const CHAINS: [Tier[], Record<number, number>][] = [
  [["core", "main", "archive"], { 29: 0, 30: 1, 364: 1, 365: 2, 2554: 2, 2555: 3 }],
  [["core", "main"], { 29: 0, 30: 1, 2554: 1, 2555: 2 }],
  [["core", "archive"], { 29: 0, 30: 1, 2554: 1, 2555: 2 }],
];

for (const [tiers, places] of CHAINS) {
  Deno.test(`in a chain of ${tiers.join(" and ")} a row is where its age says`, async () => {
    await using chain = await testChain({ tiers });
    await chain.freezeClock(NOW);
    await manageNotes(chain.core.sql);
    for (const days of Object.keys(places)) {
      await chain.core.sql`
        insert into public.notes values
          (${days}, ${NOW}::timestamptz - ${days}::int * interval '1 day')`;
    }
    await settle(chain);
    await settle(chain);
    for (const { sql } of chain.databases) await sql`call strata.delete_due()`; // only the last will

    const found = await Promise.all(chain.databases.map(({ sql }) => idsOn(sql)));
    const expected = [...tiers, "gone"].map((_, place) => {
      return Object.entries(places).filter(([, at]) => at === place).map(([days]) => Number(days));
    });
    assertEquals(found, expected.slice(0, tiers.length));
  });
}
