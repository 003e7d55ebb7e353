/** How large a modelled world is, and what may be missing from it. */

/** What keeps rows safe. Without any one of them something goes wrong. */
export const GUARDS = {
  version: "purge() deletes a row only in the version that was claimed",
  committed: "prove() sees committed rows only",
  retract: "close_arrival() takes back what its source kept",
  takeUp: "claim() takes up an open move before anything new",
  blocked: "claim() waits while an arrival of the dataset is open",
  tombstone: "receive() refuses a move that was closed",
  besides: "a batch claimed beside others has none of their rows",
  proof: "purge() deletes a row only if the proof is the content that was claimed",
} as const;

/** The name of a guard. */
export type Guard = keyof typeof GUARDS;

/** How large a world is. */
export interface World {
  /** 2 or 3. */
  tiers: number;
  keys: number;
  /** The link of each driver. */
  drivers: number[];
  /** How many batches a driver has under way. */
  lanes: number;
  writes: number;
  crashes: number;
  /** What is left out. */
  without?: Guard;
}
