/** The settings of databases and roles, on both ends of a link, change neither what moves nor what stays. */
import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { auditAll, mismatches } from "../support/audit.ts";
import { makeEveryType } from "../support/every_type.ts";
import {
  driversOf,
  type MoveChain,
  moveTest,
  setAsideOn,
  settle,
  THREE_TIERS,
} from "../support/moves.ts";
import { type Settings, useSettings } from "../support/settings.ts";

const WORLDS: Record<string, { database: Settings; role?: Settings }> = {
  "a German who distrusts standards": {
    database: {
      datestyle: "'German, DMY'",
      intervalstyle: "sql_standard",
      timezone: "'Asia/Kathmandu'",
      bytea_output: "escape",
      extra_float_digits: "0",
      xmlbinary: "hex",
      xmloption: "document",
      array_nulls: "off",
      standard_conforming_strings: "off",
      escape_string_warning: "off",
      backslash_quote: "off",
      quote_all_identifiers: "on",
      transform_null_equals: "on",
      default_transaction_isolation: "serializable",
      search_path: "pg_temp, nowhere, public",
    },
  },
  "an American in the Pacific": {
    database: {
      datestyle: "'SQL, DMY'",
      intervalstyle: "iso_8601",
      timezone: "'Pacific/Apia'",
      extra_float_digits: "-15",
      lc_monetary: "'C.utf8'",
      lc_numeric: "'C.utf8'",
      lc_time: "'C.utf8'",
      client_encoding: "'LATIN1'",
      default_toast_compression: "pglz",
      default_transaction_isolation: "'repeatable read'",
      default_transaction_deferrable: "on",
      search_path: "public, strata, pg_catalog",
    },
    role: {
      datestyle: "'Postgres, DMY'",
      timezone: "'-12:34'",
      row_security: "off",
      check_function_bodies: "off",
      synchronous_commit: "off",
      bytea_output: "escape",
      quote_all_identifiers: "on",
    },
  },
  "a planner who is forbidden everything": {
    database: {
      enable_seqscan: "off",
      enable_bitmapscan: "off",
      enable_hashjoin: "off",
      enable_mergejoin: "off",
      plan_cache_mode: "force_generic_plan",
      jit: "off",
      work_mem: "'64kB'",
    },
  },
  "a replica in a hurry": {
    database: {
      statement_timeout: "'40s'",
      lock_timeout: "'1s'",
      idle_in_transaction_session_timeout: "'300ms'",
      idle_session_timeout: "'300ms'",
      timezone: "'America/New_York'",
      datestyle: "'ISO, YMD'",
      plan_cache_mode: "force_custom_plan",
      default_table_access_method: "heap",
      temp_tablespaces: "''",
      default_tablespace: "''",
      commit_delay: "1000",
      track_activities: "on",
      log_min_duration_statement: "0",
    },
    role: { session_replication_role: "replica" },
  },
};

/** Every value of a row as its type writes it, under settings of the reader's own. */
async function valuesOf(sql: Sql, table: string): Promise<unknown[]> {
  return await sql.begin(async (tx) => {
    await tx`
      select set_config('extra_float_digits', '1', true), set_config('timezone', 'UTC', true),
             set_config('datestyle', 'ISO', true), set_config('intervalstyle', 'postgres', true),
             set_config('bytea_output', 'hex', true), set_config('xmlbinary', 'base64', true),
             set_config('lc_monetary', 'C', true), set_config('quote_all_identifiers', 'off', true)`;
    const columns = await tx<{ name: string }[]>`
      select attname as name from pg_attribute
       where attrelid = ${table}::regclass and attnum > 0 and not attisdropped order by attname`;
    const list = columns.map(({ name }) => `${name}::text as ${name}`).join(", ");
    return (await tx.unsafe(`select ${list} from ${table} order by id`)).map((row) => ({ ...row }));
  });
}

/** Rows whose keys, ages and holds are written as text on their way, and one that main refuses. */
async function makeVisits({ sql }: { sql: Sql }): Promise<void> {
  await sql.unsafe(`
    create table public.visits (
      id int not null, at timestamptz not null, lasts interval not null, mark bytea not null, at_home date not null,
      created_at timestamp not null, body text, primary key (id, at, lasts, mark, at_home));
    insert into public.visits
    select g, timestamptz '2020-05-04 03:02:01.5+00' + g * interval '1 day', '1 day -00:00:01'::interval * g,
           decode('00ff5c' || lpad(to_hex(g), 2, '0'), 'hex'), date '2020-05-04' + g, timestamp '2020-05-04 03:02' + g * interval '1 day', 'visit ' || g
      from generate_series(1, 8) as g;
    create table public.bills (id int primary key, visit int, at timestamptz, lasts interval, mark bytea, at_home date,
      foreign key (visit, at, lasts, mark, at_home) references public.visits);
    insert into public.bills select 1, id, at, lasts, mark, at_home from public.visits where id = 2`);
  await sql`select strata.manage('public.visits', p_delete_after_days => null)`;
  await sql`
    select strata.hold('visits', p_key => (select array[id::text, at::text, lasts::text, mark::text, at_home::text]
                                             from public.visits where id = 3), p_reason => 'kept')`;
  await sql`
    select strata.hold('visits', p_condition => 'created_at = ''2020-05-08 03:02'' and body is not null',
                       p_reason => 'kept')`;
}

async function stays(chain: MoveChain): Promise<void> {
  const { core, main } = chain;
  const ids = async (sql: Sql) =>
    (await sql`select id from public.visits order by id`).map(({ id }) => id);
  assert.deepEqual([await ids(core.sql), await ids(main.sql)], [[2, 3, 4, 5], [1, 6, 7, 8]]);
  const [aside] = await setAsideOn(core);
  assert.deepEqual([aside?.code, aside?.key.slice(0, 2)], ["23514", "5,"]);
  const explained = await core.sql`
    select e.* from public.visits as v,
           strata.explain('visits', v.id::text, v.at::text, v.lasts::text, v.mark::text, v.at_home::text) as e
     where v.id in (2, 3)`;
  assert.ok(explained.length >= 2);
}

for (const [nth, [who, { database, role }]] of Object.entries(WORLDS).entries()) {
  moveTest(`${who} loses nothing and keeps nothing`, async (chain) => {
    const { core, main } = chain;
    await makeEveryType(core.sql);
    await core.sql`select strata.manage('public.every_type', p_delete_after_days => null)`;
    const values = await valuesOf(core.sql, "public.every_type");
    await useSettings(chain, database, role);

    await settle(chain);
    assert.deepEqual(await valuesOf(core.sql, "public.every_type"), []);
    assert.deepEqual(await valuesOf(chain.archive.sql, "public.every_type"), values);
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), []);
    assert.equal((await main.sql`select from public.every_type`).length, 0);
  }, { tiers: THREE_TIERS, drivers: driversOf(nth) });

  moveTest(`${who} keeps the same rows for the same reasons`, async (chain) => {
    const { core, main } = chain;
    await useSettings(chain, database, role);
    await makeVisits(core);
    await main.sql.unsafe(`
      create table public.visits (
        id int not null, at timestamptz not null, lasts interval not null, mark bytea not null, at_home date not null,
        created_at timestamp not null, body text check (body <> 'visit 5'), primary key (id, at, lasts, mark, at_home))`);
    await settle(chain);
    await stays(chain);
  }, { drivers: driversOf(nth + 1) });
}
