/** Tables and settings that are unusual and allowed. */
import assert from "node:assert/strict";
import { refusal } from "../support/refusal.ts";
import { idsOf, makeNotes, moveTest, settle } from "../support/moves.ts";

moveTest(
  "one refused row of a twin with a column of its own does not keep the others",
  async (chain) => {
    const { core, main } = chain;
    await main.sql`create table public.notes (
    id bigint primary key, created_at timestamptz not null, body text not null, note text default 'n')`;
    await makeNotes(core, 6);
    await core.sql`update public.notes set body = null where id = 4`;
    await settle(chain);
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[4], [1, 2, 3, 5, 6]]);
    const [aside] = await core.sql`select key, code from strata.set_aside`;
    assert.deepEqual({ ...aside }, { key: ["4"], code: "23502" });
  },
);

moveTest("a key with a collation of its own is one key on every tier", async (chain) => {
  const { core, main } = chain;
  await core.sql.unsafe(`
    create collation public.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create table public.names (id text collate public.ci primary key, v int, created_at timestamptz)`);
  await core.sql`select strata.manage('public.names', p_delete_after_days => null)`;
  await core.sql`insert into public.names values ('Anna', 1, now() - interval '100 days')`;
  await settle(chain);
  await core.sql`insert into public.names values ('ANNA', 3, now() - interval '100 days')`;
  await settle(chain);
  assert.deepEqual([...await main.sql`select id, v from public.names`], [{ id: "Anna", v: 1 }]);
  const [aside] = await core.sql`select key, code from strata.set_aside`;
  assert.deepEqual({ ...aside }, { key: ["ANNA"], code: "ST040" });
});

moveTest("a range keeps its collation, operator class and multirange", async (chain) => {
  const { core, main } = chain;
  await core.sql.unsafe(`
    create type public.trange as range (subtype = text, collation = "C", subtype_opclass = text_pattern_ops,
      multirange_type_name = public.trange_many);
    create table public.spans (id int primary key, span public.trange, spans public.trange_many, created_at timestamptz);
    insert into public.spans values (1, '[a,b)', '{[a,b),[c,d)}', now() - interval '100 days')`);
  await core.sql`select strata.manage('public.spans', p_delete_after_days => null)`;
  await settle(chain);
  const parts = `select strata.describe_types('public.spans') as types`;
  assert.deepEqual([...await main.sql.unsafe(parts)], [...await core.sql.unsafe(parts)]);
  assert.equal((await main.sql`select from public.spans where spans = '{[a,b),[c,d)}'`).length, 1);
});

moveTest("an extension may lie in another schema on the colder tier", async (chain) => {
  const { core, main } = chain;
  await core.sql.unsafe(`create schema "Ext-s"; create extension citext schema "Ext-s";
    create table public.people (id "Ext-s".citext primary key, created_at timestamptz);
    create table public.pets (id int primary key, person "Ext-s".citext references public.people);
    insert into public.people values ('Anna', now() - interval '100 days'), ('Ben', now() - interval '100 days');
    insert into public.pets values (1, 'ben')`);
  await main.sql.unsafe("create extension citext schema public");
  await core.sql`select strata.manage('public.people', p_delete_after_days => null)`;
  await settle(chain);
  assert.deepEqual([...await main.sql`select id::text from public.people`], [{ id: "Anna" }]);
  const [why] = await core
    .sql`select count(*)::integer as lines from strata.explain('people', 'Ben')`;
  assert.ok(why?.lines > 0);
});

moveTest("names that are always quoted are the same names", async (chain) => {
  const { core, main } = chain;
  for (const { sql } of chain.databases) {
    await sql.unsafe(
      `do $$ begin execute format('alter database %I set quote_all_identifiers = on', current_database()); end $$`,
    );
    await sql.unsafe("set quote_all_identifiers = on");
  }
  await makeNotes(core);
  await core
    .sql`create table public.pins (id int primary key, note bigint references public.notes)`;
  await core.sql`insert into public.pins values (1, 2)`;
  await settle(chain);
  assert.deepEqual([await idsOf(core), await idsOf(main)], [[2], [1, 3]]);
});

moveTest(
  "a table with a column that is called like one of Strata's is refused",
  async ({ core }) => {
    await core
      .sql`create table public.odd (id int primary key, strata_tid text, created_at timestamptz)`;
    const { code, message } = await refusal(core.sql`select strata.manage('public.odd')`);
    assert.equal(code, "ST010");
    assert.match(message, /column "strata_tid" of (public\.)?odd/);
  },
  { drivers: ["push"] },
);

moveTest("a trouble whose cause is gone ends, though nothing is due", async (chain) => {
  const { core } = chain;
  await makeNotes(core);
  await settle(chain);
  await core.sql`select strata.note_failure('notes', 'XX000', 'something was wrong')`;
  await core.sql`update strata.datasets set next_try_at = null`;
  await settle(chain).catch(() => {}); // fails on the trouble as long as it is there
  await settle(chain);
});

moveTest(
  "a policy that is changed while a batch is under way counts for that batch",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await core
      .sql`insert into public.notes select n, now() - interval '60 days' from generate_series(1, 5) as n`;
    const [batch] = await core.sql`select move_id from strata.claim('notes', 'main')`;
    assert.ok(batch?.move_id);
    await core.sql`select strata.manage('public.notes', p_core_retention_days => 300)`;
    await settle(chain);
    assert.deepEqual([(await idsOf(core)).length, await idsOf(main)], [5, []]);
  },
);

moveTest("xml keeps its declaration", async (chain) => {
  const { core, main } = chain;
  await core.sql.unsafe(`
    create table public.pages (id int primary key, created_at timestamptz, page xml);
    insert into public.pages values
      (1, '2020-01-01', '<?xml version="1.0" encoding="UTF-8"?><a>é</a>'),
      (2, '2020-01-01', '<?xml version="1.0"?><a/>'), (3, '2020-01-01', 'a <b>mixed</b> piece'), (4, '2020-01-01', null)`);
  const pages = "select id, page::text from public.pages order by id";
  const before = [...await core.sql.unsafe(pages)];
  await core.sql`select strata.manage('public.pages', p_delete_after_days => null)`;
  await settle(chain);
  assert.deepEqual([...await main.sql.unsafe(pages)], before);
});

for (const style of ["German, DMY", "SQL, DMY"]) {
  moveTest(`a row set aside stops nobody under the date style ${style}`, async (chain) => {
    const { core, main } = chain;
    for (const { sql } of chain.databases) {
      await sql.unsafe(`do $$ begin
        execute format('alter database %I set datestyle = %L', current_database(), '${style}');
        execute format('alter database %I set timezone = %L', current_database(), 'Pacific/Apia'); end $$`);
      await sql.unsafe(`set datestyle = '${style}'; set timezone = 'Pacific/Apia'`);
    }
    await makeNotes(core);
    await core.sql`select strata.put_aside('notes', array['2'], '23502', 'so')`;
    await settle(chain);
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[2], [1, 3]]);
  });
}
