/**
 * What the tiers do about space: drains and reclaims. The third part of strata.ts, with the same
 * habits: whole numbers of Postgres (`bigint`) stay text, points in time are its text too.
 */
import type { ReservedSql, Sql } from "postgres";
import type { Db } from "../../supabase/functions/_strata/protocol/strata.ts";

/** What a drain would take of one dataset; `until` null: nothing. */
export interface DrainShare {
  dataset: string;
  until: string | null;
  movable_bytes: string;
  share_bytes: string;
}

/** What would be given back of one table, and how. */
export interface ReclaimPlan {
  relation: string;
  method: "vacuum" | "reindex" | "pack" | "rewrite" | "copy";
  gain_bytes: string;
  copy_bytes: string;
  total_bytes: string;
  dataset: string | null;
}

/** What a drain has moved so far. */
export async function drainedRows(sql: Db, id: string): Promise<bigint> {
  const [row] = await sql<{ rows: string }[]>`
    select coalesce(sum(m.rows_moved), 0)::bigint as rows
      from strata.drain_moves as f join strata.moves as m on m.move_id = f.move_id
     where f.drain_id = ${id}`;
  return BigInt(row?.rows ?? "0");
}

/** How far a tier is above what a drain brings it to, and how it would get there. */
export interface DrainPlan {
  billed_bytes: string;
  target_bytes: string;
  /** What giving back brings without any row moving. */
  reclaimable_bytes: string;
  /** What rows would have to free. */
  need_bytes: string;
  obstacle: string | null;
  shares: DrainShare[];
}

/** A drain as its tier has written it down. */
export interface Drain {
  drain_id: string;
  state: "moving" | "reclaiming" | "done" | "exhausted" | "stopped";
  round: number;
  billed_before: string;
  billed_after: string | null;
  target_bytes: string;
  says: string | null;
}

/** An attempt to give space back, as its tier has written it down. */
export interface Reclaim {
  reclaim_id: string;
  relation: string;
  method: ReclaimPlan["method"];
  state: "planned" | "running" | "done" | "gave way" | "failed" | "no room" | "dropped";
  bytes_before: string | null;
  bytes_after: string | null;
  locked_ms: string | null;
  says: string | null;
}

/** What a drain would do now; changes nothing. */
export async function planDrain(sql: Db): Promise<DrainPlan> {
  const [plan] = await sql<Omit<DrainPlan, "shares">[]>`
    select n.*, greatest(n.billed_bytes - n.target_bytes - n.reclaimable_bytes, 0) as need_bytes
      from (select strata.billed_bytes() as billed_bytes, strata.drain_target() as target_bytes,
                   strata.drain_obstacle() as obstacle,
                   (select coalesce(sum(p.gain_bytes), 0)::bigint
                      from strata.plan_reclaims(p_urgent => true) as p) as reclaimable_bytes) as n`;
  if (plan === undefined) throw new Error("a select without from returned no row");
  const shares = plan.need_bytes === "0" ? [] : await sql<DrainShare[]>`
    select dataset, until::text, movable_bytes, share_bytes
      from strata.plan_drain(p_need => ${plan.need_bytes})`;
  return { ...plan, shares: [...shares] };
}

/** Opens a drain, or finds the one that is open, and makes a read-only database writable; returns its id. */
export async function openDrain(sql: Sql): Promise<string> {
  const [row] = await sql.begin(
    "read write",
    (sql) => sql<{ id: string }[]>`select strata.open_drain(p_reason => 'asked') as id`,
  );
  return row?.id ?? "";
}

/** One drain. */
export async function drain(sql: Db, id: string): Promise<Drain | undefined> {
  const [row] = await sql<Drain[]>`
    select drain_id, state, round, billed_before, billed_after, target_bytes, says
      from strata.drains where drain_id = ${id}`;
  return row;
}

/** Brings drains and reclaims forward as far as that goes at once. */
export async function seeToSpace(sql: Sql): Promise<void> {
  await sql`call strata.see_to_space(p_budget => '5 seconds')`;
}

/** What could be given back, the largest gain first. */
export async function planReclaims(sql: Db, everything: boolean): Promise<ReclaimPlan[]> {
  return [
    ...await sql<ReclaimPlan[]>`
      select relation, method, gain_bytes, copy_bytes, total_bytes, dataset
        from strata.plan_reclaims(p_urgent => ${everything})`,
  ];
}

/** Plans to give back what is over 1 MB a table, at once rather than at night. */
export async function queueReclaims(sql: Sql): Promise<void> {
  // A database that is read-only because it is full can still get smaller.
  await sql.begin("read write", (sql) => sql`select strata.queue_reclaims(p_reason => 'asked')`);
}

/** The latest reclaims after one of them. */
export async function reclaims(sql: Db, after = "0"): Promise<Reclaim[]> {
  return [
    ...await sql<Reclaim[]>`
      select reclaim_id, relation, method, state, bytes_before, bytes_after, locked_ms, says
        from strata.reclaims where reclaim_id > ${after} order by reclaim_id`,
  ];
}

/** The number of the last reclaim this tier has written down. */
export async function lastReclaim(sql: Db): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    select coalesce(max(reclaim_id), 0) as id from strata.reclaims`;
  return row?.id ?? "0";
}

/**
 * Carries out the planned reclaim with the largest gain; returns false when there is none to begin.
 * Takes two connections: one works, one looks after those who wait for the table meanwhile.
 */
export async function reclaimNext(sql: Sql): Promise<boolean> {
  const session = await sql.reserve();
  try {
    await session`
      select set_config('statement_timeout', '0', false), set_config('default_transaction_read_only', 'off', false)`;
    const [begun] = await session<{ id: string | null; relation: string }[]>`
      select r.reclaim_id as id, r.relation
        from strata.begin_reclaim(p_runner => pg_backend_pid()::text) as r`;
    if (begun === undefined || begun.id === null) return false;
    let over = false;
    const watching = giveWay(sql, begun.relation, () => over);
    try {
      await carryOut(session, begun.id);
    } finally {
      over = true;
      await watching;
    }
    return true;
  } finally {
    await session`reset statement_timeout`.catch(() => {});
    await session`reset default_transaction_read_only`.catch(() => {});
    session.release();
  }
}

async function carryOut(session: ReservedSql, id: string): Promise<void> {
  while (true) {
    const [next] = await session<{ step: string | null }[]>`
      select strata.reclaim_step(p_reclaim => ${id}) as step`;
    if (next === undefined || next.step === null) return;
    if (next.step === "") continue;
    const error = await session.unsafe(next.step).then(() => null, (error) => String(error));
    await session`select strata.reclaim_ran(p_reclaim => ${id}, p_error => ${error})`;
  }
}

async function giveWay(sql: Sql, relation: string, over: () => boolean): Promise<void> {
  while (!over()) {
    await sql`select strata.give_way(to_regclass(${relation}))`.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
