/** What could be given back at once: empty room, needless indexes, and what the platform leaves lying. */
import { agesOf } from "./ages.ts";
import type { Needless } from "./indexes.ts";
import type { Reader } from "./reader.ts";
import { bytesOf, type Table } from "./tables.ts";

/** Something that gives room back, with the statement for it. Nothing of it is done here. */
export interface Gain {
  what: string;
  bytes: number;
  says: string;
  statement: string;
  /** Only deletes rows: the room is used again, but the bill falls with the statement after it. */
  then: string | null;
  /** Whether something is lost that somebody may still want. */
  loses: string | null;
  /** Without privileges of somebody else's, as far as can be seen. */
  allowed: boolean;
}

interface Leftover {
  table: string;
  age: string;
  days: number;
  /** Which of the old rows, if not all. */
  only?: string;
  says: string;
  loses: string;
  /** Empties it at once; only what nobody needs to keep. */
  truncate?: boolean;
}

const LEFTOVERS: readonly Leftover[] = [
  {
    table: "cron.job_run_details",
    age: "end_time",
    days: 7,
    says: "the history of cron jobs, which nobody deletes",
    loses: "what jobs said when they ran",
    truncate: true,
  },
  {
    table: "net._http_response",
    age: "created",
    days: 1,
    says: "answers to HTTP requests of pg_net",
    loses: "answers that nobody has read yet",
    truncate: true,
  },
  {
    table: "supabase_functions.hooks",
    age: "created_at",
    days: 30,
    says: "a line for each call of a database webhook",
    loses: "which webhooks were called when",
  },
  {
    table: "auth.audit_log_entries",
    age: "created_at",
    days: 90,
    says: "who signed in and out, which nobody deletes",
    loses: "the record of sign-ins before that",
  },
  {
    table: "auth.refresh_tokens",
    age: "updated_at",
    days: 30,
    only: "revoked",
    says: "tokens, of which those that were used up are no good any more; at most",
    loses: "nothing: they let nobody in",
  },
  {
    table: "auth.sessions",
    age: "updated_at",
    days: 180,
    says: "sessions, also of people who do not come back",
    loses: "the sign-in of those who were away that long: they sign in again",
  },
];

/** Less than this is not told. */
const WORTH = 1024 * 1024;

/** What the platform's own tables could do without. */
export async function leftovers(reader: Reader, tables: readonly Table[]): Promise<Gain[]> {
  const gains: Gain[] = [];
  for (const leftover of LEFTOVERS) {
    const table = tables.find(({ shown }) => shown === leftover.table);
    if (table === undefined || bytesOf(table) < WORTH) continue;
    const rights = await rightsOn(reader, table, leftover.age);
    if (rights === undefined || !rights.age) continue;
    const gain = await gainOf(reader, table, leftover, rights);
    if (gain !== undefined) gains.push(gain);
  }
  return gains;
}

interface Rights {
  age: boolean;
  deletes: boolean;
  truncates: boolean;
  owns: boolean;
}

async function rightsOn(reader: Reader, { oid, shown }: Table, age: string) {
  const rows = await reader.ask(`the rights on ${shown}`, (sql) =>
    sql<Rights[]>`
    select exists (select from pg_attribute as a
                    where a.attrelid = c.oid and a.attname = ${age} and not a.attisdropped) as age,
           has_table_privilege(c.oid, 'delete') as deletes, has_table_privilege(c.oid, 'truncate')
             as truncates,
           pg_has_role(c.relowner, 'usage') as owns
      from pg_class as c where c.oid = ${oid}::oid`);
  return rows?.[0];
}

async function gainOf(
  reader: Reader,
  table: Table,
  { table: name, age, days, only, says, loses, truncate }: Leftover,
  { deletes, truncates, owns }: Rights,
): Promise<Gain | undefined> {
  const bytes = bytesOf(table);
  if (truncate && truncates) {
    return {
      what: name,
      bytes,
      says,
      statement: `truncate ${name};`,
      then: null,
      loses,
      allowed: true,
    };
  }
  const ages = await agesOf(reader, table, { name: age });
  const old = ages === undefined || ages.rows === 0
    ? undefined
    : (ages.older[Math.max(days, 30)] ?? 0) / ages.rows;
  // The table may be large for another reason: young rows, or room of rows that are gone.
  if (old !== undefined && bytes * old < WORTH) return undefined;
  const where = `${age} < now() - interval '${days} days'${
    only === undefined ? "" : ` and ${only}`
  }`;
  return {
    what: name,
    bytes: Math.round(bytes * (old ?? 0)),
    says: old === undefined ? `${says}; how old they are may not be seen here` : says,
    statement: `delete from ${name} where ${where};`,
    then: owns ? `vacuum full ${name};` : null,
    loses,
    allowed: deletes,
  };
}

/** Tables of the owner's with much empty room. */
export function bloat(tables: readonly Table[], empty: ReadonlyMap<number, number>): Gain[] {
  return tables.flatMap((table) => {
    const bytes = empty.get(table.oid) ?? 0;
    if (bytes < WORTH || bytes < (table.heap + table.toast) / 5 || table.kind === "p") return [];
    return [{
      what: table.shown,
      bytes,
      says: "room of rows that are gone, estimated; others wait while it is copied",
      statement: `vacuum full ${table.shown};`,
      then: null,
      loses: null,
      allowed: true,
    }];
  });
}

/** From here on use that was not counted is no use. */
export const DAYS_OF_USE = 14;

/** Indexes that can go: that costs nothing, so smaller ones are worth it. */
export function droppable(indexes: readonly Needless[], countedDays: number): Gain[] {
  return indexes.filter(({ bytes, why }) => bytes >= WORTH / 4 && why !== "kept").map((index) => ({
    what: index.index,
    bytes: index.bytes,
    says: `index of ${index.table}: ${index.says}`,
    statement: index.statement,
    then: null,
    loses: index.why === "unused" && countedDays < DAYS_OF_USE
      ? "the index, if something uses it less often than use has been counted"
      : null,
    allowed: true,
  }));
}
