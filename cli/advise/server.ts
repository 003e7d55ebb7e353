/** What a server is: its version, who is asked as, what is billed, whether it is read-only, what it keeps. */
import { tierOf } from "../../supabase/functions/_strata/protocol/strata.ts";
import { managedTables } from "../tiers/holdings.ts";
import type { Reader } from "./reader.ts";

/** A server and the database that is looked at. */
export interface Server {
  version: string;
  version_num: number;
  login: string;
  database: string;
  /** New sessions may not write. */
  read_only: boolean;
  standby: boolean;
  /** Since when use is counted; null: since the database was made. */
  counted_since: string | null;
  counted_days: number;
  /** As whom Strata works, or would: the owner of what it has, or who may set it up. */
  worker: string;
  worker_id: number;
  /** Whether Strata is there, and which tier it says it is. */
  installed: boolean;
  /** Whether schemas such as auth and storage are the platform's. */
  supabase: boolean;
}

/** One database of the server, with its size where this login may ask for it. */
export interface Database {
  name: string;
  bytes: number | null;
  current: boolean;
}

/** What keeps the room of deleted rows, or the log, from being given back. */
export interface Pin {
  keeps: "rows" | "log";
  says: string;
  statement: string;
}

/** Asks the server who it is. */
export async function serverOf(reader: Reader): Promise<Server | undefined> {
  const rows = await reader.ask("the server", (sql) =>
    sql<Server[]>`
    select current_setting('server_version') as version,
           current_setting('server_version_num')::integer as version_num,
           current_user::text as login, current_database()::text as database,
           (select s.reset_val = 'on' from pg_settings as s
             where s.name = 'default_transaction_read_only') as read_only,
           pg_is_in_recovery() as standby,
           to_char(d.stats_reset, 'YYYY-MM-DD') as counted_since,
           coalesce(extract(epoch from now() - d.stats_reset)::float8 / 86400,
                    extract(epoch from now() - pg_postmaster_start_time())::float8 / 86400) as counted_days,
           pg_get_userbyid(w.id)::text as worker, w.id::bigint::float8 as worker_id,
           to_regclass('strata.self') is not null as installed,
           exists (select from pg_roles as p where p.rolname = 'supabase_admin') as supabase
      from pg_stat_database as d
      join pg_database as b on b.oid = d.datid
      join pg_roles as r on r.rolname = current_user
     cross join lateral (
       select coalesce((select n.nspowner from pg_namespace as n where n.nspname = 'strata'),
                       case when r.rolsuper or r.rolcreaterole
                              and has_database_privilege(b.oid, 'create') then r.oid
                            else b.datdba end) as id) as w
     where b.datname = current_database()`);
  return rows?.[0];
}

/** Which tier Strata says this is, and the tables it manages, by their shown names. */
export async function strataOf(
  reader: Reader,
): Promise<{ tier: string | null; managed: string[] }> {
  const tier = await reader.ask("which tier this is", (sql) => tierOf(sql));
  const managed = await reader.ask("what Strata manages", (sql) => managedTables(sql));
  return { tier: tier ?? null, managed: managed ?? [] };
}

/** Every database of the server: the platform bills their sum. */
export async function databasesOf(reader: Reader): Promise<Database[]> {
  const named = await reader.ask(
    "the databases",
    (sql) =>
      sql<{ name: string; id: number; current: boolean; asked: boolean }[]>`
    select d.datname::text as name, d.oid::bigint::float8 as id, d.datname = current_database() as current,
           has_database_privilege(d.oid, 'connect') or pg_has_role('pg_read_all_stats', 'member') as asked
      from pg_database as d order by d.oid`,
  ) ?? [];
  const found: Database[] = [];
  for (const { name, id, current, asked } of named) {
    const rows = asked
      ? await reader.ask(`the size of database ${name}`, (sql) =>
        sql<{ bytes: number | null }[]>`
          select case when exists (select from pg_database as d where d.oid = ${id}::oid)
                      then pg_database_size(${id}::oid)::float8 end as bytes`)
      : undefined;
    if (rows !== undefined && rows[0]?.bytes == null) continue; // dropped meanwhile
    found.push({ name, bytes: rows?.[0]?.bytes ?? null, current });
  }
  return found;
}

/** The write-ahead log, which is not billed, but takes the same disk; null where it may not be seen. */
export async function logBytes(reader: Reader): Promise<number | null> {
  const rows = await reader.ask("the write-ahead log", (sql) =>
    sql<{ bytes: number | null }[]>`
    select case when has_function_privilege('pg_ls_waldir()', 'execute')
                then (select sum(w.size)::float8 from pg_ls_waldir() as w) end as bytes`);
  return rows?.[0]?.bytes ?? null;
}

/** Transactions open for an hour and longer, prepared ones, and slots that nobody reads. */
export async function pinsOf(reader: Reader): Promise<Pin[]> {
  return await reader.ask("what keeps room from being given back", (sql) =>
    sql<Pin[]>`
    select 'rows' as keeps, format('a transaction of %s is open since %s UTC (process %s)', a.usename,
                  to_char(a.xact_start, 'YYYY-MM-DD HH24:MI'), a.pid) as says,
           format('select pg_terminate_backend(%s);', a.pid) as statement
      from pg_stat_activity as a
     where a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
       and a.xact_start < now() - interval '1 hour'
     union all
    select 'rows', format('transaction %s is prepared since %s UTC and not ended', x.gid,
                  to_char(x.prepared, 'YYYY-MM-DD HH24:MI')),
           format('rollback prepared %L;', x.gid)
      from pg_prepared_xacts as x where x.prepared < now() - interval '1 hour'
     union all
    select case when t.xmin is null and t.catalog_xmin is null then 'log' else 'rows' end,
           format('nobody reads the replication slot %s, for which the write-ahead log is kept', t.slot_name),
           format('select pg_drop_replication_slot(%L);', t.slot_name)
      from pg_replication_slots as t where not t.active`) ?? [];
}
