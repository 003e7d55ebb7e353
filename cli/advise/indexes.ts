/** Indexes that nobody has used, that are there twice, or that a wider one makes needless. */
import type { Reader } from "./reader.ts";

interface Index {
  oid: number;
  table: number;
  of: string;
  shown: string;
  bytes: number;
  scans: number;
  method: string;
  unique: boolean;
  /** It stands for something: a constraint, the key, what a replica tells rows apart by. */
  needed: boolean;
  valid: boolean;
  columns: string[];
  /** Expressions and condition, as Postgres writes them. */
  besides: string;
  /** Columns that are only kept along. */
  along: number;
  /** Its first column, where that is one. */
  first: string | null;
  /** The table whose deletions look rows up by it. */
  serves: string | null;
}

/** An index that can go, and why. */
export interface Needless {
  index: string;
  table: string;
  bytes: number;
  /** `kept`: nobody has used it, but something will. */
  why: "unused" | "twice" | "covered" | "broken" | "kept";
  says: string;
  statement: string;
}

/** Smaller ones are not worth a sentence, unless they are there twice. */
const WORTH = 64 * 1024;

/**
 * Every index that can go, largest first; each once, for the strongest reason. Those by whose first column
 * rows are to settle stay: Strata would make them anew.
 */
export async function needlessIndexes(
  reader: Reader,
  platform: readonly string[],
  ages: ReadonlyMap<string, string>,
): Promise<Needless[]> {
  const all = await indexesOf(reader, platform);
  const found = all.flatMap((index) => {
    const why = whyNeedless(index, all, ages.get(index.of));
    return why === undefined ? [] : [{
      index: index.shown,
      table: index.of,
      bytes: index.bytes,
      ...why,
      statement: `drop index concurrently ${index.shown};`,
    }];
  });
  return found.sort((a, b) => b.bytes - a.bytes || (a.index < b.index ? -1 : 1));
}

function whyNeedless(
  index: Index,
  all: readonly Index[],
  age: string | undefined,
): Pick<Needless, "why" | "says"> | undefined {
  if (index.needed) return undefined;
  if (!index.valid) return { why: "broken", says: "its making was broken off; nothing uses it" };
  const others = all.filter((other) =>
    other.table === index.table && other.oid !== index.oid && other.valid &&
    other.method === index.method && other.besides === index.besides
  );
  const twin = others.find((other) => isSame(index, other) && goesFirst(index, other));
  if (twin !== undefined) return { why: "twice", says: `the same as ${twin.shown}` };
  if (index.unique) return undefined;
  if (index.scans === 0 && index.bytes >= WORTH) {
    if (age !== undefined && index.first === age && index.besides === "|") {
      return { why: "kept", says: "never used, but rows would settle by it: keep it" };
    }
    return index.serves === null ? { why: "unused", says: "never used" } : {
      why: "kept",
      says:
        `never used, but deleting a row of ${index.serves} looks here for rows that refer to it`,
    };
  }
  const wider = others.find((other) => index.bytes >= WORTH && isCoveredBy(index, other));
  return wider === undefined ? undefined : {
    why: "covered",
    says: `${wider.shown} begins with the same columns and answers the same questions`,
  };
}

const isSame = (index: Index, other: Index) =>
  index.columns.join("|") === other.columns.join("|") && index.along === other.along &&
  (!index.unique || other.unique);

/** Of two that are alike one goes: the one that stands for less, is used less, is newer. */
function goesFirst(index: Index, other: Index): boolean {
  if (other.needed) return true;
  if (index.unique !== other.unique) return other.unique;
  if (index.scans !== other.scans) return index.scans < other.scans;
  return index.oid > other.oid;
}

function isCoveredBy(index: Index, other: Index): boolean {
  return index.method === "btree" && index.along === 0 &&
    other.columns.length > index.columns.length &&
    index.columns.every((column, at) => column === other.columns[at]);
}

async function indexesOf(reader: Reader, platform: readonly string[]): Promise<Index[]> {
  return await reader.ask("the indexes", (sql) =>
    sql<Index[]>`
    with locked as materialized ( -- to be looked at some other time: reading their expressions would wait
      select l.relation from pg_locks as l join pg_database as d on d.oid = l.database
       where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock' and l.pid <> pg_backend_pid()
         and d.datname = current_database()
    )
    select i.indexrelid::bigint::float8 as oid, i.indrelid::bigint::float8 as table,
           format('%I.%I', n.nspname, c.relname) as of, format('%I.%I', n.nspname, x.relname) as shown,
           coalesce(pg_relation_size(i.indexrelid), 0)::float8 as bytes,
           pg_stat_get_numscans(i.indexrelid)::float8 as scans, m.amname::text as method, i.indisunique
             as unique,
           i.indisprimary or i.indisexclusion or i.indisreplident or i.indisclustered or x.relispartition
             or (c.relreplident = 'i' and i.indisreplident)
             or exists (select from pg_constraint as k where k.conindid = i.indexrelid) as needed,
           i.indisvalid as valid,
           array(select format('%s %s %s %s', k.attnum, i.indclass[k.at - 1], i.indcollation[k.at - 1],
             i.indoption[k.at - 1])
                   from unnest(i.indkey::smallint[]) with ordinality as k (attnum, at)
                  where k.at <= i.indnkeyatts order by k.at) as columns,
           format('%s|%s', pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid))
             || coalesce((select string_agg(k.attnum::text, ' ' order by k.at)
               from unnest(i.indkey::smallint[]) with ordinality as k (attnum, at)
                           where k.at > i.indnkeyatts), '') as besides,
           i.indnatts - i.indnkeyatts as along,
           (select a.attname::text from pg_attribute as a where a.attrelid = i.indrelid
             and a.attnum = i.indkey[0]) as first,
           (select min(format('%I.%I', y.relnamespace::regnamespace::name, y.relname))
              from pg_constraint as f join pg_class as y on y.oid = f.confrelid
             where f.contype = 'f' and f.conrelid = i.indrelid and f.conkey[1] = i.indkey[0]) as serves
      from (select i.* from pg_index as i
             where not exists (select from locked as l where l.relation in (i.indexrelid,
               i.indrelid)) offset 0) as i
      join pg_class as x on x.oid = i.indexrelid
      join pg_am as m on m.oid = x.relam
      join pg_class as c on c.oid = i.indrelid and c.relkind in ('r', 'm')
      join pg_namespace as n on n.oid = c.relnamespace
     where n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
       and n.nspname <> all (${[...platform]}::text[])`) ?? [];
}
