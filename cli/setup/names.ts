/** Names in the user's own configuration that lead nowhere. */
import type { Config } from "../config/load.ts";
import type { Policy } from "../config/policy.ts";
import { hasTable } from "../../supabase/functions/_strata/protocol/strata.ts";
import type { Db } from "../../supabase/functions/_strata/protocol/strata.ts";
import { tableNames } from "../tiers/holdings.ts";
import { asFailure, Failure } from "../lib/errors.ts";
import { nearest } from "../lib/nearest.ts";
import { withRemedy } from "../lib/output.ts";

/** A policy of the user's own without a table on core, and the table that was perhaps meant. */
export interface NoTable {
  dataset: string;
  table: string;
  near: string | undefined;
}

/** The user's own policies without a table; that a shipped one has none is nobody's fault. */
export async function tablesMissing(
  { policies }: Pick<Config, "policies">,
  sql: Db,
): Promise<NoTable[]> {
  const missing: Policy[] = [];
  for (const policy of policies) {
    if (policy.own && !await isThere(sql, policy.table)) missing.push(policy);
  }
  if (missing.length === 0) return [];
  const known = new Map((await tableNames(sql)).map((name) => [bare(name), shown(name)]));
  return missing.map(({ dataset, table }) => {
    const near = nearest(bare(table), [...known.keys()]);
    return { dataset, table, near: near === undefined ? undefined : known.get(near) };
  });
}

/** What is wrong with a name, and what to do about it. */
export function noTableText({ dataset, table, near }: NoTable): string {
  return withRemedy(
    `lifecycle_policies.${dataset}: there is no table ${table} on core`,
    remedy(near),
  );
}

/** What to do about a name without a table. */
export function remedy(near: string | undefined): string {
  const guess = near === undefined ? "" : `Did you mean ${near}? `;
  return `${guess}Correct the name in your configuration, or make the table, and run ` +
    "`deno task strata setup --init` again.";
}

/** A name that is none of SQL's is no table's either. */
async function isThere(sql: Db, table: string): Promise<boolean> {
  try {
    return await hasTable(sql, table);
  } catch (error) {
    const failure = asFailure(error);
    if (failure instanceof Failure && /^42/.test(failure.code)) return false;
    throw error;
  }
}

const bare = (table: string) => table.replace(/^[^.]*\./, "").replaceAll('"', "");
const shown = (table: string) => table.replace(/^public\./, "");
