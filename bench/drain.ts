import type { Sql } from "postgres";
import { reclaimNext, reclaims } from "../cli/tiers/space.ts";
import { writer, type Written } from "../tests/support/writer.ts";
import type { TestChain } from "../tests/support/chain.ts";
import { type DrainCase, openDrain, whileMainIsDown, whileReadOnly } from "./drain_cases.ts";
import { countLetters, lettersChain, writeLetters } from "./letters.ts";

/** What `bench drain` found. */
export interface DrainResult {
  case: DrainCase;
  before_mb: number;
  after_mb: number;
  /** The same rows loaded into a database that never held any others. */
  fresh_mb: number;
  rows_moved: number;
  /** Per table, how long nobody else could use it. */
  locked_ms: Record<string, number>;
  /** How far the bill rose meanwhile. */
  highest_mb: number;
  seconds: number;
  /** What somebody who inserted 200 rows a second noticed; null: nobody did. */
  writer: Written | null;
  /** What core said while main was down; null: it was not. */
  alarm: string | null;
}

/** How a drain is measured. */
export interface DrainOptions {
  megabytes: number;
  case: DrainCase;
  /** A subscriber keeps the table from being packed: it has to be rewritten, on a disk of 2 GB. */
  rewrite: boolean;
}

type Say = (line: string) => void;

const MB = 1024 * 1024;
const ROWS_PER_MB = 1900;

/** Fills core with rows that no policy ever moves, makes it critical, and lets it drain. */
export async function benchDrain(options: DrainOptions, say: Say): Promise<DrainResult> {
  await using chain = await lettersChain(options.case === "read-only" ? "pull" : "push");
  const { core } = chain;
  await core.sql`
    update strata.datasets set core_retention_days = null, main_retention_days = null, revision = revision + 1`;
  // The bench's server holds templates as well; what counts is what a project would hold.
  await core.sql.unsafe(`create or replace function strata.billed_bytes() returns bigint
    language sql volatile set search_path = '' as $$ select pg_database_size(current_database()) $$`);
  if (options.rewrite) await requireRewrite(core.sql);
  await fill(core.sql, options.megabytes, say);
  if (options.case !== "read-only") return await measure(chain, options, say);
  return await whileReadOnly(core, () => measure(chain, options, say));
}

async function measure(chain: TestChain, options: DrainOptions, say: Say): Promise<DrainResult> {
  const { core, main } = chain;
  const rows = await countLetters(core.sql);
  const before = await size(core.sql);
  await using somebody = options.case === "writing"
    ? writer(core.url, {
      perSecond: 200,
      lockTimeoutMs: 10_000,
      id: "gen_random_uuid()",
    })
    : null;
  await openDrain(chain, options.case);
  const alarm = options.case === "main-down" ? await whileMainIsDown(chain) : null;
  const began = performance.now();
  const highest = await drained(chain, say);
  const seconds = (performance.now() - began) / 1000;
  const written = await somebody?.stop() ?? null;

  const sql = core.connect(); // a session that has just begun may write, whatever core was before
  const after = await size(sql);
  const moved = await countLetters(main.sql);
  const left = await countLetters(sql);
  if (left + moved !== rows + (written?.rows ?? 0)) {
    throw new Error(`${rows} rows were there, ${left} and ${moved} are`);
  }
  return {
    case: options.case,
    before_mb: mb(before),
    after_mb: mb(after),
    fresh_mb: mb(await freshSize(sql)),
    rows_moved: moved,
    locked_ms: await lockedMs(sql),
    highest_mb: mb(highest),
    seconds,
    writer: written,
    alarm,
  };
}

async function lockedMs(sql: Sql): Promise<Record<string, number>> {
  const tables = Object.groupBy(await reclaims(sql), ({ relation }) => relation);
  return Object.fromEntries(
    Object.entries(tables).map(([table, all = []]) => [
      table,
      all.reduce((sum, { locked_ms }) => sum + Number(locked_ms ?? 0), 0),
    ]),
  );
}

/** What strata-continue does on both tiers, without its minutes; pg_cron's part is done over this connection. */
async function drained({ core, main }: TestChain, say: Say): Promise<number> {
  const sql = core.connect();
  let highest = 0;
  let over = false;
  const watching = (async () => {
    while (!over) {
      highest = Math.max(highest, await size(sql));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  try {
    for (let minutes = 0; minutes < 20; minutes += 1) {
      for (const tier of [sql, main.sql]) await tier`call strata.go_on()`;
      while (await reclaimNext(sql)) { /* the next table */ }
      const [drain] = await sql<{ state: string; says: string | null }[]>`
        select state, says from strata.drains order by drain_id desc limit 1`;
      say(`${drain?.state ?? ""}: ${mb(await size(sql))} MB ${drain?.says ?? ""}`);
      if (drain?.state === "done") return highest;
      if (drain?.state === "exhausted") break;
    }
    throw new Error("the drain did not reach its target");
  } finally {
    over = true;
    await watching;
  }
}

async function fill(sql: Sql, megabytes: number, say: Say): Promise<void> {
  say(`filling core to ${megabytes} MB`);
  for (let days = 400; mb(await size(sql)) < megabytes - 1; days -= 1) {
    const missing = megabytes - (await size(sql)) / MB;
    const rows = Math.ceil(missing * ROWS_PER_MB);
    await writeLetters(sql, { rows, characters: 416, daysOld: days });
  }
}

/** With a subscriber the table is not packed; and its copy shall fit on the disk. */
async function requireRewrite(sql: Sql): Promise<void> {
  await sql`create publication realtime for table public.letters`;
  await sql`update strata.settings set value = 400 where name = 'disk_percent'`;
}

/** The database as it would be had it only ever held the rows that are left. */
async function freshSize(sql: Sql): Promise<number> {
  const bill = await size(sql);
  const total = async (table: string) => {
    const [row] = await sql<{ bytes: string }[]>`
      select pg_total_relation_size(${table}::text::regclass) as bytes`;
    return Number(row?.bytes ?? 0);
  };
  const used = await total("public.letters");
  await sql.unsafe(`
    create table public.fresh (like public.letters including all);
    insert into public.fresh select * from public.letters order by created_at;`);
  const fresh = await total("public.fresh");
  await sql`drop table public.fresh`;
  return bill - used + fresh;
}

async function size(sql: Sql): Promise<number> {
  const [row] = await sql<{ bytes: string }[]>`select strata.billed_bytes() as bytes`;
  return Number(row?.bytes ?? 0);
}

function mb(bytes: number): number {
  return Math.round(bytes / MB);
}
