/** Twins that make another value of what they are given. */
import assert from "node:assert/strict";
import {
  endPauses,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  runOnce,
  setAsideOn,
  settle,
  startJourney,
  THREE_TIERS,
  troubleOf,
} from "../support/moves.ts";

const TABLE = (expression: string) => `
  create table public.f2 (id int primary key, title text, fts tsvector generated always as (${expression}) stored,
    created_at timestamptz)`;

/** A table on core with 20 due rows, and the same name on the colder tiers with another expression. */
async function makeSearched(chain: MoveChain, here: string, there: string): Promise<void> {
  const { core, main, archive } = chain;
  await main.sql.unsafe(TABLE(there));
  await archive.sql.unsafe(TABLE(there));
  await core.sql.unsafe(`${TABLE(here)};
    insert into public.f2 (id, title, created_at)
    select g, 'running dogs ' || g, now() - interval '900 days' from generate_series(1, 20) as g`);
  await core.sql`select strata.manage('public.f2', p_delete_after_days => null)`;
}

/** How many rows of a table are on each tier, hottest first. */
async function countsOf(chain: MoveChain, table: string): Promise<number[]> {
  return await Promise.all(chain.databases.map(async (one) => (await idsOf(one, table)).length));
}

moveTest(
  "a column that a twin computes otherwise stops the dataset, and says so",
  async (chain) => {
    const { core, main, archive } = chain;
    await makeSearched(chain, "to_tsvector('english', title)", "to_tsvector('simple', title)");
    await runOnce(chain);
    await endPauses(chain);
    await runOnce(chain);
    assert.deepEqual(await countsOf(chain, "public.f2"), [20, 0, 0]);
    const trouble = await troubleOf(core, "f2");
    assert.equal(trouble?.code, "ST038");
    assert.match(
      trouble?.says ?? "",
      /column "fts" of .*english.* on main it is computed as .*simple/,
    );
    assert.match(trouble?.remedy ?? "", /alter column … drop expression/);

    for (const { sql } of [main, archive]) {
      await sql`alter table public.f2 alter column fts drop expression`;
    }
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual(await countsOf(chain, "public.f2"), [0, 0, 20]);
    const [row] = await archive.sql`select fts::text from public.f2 where id = 1`;
    assert.equal(row?.fts, "'1':3 'dog':2 'run':1");
  },
  { tiers: THREE_TIERS },
);

moveTest(
  "what a twin computes by the same words otherwise is set aside, and no copy stays",
  async (chain) => {
    const { core, main, archive } = chain;
    const words = (language: string) =>
      `create function public.words(text) returns tsvector language sql immutable
     as $$ select to_tsvector('${language}', $1) $$`;
    await core.sql.unsafe(words("pg_catalog.english"));
    await main.sql.unsafe(words("pg_catalog.simple"));
    await archive.sql.unsafe(words("pg_catalog.simple"));
    await makeSearched(chain, "public.words(title)", "public.words(title)");
    await core.sql`update public.f2 set title = 'word' where id > 10`; // the same in both languages
    await runOnce(chain);
    await runOnce(chain);
    assert.deepEqual(await countsOf(chain, "public.f2"), [10, 0, 10]);
    const aside = await setAsideOn(core);
    assert.equal(aside.length, 10);
    assert.deepEqual([...new Set(aside.map(({ code, says }) => `${code} ${says}`))], [
      'ST046 main refuses the row: main computes column "fts" itself and gets another value',
    ]);
    assert.match(aside[0]?.remedy ?? "", /drop expression/);
    for (const { sql } of [main, archive]) {
      await sql`alter table public.f2 alter column fts drop expression`;
    }
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual(await countsOf(chain, "public.f2"), [0, 0, 20]);
  },
  { tiers: THREE_TIERS },
);

moveTest("a column that only the twin computes stops the dataset", async (chain) => {
  const { core, main } = chain;
  await main.sql`create table public.notes (id bigint primary key, created_at timestamptz not null,
    body text generated always as ('none') stored)`;
  await makeNotes(core);
  await runOnce(chain);
  assert.deepEqual([await idsOf(core), await idsOf(main)], [[1, 2, 3], []]);
  assert.equal((await troubleOf(core))?.code, "ST038");
  assert.match((await troubleOf(core))?.says ?? "", /column "body" of \S+ is given, on main it is/);
});

moveTest(
  "a type that was narrowed on the twin after it was accepted takes no row",
  async (chain) => {
    const { core, main } = chain;
    await core.sql.unsafe(`create type public.size as (width numeric, unit text);
    create table public.sizes (id int primary key, created_at timestamptz, size public.size)`);
    await core.sql`select strata.manage('public.sizes')`;
    await settle(chain);
    await main.sql.unsafe(`alter table public.sizes drop column size; drop type public.size;
    create type public.size as (width numeric(6, 1), unit text);
    alter table public.sizes add column size public.size`);
    await core.sql`insert into public.sizes values (1, now() - interval '60 days', (1.25, 'm'))`;
    await runOnce(chain);
    assert.deepEqual([await idsOf(core, "public.sizes"), await idsOf(main, "public.sizes")], [
      [1],
      [],
    ]);
    assert.equal((await troubleOf(core, "sizes"))?.code, "ST026");
  },
);

moveTest("a copy that reads otherwise, though nobody touched it, is taken back", async (chain) => {
  const { core, main } = chain;
  await core.sql.unsafe(`create type public.mood as enum ('sad', 'happy');
    create table public.notes (id bigint primary key, created_at timestamptz, mood public.mood)`);
  await core.sql`select strata.manage('public.notes')`;
  await settle(chain);
  await core.sql`insert into public.notes
    values (1, now() - interval '60 days', 'sad'), (2, now() - interval '60 days', 'happy')`;
  const journey = await startJourney(chain);
  await journey.until("prove");
  await main.sql`alter type public.mood rename value 'sad' to 'blue'`;
  await journey.until("finish");
  assert.deepEqual([await idsOf(core), await idsOf(main)], [[1], [2]]);
  await journey.step();
  assert.deepEqual((await setAsideOn(core)).map(({ key, code, says }) => [key, code, says]), [
    ["1", "ST046", "main made another value of a column, and gave the copy back"],
  ]);
});

moveTest(
  "the row type of a table that is to be settled as well is made as a table",
  async (chain) => {
    const { core, main } = chain;
    await core.sql.unsafe(`
    create table public.y_addr (id int primary key, created_at timestamptz);
    create table public.a_emb (id int primary key, a public.y_addr, created_at timestamptz);
    insert into public.y_addr values (1, now() - interval '60 days');
    insert into public.a_emb values (1, row(7, now())::public.y_addr, now() - interval '60 days')`);
    await core.sql`select strata.manage('public.a_emb')`;
    await settle(chain);
    assert.deepEqual(await idsOf(main, "public.a_emb"), [1]);
    await core.sql`select strata.manage('public.y_addr')`;
    await settle(chain);
    assert.deepEqual([await idsOf(core, "public.y_addr"), await idsOf(main, "public.y_addr")], [
      [],
      [1],
    ]);
  },
);

moveTest("a type in the way of a table is named, and gives way by another name", async (chain) => {
  const { core, main } = chain;
  await main.sql`create type public.notes as (x integer)`;
  await makeNotes(core);
  await runOnce(chain);
  const trouble = await troubleOf(core);
  assert.equal(trouble?.code, "ST037");
  assert.match(trouble?.says ?? "", /notes is a type of its own on main/);
  await main.sql`alter type public.notes rename to notes_before`;
  await endPauses(chain);
  await settle(chain);
  assert.deepEqual(await idsOf(main), [1, 2, 3]);
});
