/** Calls of the database about the policy of a table: see {@link file://./strata.ts}. */
import type { Db } from "../../supabase/functions/_strata/protocol/strata.ts";

/** A dataset's policy, as `strata.manage` takes it. */
export interface DatasetPolicy {
  dataset: string;
  /** The table, with its schema. */
  table: string;
  ageColumn: string;
  /** The row's age in days at which it leaves core; -1: never. So for the next two. */
  coreRetentionDays: number;
  mainRetentionDays: number;
  deleteAfterDays: number;
  /** SQL condition over the row that must hold as well; null: none. */
  dueWhen: string | null;
  /** Null: no limit. */
  sizeLimitKb: number | null;
  deleteTriggers: string | null;
}

/** What `strata.manage` is told: what is left out stays as it is, a new dataset has the defaults. */
export type ManageOptions = Pick<DatasetPolicy, "table"> & Partial<DatasetPolicy>;

/** How `strata.manage` is told that a number, or a condition, was left out. */
const UNSAID = { number: -2147483648, condition: "as before" };

/** Adopts a table, or changes its policy; returns the dataset's name. */
export async function manage(sql: Db, options: ManageOptions): Promise<string> {
  const { dueWhen = UNSAID.condition, sizeLimitKb = UNSAID.number } = options; // null: none
  const [row] = await sql<{ dataset: string }[]>`
    select strata.manage(
      p_relation => ${options.table}::text::regclass, p_age_column => ${options.ageColumn ?? null},
      p_core_retention_days => ${options.coreRetentionDays ?? UNSAID.number},
      p_main_retention_days => ${options.mainRetentionDays ?? UNSAID.number},
      p_delete_after_days => ${options.deleteAfterDays ?? UNSAID.number},
      p_due_when => ${dueWhen}, p_size_limit_kb => ${sizeLimitKb},
      p_delete_triggers => ${options.deleteTriggers ?? null},
      p_dataset => ${options.dataset ?? null}) as dataset`;
  return row?.dataset ?? "";
}

/** The policy of a table, as `strata.manage` takes it; undefined when the table is not managed. */
export async function policyOf(sql: Db, table: string): Promise<DatasetPolicy | undefined> {
  const [policy] = await sql<DatasetPolicy[]>`
    select d.name as dataset, ${table}::text as "table", d.age_column as "ageColumn",
           coalesce(d.core_retention_days, -1) as "coreRetentionDays",
           coalesce(d.main_retention_days, -1) as "mainRetentionDays",
           coalesce(d.delete_after_days, -1) as "deleteAfterDays", d.due_when as "dueWhen",
           d.size_limit_kb as "sizeLimitKb", d.delete_triggers as "deleteTriggers"
      from strata.datasets as d
     where to_regclass(strata.relation(d)) = to_regclass(${table})`;
  return policy;
}

/** What the writers of a managed table should know: updates that may be upserts, tables that refer to it. */
export async function writingAdvice(sql: Db, dataset: string): Promise<string[]> {
  const rows = await sql<{ says: string }[]>`
    select a.says from strata.writing_advice(strata.dataset(${dataset})) as a (says)`;
  return rows.map(({ says }) => says);
}
