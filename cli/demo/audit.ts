/** Counting every row on every tier, and comparing what is found with what was there. */
import {
  datasets as datasetsOf,
  inventory,
} from "../../supabase/functions/_strata/protocol/strata.ts";
import type { TierName } from "../config/schema.ts";
import type { Session } from "../lib/session.ts";

/** Where each row of a dataset is, and the fingerprint of its content there. */
export type Whereabouts = Map<string, { tier: TierName; fingerprint: string }[]>;

/** Every row of every dataset on every tier. */
export type Inventory = Map<string, Whereabouts>;

/** What comparing two inventories has shown. */
export interface Audit {
  rowsBefore: number;
  rowsAfter: number;
  lost: number;
  doubled: number;
  changed: number;
}

/** Reads every row of every dataset on every tier that answers. */
export async function takeInventory(session: Session): Promise<Inventory> {
  const found: Inventory = new Map();
  const answers = await session.ask(async ({ sql }) => {
    const perDataset: [string, Map<string, string>][] = [];
    for (const { name } of await datasetsOf(sql)) {
      perDataset.push([name, await inventory(sql, name)]);
    }
    return perDataset;
  });
  for (const { tier, answer } of answers) {
    for (const [dataset, rows] of answer) {
      const whereabouts = found.get(dataset) ?? new Map();
      found.set(dataset, whereabouts);
      for (const [key, fingerprint] of rows) {
        whereabouts.set(key, [...whereabouts.get(key) ?? [], { tier, fingerprint }]);
      }
    }
  }
  return found;
}

/** Each row of before must be found exactly once, with the same fingerprint. */
export function compare(before: Inventory, after: Inventory): Audit {
  const audit = { rowsBefore: 0, rowsAfter: 0, lost: 0, doubled: 0, changed: 0 };
  for (const [dataset, rows] of after) {
    audit.rowsAfter += rows.size;
    for (const copies of rows.values()) if (copies.length > 1) audit.doubled++;
    for (const [key, [was]] of before.get(dataset) ?? []) {
      const [is] = rows.get(key) ?? [];
      if (is !== undefined && is.fingerprint !== was?.fingerprint) audit.changed++;
    }
  }
  for (const [dataset, rows] of before) {
    audit.rowsBefore += rows.size;
    for (const key of rows.keys()) if (after.get(dataset)?.has(key) !== true) audit.lost++;
  }
  return audit;
}

/** How many rows each tier holds. */
export function rowsPerTier(inventory: Inventory): Map<TierName, number> {
  const counts = new Map<TierName, number>();
  for (const rows of inventory.values()) {
    for (const copies of rows.values()) {
      for (const { tier } of copies) counts.set(tier, (counts.get(tier) ?? 0) + 1);
    }
  }
  return counts;
}
