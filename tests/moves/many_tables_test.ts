import { assertEquals } from "@std/assert";
import { testDatabase } from "../support/database.ts";

Deno.test("what is asked of the catalogue for a batch, or for a size, is found by its indexes, however many tables there are", async () => {
  await using db = await testDatabase();
  const { sql } = db;
  await sql`create table public.notes (id bigint primary key, created_at timestamptz, body text)`;
  await sql`create table public.replies (note bigint references public.notes, at timestamptz)`;
  await sql`insert into public.notes select n, now(), 'note' from generate_series(1, 100) as n`;
  await sql.unsafe("vacuum analyze public.notes");
  await sql`
    do $$
    begin
      for n in 1..800 loop
        execute format('create type public.type_%s as (value bigint)', n);
        execute format('create domain public.domain_%s as bigint check (value > 0)', n);
      end loop;
    end
    $$`;

  const [before, answers, after] = await sql.begin(async (transaction) => {
    // Not from a view: that would read pg_class itself.
    const scans = () =>
      transaction<{ catalogue: string; scans: number }[]>`
        select c.name as catalogue, pg_stat_get_xact_numscans(c.name::regclass)::integer as scans
          from unnest(array['pg_attribute', 'pg_class', 'pg_constraint', 'pg_depend', 'pg_type']) as c (name)`;
    const before = await scans();
    const answers = await transaction`
      select strata.shape('public.notes') is not null as shape,
             strata.references_sql('public.notes') like '%public.replies%' as referenced,
             (select count(*)::integer from strata.objections('public.notes', 'created_at', null)) as objections,
             strata.check_logged('public.notes') is not null as logged,
             strata.heap_needs('public.notes'::regclass, 100, 8192)::integer as bytes`;
    return [before, answers, await scans()];
  });

  assertEquals([...answers], [{
    shape: true,
    referenced: true,
    objections: 0,
    logged: true,
    bytes: 8192,
  }]);
  assertEquals([...after], [...before]);
});
