/** `bench load`: what clients of core notice while rows settle. */
import type { Sql } from "postgres";
import { connectLocally, serverProcesses } from "../../local/cluster.ts";
import { run } from "../../local/server_user.ts";
import type { Driver, TestChain } from "../../tests/support/chain.ts";
import { testCluster } from "../../tests/support/stack.ts";
import { checkpoint, countLetters, createLetters, lettersChain, writeLetters } from "../letters.ts";
import { runPipe } from "../ways.ts";
import { busyPercent, commonWaits, type Look, observe } from "./observer.ts";
import { percentile, runClients, type Transaction } from "./pgbench.ts";

/** How the load is measured. */
export interface LoadOptions {
  /** Rows that settle. */
  rows: number;
  clients: number;
  /** Transactions a second, all clients together. */
  rate: number;
  /** How long the clients work; the settling begins after a third of it. */
  seconds: number;
  driver: Driver;
  /** `share_beside_others` on core; as it comes when left out. */
  share?: number;
  /** Main gives way to everybody, as far as this machine can play two. */
  apart: boolean;
  /** What is done meanwhile: Strata settles, or for comparison a bare copy and delete, or busy queries. */
  by: "strata" | "copy" | "query";
}

/** How long some transactions took. */
export interface Took {
  transactions: number;
  p50_ms: number;
  p99_ms: number;
  max_ms: number;
}

/** What clients noticed in one stretch of time. */
export interface Latency extends Took {
  reads: Took;
  /** What waits for the disk at its commit. */
  writes: Took;
  /** How busy all processors were. */
  cpu_percent: number;
  /** What the clients' sessions waited for, by share of all that was seen. */
  waits: Record<string, number>;
}

/** What `bench load` found. */
export interface LoadResult extends LoadOptions {
  share: number;
  /** What the same clients reach when nothing holds them back. */
  capacity: number;
  settle_seconds: number;
  /** For how long of it Strata gave way. */
  rested_seconds: number;
  before: Latency;
  during: Latency;
  after: Latency;
  p50_ratio: number;
  p99_ratio: number;
  errors: string[];
  deadlocks: number;
  /** Connections of Strata's login seen at once, at most and on average while it settled. */
  connections: Record<"core" | "main", { most: number; average: number }>;
}

/** Rows that stay, and that clients read and write most. */
const YOUNG_ROWS = 100_000;
const CAPACITY_SECONDS = 5;
/** By then everything has to have settled, however Strata gives way. */
const PATIENCE_SECONDS = 600;
/** Which of the scripts only read, and which inserts. */
const READS = [0, 1];
const INSERT = 2;

/** Lets clients work on a managed table, and the old rows in it settle meanwhile. */
export async function benchLoad(
  options: LoadOptions,
  say: (line: string) => void,
): Promise<LoadResult> {
  await using chain = await lettersChain(options.driver);
  const { core, main } = chain;
  await using _priority = await givesWay(options.apart);
  const scripts = scriptsOf(options.rows);
  say(`${options.rows + YOUNG_ROWS} rows`);
  await fill(core.sql, options.rows);
  const share = await useShare(core.sql, options.share);
  say("as fast as they can");
  const { clients, rate, seconds, rows, driver, apart, by } = options;
  const fast = await runClients({ url: core.url, scripts, clients, seconds: CAPACITY_SECONDS });
  await checkpoint();
  const [deadlocks, keys] = [await deadlocksOf(chain), await countKeys(core.sql)];

  say(`${clients} clients, ${rate} a second`);
  await using observer = observe(core, main);
  const working = runClients({ url: core.url, scripts, clients, seconds, perSecond: rate });
  await new Promise((wake) => setTimeout(wake, seconds * 1000 / 3));
  say(`${by} begins`);
  const began = Date.now();
  await MEANWHILE[by](chain, driver, began + PATIENCE_SECONDS * 1000);
  const ended = Date.now();
  say(`${by} is over, ${(ended - began) / 1000} s`);
  const { transactions, errors } = await working;
  const looks = await observer.stop();

  const inserted = transactions.filter(({ script }) => script === INSERT).length;
  if (by === "strata") await conserved(chain, keys, inserted);
  const stretch = (from: number, to: number) => latency(transactions, looks, from, to);
  const [before, during, after] = [
    stretch(0, began),
    stretch(began, ended),
    stretch(ended, Infinity),
  ];
  const settling = looks.filter(({ at }) => at >= began && at <= ended);
  return {
    ...{ rows, clients, rate, seconds, driver, apart, by, share },
    rested_seconds: await restedSeconds(chain),
    capacity: Math.round(fast.transactions.length / CAPACITY_SECONDS),
    settle_seconds: (ended - began) / 1000,
    ...{ before, during, after },
    p50_ratio: during.p50_ms / before.p50_ms,
    p99_ratio: during.p99_ms / before.p99_ms,
    errors: [...fast.errors, ...errors],
    deadlocks: await deadlocksOf(chain) - deadlocks,
    connections: {
      core: counted(settling.map((look) => look.core)),
      main: counted(settling.map((look) => look.main)),
    },
  };
}

/**
 * Main is on another machine in life: its processes get only what nobody else wants of processors
 * and disk, and it does not wait for the disk that it shares with core here.
 */
async function givesWay(apart: boolean): Promise<AsyncDisposable> {
  const main = await testCluster("main");
  const set = async (wanted: boolean) => {
    if (!apart) return;
    const pids = (await serverProcesses(main)).map(({ pid }) => `${pid}`);
    await run("renice", [wanted ? "19" : "0", "-p", ...pids]);
    await run("ionice", ["-c", wanted ? "3" : "2", "-p", ...pids]);
    const server = connectLocally(main);
    await server.unsafe(wanted ? "alter system set fsync = off" : "alter system reset fsync");
    await server`select pg_reload_conf()`;
    await server.end();
  };
  await set(true);
  return { [Symbol.asyncDispose]: () => set(false) };
}

/** Reads and writes by key: half of them of young rows, the others of any, settling ones among them. */
function scriptsOf(old: number) {
  const any = old + YOUNG_ROWS;
  const key = "md5(:n::text)::uuid";
  const from = (first: number) => `\\set n random(${first}, ${any})\n`;
  return [
    { share: 35, sql: `${from(old + 1)}select * from public.letters where id = ${key};` },
    { share: 35, sql: `${from(1)}select * from public.letters where id = ${key};` },
    {
      share: 10,
      sql:
        "insert into public.letters select gen_random_uuid(), now(), repeat(md5(random()::text), 13);",
    },
    { share: 8, sql: `${from(old + 1)}${update(key)}` },
    { share: 7, sql: `${from(1)}${update(key)}` },
    {
      share: 5,
      sql: `${from(1)}with gone as (delete from public.letters where id = ${key} returning id)
        insert into public.gone select id from gone;`.replaceAll("\n        ", " "),
    },
  ];
}

function update(key: string): string {
  return `update public.letters set body = repeat(md5(random()::text), 13) where id = ${key};`;
}

/** Old rows, young rows, and a list of what clients delete. */
async function fill(sql: Sql, old: number): Promise<void> {
  const letters = { characters: 416, id: "md5(n::text)::uuid" };
  await writeLetters(sql, { ...letters, rows: old, daysOld: 100 });
  await writeLetters(sql, { ...letters, rows: YOUNG_ROWS, daysOld: 1, first: old + 1 });
  await sql.unsafe("create table public.gone (id uuid primary key)");
}

/** Sets the share of the time that rows may leave core beside clients, and tells which it is. */
async function useShare(sql: Sql, share: number | undefined): Promise<number> {
  if (share !== undefined) {
    await sql`update strata.settings set value = ${share} where name = 'share_beside_others'`;
  }
  const [row] = await sql<{ share: number }[]>`
    select strata.setting('share_beside_others')::integer as share`;
  return row?.share ?? NaN;
}

async function restedSeconds({ databases }: TestChain): Promise<number> {
  const all = await Promise.all(databases.map(async ({ sql }) => {
    const [row] = await sql<{ seconds: number }[]>`
      select sum(extract(epoch from rested))::float8 as seconds from strata.links`;
    return row?.seconds ?? 0;
  }));
  return all.reduce((a, b) => a + b, 0);
}

/** What may happen while clients work. */
const MEANWHILE: Record<
  LoadOptions["by"],
  (chain: TestChain, driver: Driver, deadline: number) => Promise<void>
> = {
  /** As cron does it, until nothing is due or the time is over. */
  async strata({ core, main }, driver, deadline) {
    const due = async () => {
      const [work] = await core.sql<{ n: number }[]>`
        select cardinality(strata.datasets_with_work()) as n`;
      return (work?.n ?? 0) > 0;
    };
    while (await due()) {
      if (Date.now() > deadline) throw new Error("the rows did not settle in time");
      await (driver === "pull" ? main : core).sql.unsafe("call strata.move_due()");
    }
  },
  /** The fastest way there is, which loses what is written meanwhile. */
  async copy(chain) {
    await createLetters(chain.main.sql);
    await runPipe(
      chain,
      `"$BIN/psql" -qXc "copy (select * from public.letters where created_at < now() - interval '30 days') to stdout binary" "$CORE" |
         "$BIN/psql" -qXc "copy public.letters from stdin binary" "$MAIN"`,
    );
    await chain.core.sql`delete from public.letters where created_at < now() - interval '30 days'`;
  },
  /** One session on each server that only computes: no lock, no write, no disk. */
  async query({ core, main }) {
    const compute = "select count(md5(n::text)) from generate_series(1, 12000000) as n";
    await Promise.all([core.sql.unsafe(compute), main.sql.unsafe(compute)]);
  },
};

function latency(
  all: readonly Transaction[],
  looks: readonly Look[],
  from: number,
  to: number,
): Latency {
  const those = all.filter(({ at }) => at >= from && at < to);
  const seen = looks.filter(({ at }) => at >= from && at < to);
  return {
    ...tookOf(those),
    reads: tookOf(those.filter(({ script }) => READS.includes(script))),
    writes: tookOf(those.filter(({ script }) => !READS.includes(script))),
    cpu_percent: busyPercent(seen),
    waits: commonWaits(seen),
  };
}

function tookOf(transactions: readonly Transaction[]): Took {
  const took = transactions.map(({ ms }) => ms);
  return {
    transactions: took.length,
    p50_ms: percentile(took, 0.5),
    p99_ms: percentile(took, 0.99),
    max_ms: percentile(took, 1),
  };
}

function counted(seen: readonly number[]): { most: number; average: number } {
  const sum = seen.reduce((a, b) => a + b, 0);
  return { most: Math.max(0, ...seen), average: Math.round(100 * sum / seen.length) / 100 };
}

/** How many rows core holds, and how many were deleted there. */
async function countKeys(sql: Sql): Promise<{ rows: number; gone: number }> {
  const [gone] = await sql<{ n: number }[]>`select count(*)::integer as n from public.gone`;
  return { rows: await countLetters(sql), gone: gone?.n ?? 0 };
}

async function deadlocksOf({ databases }: TestChain): Promise<number> {
  const counts = await Promise.all(databases.map(async ({ sql }) => {
    const [row] = await sql<{ n: number }[]>`
      select deadlocks::integer as n from pg_stat_database where datname = current_database()`;
    return row?.n ?? 0;
  }));
  return counts.reduce((a, b) => a + b, 0);
}

/** Every row is in one tier, and none that its owner deleted is in either. */
async function conserved(
  { core, main }: TestChain,
  before: { rows: number; gone: number },
  inserted: number,
): Promise<void> {
  const now = await countKeys(core.sql);
  const arrived = await countLetters(main.sql);
  const expected = before.rows + inserted - (now.gone - before.gone);
  const keys = await core.sql<{ id: string }[]>`
    select id from public.letters union all select id from public.gone`;
  const [twice] = await main.sql<{ n: number }[]>`
    select count(*)::integer as n from public.letters
     where id = any (${keys.map(({ id }) => id)}::uuid[])`;
  if (now.rows + arrived !== expected || twice?.n !== 0) {
    throw new Error(
      `of ${expected} rows ${now.rows} and ${arrived} are there, ${twice?.n} of them twice`,
    );
  }
}

/** What was found, for people to read. */
export function loadTable(result: LoadResult): string {
  const line = (name: string, { reads, writes, cpu_percent, ...all }: Latency) =>
    [
      name.padEnd(10),
      `${all.transactions.toLocaleString("en")}`.padStart(8),
      ...[all.p50_ms, all.p99_ms, reads.p99_ms, writes.p99_ms, all.max_ms]
        .map((ms) => `${ms.toFixed(2)} ms`.padStart(12)),
      `${cpu_percent} %`.padStart(8),
    ].join("");
  const { connections: { core, main } } = result;
  return [
    `${result.clients} clients, ${result.rate} transactions a second of ${
      result.capacity.toLocaleString("en")
    } that they can; meanwhile ${result.by} for ${result.settle_seconds.toFixed(1)} s (${
      result.rows.toLocaleString("en")
    } rows, ${result.driver}, at ${result.share} % beside others; rested ${
      result.rested_seconds.toFixed(1)
    } s)`,
    `${"".padEnd(10)}${"done".padStart(8)}${
      ["p50", "p99", "of reads", "of writes", "longest"].map((name) => name.padStart(12)).join("")
    }${"CPU".padStart(8)}`,
    line("before", result.before),
    line("during", result.during),
    line("after", result.after),
    `p50 ${result.p50_ratio.toFixed(2)} times, p99 ${result.p99_ratio.toFixed(2)} times; ` +
    `${result.errors.length} errors, ${result.deadlocks} deadlocks`,
    `Strata's connections: on core at most ${core.most} (${core.average} on average), ` +
    `on main at most ${main.most} (${main.average})`,
    `clients waited for: ${JSON.stringify(result.before.waits)} before, ${
      JSON.stringify(result.during.waits)
    } during`,
  ].join("\n");
}
