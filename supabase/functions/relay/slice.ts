/**
 * One slice of a relay: takes the lease of a link, carries what is due until nothing is left or the time
 * is over, and gives the lease back. What fails is written down where it belongs, as the other drivers
 * do: with the dataset, or with the link at both ends; the next dataset goes on.
 */
import { DatabaseError } from "../_shared/errors.ts";
import type { Log } from "../_shared/log.ts";
import { Destination, exchangeHeartbeats, noteLink, Source } from "../_shared/strata_relay.ts";
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
  /** Datasets that stand still, each with its SQLSTATE. */
  failed: { dataset: string; code: string }[];
  /** Whether there is more to do. */
  left: boolean;
}

/** No batch is begun after this; one that is under way then takes a few seconds more. */
const SLICE_MS = 20_000;
/** Longer than any slice: the lease of one that was killed runs out by itself. */
const LEASE_SECONDS = 60;
const BLOCKED_TRIES = 20;

/** Carries what is due over a link. */
export async function carry(
  deps: SliceDeps,
  source: Source,
  destination: Destination,
  { dataset, sliceMs = SLICE_MS }: { dataset?: string; sliceMs?: number } = {},
): Promise<Slice> {
  const token = crypto.randomUUID();
  const deadline = deps.now() + sliceMs;
  const work = await source.begin(token, LEASE_SECONDS, dataset !== undefined);
  if (work === undefined) return { outcome: "not our turn", rows: 0, failed: [], left: false };
  const slice: Slice = { outcome: "carried", rows: 0, failed: [], left: false };
  try {
    await tidy(source, destination);
    await exchangeHeartbeats(source, destination);
    for (const name of work) {
      if (dataset !== undefined && name !== dataset) continue;
      if (deps.now() >= deadline) {
        slice.left = true;
        break;
      }
      await turn(deps, source, destination, name, deadline, slice);
    }
    await noteLink(source.rpc, destination.tier);
    await noteLink(destination.rpc, source.tier);
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
  deadline: number,
  slice: Slice,
): Promise<void> {
  let journey: Journey = journeyOf(dataset);
  let blocked = 0;
  try {
    do {
      journey = await takeStep(source, destination, journey);
      if (journey.step === "blocked" && ++blocked < BLOCKED_TRIES && deps.now() < deadline) {
        await deps.sleep(100); // an arrival is open there: it closes soon
        journey = journeyOf(dataset, journey.moved);
      }
    } while (!isOver(journey) && !(journey.step === "claim" && deps.now() >= deadline));
    slice.left ||= journey.step === "claim";
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.unreachable) throw error;
    if (error.code === "ST030" || error.code === "ST031") return; // another run took the move up
    deps.log("step_failed", { dataset, step: journey.step, error });
    const says = `${journey.step}: ${error.message}`;
    if (!await source.noteFailure(dataset, error.code, says)) throw error;
    slice.failed.push({ dataset, code: error.code });
  } finally {
    slice.rows += journey.moved;
  }
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
  const isDatabase = error instanceof DatabaseError;
  const code = isDatabase && !error.unreachable && /^[0-9A-Z]{5}$/.test(error.code)
    ? error.code
    : "08006";
  const says = isDatabase && !error.unreachable
    ? error.message
    : `the relay could not work between ${source.tier} and ${destination.tier}`;
  const ends = [[source, destination.tier], [destination, source.tier]] as const;
  await Promise.all(ends.map(async ([end, other]) => {
    await noteLink(end.rpc, other, code, says).catch(() => {}); // this is the end that does not answer
  }));
}
