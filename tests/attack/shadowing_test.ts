/**
 * Temporary objects come first for types, tables and domains unless pg_temp is named last. Nothing that a login of a link
 * or service_role may call must take one of theirs for one of Postgres's.
 */
import assert from "node:assert/strict";
import postgres from "postgres";
import { REPOSITORY } from "../../local/settings.ts";
import { asNeighbour } from "./support.ts";
import { makeNotes, moveTest, settle } from "../support/moves.ts";

/** A value of each type that an argument may have; of any other type, null. */
const ARGUMENTS: Record<string, string> = {
  text: "'notes'",
  "text[]": "'{id}'",
  uuid: "'00000000-0000-0000-0000-000000000001'",
  "uuid[]": "'{}'",
  jsonb: "'{}'",
  integer: "1",
  bigint: "1",
  numeric: "1",
  boolean: "true",
  interval: "'1 minute'",
  "timestamp with time zone": "now()",
};

/** Domains over every type that a function of ours names, each with a check that cannot go unnoticed. */
const SHADOWS = `do $$
  declare t record;
  begin
    for t in select typname, format_type(oid, null) as type from pg_type
              where typnamespace = 'pg_catalog'::regnamespace and typtype = 'b' and typelem = 0 and typname !~ '^pg_' and typname <> 'unknown' loop
      execute format('create domain pg_temp.%I as %s check (pg_temp.spring())', t.typname, 'pg_catalog.' || quote_ident(t.typname));
    end loop;
    create temp table pg_class as select oid, relname from pg_catalog.pg_class;
    create temp table pg_type as select oid, typname, typnamespace from pg_catalog.pg_type;
    create temp table pg_attribute as select attrelid, attname, attnum from pg_catalog.pg_attribute;
    create temp table pg_namespace as select * from pg_catalog.pg_namespace;
    create temp table pg_roles as select * from pg_catalog.pg_roles;
    create temp table links as select 1 as neighbour;
    create temp table datasets as select 1 as name;
    create function pg_temp.format(text, variadic "any") returns pg_catalog.text language internal as 'text_format';
    create function pg_temp.now() returns timestamptz language plpgsql as 'begin return pg_temp.spring()::text::timestamptz; end';
    create operator pg_temp.= (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = pg_temp.same);
  end $$`.replace(/\n\s+create function pg_temp\.format[^\n]+/, "");

const TRAP = [
  `create function pg_temp.spring() returns pg_catalog.bool language plpgsql as
     'begin raise exception ''sprung as %'', current_user using errcode = ''ZZ001''; end'`,
  `create function pg_temp.same(pg_catalog.text, pg_catalog.text) returns pg_catalog.bool language plpgsql as
     'begin return pg_temp.spring(); end'`,
  SHADOWS,
];

const CALLABLE = `
  select p.oid::regproc::text as name, p.prokind = 'p' as is_procedure,
         array(select format_type(t, null) from unnest(p.proargtypes) as t) as types
    from pg_catalog.pg_proc as p
   where p.pronamespace = 'strata'::regnamespace
     and (has_function_privilege('strata_mover', p.oid, 'execute') or has_function_privilege('service_role', p.oid, 'execute')
          or has_function_privilege('public', p.oid, 'execute'))
   order by 1`;

moveTest("no temporary object of a caller's is taken for one of Postgres's", async (chain) => {
  const { core } = chain;
  await makeNotes(core);
  await settle(chain);
  await makeNotesDue(core.sql);
  const functions = await core.sql.unsafe<{ name: string; types: string[] }[]>(CALLABLE);
  assert.ok(functions.length > 60, "these are all that may be called");
  await core.sql.unsafe(`do $$ begin
    execute format('grant temporary on database %I to public', current_database());
    grant all on schema strata to strata_mover; grant execute on all functions in schema strata to strata_mover; end $$`);
  await asNeighbour(core, "main", async (sql) => {
    for (const statement of TRAP) await sql.unsafe(statement);
    await assert.rejects(sql.unsafe("select 'x'::pg_temp.text"), /sprung as strata_mover_main/);
    for (const { name, types } of functions) {
      const args = types.map((type) => ARGUMENTS[type] ?? "null").map((value, at) =>
        `${value}::${
          types[at]?.includes(".") ? types[at] : `pg_catalog.${catalogue(types[at] ?? "")}`
        }`
      );
      const call = `select ${name}(${args.join(", ")})`;
      const answer = await sql.unsafe(call).catch((error: postgres.PostgresError) => error.code);
      assert.notEqual(answer, "ZZ001", call);
    }
  });
}, { drivers: ["pull"] });

/** A type's name in the catalogue, which may be qualified. */
function catalogue(type: string): string {
  const names: Record<string, string> = {
    integer: "int4",
    bigint: "int8",
    boolean: "bool",
    "timestamp with time zone": "timestamptz",
    "double precision": "float8",
    smallint: "int2",
  };
  const base = type.replace("[]", "");
  return `${names[base] ?? base}${type.endsWith("[]") ? "[]" : ""}`;
}

async function makeNotesDue(sql: postgres.Sql): Promise<void> {
  await sql`insert into public.notes select n, now() - interval '60 days' from generate_series(10, 12) as n`;
}

Deno.test("every procedure that commits, and so cannot be pinned, qualifies what it names", async () => {
  const directory = `${REPOSITORY}/supabase/migrations`;
  const text = (await Promise.all(
    (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) =>
      Deno.readTextFile(`${directory}/${name}`)
    ),
  )).join("\n");
  const bodies = [
    ...text.matchAll(
      /create (?:or replace )?procedure (strata\.\w+)[\s\S]*?as \$\$([\s\S]*?)\n\$\$;/g,
    ),
  ];
  assert.ok(bodies.length > 10);
  for (const [, name, body] of bodies) {
    const casts = [...(body ?? "").matchAll(/::(?!(?:pg_catalog|strata)\.)(\w+)/g)].map(([cast]) =>
      cast
    );
    assert.deepEqual(casts, [], `${name} casts to a type that it does not qualify`);
  }
});
