/** How long a dataset's rows stay where, as `strata.manage` takes it. */
import type { DatasetPolicy } from "../tiers/policies.ts";
import { quoted } from "../lib/table_name.ts";
import type { FilePolicy } from "./schema.ts";

/** One dataset and its policy. */
export interface Policy extends DatasetPolicy {
  deleteTriggers: "fire" | "skip" | null;
  /** Its dataset has an older name: what it says of the table that is meant, if none has that name. */
  today?: Policy;
  /** False: the shipped strata.yaml names it, and nobody else does. */
  own: boolean;
}

const COMPLETED = "status = 'completed'";

/** A dataset's policy: what it names, and for the rest the default's ages and age column. */
export function policyOf(
  dataset: string,
  own: FilePolicy,
  defaults: FilePolicy,
  isOwn = true,
): Policy {
  return {
    dataset,
    table: own.table ??
      `public.${/^[a-z_][a-z0-9_$]*$/i.test(dataset) ? dataset : quoted(dataset)}`,
    ageColumn: own.age_column ?? defaults.age_column ?? "created_at",
    coreRetentionDays: days(own.core_retention_days ?? defaults.core_retention_days ?? 30),
    mainRetentionDays: days(own.main_retention_days ?? defaults.main_retention_days ?? 365),
    deleteAfterDays: days(deletionAge(own) ?? deletionAge(defaults) ?? 2555),
    dueWhen: own.due_when ?? (own.trigger === "completed" ? COMPLETED : null),
    sizeLimitKb: own.size_limit_kb ?? null,
    deleteTriggers: own.delete_triggers ?? null,
    own: isOwn,
  };
}

/** `archive_after_days` is its older name. */
const deletionAge = (policy: FilePolicy) => policy.delete_after_days ?? policy.archive_after_days;

const days = (age: number | "never") => age === "never" ? -1 : age;

/** The policies as they count on a core: an older name means its table only where none has that name. */
export async function policiesOn(
  hasTable: (table: string) => Promise<boolean>,
  policies: readonly Policy[],
): Promise<Policy[]> {
  const meant: Policy[] = [];
  const kept: Policy[] = [];
  for (const policy of policies) {
    const { today } = policy;
    const inCapitals = `public.${quoted(policy.dataset)}`; // SQL would fold them
    if (policy.table === `public.${policy.dataset}` && /[A-Z]/.test(policy.dataset)) {
      kept.push(await hasTable(inCapitals) ? { ...policy, table: inCapitals } : policy);
      continue;
    }
    if (today !== undefined && !await hasTable(policy.table)) meant.push(today);
    else kept.push(policy);
  }
  const names = meant.map(({ dataset }) => dataset);
  return [...kept.filter(({ dataset }) => !names.includes(dataset)), ...meant];
}
