/** The relay between test databases: its own code, its calls as service_role. */
import assert from "node:assert/strict";
import { Destination, Source } from "../../supabase/functions/_strata/protocol/strata_relay.ts";
import { carryAudits } from "../../supabase/functions/strata-relay/audit.ts";
import { type Journey, journeyOf } from "../../supabase/functions/strata-relay/journey.ts";
import {
  advance,
  carry,
  type CarryOptions,
  type Slice,
  type SliceDeps,
} from "../../supabase/functions/strata-relay/slice.ts";
import type { TestDatabase } from "./database.ts";
import type { Stepper } from "./moves.ts";
import { rpcTo } from "./rpc.ts";

/** Real time; what is logged is what a test asserts otherwise. */
export const SLICE_DEPS: SliceDeps = {
  now: () => performance.now(),
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  log: () => {},
};

/** Both ends of a link, in sessions that have just begun and so know today's settings. */
function endsFor(hotter: TestDatabase, colder: TestDatabase) {
  const [one, other] = [hotter.connect({ max: 1 }), colder.connect({ max: 1 })];
  return {
    source: new Source(rpcTo(one), hotter.tier, colder.tier),
    destination: new Destination(rpcTo(other), colder.tier, hotter.tier),
    session: one,
    async close() {
      await Promise.all([one.end({ timeout: 1 }), other.end({ timeout: 1 })]);
    },
  };
}

/** One slice over a link. */
export async function relaySlice(
  hotter: TestDatabase,
  colder: TestDatabase,
  options: CarryOptions = {},
): Promise<Slice> {
  const { source, destination, close } = endsFor(hotter, colder);
  try {
    return await carry(SLICE_DEPS, source, destination, options);
  } finally {
    await close();
  }
}

/** Carries the audits that have begun over a link to their end, and no rows. */
export async function relayAudits(hotter: TestDatabase, colder: TestDatabase): Promise<void> {
  const { source, destination, close } = endsFor(hotter, colder);
  try {
    while (await carryAudits(SLICE_DEPS, source, destination, () => false)) { /* the next slice */ }
  } finally {
    await close();
  }
}

/** One slice over every link of a chain, hottest first. */
export async function relayOnce(databases: readonly TestDatabase[]): Promise<void> {
  for (const [at, colder] of databases.slice(1).entries()) {
    const hotter = databases[at];
    if (hotter !== undefined) await relaySlice(hotter, colder);
  }
}

/** A relay that takes one step at a time. It dies by not being asked for another. */
export async function relayStepper(
  hotter: TestDatabase,
  colder: TestDatabase,
  dataset: string,
): Promise<Stepper> {
  const { source, destination, session } = endsFor(hotter, colder);
  const [row] = await session<{ pid: number }[]>`select pg_backend_pid() as pid`;
  let journey: Journey = journeyOf(dataset);
  const stepper: Stepper = {
    session,
    pid: row?.pid ?? 0,
    next: journey.step,
    async step() {
      journey = await advance(SLICE_DEPS, source, destination, journey);
      stepper.next = journey.step;
    },
    async until(step) {
      for (let taken = 0; stepper.next !== step; taken++) {
        assert.ok(taken < 12, `${step} never came; ${stepper.next} comes next`);
        await stepper.step();
      }
    },
  };
  return stepper;
}
