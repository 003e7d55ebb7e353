import { assert, assertEquals } from "@std/assert";
import type { Sql } from "postgres";
import { testChain } from "../support/chain.ts";
import { addNote, createNotes, idsOn, manage, manageNotes, settle } from "../support/notes.ts";

/** Due at once on core and on main. */
const AT_ONCE = { core_retention_days: 0, main_retention_days: 0 };

/** One column per kind of type that does not come with Postgres. */
const TYPES = `
  create schema if not exists lib;
  create extension citext with schema extensions;
  create extension hstore with schema public;
  create type lib.mood as enum ('sad', 'it''s ok', 'happy');
  create domain lib.percent as numeric(5, 2) not null check (value >= 0) check (value <= 100);
  create domain lib.short as varchar(8);
  create type lib.point as (x integer, "Y y" lib.percent);
  create type lib.spell as range (subtype = timestamptz);
  create domain lib.points as lib.point[];
  create type public."Odd Type" as enum ('only "one"');
  create table lib.things (
    id uuid primary key, created_at timestamptz,
    mood lib.mood, percent lib.percent, short lib.short, point lib.point, spell lib.spell,
    spells lib.spell_multirange, moods lib.mood[], points lib.points, odd public."Odd Type",
    name extensions.citext, names extensions.citext[], tags public.hstore, size numeric(10, 3),
    code char(4), at time(3), bits bit varying(5), pause interval day to second(2))`;

const THING = `
  insert into lib.things values (
    '00000000-0000-0000-0000-000000000001', '2000-01-01', 'it''s ok', 99.5, 'short',
    row(1, 2.5), '[2000-01-01,)', '{[2000-01-01,2001-01-01)}', '{sad,happy}',
    array[row(1, 2)::lib.point], 'only "one"', 'Name', '{Ab,aB}', 'a=>1, b=>NULL', 1.5,
    'ab', '12:00:00.123', B'101', '1 day 00:00:01.25')`;

async function columns(sql: Sql, table: string) {
  return [
    ...await sql`
    select attname::text as name, format_type(atttypid, atttypmod) as type from pg_attribute
     where attrelid = ${table}::regclass and attnum > 0 and not attisdropped order by attnum`,
  ];
}

Deno.test("a twin is made with the types, the schema and the key of its table", async () => {
  await using chain = await testChain();
  const { core, main, archive } = chain;
  await core.sql.unsafe(TYPES);
  await core.sql.unsafe(THING);
  await manage(core.sql, "lib.things", AT_ONCE);
  const [before] = await core.sql`select t::text as line from lib.things as t`;
  await settle(chain);

  for (const { sql } of [main, archive]) {
    assertEquals(await columns(sql, "lib.things"), await columns(core.sql, "lib.things"));
  }
  assertEquals([...await archive.sql`select t::text as line from lib.things as t`], [before]);
});

Deno.test("a twin's types keep their labels, checks and bounds", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { core, main } = chain;
  await core.sql.unsafe(TYPES);
  await manage(core.sql, "lib.things", AT_ONCE);
  await settle(chain);
  const describe = (sql: Sql) =>
    sql`select t.it - 'label_ids' - 'origin' as type from jsonb_array_elements(strata.describe_types('lib.things')) as t (it)`;
  assertEquals([...await describe(main.sql)], [...await describe(core.sql)]);
});

Deno.test("a twin has row level security on and is granted to service_role only", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { core, main } = chain;
  // What projects from before 2026 do by default.
  await main.sql`
    alter default privileges in schema public grant all on tables to anon, authenticated`;
  await manageNotes(core.sql);
  await settle(chain);
  const [twin] = await main.sql`
    select c.relrowsecurity as rls, obj_description(c.oid, 'pg_class') as says,
           (select array_agg(format('%s: %s', r.rolname, p) order by r.rolname, p)
              from pg_roles as r, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) as p
             where r.rolname in ('anon', 'authenticated', 'service_role', 'strata_mover')
               and has_table_privilege(r.oid, c.oid, p)) as grants
      from pg_class as c where c.oid = 'public.notes'::regclass`;
  assertEquals(twin, {
    rls: true,
    says: "Twin of a dataset that Strata settles into this tier.",
    grants: [
      "service_role: DELETE",
      "service_role: INSERT",
      "service_role: SELECT",
      "service_role: UPDATE",
    ],
  });
});

Deno.test("service_role reaches a twin in a schema that came with it", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { core, main } = chain;
  await core.sql`create schema shop`;
  await core.sql`create table shop.orders (id int primary key, created_at date)`;
  await manage(core.sql, "shop.orders");
  await settle(chain);
  await main.sql.begin(async (sql) => {
    await sql`set local role service_role`;
    assertEquals((await sql`select from shop.orders`).length, 0);
  });
});

Deno.test("a twin gets the age index, and on main the one over oversize rows", async () => {
  await using chain = await testChain();
  await manageNotes(chain.core.sql);
  await settle(chain);
  const counts = await Promise.all(chain.databases.map(async ({ sql }) => {
    const [row] = await sql`
      select count(*)::int as indexes from pg_index where indrelid = 'public.notes'::regclass`;
    return row?.indexes;
  }));
  assertEquals(counts, [2, 3, 2]);
});

Deno.test("a twin takes rows without the defaults, checks and keys of its table", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { core, main } = chain;
  await core.sql.unsafe(`
    create table public.authors (id int primary key);
    insert into public.authors values (7);
    create table public.books (
      id int generated always as identity primary key,
      created_at timestamptz default now() not null,
      author int not null references public.authors,
      title text not null default 'untitled' check (title <> ''),
      length int generated always as (char_length(title)) stored,
      unique (title));
    insert into public.books (author) values (7)`);
  await manage(core.sql, "public.books", AT_ONCE);
  await settle(chain);

  assertEquals([...await main.sql`select id, author, title, length from public.books`], [
    { id: 1, author: 7, title: "untitled", length: 8 },
  ]);
  const [rest] = await main.sql`
    select (select count(*)::int from pg_attrdef where adrelid = 'public.books'::regclass) as defaults,
           (select count(*)::int from pg_constraint
             where conrelid = 'public.books'::regclass and contype not in ('p', 'n')) as constraints`;
  assertEquals(rest, { defaults: 0, constraints: 0 });
});

Deno.test("an existing table becomes the twin: completed, its foreign keys dropped, RLS on", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { core, main } = chain;
  await main.sql.unsafe(`
    create table public.authors (id int primary key);
    create table public.notes (
      body text default 'here', author int references public.authors default 1,
      extra int not null default 5, id int primary key)`);
  await manageNotes(core.sql, AT_ONCE);
  await core.sql`alter table public.notes add column author int`;
  await addNote(core.sql, 1, "2000-01-01", "text");
  await core.sql`update public.notes set author = 99`;
  await settle(chain);

  const [row] = await main.sql`select * from public.notes`;
  assertEquals(row, {
    body: "text",
    author: 99,
    extra: 5,
    id: 1,
    created_at: new Date("2000-01-01"),
  });
  const [table] = await main.sql`
    select relrowsecurity as rls,
           exists (select from pg_constraint where conrelid = c.oid and contype = 'f') as keys
      from pg_class as c where oid = 'public.notes'::regclass`;
  assertEquals(table, { rls: true, keys: false });
});

Deno.test("rows of a twin that an unmanaged table refers to stay until it no longer does", async () => {
  await using chain = await testChain();
  const { core, main, archive } = chain;
  await manageNotes(core.sql, AT_ONCE);
  await settle(chain);
  await addNote(core.sql, 1, "2000-01-01");
  await addNote(core.sql, 2, "2000-01-01");
  await core.sql`call strata.move_due()`;
  await main.sql`create table public.quotes (note int references public.notes)`;
  await main.sql`insert into public.quotes values (1)`;

  await main.sql`call strata.move_due()`;
  assertEquals(await idsOn(main.sql), [1]);

  await main.sql`delete from public.quotes`;
  await main.sql`call strata.move_due()`;
  assertEquals(await idsOn(archive.sql), [1, 2]);
});

Deno.test("a table whose columns stand in another order is a twin all the same", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  const { core, main } = chain;
  await main.sql`
    create table public.notes (body text, gone int, id int primary key, created_at timestamptz)`;
  await main.sql`alter table public.notes drop column gone`;
  await createNotes(core.sql);
  await addNote(core.sql, 1, "2000-01-01", "text");
  const inventory = (sql: Sql) => sql`select * from strata.inventory('notes')`;
  await manage(core.sql, "public.notes", AT_ONCE);
  const [before] = await inventory(core.sql);
  await settle(chain);
  assert(before !== undefined);
  assertEquals([...await inventory(main.sql)], [before]);
});
