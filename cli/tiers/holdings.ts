/** What a tier holds: rows, moves, tables. */
import type { Db } from "../../supabase/functions/_strata/protocol/strata.ts";

/** How many rows the managed tables of a tier have, all together. */
export async function settledRows(sql: Db): Promise<bigint> {
  const tables = await sql<{ relation: string }[]>`
    select strata.relation(d) as relation from strata.datasets as d
     where to_regclass(strata.relation(d)) is not null`;
  let total = 0n;
  for (const { relation } of tables) {
    const [row] = await sql<{ rows: string }[]>`
      select count(*)::text as rows from ${sql.unsafe(relation)}`; // quoted by relation()
    total += BigInt(row?.rows ?? 0);
  }
  return total;
}

/** The dataset of this name, or else the one whose table has it. */
export async function datasetOf(
  sql: Db,
  name: string,
  table?: { schema: string; table: string },
): Promise<string | undefined> {
  const [row] = await sql<{ name: string }[]>`
    select d.name from strata.datasets as d
     where d.name = ${name}
        or (d.schema_name = ${table?.schema ?? null} and d.table_name = ${table?.table ?? null})
     order by d.name = ${name} desc limit 1`;
  return row?.name;
}

/** The tables that a tier manages, as SQL names them. */
export async function managedTables(sql: Db): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select format('%I.%I', d.schema_name, d.table_name) as name from strata.datasets as d order by 1`;
  return rows.map(({ name }) => name);
}

/** How many moves to a tier are open here. */
export async function openMovesTo(sql: Db, tier: string): Promise<number> {
  const [row] = await sql<{ moves: number }[]>`
    select count(*)::integer as moves from strata.moves
     where state <> 'closed' and to_tier = ${tier}`;
  return row?.moves ?? 0;
}

/** The tables of a database that somebody may want to have managed, as SQL names them. */
export async function tableNames(sql: Db): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as name
      from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> all (array['information_schema',
           'strata', 'auth', 'storage', 'realtime', 'vault', 'net', 'cron', 'supabase_migrations'])
     order by 1 limit 5000`;
  return rows.map(({ name }) => name);
}

/** When a job of this tier runs, as pg_cron has it; undefined: it does not run here. */
export async function scheduleOf(sql: Db, job: string): Promise<string | undefined> {
  const [row] = await sql<{ cron: string }[]>`
    select cron from strata.schedules where job = ${job} and active and strata.tier() = any (tiers)`;
  return row?.cron;
}
