/**
 * One slice of a relay: takes the lease of a link, carries what is due until nothing is left or the time
 * is over, and gives the lease back. What fails is written down where it belongs, as the other drivers
 * do: with the dataset, or with the link at both ends; the next dataset goes on.
 */
import { DatabaseError } from "../_strata/http/errors.ts";
import type { Log } from "../_strata/http/log.ts";
import {
  type Batch,
  Destination,
  exchangeAgreements,
  exchangeHeartbeats,
  noteLink,
  Source,
} from "../_strata/protocol/strata_relay.ts";
import { carryAudits } from "./audit.ts";
import { beginFlow, isDry, takeRound } from "./flow.ts";
import { isOver, type Journey, journeyOf, takeStep } from "./journey.ts";

/** What a slice needs. */
export interface SliceDeps {
  now(): number;
  sleep(milliseconds: number): Promise<void>;
  log: Log;
}

/** What a slice has come to. */
export interface Slice {
  outcome: "carried" | "not our turn" | "link down";
  rows: number;
  batches: number;
  /** Datasets that stand still, each with its SQLSTATE. */
  failed: { dataset: string; code: string }[];
  /** Whether there is more to do. */
  left: boolean;
}

/** No batch is begun after this; those under way take a few seconds more, or over a slow line as long as a call may. */
const SLICE_MS = 20_000;
/**
 * Longer than a slice, unless the line is slow; the lease of one that was killed runs out by itself. If it
 * runs out under one that lives, another relay does some of its work twice, and no harm.
 */
const LEASE_SECONDS = 60;
/** A worker has 2 s of CPU, and a batch of 3 MB takes about 30 ms of it. */
const SLICE_BATCHES = 20;
const BLOCKED_TRIES = 20;

/** What a slice is told. */
export interface CarryOptions {
  /** Only this one, and even if the link is pausing after a failure. */
  dataset?: string;
  sliceMs?: number;
}

/** Carries what is due over a link. */
export async function carry(
  deps: SliceDeps,
  source: Source,
  destination: Destination,
  { dataset, sliceMs = SLICE_MS }: CarryOptions = {},
): Promise<Slice> {
  const token = crypto.randomUUID();
  const deadline = deps.now() + sliceMs;
  const isSpent = (open = 0) => deps.now() >= deadline || slice.batches + open >= SLICE_BATCHES;
  const slice: Slice = { outcome: "carried", rows: 0, batches: 0, failed: [], left: false };
  const begin = () => source.begin(token, LEASE_SECONDS, dataset !== undefined);
  if (await begin() === undefined) return { ...slice, outcome: "not our turn" };
  try {
    await exchangeAgreements(source, destination);
    const work = await begin() ?? []; // what has to be told again is among it now
    await tidy(source, destination);
    const names = work.filter((name) => dataset === undefined || name === dataset);
    for (const [at, name] of names.entries()) {
      await turn(deps, source, destination, name, isSpent, slice);
      if (!isSpent()) continue;
      slice.left ||= at < names.length - 1;
      break;
    }
    // Last, because what keeps a tier from saying how it is must not keep rows from moving.
    await exchangeHeartbeats(source, destination);
    await noteLink(source.rpc, destination.tier);
    await noteLink(destination.rpc, source.tier);
    const audits = await carryAudits(deps, source, destination, () => deps.now() >= deadline);
    slice.left ||= audits;
  } catch (error) {
    slice.outcome = "link down";
    slice.left = false; // it is tried again when its pause is over
    await noteDown(deps, source, destination, error);
  }
  await source.end(token, slice.left).catch((error) => deps.log("lease_not_returned", { error }));
  return slice;
}

/** One dataset's turn, at least one batch; throws what is wrong with the link. */
async function turn(
  deps: SliceDeps,
  source: Source,
  destination: Destination,
  dataset: string,
  isSpent: (open?: number) => boolean,
  slice: Slice,
): Promise<void> {
  let journey: Journey = journeyOf(dataset);
  let blocked = 0;
  do {
    const { moved, step, batch } = journey;
    if (moved > 0 && step === "copy" && batch?.status === "claimed") {
      // Once a batch has gone well, the next ones follow it in a flow.
      journey = await flowOn(deps, source, destination, { dataset, moved, batch }, isSpent, slice);
    } else {
      journey = await advance(deps, source, destination, journey);
      slice.rows += journey.moved - moved;
      if (step === "finish") slice.batches++;
    }
    if (journey.step === "blocked" && ++blocked < BLOCKED_TRIES && !isSpent()) {
      await deps.sleep(100); // an arrival is open there: it closes soon
      journey = journeyOf(dataset, journey.moved);
    }
  } while (!isOver(journey) && !(journey.step === "claim" && isSpent()));
  slice.left ||= journey.step === "claim";
  if (journey.code !== undefined) slice.failed.push({ dataset, code: journey.code });
}

/** A flow from the batch that has just been claimed until it has run dry; what comes next. */
async function flowOn(
  deps: SliceDeps,
  source: Source,
  destination: Destination,
  { dataset, moved, batch }: { dataset: string; moved: number; batch: Batch },
  isSpent: (open: number) => boolean,
  slice: Slice,
): Promise<Journey> {
  const { rows, batches } = slice;
  let flow = beginFlow(dataset, batch);
  while (!isDry(flow)) {
    try {
      flow = await takeRound(source, destination, flow, !isSpent(flow.open));
    } catch (error) {
      return await failed(
        deps,
        source,
        { step: "flow", dataset, moved: moved + flow.moved },
        error,
      );
    }
    slice.rows = rows + flow.moved;
    slice.batches = batches + flow.finished;
  }
  const next = journeyOf(dataset, moved + flow.moved);
  return flow.isBusy ? { ...next, step: "later" } : next;
}

/**
 * `takeStep()`, with an error written down and turned into the end of the dataset's turn; throws one that
 * is the link's.
 */
export async function advance(
  deps: SliceDeps,
  source: Source,
  destination: Destination,
  journey: Journey,
): Promise<Journey> {
  try {
    return await takeStep(source, destination, journey);
  } catch (error) {
    return await failed(deps, source, journey, error);
  }
}

async function failed(
  deps: SliceDeps,
  source: Source,
  { step, dataset, moved }: { step: string; dataset: string; moved: number },
  error: unknown,
): Promise<Journey> {
  if (!(error instanceof DatabaseError) || error.unreachable) throw error;
  const { code, message } = error;
  const isStale = code === "ST030" || code === "ST031"; // another run has taken the move up
  if (isStale) return { step: "failed", dataset, moved };
  deps.log("step_failed", { dataset, step, error });
  if (!await source.noteFailure(dataset, code, `${step}: ${message}`)) throw error;
  return { step: "failed", dataset, moved, code };
}

/** Closes arrivals whose source knows nothing of them. They are read before the moves: see tidy_arrivals(). */
async function tidy(source: Source, destination: Destination): Promise<void> {
  const open = await destination.openArrivals();
  if (open === "{}") return;
  const unknown = await source.notOpen(open);
  if (unknown !== "{}") await destination.abandon(unknown);
}

/** Writes down at each end that answers why the link does not work. */
async function noteDown(
  deps: SliceDeps,
  source: Source,
  destination: Destination,
  error: unknown,
): Promise<void> {
  deps.log("link_down", { error });
  const { code, says } = reasonOf(error) ?? {
    code: "08006",
    says: `the relay could not work between ${source.tier} and ${destination.tier}`,
  };
  const ends = [[source, destination.tier], [destination, source.tier]] as const;
  await Promise.all(ends.map(async ([end, other]) => {
    await noteLink(end.rpc, other, code, says).catch(() => {}); // this is the end that does not answer
  }));
}

/** What a database said; a function that is not there means that it has other migrations. */
function reasonOf(error: unknown): { code: string; says: string } | undefined {
  if (!(error instanceof DatabaseError) || error.unreachable) return undefined;
  if (error.code === "PGRST202" || error.code === "42883") {
    return { code: "ST004", says: error.message };
  }
  return /^[0-9A-Z]{5}$/.test(error.code) ? { code: error.code, says: error.message } : undefined;
}
