import { assert, assertEquals } from "@std/assert";
import type { Sql } from "postgres";
import { testDatabase } from "./support/database.ts";
import { schemaFiles } from "./support/schemas.ts";

/** Unpinned on purpose: pinned, they would not be inlined, and they run once per row. */
const INLINED = ["strata.digest(bytea)", "strata.fingerprint(bytea)", "strata.fingerprint(text)"];

async function names(rows: PromiseLike<{ name: string }[]>): Promise<string[]> {
  return (await rows).map(({ name }) => name);
}

Deno.test("every function is pinned; procedures are not, because they commit", async () => {
  await using db = await testDatabase();
  const unpinned = db.sql<{ name: string }[]>`
    select p.oid::regprocedure::text as name from pg_proc as p
     where p.pronamespace = 'strata'::regnamespace and p.prokind <> 'p'
       and not coalesce('search_path=pg_catalog, pg_temp' = any (p.proconfig), false) order by 1`;
  assertEquals(await names(unpinned), INLINED);

  const pinnedProcedures = db.sql<{ name: string }[]>`
    select p.oid::regprocedure::text as name from pg_proc as p
     where p.pronamespace = 'strata'::regnamespace and p.prokind = 'p'
       and (p.proconfig is not null or p.prosecdef)`;
  assertEquals(await names(pinnedProcedures), []);
});

Deno.test("every function that writes values, or texts of the catalogue, for another session has all the settings for it, and only one list has them", async () => {
  await using db = await testDatabase();
  const wrong = db.sql<{ name: string }[]>`
    with functions as (
      select p.oid::regprocedure::text as name, p.prosrc as body,
             (select count(*) from strata.pins() as i, unnest(p.proconfig) as c where lower(c) = lower(i.name || '=' || i.value)) as pins,
             exists (select from strata.pins() as i, unnest(p.proconfig) as c
                      where lower(split_part(c, '=', 1)) = i.name and i.name <> 'standard_conforming_strings') as is_pinned
        from pg_proc as p where p.pronamespace = 'strata'::regnamespace and p.prokind = 'f'
    )
    select f.name from functions as f
     where case when f.is_pinned then f.pins <> (select count(*) from strata.pins())
                else f.body ~ 'pg_get_(triggerdef|expr|constraintdef|ruledef|indexdef)|format_type|::reg(type|class|proc|procedure)::text'
                  or f.body ~ 'execute ' and f.body ~ 'strata[.](key_sql|content_sql|value_sql|key_is_sql|manifest_sql|cutoff_sql|batch_sql|same_line_sql|held_sql|due_sql|conditions)[(]'
                end order by 1`;
  // reads a key as whoever gives it writes it, and has strata.text_of() write it
  assertEquals(await names(wrong), ["strata.normal_key(strata.datasets,text[])"]);

  for await (const { text } of schemaFiles()) {
    assert(!/^set (datestyle|intervalstyle|timezone|bytea_output|array_nulls) /m.test(text));
  }
});

Deno.test("a backslash in a function means the same wherever strings are read as standard, or not", async () => {
  await using db = await testDatabase();
  const unsure = db.sql<{ name: string }[]>`
    select p.oid::regprocedure::text as name from pg_proc as p
     where p.pronamespace = 'strata'::regnamespace and regexp_replace(p.prosrc, '--[^\\n]*', '', 'g') ~ '[\\\\]'
       and not coalesce('standard_conforming_strings=on' = any (p.proconfig), false) order by 1`;
  // written as E'', which always means the same
  assertEquals(await names(unsure), ["strata.condition_tokens(text)", "strata.marks(uuid)"]);
});

Deno.test("where scans are put off nothing is compiled: one that is needed all the same counts as dear", async () => {
  await using db = await testDatabase();
  const compiling = db.sql<{ name: string }[]>`
    select p.oid::regprocedure::text as name from pg_proc as p
     where p.pronamespace = 'strata'::regnamespace and 'enable_seqscan=off' = any (p.proconfig)
       and not 'jit=off' = any (p.proconfig)`;
  assertEquals(await names(compiling), []);
});

Deno.test("every function and procedure says what it does", async () => {
  await using db = await testDatabase();
  const silent = db.sql<{ name: string }[]>`
    select p.oid::regprocedure::text as name from pg_proc as p
     where p.pronamespace = 'strata'::regnamespace and obj_description(p.oid, 'pg_proc') is null`;
  assertEquals(await names(silent), []);
});

Deno.test("no function or procedure may be executed by public or by the API's roles", async () => {
  await using db = await testDatabase();
  const open = db.sql<{ name: string }[]>`
    select p.oid::regprocedure::text as name
      from pg_proc as p, unnest(array['public', 'anon', 'authenticated']) as role
     where p.pronamespace = 'strata'::regnamespace
       and has_function_privilege(role, p.oid, 'execute')`;
  assertEquals(await names(open), []);
});

Deno.test("every table and every type says what it holds", async () => {
  await using db = await testDatabase();
  const silent = db.sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class as c
     where c.relnamespace = 'strata'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
       and obj_description(c.oid, 'pg_class') is null
    union all
    select t.oid::regtype::text from pg_type as t left join pg_class as c on c.oid = t.typrelid
     where t.typnamespace = 'strata'::regnamespace and t.typelem = 0
       and (c.oid is null or c.relkind = 'c')
       and obj_description(t.oid, 'pg_type') is null`;
  assertEquals(await names(silent), []);
});

Deno.test("every trigger says what it does", async () => {
  await using db = await testDatabase();
  const silent = db.sql<{ name: string }[]>`
    select format('%s on %s', g.tgname, c.oid::regclass) as name
      from pg_trigger as g join pg_class as c on c.oid = g.tgrelid
     where c.relnamespace = 'strata'::regnamespace and not g.tgisinternal
       and obj_description(g.oid, 'pg_trigger') is null`;
  assertEquals(await names(silent), []);
});

Deno.test("every table has row level security on and is closed to public and to the API's roles", async () => {
  await using db = await testDatabase();
  const open = db.sql<{ name: string }[]>`
    select distinct c.oid::regclass::text as name
      from pg_class as c, unnest(array['public', 'anon', 'authenticated']) as role
     where c.relnamespace = 'strata'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
       and (has_table_privilege(role, c.oid, 'select, insert, update, delete, truncate, references, trigger')
            or c.relkind = 'r' and not c.relrowsecurity)`;
  assertEquals(await names(open), []);
});

Deno.test("the schema is closed to public and to the API's roles", async () => {
  await using db = await testDatabase();
  const open = db.sql<{ name: string }[]>`
    select role as name from unnest(array['public', 'anon', 'authenticated']) as role
     where has_schema_privilege(role, 'strata', 'usage, create')`;
  assertEquals(await names(open), []);
});

Deno.test("the edge functions' role reaches no table, and runs what it may run as the owner", async () => {
  await using db = await testDatabase();
  const open = db.sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class as c
     where c.relnamespace = 'strata'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
       and has_table_privilege('service_role', c.oid, 'select, insert, update, delete, truncate, references, trigger')
    union all
    select p.oid::regprocedure::text from pg_proc as p
     where p.pronamespace = 'strata'::regnamespace and not p.prosecdef
       and has_function_privilege('service_role', p.oid, 'execute')`;
  assertEquals(await names(open), []);
});

Deno.test("every error that is raised is in strata.errors, and the other way round", async () => {
  await using db = await testDatabase();
  const raised = new Set<string>();
  for await (const { text } of schemaFiles()) {
    const withoutTheList = text.replace(/insert into strata\.errors[^;]*;/, "");
    for (const [, code] of withoutTheList.matchAll(/'(ST\d{3})'/g)) raised.add(code ?? "");
  }
  const listed = db.sql<{ name: string }[]>`
    select code as name from strata.errors where code like 'ST%' order by code`;
  assertEquals([...raised].sort(), await names(listed));
});

Deno.test("every error names its cause and its remedy in one sentence without a full stop", async () => {
  await using db = await testDatabase();
  const sloppy = db.sql<{ name: string }[]>`
    select code as name from strata.errors
     where cause !~ '^[^.].{9,}[^.]$' or remedy !~ '^[^.].{9,}[^.]$'`;
  assertEquals(await names(sloppy), []);
});

Deno.test("every raise of a migration has an error code", async () => {
  for await (const { text } of schemaFiles()) {
    const code = text.replaceAll(/--.*$/gm, "");
    for (const [statement] of code.matchAll(/raise exception(?:'[^']*'|[^;'])*;/g)) {
      assert(statement.includes("errcode"), statement);
    }
  }
});

Deno.test("every scheduled command is one statement and holds no secret", async () => {
  await using db = await testDatabase();
  const commands = await db.sql<{ command: string }[]>`select command from strata.schedules`;
  assert(commands.length > 0);
  for (const { command } of commands) {
    assert(/^call strata\.[a-z_]+\(\)$/.test(command), command);
  }
});

Deno.test("a schedule cannot be given two statements, nor tiers that are none", async () => {
  await using db = await testDatabase();
  await assertRefused(db.sql, "update strata.schedules set command = 'select 1; select 2'");
  await assertRefused(db.sql, "update strata.schedules set tiers = '{core,moon}'");
});

async function assertRefused(sql: Sql, statement: string) {
  const outcome = await sql.unsafe(statement).then(() => "done", (error) => error.code);
  assertEquals(outcome, "23514");
}
