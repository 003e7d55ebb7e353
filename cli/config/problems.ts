/** What can be wrong with a configuration, as sentences. */
import { z } from "zod";
import { nearest } from "../lib/nearest.ts";
import { knownKeys, TIERS } from "./schema.ts";

/** One thing that is wrong: where, and a sentence that ends in what to write instead. */
export interface Problem {
  path: string;
  says: string;
  /** The file is no YAML from there on. */
  unreadable?: boolean;
}

/** Names a place in the file as people write it: `lifecycle_policies.tasks.trigger`. */
export const at = (...path: PropertyKey[]): string => path.map(String).join(".");

/** Everything zod objects to, each with its path and what to write there. */
export function schemaProblems(error: z.ZodError, document: unknown): Problem[] {
  return error.issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => unknownKey(issue.path, key))
      : [wrongValue(issue, document)]
  );
}

/**
 * A retention that is shorter than one before it: the row would be due to leave a tier before it
 * is due to arrive there. Looks at whatever is a number, so that it is found in the same round as
 * everything else that is wrong with the file.
 */
export function shrinkingRetention(
  dataset: string,
  policy: Record<string, unknown>,
  defaults: Record<string, unknown>,
): Problem[] {
  const chain = ["core_retention_days", "main_retention_days", lastKey(policy)].map((key) => {
    const value = policy[key] ?? defaults[key] ?? (key === lastKey(policy) ? last(defaults) : null);
    return { key, days: ageOf(value), value, own: key in policy };
  });
  const problems: Problem[] = [];
  for (const [index, later] of chain.entries()) {
    const earlier = chain[index - 1];
    if (earlier === undefined || !(earlier.days > later.days)) continue;
    const blamed = earlier.own ? earlier : later;
    problems.push({
      path: at("lifecycle_policies", dataset, blamed.key),
      says: earlier.own
        ? `is ${earlier.value}, more than ${later.key} (${later.value}): ` +
          `write ${later.days} or less, or raise ${later.key}`
        : `is ${later.value}, less than ${earlier.key} (${earlier.value}): ` +
          `write ${earlier.days} or more, or lower ${earlier.key}`,
    });
  }
  return problems;
}

/** `archive_after_days` is the older name of `delete_after_days`: one of them, not both. */
export function bothNames(dataset: string, policy: Record<string, unknown>): Problem[] {
  if (!("archive_after_days" in policy && "delete_after_days" in policy)) return [];
  return [{
    path: at("lifecycle_policies", dataset, "archive_after_days"),
    says:
      "is the older name of delete_after_days, which is given too: write only delete_after_days",
  }];
}

/** A dataset is due by `trigger` or by `due_when`; two conditions would hide one another. */
export function bothTriggers(dataset: string, policy: Record<string, unknown>): Problem[] {
  if (!("trigger" in policy && "due_when" in policy)) return [];
  return [{
    path: at("lifecycle_policies", dataset, "trigger"),
    says: "and due_when both say when a row is due: write only one of them",
  }];
}

function unknownKey(path: PropertyKey[], key: string): Problem {
  const known = knownKeys(path);
  const near = nearest(key, known);
  const kind = path.length === 1 && path[0] === "database_tiers" ? "tier" : "key";
  return {
    path: at(...path, key),
    says: `is not a ${kind} Strata knows: ` +
      (near !== undefined
        ? `write ${near}`
        : `remove it (known here: ${(kind === "tier" ? [...TIERS] : known).join(", ")})`),
  };
}

function wrongValue(issue: z.core.$ZodIssue, document: unknown): Problem {
  const value = valueAt(document, issue.path);
  // A variable's name is wrong mostly because its secret stands there instead: never echo that.
  const secret = String(issue.path.at(-1)).endsWith("_env");
  const found = value === undefined
    ? "is missing"
    : secret
    ? "is not a variable's name"
    : `is ${JSON.stringify(value)}`;
  return { path: at(...issue.path), says: `${found}: write ${issue.message}` };
}

function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => isRecord(value) ? value[String(key)] : undefined,
    document,
  );
}

function ageOf(value: unknown): number {
  if (value === "never" || value === -1) return Infinity;
  return typeof value === "number" ? value : NaN; // NaN compares false: someone else complains
}

const lastKey = (policy: Record<string, unknown>) =>
  "archive_after_days" in policy ? "archive_after_days" : "delete_after_days";
const last = (policy: Record<string, unknown>) => policy[lastKey(policy)];

/** Whether a value is a plain mapping of YAML. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
