/** The colder tiers are told of the datasets, and what only their owner may decide is decided. */
import type { Config } from "../config/load.ts";
import * as strata from "../../supabase/functions/_strata/protocol/strata.ts";
import { exchangeAgreements, offer } from "../tiers/agreements.ts";
import { asFailure } from "../lib/errors.ts";
import type { OpenTier } from "../lib/session.ts";

/** A dataset that a tier does not take, or that waits there for its owner. */
export interface Refused {
  dataset: string;
  says: string;
  remedy: string;
}

/**
 * Makes the twins of datasets on the next colder tier. Whoever runs setup owns both tiers, so a table
 * of the configuration may become a twin there, and a condition of the configuration counts there.
 * Anything else that a tier would not do because a neighbour says so is told, and left to its owner.
 */
export async function makeTwins(
  config: Config,
  source: OpenTier,
  target: OpenTier,
  datasets: readonly string[],
): Promise<Refused[]> {
  const refused: Refused[] = [];
  await exchangeAgreements( // one of them may have been put back from a backup
    { sql: source.sql, tier: source.tier.key },
    { sql: target.sql, tier: target.tier.key },
  );
  for (const dataset of datasets) {
    const policy = config.policies.find((one) => one.dataset === dataset);
    try {
      if (policy !== undefined && await strata.hasTable(target.sql, policy.table)) {
        await strata.allowTwin(target.sql, policy.table);
      }
      const description = await offer(source.sql, dataset);
      await strata.accept(target.sql, description, source.tier.key);
      if (policy?.dueWhen != null) {
        await strata.takeConditions(target.sql, dataset, [policy.dueWhen]);
      }
    } catch (error) {
      const { message, remedy } = asFailure(error);
      refused.push({ dataset: `${dataset} on ${target.tier.key}`, says: message, remedy });
    }
  }
  for (const { dataset, condition } of await strata.waitingConditions(target.sql)) {
    refused.push({
      dataset: `${dataset} on ${target.tier.key}`,
      says: `its condition (${condition}) was not made there, and nothing moves until it is taken`,
      remedy: `If it may run on ${target.tier.key}, run there: ` +
        `select strata.take_conditions(${literal(dataset)}, array[${literal(condition)}]);`,
    });
  }
  return refused;
}

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;
