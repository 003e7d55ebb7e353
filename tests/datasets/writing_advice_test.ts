import assert from "node:assert/strict";
import { testDatabase } from "../support/database.ts";
import { manageNotes } from "../support/notes.ts";
import { waitFor } from "../support/wait_for.ts";

async function advised() {
  const db = await testDatabase("core");
  await db.sql`select strata.become('core')`;
  await manageNotes(db.sql);
  const advice = async () => {
    const rows = await db.sql<{ says: string }[]>`
      select a.says from strata.writing_advice(strata.dataset('notes')) as a (says)`;
    return rows.map(({ says }) => says);
  };
  return Object.assign(db, { advice });
}

Deno.test("rows that are written again are told of when their table is adopted", async () => {
  await using db = await advised();
  assert.deepEqual(await db.advice(), []);
  await db
    .sql`insert into public.notes (id, created_at) select g, now() from generate_series(1, 100) as g`;
  await db.sql`
    insert into public.notes as n (id, created_at) select g, now() from generate_series(1, 60) as g
    on conflict (id) do update set body = 'again'`;
  await waitFor("the updates to be counted", async () => {
    await db.sql`select pg_stat_clear_snapshot()`;
    return (await db.advice()).length > 0;
  });
  assert.match(
    (await db.advice()).join("\n"),
    /^rows of notes are written again \(60 updates to 100 inserts\): /,
  );
});

Deno.test("a table that refers to a managed one is named, by its foreign key", async () => {
  await using db = await advised();
  await db
    .sql`create table public.marks (id int, note int constraint "of a note" references public.notes)`;
  assert.deepEqual(await db.advice(), [
    'public.marks refers to it ("of a note"): a new row there cannot refer to one that has settled. ' +
    "Keep this one longer than what refers to it",
  ]);
});
