/** Holds on rows, and letting go of a dataset: what its owner decides against its policy. */
import type { Db } from "../../supabase/functions/_strata/protocol/strata.ts";

/** What a hold keeps rows from. */
export type Prevents = "move" | "delete" | "both";

/** A hold that is not over. */
export interface Hold {
  hold_id: string;
  dataset: string;
  key: string[] | null;
  condition: string | null;
  prevents: Prevents;
  reason: string;
  made_on: string;
  made_at: string;
  hold_until: string | null;
}

/** A hold to be made: on one row, or on all that meet a condition. */
export interface Wanted {
  dataset: string;
  key: string[];
  where: string | undefined;
  reason: string;
  until: string | undefined;
  prevents: Prevents;
}

/** The holds that a tier knows of and that are not over. */
export async function holds(sql: Db): Promise<Hold[]> {
  return await sql<Hold[]>`
    select hold_id, dataset, key, coalesce(waits_for, condition) as condition, prevents, reason,
           made_on, made_at::text, hold_until::text
      from strata.holds
     where released_at is null and (hold_until is null or hold_until > strata.clock())
     order by made_at, hold_id`;
}

/** Makes a hold; returns its id. */
export async function hold(sql: Db, wanted: Wanted): Promise<string> {
  const { dataset, where, reason, until, prevents } = wanted;
  const key = where === undefined ? wanted.key : null;
  const [row] = await sql<{ id: string }[]>`
    select strata.hold(
      p_dataset => ${dataset}, p_key => ${key}::text[], p_condition => ${where ?? null},
      p_reason => ${reason}, p_until => ${
    until ?? null
  }::timestamptz, p_prevents => ${prevents}) as id`;
  return row?.id ?? "";
}

/** Ends a hold; false: it was over. */
export async function release(sql: Db, id: string): Promise<boolean> {
  const [row] = await sql<
    { ended: boolean }[]
  >`select strata.release(p_hold => ${id}::uuid) as ended`;
  return row?.ended === true;
}

/** Lets go of a dataset on a tier; table and rows stay. */
export async function unmanage(sql: Db, dataset: string): Promise<void> {
  await sql`select strata.unmanage(p_dataset => ${dataset})`;
}
