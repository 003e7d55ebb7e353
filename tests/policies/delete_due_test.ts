import { assertEquals } from "@std/assert";
import { testDatabase } from "../support/database.ts";
import { addNote, idsOn, manageNotes, type Policy, troubleOf } from "../support/notes.ts";

const NOW = "2026-03-01T12:00:00Z";

/** An archive where notes are deleted after a day. */
async function archive(policy: Policy = {}) {
  const db = await testDatabase("archive");
  await db.freezeClock(NOW);
  await db.sql`select strata.become('archive')`;
  await manageNotes(db.sql, {
    core_retention_days: 0,
    main_retention_days: 0,
    delete_after_days: 1,
    ...policy,
  });
  return db;
}

Deno.test("delete_due() deletes a row when it is exactly as old as its policy says", async () => {
  await using db = await archive();
  await addNote(db.sql, 1, "2026-02-28T12:00:00Z");
  await addNote(db.sql, 2, "2026-02-28T12:00:00.000001Z");
  await addNote(db.sql, 3, null);
  await db.sql`call strata.delete_due()`;
  assertEquals(await idsOn(db.sql), [2, 3]);
});

Deno.test("delete_due() never deletes where the policy says never", async () => {
  await using db = await archive({ delete_after_days: null });
  await addNote(db.sql, 1, "1900-01-01");
  await db.sql`call strata.delete_due()`;
  assertEquals(await idsOn(db.sql), [1]);
});

Deno.test("delete_due() minds the policy's condition and what refers to a row", async () => {
  await using db = await archive({ due_when: "id <> 1" });
  await addNote(db.sql, 1, "2020-01-01");
  await addNote(db.sql, 2, "2020-01-01");
  await addNote(db.sql, 3, "2020-01-01");
  await db.sql`create table public.quotes (note int references public.notes)`;
  await db.sql`insert into public.quotes values (2)`;
  await db.sql`call strata.delete_due()`;
  assertEquals(await idsOn(db.sql), [1, 2]);
});

Deno.test("delete_due() works in batches and logs each with count and bytes", async () => {
  await using db = await archive();
  await db.sql`update strata.settings set value = 2 where name = 'batch_rows'`;
  for (const id of [1, 2, 3]) await addNote(db.sql, id, `2020-01-0${id}`, "x".repeat(100));
  await db.sql`call strata.delete_due()`;

  const moves = await db.sql`
    select dataset, from_tier, to_tier, kind, state, rows_claimed, rows_moved, rows_kept,
           bytes > 100 * rows_moved as counted, finished_at
      from strata.moves order by rows_moved desc`;
  const shared = {
    dataset: "notes",
    from_tier: "archive",
    to_tier: null,
    kind: "delete",
    state: "closed",
    rows_kept: 0,
    counted: true,
    finished_at: new Date(NOW),
  };
  assertEquals(moves[0], { ...shared, rows_claimed: 2, rows_moved: 2 });
  assertEquals(moves[1], { ...shared, rows_claimed: 1, rows_moved: 1 });
});

Deno.test("delete_due() leaves no entry in the log when there is nothing to delete", async () => {
  await using db = await archive();
  await addNote(db.sql, 1, NOW);
  await db.sql`call strata.delete_due()`;
  assertEquals([...await db.sql`select from strata.moves`], []);
});

Deno.test("delete_due() waits while an arrival of the dataset is open", async () => {
  await using db = await archive();
  await addNote(db.sql, 1, "2020-01-01");
  await db.sql`
    insert into strata.arrivals (move_id, dataset, from_tier, opened_at)
    values (gen_random_uuid(), 'notes', 'main', strata.clock())`;
  await db.sql`call strata.delete_due()`;
  assertEquals(await idsOn(db.sql), [1]);

  await db.sql`update strata.arrivals set closed_at = strata.clock(), outcomes = '{}'`;
  await db.sql`call strata.delete_due()`;
  assertEquals(await idsOn(db.sql), []);
});

Deno.test("delete_due() passes over a row that somebody is changing", async () => {
  await using db = await archive();
  await addNote(db.sql, 1, "2020-01-01");
  await addNote(db.sql, 2, "2020-01-01");
  await db.sql.begin(async (writer) => {
    await writer`update public.notes set created_at = '2999-01-01' where id = 1`;
    await db.sql`call strata.delete_due()`;
  });
  assertEquals(await idsOn(db.sql), [1]);
});

Deno.test("delete_due() says so when a trigger keeps rows, goes on with other datasets, and forgets it when mended", async () => {
  await using db = await archive({ delete_triggers: "fire" });
  await addNote(db.sql, 1, "2020-01-01");
  await db.sql.unsafe(`
    create function public.keep() returns trigger language plpgsql as 'begin return null; end';
    create trigger keep before delete on public.notes for each row execute function public.keep();
    create table public.others (id int primary key, created_at date);
    insert into public.others values (1, '2000-01-01');
    select strata.manage('public.others', p_delete_after_days => 400)`);
  await db.sql`call strata.delete_due()`;
  assertEquals(await idsOn(db.sql), [1]);
  assertEquals(await idsOn(db.sql, "public.others"), []);
  assertEquals(await troubleOf(db.sql), {
    code: "ST043",
    says: "delete: a trigger on public.notes keeps rows from being deleted",
    remedy:
      "guard it (current_setting('strata.purging', true) is 'on' while Strata deletes), or drop it; then run `deno task strata sync`",
  });

  await db.sql`drop trigger keep on public.notes`;
  await db.sql`call strata.delete_due()`;
  assertEquals(await idsOn(db.sql), []);
  assertEquals(await troubleOf(db.sql), undefined);
});

Deno.test("while delete_due() deletes, triggers can tell", async () => {
  await using db = await archive({ delete_triggers: "fire" });
  await addNote(db.sql, 1, "2020-01-01");
  await db.sql.unsafe(`
    create table public.seen (purging text);
    create function public.see() returns trigger language plpgsql as
      'begin insert into public.seen values (current_setting(''strata.purging'', true)); return old; end';
    create trigger see before delete on public.notes for each row execute function public.see()`);
  await db.sql`call strata.delete_due()`;
  await addNote(db.sql, 2, "2020-01-01");
  await db.sql`delete from public.notes`;
  const seen = await db.sql`select coalesce(purging, '') = 'on' as purging from public.seen`;
  assertEquals(seen.map(({ purging }) => purging), [true, false]);
});
