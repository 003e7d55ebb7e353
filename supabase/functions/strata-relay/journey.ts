/**
 * A batch on its way over HTTP, one step at a time: the steps of `strata.take_step()`, taken from outside.
 * Each is a call at one end, or one at each, and committed there before the next begins. After a step
 * nothing is needed of it but the journey, and after a crash not even that: the next claim takes up what
 * is open.
 */
import type { Batch, Cargo, Destination, Kept, Source } from "../_strata/protocol/strata_relay.ts";

/** What comes next, or why the dataset's turn is over. */
export type Step =
  | "claim"
  | "tell"
  | "told"
  | "copy"
  | "prove"
  | "purge"
  | "close"
  | "finish"
  | "done"
  | "blocked"
  | "later"
  | "failed";

/** A dataset's turn between two steps. */
export interface Journey {
  readonly step: Step;
  readonly dataset: string;
  readonly batch?: Batch;
  readonly description?: Cargo;
  readonly columns?: Cargo;
  readonly refused?: Cargo;
  readonly proofs?: Cargo;
  readonly kept?: Kept;
  readonly outcomes?: Cargo;
  /** Rows that have left the source so far. */
  readonly moved: number;
  /** The SQLSTATE of what failed. */
  readonly code?: string;
}

const AFTER_CLAIM: Record<Batch["status"], Step> = {
  claimed: "copy",
  open: "prove",
  purged: "purge",
  nothing: "done",
  blocked: "blocked",
  unknown: "tell",
};

/** A journey about to begin. */
export function journeyOf(dataset: string, moved = 0): Journey {
  return { step: "claim", dataset, moved };
}

/** Takes one step and says what comes next. */
export async function takeStep(
  source: Source,
  destination: Destination,
  journey: Journey,
): Promise<Journey> {
  const { dataset, moved } = journey;
  switch (journey.step) {
    case "claim": {
      const batch = await source.claim(dataset);
      return { step: AFTER_CLAIM[batch.status], dataset, batch, moved };
    }
    case "tell": {
      const description = await source.describe(dataset);
      const columns = await destination.accept(description);
      return { step: "told", dataset, description, columns, moved };
    }
    case "told":
      await source.told(dataset, need(journey.description), need(journey.columns));
      return journeyOf(dataset, moved);
    case "copy": {
      const { move, columns, lines } = cargoOf(journey);
      const refused = await destination.receive(move, dataset, columns, need(lines));
      const batch = { ...need(journey.batch), lines: null }; // not needed any more, and large
      return { ...journey, step: "prove", batch, refused };
    }
    case "prove": {
      const { move, columns, proof_hash } = cargoOf(journey);
      const proofs = await destination.provePlaces(move, dataset, columns, proof_hash) ??
        await destination.prove(move, dataset, columns, await source.keys(move));
      return { ...journey, step: "purge", proofs };
    }
    case "purge": {
      const { proofs = null, refused = null } = journey;
      const kept = await source.purge(cargoOf(journey).move, proofs, refused);
      return { ...journey, step: "close", kept };
    }
    case "close": {
      const { move, columns } = cargoOf(journey);
      const outcomes = await destination.close(move, dataset, columns, need(journey.kept).kept);
      return { ...journey, step: "finish", outcomes };
    }
    case "finish": {
      await source.finish(cargoOf(journey).move, need(journey.outcomes));
      const left = need(journey.kept).moved;
      // Writers are faster than we are: no use in trying on and on.
      const isBusy = journey.batch?.status === "claimed" && left === 0;
      return { ...journeyOf(dataset, moved + left), step: isBusy ? "later" : "claim" };
    }
    default:
      return journey;
  }
}

/** Whether a dataset's turn is over. */
export function isOver({ step }: Journey): boolean {
  return step === "done" || step === "blocked" || step === "later" || step === "failed";
}

function cargoOf({ batch }: Journey) {
  const { move_id, columns, proof_hash, lines } = need(batch);
  return { move: need(move_id), columns: need(columns), proof_hash, lines };
}

function need<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) {
    throw new Error("a step lacks what the one before it had");
  }
  return value;
}
