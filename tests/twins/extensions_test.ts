/** Types of extensions, by themselves and in other types, where the extensions lie in other schemas on each tier. */
import assert from "node:assert/strict";
import { assertAtPeace, driversOf, moveTest, settle, THREE_TIERS } from "../support/moves.ts";

const EXTENSIONS = ["citext", "cube", "hstore", "isn", "ltree", "seg"];

const SCHEMAS: [core: string, main: string][] = [
  ["extensions", "public"],
  ["public", "extensions"],
  ['"Ext ""s"', '"Other.x"'],
];

for (const [cell, [onCore, onMain]] of SCHEMAS.entries()) {
  moveTest(
    `types of extensions in ${onCore} settle where those are in ${onMain}`,
    async (chain) => {
      const { core, main, archive } = chain;
      for (const [{ sql }, schema] of [[core, onCore], [main, onMain]] as const) {
        await sql.unsafe(`create schema if not exists ${schema}`);
        for (const name of EXTENSIONS) {
          await sql.unsafe(`create extension ${name} schema ${schema}`);
        }
      }
      const of = (type: string) => `${onCore}.${type}`;
      await core.sql.unsafe(`
      create domain public.email as ${of("citext")} check (value like '%@%');
      create type public.person as (name ${of("citext")}, tags ${of("hstore")}, path ${
        of("ltree")
      }, mail public.email);
      create domain public.people as public.person[];
      create table public.everything (
        id ${of("citext")} primary key, created_at timestamptz, names ${of("citext")}[], tags ${
        of("hstore")
      }[],
        path ${of("ltree")}, asks ${of("lquery")}, cube ${of("cube")}, seg ${of("seg")}, book ${
        of("isbn13")
      },
        mail public.email, mails public.email[], person public.person, people public.people);
      insert into public.everything select 'K' || g, now() - interval '800 days', '{Ab,aB}', array['b=>2'::${
        of("hstore")
      }],
        'a.b.c', 'a.*', '(1,2),(3,4)', '1.5 .. 2.5', '978-0-393-04002-9', 'A@b.c', '{x@y.z}',
        '(N,"k=>v",x.y,m@m)', array['(N,"k=>v",x.y,m@m)'::public.person] from generate_series(1, 3) as g`);
      const rows =
        `select md5(string_agg(t::text, ',' order by t.id::text)) as rows from public.everything as t`;
      const before = await core.sql.unsafe(rows);
      await core.sql`select strata.manage('public.everything', p_delete_after_days => null)`;
      await settle(chain);
      assert.deepEqual([...await archive.sql.unsafe(rows)], [...before]);
      await assertAtPeace(chain);
      const there = await archive.sql`select distinct extnamespace::regnamespace::text as schema
      from pg_extension where extname = any (${EXTENSIONS})`;
      assert.deepEqual(there.map(({ schema }) => schema), [onMain], "as on the tier before it");
    },
    { tiers: THREE_TIERS, drivers: driversOf(cell) },
  );
}
