/** Every type that comes with Postgres, alone and as a part of others. */
import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { BUILTIN, FORMS, formTypes, quoted, REFUSED } from "../support/builtin_types.ts";
import { NASTY_SETTINGS } from "../support/every_type.ts";
import { driversOf, moveTest, runInNewSessions, setAsideOn } from "../support/moves.ts";
import { refusal } from "../support/refusal.ts";

const FORM_NAMES = Object.keys(FORMS);

/** A table per type with a column for each form, and a row for each value. */
async function makeTables(sql: Sql): Promise<void> {
  await sql`set standard_conforming_strings = on`;
  for (const [name, values] of Object.entries(BUILTIN)) {
    const forms = Object.entries(FORMS).map(([form, of]) => ({ form, ...of(name) }));
    await sql.unsafe(`${formTypes(name)}
      create table public.t_${name} (id int primary key, created_at timestamptz default '2020-01-01',
        ${forms.map(({ form, type }) => `"${form}" ${type}`).join(", ")})`);
    for (const [at, value] of values.entries()) {
      const v = `(${value})::${quoted(name)}`;
      const columns = forms.map((one) => one.value(v)).join(", ");
      await sql.unsafe(`insert into public.t_${name} values (${at}, default, ${columns})`);
    }
    await sql`select strata.manage(${`public.t_${name}`}::text::regclass, p_delete_after_days => null)`;
  }
}

/** Every value as it is stored, xml with what its output leaves out. */
async function valuesOf(sql: Sql): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = [];
  for (const name of Object.keys(BUILTIN)) {
    const rows = await sql.begin(async (tx) => {
      await tx`select set_config('extra_float_digits', '1', true), set_config('timezone', 'UTC', true),
        set_config('datestyle', 'ISO', true), set_config('intervalstyle', 'postgres', true),
        set_config('bytea_output', 'hex', true), set_config('lc_monetary', 'C', true)`;
      const texts = FORM_NAMES.map((form) => `concat("${form}") as "${form}"`).join(", ");
      return await tx.unsafe(`select '${name}' as type, id, ${texts},
        md5(concat("alone"::text, "array"::text[], "cube"::text[], (composite).v::text, (composite).vs::text[],
          (composites[1]).v::text, "domain"::text, (deep).ds::text[], ((deep).c).v::text)) as raw
        from public.t_${name} order by id`);
    });
    found.push(...rows.map((row) => ({ ...row })));
  }
  return found;
}

moveTest("every type that comes with Postgres crosses unchanged, or is refused", async (chain) => {
  const { core, main } = chain;
  await makeTables(core.sql);
  const before = await valuesOf(core.sql);
  for (const { sql, name } of chain.databases) {
    for (const [setting, value] of Object.entries(NASTY_SETTINGS)) {
      await sql`alter database ${sql(name)} set ${sql.unsafe(setting)} to ${sql.unsafe(value)}`;
    }
  }
  await main.sql`alter database ${main.sql(main.name)} set quote_all_identifiers = on`;
  await runInNewSessions(chain);
  await runInNewSessions(chain);

  const troubles = await core
    .sql`select name, trouble from strata.datasets where trouble is not null`;
  assert.deepEqual([...troubles], []);
  assert.deepEqual(await setAsideOn(core), []);
  assert.deepEqual(await valuesOf(main.sql), before);
  const left = (await valuesOf(core.sql)).map(({ type }) => type);
  assert.deepEqual(left, []);
}, { drivers: driversOf(1, ["push", "pull"]) });

moveTest("no type that comes with Postgres is forgotten by these tests", async ({ core }) => {
  const types = await core.sql<{ name: string }[]>`
    select typname as name from pg_type
     where typnamespace = 'pg_catalog'::regnamespace and typtype in ('b', 'r', 'm')
       and (typcategory <> 'A' or typname in ('int2vector', 'oidvector')) order by typname collate "C"`;
  const known = [...Object.keys(BUILTIN), ...REFUSED].sort();
  assert.deepEqual(types.map(({ name }) => name).filter((name) => !known.includes(name)), []);
  for (const name of REFUSED) {
    await core.sql.unsafe(
      `create table public.r_${name} (id int primary key, created_at timestamptz,
      v ${quoted(name)})`,
    );
    const { code } = await refusal(core.sql.unsafe(`select strata.manage('public.r_${name}')`));
    assert.equal(code, "ST010", name);
  }
}, { drivers: ["push"] });

const ORDERED = [
  "bit",
  "bpchar",
  "bytea",
  "char",
  "float8",
  "inet",
  "interval",
  "jsonb",
  "macaddr",
  "money",
  "name",
  "numeric",
  "pg_lsn",
  "regclass",
  "text",
  "time",
  "timestamptz",
  "timetz",
  "tsvector",
  "uuid",
  "varbit",
  "varchar",
  "xid8",
];

moveTest("ranges of any type with an order cross unchanged", async (chain) => {
  const { core, main } = chain;
  for (const name of ORDERED) {
    await core.sql.unsafe(`create type public.g_${name} as range (subtype = ${quoted(name)},
        multirange_type_name = public.many_${name});
      create table public.t_${name} (id int primary key, created_at timestamptz default '2020-01-01',
        one public.g_${name}, many public.many_${name}, several public.g_${name}[])`);
    for (const [at, value] of (BUILTIN[name] ?? []).entries()) {
      const range = `public.g_${name}((${value})::${quoted(name)}, null, '[)')`;
      await core.sql.unsafe(`insert into public.t_${name}
        values (${at}, default, ${range}, public.many_${name}(${range}), array[${range}, 'empty'])`);
    }
    await core
      .sql`select strata.manage(${`public.t_${name}`}::text::regclass, p_delete_after_days => null)`;
  }
  const rows = (sql: Sql) =>
    Promise.all(ORDERED.map(async (name) => [
      name,
      ...(await sql.unsafe(`select t::text as line from public.t_${name} as t order by id`))
        .map(({ line }) => line),
    ]));
  const before = await rows(core.sql);
  await runInNewSessions(chain);
  await runInNewSessions(chain);
  assert.deepEqual(await setAsideOn(core), []);
  assert.deepEqual(await rows(main.sql), before);
}, { drivers: ["push"] });
