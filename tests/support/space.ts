import type { Sql } from "postgres";
import { reclaimNext } from "../../cli/tiers/space.ts";
import { waitFor } from "./wait_for.ts";
import { MB } from "./watch.ts";

/** Makes a tier count its own database only: the server is shared with other tests. */
export async function countOwnSize(sql: Sql): Promise<void> {
  await sql.unsafe(`create or replace function strata.billed_bytes() returns bigint
    language sql volatile set search_path = '' as $$ select pg_database_size(current_database()) $$`);
}

/** What a tier is billed for, in MB. */
export async function billedMb(sql: Sql): Promise<number> {
  const [row] = await sql<{ bytes: string }[]>`select strata.billed_bytes() as bytes`;
  return Number(row?.bytes ?? 0) / MB;
}

/** Makes the present size critical; a drain then goes on until about `need` MB are gone. Returns its target. */
export async function makeCritical(sql: Sql, tier: string, need: number): Promise<number> {
  const billed = await billedMb(sql);
  const critical = Math.floor(billed) - 1;
  const percent = Math.round((billed - need) / (critical - 1) * 100);
  await sql`select strata.set_tier(${tier}, p_capacity_mb => ${critical + 200},
                                   p_warn_mb => ${critical - 1}, p_critical_mb => ${critical})`;
  await sql`update strata.settings set value = ${percent} where name = 'drain_to_percent'`;
  return (critical - 1) * percent / 100;
}

/** Runs statements whose changes are counted when this returns, rather than within ten seconds. */
export async function counted(sql: Sql, ...statements: string[]): Promise<void> {
  const session = await sql.reserve();
  for (const statement of statements) {
    await session.unsafe(statement);
    await session`select pg_stat_force_next_flush()`;
    await session`select`; // it is flushed before this is read
  }
  session.release();
}

/** Table `public.letters` with rows of about 470 bytes, one a minute until so many days ago. */
export async function makeLetters(
  sql: Sql,
  rows: number,
  table = "letters",
  daysAgo = 1,
): Promise<void> {
  await counted(
    sql,
    `create table public.${table} (id bigint primary key, created_at timestamptz not null, body text not null)
       with (autovacuum_enabled = off)`,
    `insert into public.${table}
     select n, now() - interval '${daysAgo} days' - (${rows} - n) * interval '1 minute',
            (select string_agg(md5(n::text || part), '') from generate_series(1, 13) as part)
       from generate_series(1, ${rows}) as n`,
    `vacuum (analyze) public.${table}`,
  );
}

/**
 * Waits until everything that was being written in other databases when it is called has ended: there other
 * tests make theirs. A VACUUM FULL keeps rows that were deleted since the oldest writer on the server began.
 */
async function othersHaveEnded(sql: Sql): Promise<void> {
  const [now] = await sql<{ next: string }[]>`
    select pg_snapshot_xmax(pg_current_snapshot())::text as next`;
  await waitFor("what others were writing to end", async () => {
    const [row] = await sql<{ ended: boolean }[]>`
      select not exists (
        select from pg_stat_activity
         where datname is distinct from current_database()
           and age(backend_xid) > age(${now?.next ?? "0"}::text::xid8::xid)) as ended`;
    return row?.ended;
  }, { everyMs: 10 });
}

/** Carries out every planned reclaim, as the command line does; the jobs of pg_cron are tested apart. */
export async function reclaimAll(sql: Sql): Promise<void> {
  do await othersHaveEnded(sql); while (await reclaimNext(sql));
}

/** One minute of a tier and of the tier that takes its rows, where there is no pg_cron. */
export async function minute(tiers: { sql: Sql }[]): Promise<void> {
  for (const { sql } of tiers) {
    await sql`call strata.go_on()`;
    await reclaimAll(sql);
  }
}

/** The last drain of a tier. */
export async function lastDrain(sql: Sql) {
  const [drain] = await sql<
    { state: string; round: number; says: string | null; mb: number | null; moved: number }[]
  >`
    select d.state, d.round, d.says, d.billed_after::float / 1048576 as mb,
           (select coalesce(sum(m.rows_moved), 0)::integer from strata.drain_moves as f
              join strata.moves as m on m.move_id = f.move_id where f.drain_id = d.drain_id) as moved
      from strata.drains as d order by d.drain_id desc limit 1`;
  return drain;
}

/** Minute after minute until the drain of the first tier has ended. */
export async function drained(tiers: { sql: Sql }[]) {
  const [first] = tiers;
  if (first === undefined) throw new Error("no tier to drain");
  for (let minutes = 0; minutes < 15; minutes += 1) {
    await minute(tiers);
    const drain = await lastDrain(first.sql);
    if (drain !== undefined && !["moving", "reclaiming"].includes(drain.state)) return drain;
  }
  throw new Error("the drain does not end");
}
