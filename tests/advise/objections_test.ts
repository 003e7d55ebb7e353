/** What `advise` objects to before there is any Strata is what `manage` would refuse, in the same words. */
import assert from "node:assert/strict";
import { testDatabase } from "../support/database.ts";
import { advised } from "./support.ts";

const TABLES = `
  create table public.plain (id int primary key, created_at timestamptz);
  create table public.keyless (id int unique not null, created_at timestamptz);
  create table public.parted (id int, created_at timestamptz, primary key (id,
    created_at)) partition by range (created_at);
  create materialized view public.seen as select 1 as id, now() as created_at;
  create table public.elders (id int primary key, created_at timestamptz);
  create table public.children (primary key (id)) inherits (public.elders);
  create table public.ruled (id int primary key, created_at timestamptz);
  create rule soft as on delete to public.ruled do instead update public.ruled set created_at = null
    where id = old.id;
  create table public.scans (id int primary key, created_at date, scan oid, scans oid[]);
  create domain public.lo as oid;
  create type public.pair as (a int, b public.lo);
  create table public.nested (id int primary key, created_at date, p public.pair, q public.lo);
  create table public.by_name (id regclass primary key, created_at date);
  create table public.odd (id int primary key, created_at date, strata_tid int, v tsvector, n gtsvector);
  create table public.parts (thing int constraint "be""longs" references public.plain on delete cascade,
    created_at date);
  create function public.f() returns trigger language plpgsql as 'begin return old; end';
  create table public.swept (id int primary key, created_at timestamptz);
  create trigger sweep after delete on public.swept for each row execute function public.f();
  create trigger "Clean Up" before insert or delete
    on public.swept for each statement execute function public.f();
  create trigger away after delete on public.plain for each row
    when (current_setting('strata.purging', true) is distinct from 'on') execute function public.f();
  create table public.published (id int primary key, created_at timestamptz, secret text);
  alter table public.published replica identity nothing;
  create table public.listed (id int primary key, created_at timestamptz, secret text);
  alter table public.listed replica identity full;
  create table public.filtered (id int primary key, created_at timestamptz, secret text);
  create publication p for table public.published, public.listed (id), public.filtered where (secret is null);
  create schema "sch""ema";
  create table "sch""ema"."ta ble" (id int, created_at timestamptz);
`;

Deno.test("advise objects to what manage() objects to, in the same words", async () => {
  await using db = await testDatabase("core");
  const clerk = `clerk_${crypto.randomUUID().slice(0, 8)}`;
  await db.sql.unsafe(TABLES);
  await db.sql.unsafe(
    `create role ${clerk}; grant create, usage on schema public to ${clerk}; grant ${clerk} to postgres`,
  );
  try {
    await db.sql.unsafe(`
      set search_path = public;
      create table public.theirs (id int primary key, created_at timestamptz);
      create function public.g() returns trigger language plpgsql as 'begin return new; end';
      create function public.h(int) returns int language sql immutable as 'select $1';
      create table public.watched (id int primary key, created_at timestamptz, n
        int check (public.h(n) > 0), m int default public.h(1));
      create index on public.watched (public.h(n));
      create trigger see before insert on public.watched for each row execute function public.g();
      alter table public.theirs owner to ${clerk};
      alter function public.g() owner to ${clerk};
      alter function public.h(int) owner to ${clerk};`);
    const { settling } = await advised(db.url);
    const known = await db.sql<{ table: string; says: string }[]>`
      select format('%I.%I', n.nspname, c.relname) as table, o.says
        from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
       cross join lateral strata.objections(c.oid, 'created_at', null) as o
       where n.nspname in ('public', 'sch"ema') and c.relkind in ('r', 'm', 'p')`;
    const expected = Map.groupBy(known, ({ table }) => table);
    assert.ok(expected.size > 15);
    for (const { table, objections } of settling) {
      assert.deepEqual(
        objections.map(({ says }) => says).sort(),
        (expected.get(table) ?? []).map(({ says }) => says).sort(),
        table,
      );
      for (const { remedy } of objections) assert.notEqual(remedy, "");
    }
    assert.ok([...expected.keys()].every((name) => settling.some(({ table }) => table === name)));
  } finally {
    await db.sql.unsafe(`
      drop table public.theirs, public.watched; drop function public.g(), public.h(int);
      revoke all on schema public from ${clerk}; drop role ${clerk}`);
  }
});
