/** The relay between test databases: its own code, its calls as service_role. */
import { Destination, Source } from "../../supabase/functions/_shared/strata_relay.ts";
import { type Journey, journeyOf, takeStep } from "../../supabase/functions/relay/journey.ts";
import { carry, type Slice, type SliceDeps } from "../../supabase/functions/relay/slice.ts";
import assert from "node:assert/strict";
import type { TestDatabase } from "./database.ts";
import type { Stepper } from "./moves.ts";
import { rpcTo } from "./rpc.ts";

/** Real time; what is logged is what a test asserts otherwise. */
export const SLICE_DEPS: SliceDeps = {
  now: () => performance.now(),
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  log: () => {},
};

/** Both ends of the link between two neighbours. */
export function endsFor(hotter: TestDatabase, colder: TestDatabase) {
  const source = new Source(rpcTo(hotter.sql), hotter.tier, colder.tier);
  const destination = new Destination(rpcTo(colder.sql), colder.tier, hotter.tier);
  return { source, destination };
}

/** One slice over a link. */
export function relaySlice(
  hotter: TestDatabase,
  colder: TestDatabase,
  options: Parameters<typeof carry>[3] = {},
): Promise<Slice> {
  const { source, destination } = endsFor(hotter, colder);
  return carry(SLICE_DEPS, source, destination, options);
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
  const { source, destination } = endsFor(hotter, colder);
  const session = hotter.connect({ max: 1 });
  const [row] = await session<{ pid: number }[]>`select pg_backend_pid() as pid`;
  let journey: Journey = journeyOf(dataset);
  const stepper: Stepper = {
    session,
    pid: row?.pid ?? 0,
    next: journey.step,
    async step() {
      try {
        journey = await takeStep(source, destination, journey);
        stepper.next = journey.step;
      } catch {
        stepper.next = "failed";
      }
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
