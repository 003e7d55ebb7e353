import type { Sql } from "postgres";
import { connectLocally } from "../local/cluster.ts";
import type { TestDatabase } from "../tests/support/database.ts";
import { testCluster } from "../tests/support/stack.ts";
import { lettersChain, seconds, writeLetters } from "./letters.ts";

/** What `bench watch` found: the median of many calls. */
export interface WatchResult {
  /** One call of `strata.watch()`. */
  watch_ms: number;
  /** The same as the first thing a new session does: nothing is planned or cached yet. */
  watch_new_session_ms: number;
  /** Of that, asking Postgres for the billed size alone, as the first thing a new session does. */
  floor_ms: number;
  /** `strata.watchdog()` on main, which dials core. */
  watchdog_ms: number;
  database_mb: number;
  rows: number;
}

const ROWS_PER_MB = 1870;
const CALLS = 15;

/** Fills core to a size, with a week of samples, and takes the time of what cron calls there. */
export async function benchWatch(
  megabytes: number,
  say: (line: string) => void,
): Promise<WatchResult> {
  await using chain = await lettersChain("pull");
  const { core, main } = chain;
  const rows = megabytes * ROWS_PER_MB;
  say(`${rows} rows`);
  await writeLetters(core.sql, { rows, characters: 416, daysOld: 1 });
  await core.sql`
    insert into strata.samples (taken_at, billed_bytes, level)
    select now() - k * interval '15 minutes', 400000000 - k * 10000, 'ok'
      from generate_series(1, 700) as k`;
  const server = connectLocally(await testCluster("core"));
  await server`checkpoint`;
  await server.end();

  const floor = await times(
    core,
    "select sum(pg_catalog.pg_database_size(d.oid)) from pg_catalog.pg_database as d",
  );
  const watch = await times(core, "call strata.watch()");
  const watchdog = await times(main, "call strata.watchdog()");
  const [size] = await core.sql<{ mb: number }[]>`
    select round(pg_database_size(current_database()) / 1048576.0)::integer as mb`;
  return {
    watch_ms: watch.warm,
    watch_new_session_ms: watch.cold,
    floor_ms: floor.cold,
    watchdog_ms: watchdog.warm,
    database_mb: size?.mb ?? 0,
    rows,
  };
}

async function times(where: TestDatabase, call: string): Promise<{ cold: number; warm: number }> {
  const cold: number[] = [];
  for (let n = 0; n < CALLS; n += 1) {
    const session = await open(where);
    cold.push(await seconds(() => session.unsafe(call)));
    await session.end();
  }
  const warm: number[] = [];
  const session = await open(where);
  for (let n = 0; n <= CALLS; n += 1) {
    warm.push(await seconds(() => session.unsafe(call)));
  }
  return { cold: median(cold) * 1000, warm: median(warm) * 1000 };
}

async function open(where: TestDatabase): Promise<Sql> {
  const session = where.connect({ max: 1 });
  await session`select`;
  return session;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
