import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { Sql } from "postgres";
import { testDatabase } from "../support/database.ts";
import { addNote, manageNotes } from "../support/notes.ts";

function inventory(sql: Sql) {
  return sql<{ key: string[]; fingerprint: string }[]>`
    select * from strata.inventory('notes') order by key`;
}

async function tierWithNote(columns: string) {
  const db = await testDatabase();
  await db.sql`select strata.become('core')`;
  await db.sql.unsafe(`create table public.notes (${columns})`);
  await db.sql`select strata.manage('public.notes')`;
  await db.sql`
    insert into public.notes (id, created_at, body, amount)
    values (1, '2000-01-01 00:00:00.000001+00', 'Größe', 1.50)`;
  return db;
}

Deno.test("inventory() gives each row's key and a fingerprint of 128 bits", async () => {
  await using db = await testDatabase();
  await db.sql`select strata.become('core')`;
  await manageNotes(db.sql);
  await addNote(db.sql, 1, "2020-01-01");
  await addNote(db.sql, 2, "2020-01-01");
  const [first, second] = await inventory(db.sql);
  assertEquals([first?.key, second?.key], [["1"], ["2"]]);
  assertMatch(first?.fingerprint ?? "", /^[0-9a-f]{32}$/);
  assertNotEquals(first?.fingerprint, second?.fingerprint);
});

Deno.test("inventory() sees the same row in tables whose columns stand in another order", async () => {
  await using one = await tierWithNote(
    "id int primary key, created_at timestamptz, body text, amount numeric",
  );
  await using other = await tierWithNote(
    "amount numeric, gone int, body text, created_at timestamptz, id int primary key",
  );
  await other.sql`alter table public.notes drop column gone`;
  assertEquals([...await inventory(other.sql)], [...await inventory(one.sql)]);
});

Deno.test("inventory() sees the same row under any settings of the session", async () => {
  await using db = await tierWithNote(
    "id int primary key, created_at timestamptz, body text, amount numeric",
  );
  const [expected] = await inventory(db.sql);
  for (
    const setting of ["timezone = 'Asia/Tokyo'", "datestyle = 'German'", "bytea_output = escape"]
  ) {
    await db.sql.begin(async (sql) => {
      await sql.unsafe(`set local ${setting}`);
      assertEquals([...await sql`select * from strata.inventory('notes')`], [expected], setting);
    });
  }
});

Deno.test("a fingerprint tells apart what looks alike", async () => {
  await using db = await testDatabase();
  const [found] = await db.sql`
    select count(distinct strata.fingerprint(row(a, b, n)::text))::int as fingerprints
      from (values ('', null, 1), (null, null, 1), (null, '', 1), ('x', 'y', 1), ('x', 'y', 1.0),
                   (' x', 'y', 1), ('x,y', null, 1)) as v (a, b, n)`;
  assertEquals(found?.fingerprints, 7);
});
