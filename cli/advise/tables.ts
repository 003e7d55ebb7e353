/** Tables: how large they are, about how many rows they have, and how much of their room is empty. */
import type { TransactionSql } from "postgres";
import type { Reader } from "./reader.ts";

/** A table, a materialized view or a partitioned parent, as the catalogue and the counters know it. */
export interface Table {
  oid: number;
  schema: string;
  name: string;
  /** As it is written in SQL. */
  shown: string;
  kind: string;
  owner: string;
  heap: number;
  index: number;
  toast: number;
  /** About how many rows; null where nobody has counted. */
  rows: number | null;
  dead: number;
  inserted: number;
  updated: number;
  deleted: number;
  toast_rows: number | null;
  /** When the planner's statistics were made, in seconds; null: never since the counters began. */
  analyzed: number | null;
  /** Whether this login sees all of its rows. */
  readable: boolean;
  fill: number;
  partition: boolean;
  /** The partitioned table of which it is a part. */
  parent: number | null;
  /** Somebody has it for himself just now: nothing more can be asked about it. */
  held: boolean;
}

/** What a column adds to a row; the width is null where it is not known. */
interface Width {
  table: number;
  length: number;
  align: string;
  dropped: boolean;
  width: number | null;
  nulls: number | null;
}

const PAGE = 8192;
/** Less than this is not worth a look: no command gives it back. */
const WORTH = 1024 * 1024;
const MOST_LOOKED_AT = 300;

/** All that a table takes. */
export const bytesOf = ({ heap, index, toast }: Pick<Table, "heap" | "index" | "toast">) =>
  heap + index + toast;

/** About how many pieces of long values a table has; null where nobody has counted. */
const toastRows = (sql: TransactionSql) =>
  sql`
    (select case when greatest(pg_stat_get_last_vacuum_time(x.oid),
                               pg_stat_get_last_autovacuum_time(x.oid)) is not null
                   then pg_stat_get_live_tuples(x.oid)
                 when x.reltuples >= 0 then greatest(x.reltuples::bigint
                   + pg_stat_get_tuples_inserted(x.oid) - pg_stat_get_tuples_deleted(x.oid), 0)
                 when pg_stat_get_tuples_inserted(x.oid) > 0 then pg_stat_get_live_tuples(x.oid) end
       from pg_class as x where x.oid = c.reltoastrelid)`;

/** Every table of the database; one that is locked by somebody is not waited for. */
export async function tablesOf(reader: Reader): Promise<Table[]> {
  return await reader.ask("the tables", (sql) =>
    sql<Table[]>`
    with locked as materialized (
      select l.relation from pg_locks as l join pg_database as d on d.oid = l.database
       where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock' and l.pid <> pg_backend_pid()
         and d.datname = current_database()
    )
    select c.oid::bigint::float8 as oid, n.nspname::text as schema, c.relname::text as name,
           format('%I.%I', n.nspname, c.relname) as shown, c.relkind::text as kind,
           pg_get_userbyid(c.relowner)::text as owner,
           case when c.relkind in ('p', 'f') then 0 when h.held then c.relpages::float8 * 8192
                else coalesce(pg_table_size(c.oid) - coalesce(pg_total_relation_size(nullif(c.reltoastrelid,
                  0)), 0), 0)::float8 end as heap,
           case when c.relkind in ('p', 'f') then 0
                when h.held then (select coalesce(sum(x.relpages), 0)::float8 * 8192 from pg_index as i
                                    join pg_class as x on x.oid = i.indexrelid where i.indrelid = c.oid)
                else coalesce(pg_indexes_size(c.oid), 0)::float8 end as index,
           case when c.reltoastrelid = 0 then 0
                when h.held then (select x.relpages::float8 * 8192 from pg_class as x
                  where x.oid = c.reltoastrelid)
                else coalesce(pg_total_relation_size(c.reltoastrelid), 0)::float8 end as toast,
           case when s.counted is not null then pg_stat_get_live_tuples(c.oid)
                when c.reltuples >= 0 then greatest(c.reltuples::bigint + s.inserted - s.deleted, 0)
                when s.inserted > 0 then pg_stat_get_live_tuples(c.oid) end::float8 as rows,
           pg_stat_get_dead_tuples(c.oid)::float8 as dead, s.inserted::float8 as inserted,
           pg_stat_get_tuples_updated(c.oid)::float8 as updated, s.deleted::float8 as deleted,
           ${toastRows(sql)}::float8 as toast_rows,
           extract(epoch from s.analyzed)::float8 as analyzed,
           has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
             and not row_security_active(c.oid) as readable,
           coalesce((select o.option_value::float8 from pg_options_to_table(c.reloptions) as o
                      where o.option_name = 'fillfactor'), 100) / 100 as fill,
           c.relispartition as partition, h.held,
           (select i.inhparent::bigint::float8 from pg_inherits as i
             where i.inhrelid = c.oid and c.relispartition) as parent
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
     cross join lateral (
       select greatest(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid))
         as analyzed,
              greatest(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid),
                       pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid))
                         as counted,
              pg_stat_get_tuples_inserted(c.oid) as inserted, pg_stat_get_tuples_deleted(c.oid) as deleted)
                as s
     cross join lateral (
       select exists (select from locked as l
                       where l.relation in (c.oid, c.reltoastrelid)
                          or l.relation in (select i.indexrelid from pg_index as i
                            where i.indrelid = c.oid)) as held) as h
     where c.relkind in ('r', 'm', 'p', 'f') and c.relpersistence <> 't'
       and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'`) ?? [];
}

/** How many bytes of heap and TOAST of each table hold nothing, by its number. Estimated; reads no table. */
export async function emptyBytes(
  reader: Reader,
  tables: readonly Table[],
): Promise<Map<number, number>> {
  const large = tables.filter((table) => table.heap + table.toast >= WORTH)
    .sort((a, b) => bytesOf(b) - bytesOf(a)).slice(0, MOST_LOOKED_AT);
  const widths = await widthsOf(reader, large);
  return new Map(large.map((table) => {
    const columns = widths.filter((column) => column.table === table.oid);
    return [table.oid, Math.round(emptyHeap(table, columns) + emptyToast(table))];
  }));
}

async function widthsOf(reader: Reader, tables: readonly Table[]): Promise<Width[]> {
  if (tables.length === 0) return [];
  return await reader.ask("the widths of columns", (sql) =>
    sql<Width[]>`
    select a.attrelid::bigint::float8 as table, a.attlen::integer as length, a.attalign::text as align,
           a.attisdropped as dropped, s.avg_width as width, s.null_frac::float8 as nulls
      from unnest(${tables.map(({ oid }) => oid)}::oid[]) as t (oid)
      join pg_class as c on c.oid = t.oid
      join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
      left join pg_stats as s on s.schemaname = c.relnamespace::regnamespace::name
       and s.tablename = c.relname and s.attname = a.attname and not s.inherited
     order by a.attrelid, a.attnum`) ?? [];
}

/** By the widths of its columns; by the share of its dead rows where nobody may see those. */
function emptyHeap({ heap, rows, dead, fill }: Table, columns: readonly Width[]): number {
  if (rows === null || heap < WORTH) return 0;
  const isKnown = columns.some(({ width }) => width !== null);
  const needs = isKnown
    ? PAGE *
      Math.ceil(rows / Math.max(Math.floor((PAGE - 24) * fill / (tupleBytes(columns) + 4)), 1))
    : heap * rows / Math.max(rows + dead, 1);
  const empty = heap - needs;
  return empty < heap / 10 ? 0 : empty; // within the error of the estimate
}

/** Columns one after the other as Postgres lays them out: short texts are packed, all else is aligned. */
function tupleBytes(columns: readonly Width[]): number {
  let bytes = 0;
  let hasNulls = false;
  for (const { length, align, dropped, width, nulls } of columns) {
    hasNulls ||= dropped || (nulls ?? 0) > 0;
    if (dropped) continue;
    const takes = width ?? (length > 0 ? length : 16);
    const step = align === "d" ? 8 : align === "i" ? 4 : align === "s" ? 2 : 1;
    if (length !== -1 || takes > 127) bytes = Math.ceil(bytes / step) * step;
    bytes += takes * (1 - (nulls ?? 0));
  }
  return 24 + (hasNulls ? 8 : 0) + Math.ceil(bytes / 8) * 8;
}

/** Four pieces to a page, and as many entries in its index; nothing where they were never counted. */
function emptyToast({ toast, toast_rows: pieces }: Table): number {
  if (toast < WORTH || pieces === null) return 0;
  const empty = toast - PAGE * Math.ceil(pieces / 4 + pieces / 300 + 1);
  return empty < toast / 10 ? 0 : empty;
}
