import { assertEquals, assertGreater } from "@std/assert";
import { type TestChain, testChain } from "../support/chain.ts";
import { addNote, manage, manageNotes } from "../support/notes.ts";

const NOW = "2026-03-01T12:00:00Z";
const DAYS = { rows_now: 0, rows_7d: 7, rows_30d: 30 };

function daysLater(days: number): string {
  return new Date(Date.parse(NOW) + days * 86_400_000).toISOString();
}

/**
 * Rows of every kind on core and main: of all ages up to 500 days, some ready, some oversize, some
 * without an age, some referred to, held for a while or for ever, or set aside for a while.
 */
async function chainWithEverything(): Promise<TestChain> {
  const chain = await testChain();
  await chain.freezeClock(NOW);
  await manageNotes(chain.core.sql, { due_when: "id % 5 <> 0" });
  for (const { sql } of chain.databases) await sql`call strata.move_due()`;
  for (const { sql } of [chain.core, chain.main]) {
    await sql.unsafe(`
      insert into public.notes
      select n, case when n % 41 > 0 then '${NOW}'::timestamptz - n * interval '1 day' end,
             case when n % 53 = 0 then repeat('x', 200000) else '' end
        from generate_series(1, 500) as n;
      create table public.quotes (note int references public.notes);
      insert into public.quotes select 7 * n from generate_series(1, 70) as n;
      select strata.hold('notes', p_condition => 'id % 11 = 0', p_reason => 'for ever');
      select strata.hold('notes', p_condition => 'id % 13 = 0', p_reason => 'for five days',
                         p_until => '${daysLater(5)}');
      select strata.put_aside('notes', array[n::text], 'ST040', 'another row')
        from generate_series(17, 500, 17) as n;
      update strata.set_aside set next_try_at = '${daysLater(20)}'`);
  }
  return chain;
}

async function planned(chain: TestChain, tier: "core" | "main") {
  const [plan] = await chain[tier].sql`select * from strata.plan('notes')`;
  return plan ?? {};
}

for (const [column, days] of Object.entries(DAYS)) {
  for (const tier of ["core", "main"] as const) {
    Deno.test(`what plan() says about ${tier} in ${days} days is what happens then`, async () => {
      await using chain = await chainWithEverything();
      // Main has rows under the same keys, which would be conflicts: only one of the two moves.
      const colder = tier === "core" ? chain.main : chain.archive;
      await colder.sql.unsafe("truncate public.notes cascade");
      const plan = await planned(chain, tier);
      await chain.freezeClock(daysLater(days));
      await chain[tier].sql`call strata.move_due()`;

      const [moved] = await chain[tier].sql`
        select sum(rows_moved)::text as rows from strata.moves where from_tier = ${tier}`;
      assertGreater(Number(plan[column]), 50);
      assertEquals(moved?.rows, plan[column]);
      assertEquals((await planned(chain, tier)).rows_now, "0");
    });
  }
}

Deno.test("what plan() says about deletions at the archive is what happens", async () => {
  await using chain = await testChain();
  const { archive } = chain;
  await chain.freezeClock(NOW);
  await manageNotes(archive.sql, { delete_after_days: 400 });
  await archive.sql`
    insert into public.notes select n, ${NOW}::timestamptz - n * interval '1 day', ''
      from generate_series(1, 500) as n`;
  await archive
    .sql`select strata.hold('notes', '{450}', p_reason => 'kept', p_prevents => 'delete')`;
  const [plan] = await archive
    .sql`select action, to_tier, rows_now, rows_7d, held from strata.plan()`;
  assertEquals(plan, {
    action: "delete",
    to_tier: null,
    rows_now: "100",
    rows_7d: "107",
    held: "1",
  });
  await archive.sql`call strata.delete_due()`;
  assertEquals((await archive.sql`select from public.notes`).length, 400);
});

Deno.test("what plan() says is past its deletion age is deleted by process()", async () => {
  await using chain = await testChain();
  const { core, archive } = chain;
  await chain.freezeClock(NOW);
  await manageNotes(core.sql, {
    main_retention_days: 100,
    delete_after_days: 400,
    due_when: "id % 5 <> 0",
  });
  await core.sql`
    insert into public.notes select n, ${NOW}::timestamptz - n * interval '1 day', ''
      from generate_series(1, 500) as n`;
  await core.sql`select strata.hold('notes', '{444}', p_reason => 'kept', p_prevents => 'move')`;
  const plan = async () => {
    const [plan] = await core.sql`select rows_now::int, past_deletion::int from strata.plan()`;
    return { ...plan };
  };
  const expected = Array.from({ length: 500 }, (_, n) => n + 1).filter((id) => id % 5 !== 0);
  assertEquals(await plan(), {
    rows_now: expected.filter((id) => id >= 30).length - 1,
    past_deletion: expected.filter((id) => id >= 400).length - 1,
  });
  await core.sql`update strata.datasets set delete_after_days = null`;
  assertEquals((await plan()).past_deletion, 0);
  await core.sql`update strata.datasets set delete_after_days = 400`;

  for (const { sql } of chain.databases) await sql`call strata.process()`;
  const [deleted] = await archive.sql`
    select sum(rows_moved)::int as rows from strata.moves where kind = 'delete'`;
  assertEquals(deleted?.rows, expected.filter((id) => id >= 400).length - 1);
});

Deno.test("plan() counts what is due and stays, by its reason", async () => {
  await using chain = await testChain();
  const { core } = chain;
  await chain.freezeClock(NOW);
  await manageNotes(core.sql, { core_retention_days: 0, due_when: "id < 9" });
  for (const id of [1, 2, 3, 4]) await addNote(core.sql, id, "2020-01-01");
  await addNote(core.sql, 9, "2020-01-01"); // not ready
  await addNote(core.sql, 5, null);
  await core.sql`select strata.hold('notes', '{1}', p_reason => 'kept')`;
  await core.sql`select strata.put_aside('notes', '{2}', 'ST040', 'another row')`;
  await core.sql`create table public.quotes (note int references public.notes)`;
  await core.sql`insert into public.quotes values (3)`;
  const [plan] = await core.sql`
    select tier, dataset, action, to_tier, rows_now, held, set_aside, referenced, without_age
      from strata.plan()`;
  assertEquals(plan, {
    tier: "core",
    dataset: "notes",
    action: "move",
    to_tier: "main",
    rows_now: "1",
    held: "1",
    set_aside: "1",
    referenced: "1",
    without_age: "1",
  });
});

Deno.test("plan() tells bytes from the table's size on disk", async () => {
  await using chain = await testChain();
  const { core } = chain;
  await manageNotes(core.sql, { core_retention_days: 0 });
  await core.sql`
    insert into public.notes select n, '2020-01-01', repeat('x', 1000) from generate_series(1, 1000) as n`;
  const [plan] = await core.sql`select bytes_now::int as bytes from strata.plan()`;
  assertGreater(plan?.bytes, 1_000_000);
  assertGreater(2_000_000, plan?.bytes);
});

Deno.test("plan() does not count the room that rows have left behind", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { core } = chain;
  await chain.freezeClock(NOW);
  await manageNotes(core.sql);
  // Half of each row is in the table, half in its TOAST.
  await core.sql`
    alter table public.notes add column longer text, alter column body set storage plain,
                             alter column longer set storage external`;
  await core.sql`
    insert into public.notes
    select n, ${NOW}::timestamptz - case when n <= 900 then interval '31 days' else interval '1 day' end,
           repeat('x', 1900), repeat('y', 1900 * 2)
      from generate_series(1, 1000) as n`;
  const bytes = async () => {
    const [plan] = await core.sql`
      select rows_now::int, bytes_now::int, rows_30d::int, bytes_30d::int from strata.plan()`;
    return { ...plan };
  };
  const before = await bytes();
  assertEquals([before.rows_now, before.rows_30d], [900, 1000]);
  assertGreater(before.bytes_30d, 5_700_000);
  await core.sql`call strata.move_due()`;
  for (const state of ["settled", "vacuumed and analysed"]) {
    if (state !== "settled") await core.sql`vacuum analyze public.notes`;
    const after = await bytes();
    assertEquals([after.rows_now, after.rows_30d], [0, 100], state);
    assertGreater(after.bytes_30d, 570_000, state);
    assertGreater(before.bytes_30d * 0.15, after.bytes_30d, state);
  }
});

Deno.test("plan() changes nothing", async () => {
  await using chain = await testChain();
  const { core } = chain;
  await manageNotes(core.sql, { core_retention_days: 0 });
  await addNote(core.sql, 1, "2020-01-01");
  await core.sql.begin("read only", async (sql) => {
    assertEquals((await sql`select from strata.plan()`).length, 1);
  });
});

Deno.test("plan() goes on past a dataset that cannot be read as its policy says", async () => {
  await using chain = await testChain();
  const { core } = chain;
  await manageNotes(core.sql, { due_when: "body <> ''" });
  await core.sql`create table public.others (id int primary key, created_at date)`;
  await core.sql`create table public.gone (id int primary key, created_at date)`;
  await manage(core.sql, "public.others");
  await manage(core.sql, "public.gone");
  await core.sql`alter table public.notes drop column body`;
  await core.sql`drop table public.gone`;
  assertEquals([...await core.sql`select dataset, rows_now from strata.plan()`], [
    { dataset: "notes", rows_now: null },
    { dataset: "others", rows_now: "0" },
  ]);
});
