/** Ages: which column tells when a row was made, and how many rows are how old. */
import type { Reader } from "./reader.ts";
import type { Table } from "./tables.ts";

/** A column that is a point in time, and what speaks for its being the row's birth. */
export interface AgeColumn {
  table: number;
  name: string;
  type: string;
  /** Its default is the time of the insert. */
  now: boolean;
  /** A whole btree index leads with it. */
  indexed: boolean;
  required: boolean;
  /** How far rows lie on disk in its order: 1 is fully; null: not known. */
  correlation: number | null;
}

/** How many rows are older than so many days, and how that is known. */
export interface Ages {
  by: "count" | "statistics" | "sample";
  rows: number;
  without: number;
  /** Rows older than a number of days: each of {@linkcode TOLD}, and of {@linkcode LEFT}. */
  older: Record<number, number>;
  /** Rows that were made in each of the last months of 30 days, the latest first. */
  months: number[];
  /** Days since the oldest row was made, as far as that is known. */
  oldest_days: number | null;
}

/** The ages that are told. */
export const TOLD = [30, 90, 365] as const;
/** Known besides: the age from which what the platform left is not missed. */
export const LEFT = [180] as const;
const MONTHS = 6;
const DAYS = [...Array.from({ length: MONTHS + 1 }, (_, month) => month * 30), 365];
/** A heap up to this is counted; above, the planner's statistics or a sample are used. */
const COUNTED_BYTES = 16 * 1024 * 1024;
const SAMPLE_PAGES = 1000;

const BIRTHS = [
  ...["created", "inserted", "added", "logged", "recorded", "received", "occurred", "happened"],
  ...["placed", "ordered", "sent", "posted", "published", "captured", "measured", "ingested"],
].join("|");
const BORN = new RegExp(`^(${BIRTHS}|imported)(_?(at|on|time|date|ts|timestamp))?$`, "i");
const PLAIN = /^(ts|time|timestamp|date|day|at|datetime|event_?(time|date|at)|log_?(time|date))$/i;
const LATER = new RegExp(
  [
    ...["updat", "modif", "delet", "expir", "due", "until", "ends?_", "end_", "finish", "complet"],
    ...["birth", "renew", "last_", "next_", "valid", "cancel", "seen", "revoked", "refresh"],
    ...["start", "schedul", "deadline"],
  ].join("|"),
  "i",
);
/** What a default says that is the time of the insert. */
const NOW = "\\mnow\\(|current_timestamp|localtimestamp|current_date|" +
  "clock_timestamp|statement_timestamp|transaction_timestamp";

/** Every column of the tables that is a point in time. */
export async function ageColumnsOf(
  reader: Reader,
  tables: readonly Table[],
): Promise<AgeColumn[]> {
  return await reader.ask("columns that are points in time", (sql) =>
    sql<AgeColumn[]>`
    select a.attrelid::bigint::float8 as table, a.attname::text as name, format_type(a.atttypid, null)
      as type,
           coalesce(pg_get_expr(d.adbin, d.adrelid) ~*
             ${NOW}, false)
             and a.attgenerated = '' as now,
           exists (select from pg_index as i join pg_class as x on x.oid = i.indexrelid
                     join pg_am as m on m.oid = x.relam and m.amname = 'btree'
                    where i.indrelid = a.attrelid and i.indkey[0] = a.attnum and i.indpred is null
                      and i.indisvalid) as indexed,
           a.attnotnull as required, s.correlation::float8 as correlation
      from pg_attribute as a
      join pg_class as c on c.oid = a.attrelid
      left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
      left join pg_stats as s on s.schemaname = c.relnamespace::regnamespace::name
       and s.tablename = c.relname and s.attname = a.attname and not s.inherited
     where a.attrelid = any (${
      tables.map(({ oid }) => oid)
    }::oid[]) and a.attnum > 0 and not a.attisdropped
       and a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
     order by a.attrelid, a.attnum`) ?? [];
}

/** How well a column tells a row's age; what is changed later tells it badly. */
function score({ name, now, indexed, required, correlation, type }: AgeColumn): number {
  return (now ? 4 : 0) + (BORN.test(name) ? 4 : PLAIN.test(name) ? 2 : 0) + (indexed ? 2 : 0) +
    (required ? 1 : 0) + ((correlation ?? 0) > 0.9 ? 2 : 0) + (type === "date" ? -1 : 0) +
    (LATER.test(name) && !BORN.test(name) ? -6 : 0);
}

/** The column of a table that tells best when a row was made, and what speaks for it. */
export function ageColumnOf(
  columns: readonly AgeColumn[],
  { oid }: Pick<Table, "oid">,
): { column: AgeColumn; because: string; sure: boolean } | undefined {
  const [best] = columns.filter(({ table }) => table === oid)
    .map((column) => ({ column, score: score(column) }))
    .sort((a, b) => b.score - a.score);
  if (best === undefined) return undefined;
  const { column } = best;
  const speaks = [
    ...(column.now ? ["its default is the time of the insert"] : []),
    ...(BORN.test(column.name) || PLAIN.test(column.name) ? ["its name says so"] : []),
    ...(column.indexed ? ["it is indexed"] : []),
    ...((column.correlation ?? 0) > 0.9 ? ["rows lie in its order"] : []),
  ];
  const because = speaks.length === 0 ? "it is the only hint at an age" : speaks.join(", ");
  return { column, because, sure: best.score >= 4 };
}

/** How old the rows of a table are; undefined where nothing tells it. */
export async function agesOf(
  reader: Reader,
  table: Table,
  column: Pick<AgeColumn, "name">,
): Promise<Ages | undefined> {
  if (!table.readable) return undefined;
  if (table.heap <= COUNTED_BYTES) {
    const counted = await tallied(reader, table, column.name, "count");
    if (counted !== undefined) return counted;
  }
  return await byStatistics(reader, table, column.name) ??
    await tallied(reader, table, column.name, "sample");
}

interface Tally {
  rows: number;
  without: number;
  older: number[];
  oldest_days: number | null;
}

/** Reads the table, or some of its pages; its names are the catalogue's, and quoted. */
async function tallied(
  reader: Reader,
  { shown, schema, name, heap, rows: about }: Table,
  age: string,
  by: "count" | "sample",
): Promise<Ages | undefined> {
  const found = await reader.ask(`the ages of ${shown}`, (sql) => {
    const quoted = `t.${quote(age)}`;
    const older = DAYS.map((days) =>
      `count(*) filter (where ${quoted} <= now() - interval '${days} days')::float8`
    );
    const share = Math.min(100, 100 * SAMPLE_PAGES / Math.max(heap / 8192, 1));
    const sample = by === "sample" ? `tablesample system (${share.toFixed(6)})` : "";
    return sql.unsafe<Tally[]>(
      `select count(*)::float8 as rows, count(*) filter (where ${quoted} is null)::float8 as without,
              array[${older.join(", ")}] as older,
              extract(epoch from now() - min(${quoted}::timestamptz)
                filter (where isfinite(${quoted})))::float8 / 86400 as oldest_days
         from ${quote(schema)}.${quote(name)} as t ${sample}`,
    );
  });
  const tally = found?.[0];
  if (tally === undefined || (by === "sample" && tally.rows === 0)) return undefined;
  const all = by === "count"
    ? tally.rows
    : about ?? tally.rows * Math.max(heap / 8192 / SAMPLE_PAGES, 1);
  const factor = tally.rows === 0 ? 0 : all / tally.rows;
  return ages(
    by,
    all,
    tally.without * factor,
    tally.older.map((n) => n * factor),
    tally.oldest_days,
  );
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;

interface Statistics {
  now: number;
  nulls: number;
  bounds: number[] | null;
  commons: number[] | null;
  shares: number[] | null;
}

/** From what ANALYZE has kept: bounds between which equally many rows lie, and the commonest values. */
async function byStatistics(reader: Reader, table: Table, age: string): Promise<Ages | undefined> {
  if (table.rows === null) return undefined;
  const seconds = (values: string) =>
    `array(select extract(epoch from x)::float8 from unnest(s.${values}::text::timestamptz[]) as x)`;
  const found = await reader.ask(
    `the statistics of ${table.shown}`,
    (sql) =>
      sql.unsafe<Statistics[]>(
        `select extract(epoch from now())::float8 as now, s.null_frac::float8 as nulls,
              case when s.histogram_bounds is not null then ${
          seconds("histogram_bounds")
        } end as bounds,
              case when s.most_common_vals is not null then ${
          seconds("most_common_vals")
        } end as commons,
              s.most_common_freqs::float8[] as shares
         from pg_stats as s
        where s.schemaname = $1 and s.tablename = $2 and s.attname = $3 and not s.inherited`,
        [table.schema, table.name, age],
      ),
  );
  const statistics = found?.[0];
  if (statistics === undefined || (statistics.bounds ?? statistics.commons) === null) {
    return undefined;
  }
  const rows = table.rows;
  // What came after ANALYZE is not among the bounds: the months are counted back from then.
  const asOf = Math.min(table.analyzed ?? statistics.now, statistics.now);
  const before = (from: number) =>
    DAYS.map((days) => rows * shareBefore(statistics, from - days * 86400));
  const finite = [...statistics.bounds ?? [], ...statistics.commons ?? []].filter(Number.isFinite);
  const oldest = finite.length === 0 ? null : (statistics.now - Math.min(...finite)) / 86400;
  const told = ages("statistics", rows, rows * statistics.nulls, before(statistics.now), oldest);
  return { ...told, months: monthsOf(before(asOf)) };
}

/** The share of all rows that lie before a moment. */
function shareBefore({ nulls, bounds, commons, shares }: Statistics, moment: number): number {
  const common = (commons ?? []).reduce(
    (sum, value, at) => value <= moment ? sum + (shares?.[at] ?? 0) : sum,
    0,
  );
  if (bounds === null || bounds.length < 2) return common;
  const others = Math.max(1 - nulls - (shares ?? []).reduce((sum, share) => sum + share, 0), 0);
  const at = bounds.findIndex((bound) => bound > moment);
  if (at === 0) return common;
  if (at < 0) return common + others;
  const [low, high] = [bounds[at - 1] ?? moment, bounds[at] ?? moment];
  const within = Number.isFinite(high - low) && high > low ? (moment - low) / (high - low) : 0;
  return common + others * (at - 1 + within) / (bounds.length - 1);
}

function ages(
  by: Ages["by"],
  rows: number,
  without: number,
  older: readonly number[],
  oldest: number | null,
): Ages {
  const at = (days: number) => Math.round(older[DAYS.indexOf(days)] ?? 0);
  return {
    by,
    rows: Math.round(rows),
    without: Math.round(without),
    older: Object.fromEntries([...TOLD, ...LEFT].map((days) => [days, at(days)])),
    months: monthsOf(older),
    oldest_days: oldest,
  };
}

function monthsOf(older: readonly number[]): number[] {
  return Array.from(
    { length: MONTHS },
    (_, month) => Math.round(Math.max((older[month] ?? 0) - (older[month + 1] ?? 0), 0)),
  );
}
