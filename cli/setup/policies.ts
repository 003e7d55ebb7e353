/** Which policies of the configuration count on a core. */
import { policiesOn, type Policy } from "../config/policy.ts";
import { type Db, hasTable } from "../../supabase/functions/_strata/protocol/strata.ts";
import { releases } from "../tiers/releases.ts";

/**
 * The policies as they count there. Those that strata.yaml is shipped with are for the companion's tables: where it is
 * not, a table that happens to have one of their names is its owner's, who has said nothing of it.
 */
export async function policiesAt(sql: Db, policies: readonly Policy[]): Promise<Policy[]> {
  const hasCompanion = (await releases(sql)).some(({ product }) => product === "companion");
  const counting = policies.filter(({ own }) => own || hasCompanion);
  return await policiesOn((table) => hasTable(sql, table), counting);
}
