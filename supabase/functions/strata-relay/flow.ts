/**
 * Batch after batch over HTTP, both ends at work at once: while the colder tier takes one batch in and proves
 * it, the hotter one purges the batch before and claims the one after. The calls are those of a journey, and
 * each is committed before what depends on it begins. All batches of a flow are open moves like any other:
 * if the function dies, they are taken up one by one. With the slice the flow runs dry, so that the dataset
 * may move on from the colder tier, where an arrival keeps it.
 */
import { DatabaseError } from "../_strata/http/errors.ts";
import type { Batch, Cargo, Destination, Kept, Source } from "../_strata/protocol/strata_relay.ts";

interface Passage {
  readonly move: string;
  readonly columns: Cargo;
}
type Claimed = Passage & { readonly proof_hash: Cargo | null; readonly lines: Cargo };
type Proved = Passage & { readonly refused: Cargo; readonly proofs: Cargo };
type Purged = Passage & { readonly kept: Kept };
type Closed = Passage & { readonly outcomes: Cargo };

/** Up to four batches of a dataset between two rounds, each a step further than the one after it. */
export interface Flow {
  readonly dataset: string;
  readonly claimed: Claimed | undefined;
  readonly proved: Proved | undefined;
  readonly purged: Purged | undefined;
  readonly closed: Closed | undefined;
  /** Rows that have left the source so far, and batches that are finished. */
  readonly moved: number;
  readonly finished: number;
  /** How many batches are under way. */
  readonly open: number;
  /** Whether the source may have another. */
  readonly hasMore: boolean;
  /** Whether writers were faster than the last purge: no use in trying on and on. */
  readonly isBusy: boolean;
}

/** A flow whose first batch has been claimed. */
export function beginFlow(dataset: string, batch: Batch): Flow {
  return {
    dataset,
    claimed: claimedOf(batch),
    proved: undefined,
    purged: undefined,
    closed: undefined,
    moved: 0,
    finished: 0,
    open: 1,
    hasMore: true,
    isBusy: false,
  };
}

/** Whether every batch of a flow is finished. */
export function isDry({ open }: Flow): boolean {
  return open === 0;
}

/** Brings every batch of a flow one step further and claims another, if that is wanted. */
export async function takeRound(
  source: Source,
  destination: Destination,
  flow: Flow,
  wantsMore: boolean,
): Promise<Flow> {
  const [here, there] = await Promise.allSettled([
    atSource(source, flow, wantsMore),
    atDestination(source, destination, flow),
  ]);
  if (here.status === "rejected") throw here.reason;
  if (there.status === "rejected") throw there.reason;
  const { purged, claimed } = here.value;
  const ended = flow.closed === undefined ? 0 : 1;
  const isBusy = purged === undefined ? flow.isBusy : purged.kept.moved === 0;
  return {
    dataset: flow.dataset,
    ...here.value,
    ...there.value,
    moved: flow.moved + (purged?.kept.moved ?? 0),
    finished: flow.finished + ended,
    open: flow.open - ended + (claimed === undefined ? 0 : 1),
    hasMore: claimed !== undefined,
    isBusy,
  };
}

/** Finishes, purges and claims, each another batch. */
async function atSource(source: Source, flow: Flow, wantsMore: boolean) {
  const { claimed, proved, purged, closed } = flow;
  if (closed !== undefined) await source.finish(closed.move, closed.outcomes);
  const kept = proved && await source.purge(proved.move, proved.proofs, proved.refused);
  const open = [claimed, proved, purged].flatMap((batch) => batch === undefined ? [] : batch.move);
  const next = wantsMore && flow.hasMore && !flow.isBusy
    ? await claimNext(source, flow.dataset, open)
    : undefined;
  return {
    purged: proved && kept && { move: proved.move, columns: proved.columns, kept },
    claimed: next,
  };
}

/** The next batch is a convenience: what is wrong with it will be said when it is asked for in earnest. */
async function claimNext(source: Source, dataset: string, open: readonly string[]) {
  try {
    return claimedOf(await source.claim(dataset, open));
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.unreachable) throw error;
    return undefined;
  }
}

/** Closes one batch, takes another in and proves it. */
async function atDestination(source: Source, destination: Destination, flow: Flow) {
  const { dataset, claimed, purged } = flow;
  const outcomes = purged &&
    await destination.close(purged.move, dataset, purged.columns, purged.kept.kept);
  return {
    closed: purged && outcomes && { move: purged.move, columns: purged.columns, outcomes },
    proved: claimed && await copyAndProve(source, destination, dataset, claimed),
  };
}

async function copyAndProve(
  source: Source,
  destination: Destination,
  dataset: string,
  { move, columns, proof_hash, lines }: Claimed,
): Promise<Proved> {
  const refused = await destination.receive(move, dataset, columns, lines);
  const proofs = await destination.provePlaces(move, dataset, columns, proof_hash) ??
    await destination.prove(move, dataset, columns, await source.keys(move));
  return { move, columns, refused, proofs };
}

function claimedOf(
  { status, move_id: move, columns, proof_hash, lines }: Batch,
): Claimed | undefined {
  if (status !== "claimed" || move === null || columns === null || lines === null) return undefined;
  return { move, columns, proof_hash, lines };
}
