import assert from "node:assert/strict";
import type { TestDatabase } from "../support/database.ts";
import { killServer, startServer } from "../support/servers.ts";
import {
  addNotes,
  assertAtPeace,
  dialledTest as moveTest,
  endPauses,
  endsOfLink,
  idsOf,
  makeNotes,
  type MoveChain,
  rowsOf,
  rowsOfChain,
  settle,
  startJourney,
  type Stepper,
  waitForLock,
} from "../support/moves.ts";
import { waitFor } from "../support/wait_for.ts";

/** The steps of a move, each with a table whose lock stops it in the middle of its transaction. */
const STEPS: Record<string, { stops: "source" | "destination"; at: string }> = {
  claim: { stops: "source", at: "strata.manifests" }, // the move is written, its manifest is not
  copy: { stops: "destination", at: "strata.arrivals" }, // rows are in, the arrival is not noted
  prove: { stops: "destination", at: "public.notes" },
  purge: { stops: "source", at: "strata.manifests" }, // rows are deleted, it is not written down
  close: { stops: "destination", at: "strata.arrivals" }, // rows are retracted, the door is open
  finish: { stops: "source", at: "strata.manifests" },
};

/** Who dies. A server dies as in a power cut; the driver is the session that takes the steps. */
const VICTIMS = ["driver", "source", "destination"] as const;
type Victim = typeof VICTIMS[number];

async function strike(chain: MoveChain, journey: Stepper, victim: Victim): Promise<void> {
  const ends = endsOfLink(chain);
  if (victim === "driver") {
    await ends.driving.sql`select pg_terminate_backend(${journey.pid}, 5000)`;
  } else {
    await killServer(ends[victim].tier);
    await startServer(ends[victim].tier);
  }
}

/** Takes a step that is stopped in the middle, and strikes while it stands there. */
async function strikeInside(chain: MoveChain, journey: Stepper, victim: Victim): Promise<void> {
  const { stops, at } = STEPS[journey.next] ?? {};
  if (stops === undefined || at === undefined) throw new Error(`no way to stop ${journey.next}`);
  const place = endsOfLink(chain)[stops];
  const holder = await place.connect({ max: 1 }).reserve();
  await holder`begin`;
  await holder`lock table ${holder(at)} in ${
    holder.unsafe(at === "public.notes" ? "access exclusive" : "share")
  } mode`;
  const step = journey.step().catch(() => {}); // it may be cut off
  await waitForLock(place.sql, at.split(".")[1] ?? "");
  await strike(chain, journey, victim);
  if (victim !== stops) await holder`commit`; // else its server is gone
  await step;
}

/** The owner edits one row and deletes another, if they are still on core, and writes it down. */
async function meddle({ sql }: TestDatabase, first: number, journal: Map<number, string>) {
  const edited = await sql<{ row: string }[]>`
    update public.notes set body = 'edited' where id = ${first}
    returning to_jsonb(notes)::text as row`;
  for (const { row } of edited) journal.set(first, row);
  const deleted = await sql`delete from public.notes where id = ${first + 1} returning id`;
  if (deleted.length > 0) journal.delete(first + 1);
}

async function assertNothingLeftBehind({ sql }: TestDatabase): Promise<void> {
  await waitFor("the mover's sessions to end", async () => {
    const sessions = await sql`select from pg_stat_activity where usename like 'strata\\_mover\\_%'
      and datname = current_database()`;
    return sessions.length === 0;
  });
  const locks = await sql`select from pg_locks where locktype = 'advisory'
    and database = (select oid from pg_database where datname = current_database())`;
  assert.equal(locks.length, 0, "advisory locks");
}

/** One batch of three notes, interrupted; then everything runs again, and every row is somewhere once. */
async function interrupt(
  chain: MoveChain,
  first: number,
  journal: Map<number, string>,
  { step, inside, victim }: { step: string; inside: boolean; victim: Victim },
): Promise<void> {
  const { core } = chain;
  await addNotes(core.sql, first, first + 2);
  for (const [at, row] of (await rowsOf(core)).entries()) journal.set(first + at, row);
  const journey = await startJourney(chain);
  await journey.until(step);
  await (inside ? strikeInside : strike)(chain, journey, victim);
  await journey.session.end({ timeout: 0 });

  await meddle(core, first, journal);
  await endPauses(chain);
  await settle(chain);
  assert.deepEqual(await rowsOfChain(chain), [...journal.values()].sort());
  assert.deepEqual(await idsOf(core), []);
  await assertAtPeace(chain);
  for (const database of chain.databases) await assertNothingLeftBehind(database);
}

for (const victim of VICTIMS) {
  for (const inside of [false, true]) {
    const when = inside ? "in the middle of any step" : "between any two steps";
    moveTest(`the ${victim} dies ${when}, and every row is in one tier once`, async (chain) => {
      await makeNotes(chain.core, 0);
      await settle(chain);
      const journal = new Map<number, string>();
      for (const [at, step] of Object.keys(STEPS).entries()) {
        await interrupt(chain, 10 * at, journal, { step, inside, victim });
      }
    });
  }
}
