/** `bench soak`: months in minutes, because the clock is moved on. */
import type { Sql } from "postgres";
import { type TestChain, testChain } from "../tests/support/chain.ts";
import { type Tier, TIERS } from "../local/settings.ts";
import { createLetters, seconds } from "./letters.ts";

/** How long is soaked: so many months, or as many as fit into so many hours. */
export interface SoakOptions {
  months: number;
  hours?: number;
}

/** One tier at the end of a month. */
export interface TierState {
  /** What schema strata takes: tables, indexes and all. */
  strata_kb: number;
  /** Memory of the session that has made every call of this tier since the beginning. */
  session_kb: number;
  /** Managed rows. */
  rows: number;
}

/** What `bench soak` found. */
export interface SoakResult {
  months: number;
  seconds: number;
  by_month: { month: number; core: TierState; main: TierState; archive: TierState }[];
  /** Kilobytes by which schema strata grew over the second half, on all tiers: tables, largest first. */
  growers: Record<string, number>;
}

const DAYS = 30;
const ROWS_A_DAY = 200;
/** How often a day everything is called that cron calls every few minutes or hours. */
const ROUNDS_A_DAY = 1;
const BEGINNING = Date.parse("2027-01-04T00:00:00Z"); // a Monday
const DAY = 86_400_000;

/** Lives through months: rows come and change, every job runs, weeks are kept house of. */
export async function benchSoak(
  { months, hours }: SoakOptions,
  say: (line: string) => void,
): Promise<SoakResult> {
  await using chain = await testChain({ driver: "push" });
  await prepare(chain);
  const open = (tier: Tier) => chain[tier].connect({ max: 1, max_lifetime: null });
  const sessions = { core: open("core"), main: open("main"), archive: open("archive") };
  const result: SoakResult = { months: 0, seconds: 0, by_month: [], growers: {} };
  const history: Map<string, number>[] = [];
  const deadline = hours === undefined ? Infinity : performance.now() + hours * 3_600_000;
  const wanted = hours === undefined ? months : Infinity;
  result.seconds = await seconds(async () => {
    for (let month = 1; month <= wanted && performance.now() < deadline; month++) {
      for (let day = 0; day < DAYS; day++) await live(chain, sessions, (month - 1) * DAYS + day);
      const [core, main, archive] = [
        await state(sessions.core),
        await state(sessions.main),
        await state(sessions.archive),
      ];
      result.by_month.push({ month, core, main, archive });
      result.months = month;
      history.push(await sizes(chain));
      say(`month ${month}: ${core.strata_kb}, ${main.strata_kb}, ${archive.strata_kb} KB`);
    }
  });
  const halfway = history[Math.floor((history.length - 1) / 2)];
  const grown = [...history.at(-1) ?? []]
    .map(([table, kb]): [string, number] => [table, kb - (halfway?.get(table) ?? 0)])
    .filter(([, kb]) => kb > 0)
    .sort(([, a], [, b]) => b - a);
  result.growers = Object.fromEntries(grown.slice(0, 8));
  return result;
}

/** A clock that a row of a table holds, so that every session sees it, and a table that lives. */
async function prepare(chain: TestChain): Promise<void> {
  for (const { sql } of chain.databases) {
    await sql.unsafe(`
      create schema bench;
      create table bench.clock (at timestamptz not null);
      insert into bench.clock values ('${new Date(BEGINNING).toISOString()}');
      grant usage on schema bench to public;
      grant select on bench.clock to public;
      create or replace function strata.clock() returns timestamptz language sql stable
        set search_path = '' as $$ select c.at from bench.clock as c $$`);
  }
  await createLetters(chain.core.sql);
  await chain.core.sql`
    select strata.manage('public.letters', p_core_retention_days => 30, p_main_retention_days => 90,
                         p_delete_after_days => 180)`;
}

/** One day of all three tiers. */
async function live(chain: TestChain, sessions: Record<Tier, Sql>, day: number): Promise<void> {
  for (let round = 0; round < ROUNDS_A_DAY; round++) {
    const now = BEGINNING + day * DAY + (round + 1) * DAY / ROUNDS_A_DAY - 1;
    await Promise.all(
      chain.databases.map(({ sql }) =>
        sql`update bench.clock set at = ${new Date(now).toISOString()}`
      ),
    );
    await call(sessions, "call strata.move_due()");
    await call(sessions, "call strata.watch()");
    await call(sessions, "call strata.watchdog()");
  }
  const { core } = sessions;
  await core.unsafe(`
    insert into public.letters (id, created_at, body)
    select gen_random_uuid(), strata.clock(), repeat(md5(n::text), 13) from generate_series(1, ${ROWS_A_DAY}) as n`);
  await core.unsafe(`
    update public.letters as t set body = t.body || '.' where t.id in (
      select x.id from public.letters as x order by x.created_at limit 5)`);
  await core.unsafe("call strata.report_daily()");
  await call(sessions, "call strata.audit()");
  if (day % 7 === 6) {
    await call(sessions, "call strata.upkeep()");
    for (const { sql } of chain.databases) await vacuum(sql);
  }
}

/** One tier after the other, in the one session that each has. */
async function call(sessions: Record<Tier, Sql>, statement: string): Promise<void> {
  for (const tier of TIERS) await sessions[tier].unsafe(statement);
}

/** What autovacuum does within a day of its own, which here is a second. */
async function vacuum(sql: Sql): Promise<void> {
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as name
      from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
     where c.relkind = 'r' and (n.nspname = 'strata' or c.relname in ('letters', 'clock'))`;
  for (const { name } of tables) await sql.unsafe(`vacuum (analyze) ${name}`);
}

async function state(session: Sql): Promise<TierState> {
  const [row] = await session<{ pid: number; kb: number; rows: number }[]>`
    select pg_backend_pid() as pid,
           (select sum(pg_total_relation_size(c.oid)) / 1024 from pg_class as c
             where c.relkind = 'r' and c.relnamespace = 'strata'::regnamespace)::integer as kb,
           (select count(*)::integer from public.letters) as rows`;
  return {
    strata_kb: row?.kb ?? NaN,
    session_kb: await memory(row?.pid),
    rows: row?.rows ?? NaN,
  };
}

/** Memory of one server process that is its own, without what all share. */
async function memory(pid: number | undefined): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]);
}

/** Kilobytes of each of Strata's tables, all tiers together. */
async function sizes(chain: TestChain): Promise<Map<string, number>> {
  const all = new Map<string, number>();
  for (const { sql } of chain.databases) {
    const tables = await sql<{ name: string; kb: number }[]>`
      select c.relname as name, (pg_total_relation_size(c.oid) / 1024)::integer as kb
        from pg_class as c where c.relkind = 'r' and c.relnamespace = 'strata'::regnamespace`;
    for (const { name, kb } of tables) all.set(name, (all.get(name) ?? 0) + kb);
  }
  return all;
}

/** What was found, for people to read. */
export function soakTable({ months, seconds, by_month, growers }: SoakResult): string {
  const cell = (value: number | string) => `${value}`.padStart(12);
  return [
    `${months} months in ${Math.round(seconds)} s; KB of schema strata, then of the sessions, ` +
    "then managed rows",
    ["month", ...TIERS, ...TIERS, ...TIERS].map(cell).join(""),
    ...by_month.map((month) =>
      [
        month.month,
        ...TIERS.map((tier) => month[tier].strata_kb),
        ...TIERS.map((tier) => month[tier].session_kb),
        ...TIERS.map((tier) => month[tier].rows),
      ].map(cell).join("")
    ),
    `grown over the second half (KB): ${JSON.stringify(growers)}`,
  ].join("\n");
}
