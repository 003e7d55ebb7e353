import { assertEquals } from "@std/assert";
import type { Tier } from "../../local/settings.ts";
import { testChain } from "../support/chain.ts";
import { testDatabase } from "../support/database.ts";
import { addNote, idsOn, manageNotes } from "../support/notes.ts";

const POLICY = { core_retention_days: 0, main_retention_days: 0, delete_after_days: 0 };

async function tierWithAnOldNote(tier: Tier, isLast: boolean | null) {
  const db = await testDatabase(tier);
  await db.sql`select strata.become(${tier}, ${isLast})`;
  await manageNotes(db.sql, POLICY);
  await addNote(db.sql, 1, "2000-01-01");
  return db;
}

for (const tier of ["core", "main"] as const) {
  Deno.test(`${tier} without a colder neighbour deletes nothing`, async () => {
    await using db = await tierWithAnOldNote(tier, null);
    await db.sql`call strata.process()`;
    assertEquals(await idsOn(db.sql), [1]);
  });

  Deno.test(`${tier} deletes once it is told that it is the last tier`, async () => {
    await using db = await tierWithAnOldNote(tier, true);
    await db.sql`call strata.process()`;
    assertEquals(await idsOn(db.sql), []);
  });
}

Deno.test("the archive is the last tier without being told", async () => {
  await using db = await tierWithAnOldNote("archive", null);
  await db.sql`call strata.process()`;
  assertEquals(await idsOn(db.sql), []);
});

Deno.test("a tier that gets a colder neighbour is the last no more, not even after leaving it", async () => {
  await using db = await tierWithAnOldNote("main", true);
  await db.sql`select strata.join_tier('archive', 'pull')`;
  await db.sql`call strata.process()`;
  await db.sql`select strata.leave_tier('archive')`;
  await db.sql`call strata.process()`;
  assertEquals(await idsOn(db.sql), [1]);
});

Deno.test("in a chain only the last tier deletes", async () => {
  await using chain = await testChain();
  for (const { sql } of chain.databases) {
    await manageNotes(sql, {
      ...POLICY,
      core_retention_days: null,
      main_retention_days: null,
      delete_after_days: null,
    });
    await sql`update strata.datasets set delete_after_days = 0`;
    await addNote(sql, 1, "2000-01-01");
  }
  for (const { sql } of chain.databases) await sql`call strata.delete_due()`;
  const left = await Promise.all(chain.databases.map(({ sql }) => idsOn(sql)));
  assertEquals(left, [[1], [1], []]);
});
