import assert from "node:assert/strict";
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

/** Fourteen rows are five batches, so that a flow has all its places filled for a while. */
const BATCH_ROWS = 3;
const ROWS = 14;
/** More steps than a flow of five batches takes. */
const MANY = 50;

type Journal = Map<number, string>;

async function smallBatches(chain: MoveChain): Promise<void> {
  await makeNotes(chain.core, 0);
  await settle(chain); // the tiers have heard of the table
  await chain.core.sql`
    update strata.settings set value = case name when 'batch_rows' then ${BATCH_ROWS} else 100 end
     where name in ('batch_rows', 'share_beside_others')`; // flows also while these tests look on
}

/** Adds the rows of one flow and writes them down. */
async function addBatches({ core }: MoveChain, first: number, journal: Journal): Promise<void> {
  await addNotes(core.sql, first, first + ROWS - 1);
  const rows = await rowsOf(core);
  assert.equal(rows.length, ROWS);
  for (const row of rows) journal.set(Number(/"id": (\d+)/.exec(row)?.[1]), row);
}

/** The owner edits one row and deletes another, if they are still on core, and writes it down. */
async function meddle({ core: { sql } }: MoveChain, id: number, journal: Journal): Promise<void> {
  const edited = await sql<{ row: string }[]>`
    update public.notes set body = 'edited' where id = ${id} returning to_jsonb(notes)::text as row`;
  for (const { row } of edited) journal.set(id, row);
  const deleted = await sql`delete from public.notes where id = ${id + 1} returning id`;
  if (deleted.length > 0) journal.delete(id + 1);
}

async function takeSteps(journey: Stepper, count: number): Promise<void> {
  for (let taken = 0; taken < count && !isOver(journey); taken++) await journey.step();
}

const isOver = ({ next }: Stepper) => ["done", "later", "failed", "link down"].includes(next);

async function assertConserved(chain: MoveChain, journal: Journal): Promise<void> {
  await endPauses(chain);
  await settle(chain);
  assert.deepEqual(await rowsOfChain(chain), [...journal.values()].sort());
  assert.deepEqual(await idsOf(chain.core), []);
  await assertAtPeace(chain);
}

moveTest("a flow moves everything, batch after batch", async (chain) => {
  const journal: Journal = new Map();
  await smallBatches(chain);
  await addBatches(chain, 1, journal);
  const journey = await startJourney(chain, { flows: true });
  await takeSteps(journey, MANY);

  assert.equal(journey.next, "done");
  const [log] = await chain.core.sql`
    select count(*)::integer as moves, sum(rows_moved)::integer as rows, sum(rows_kept)::integer as kept
      from strata.moves where state = 'closed'`;
  assert.deepEqual({ ...log }, { moves: Math.ceil(ROWS / BATCH_ROWS), rows: ROWS, kept: 0 });
  await journey.session.end({ timeout: 0 });
  await assertConserved(chain, journal);
});

moveTest("a flow for which there is one connection only goes on with that", async (chain) => {
  const journal: Journal = new Map();
  await smallBatches(chain);
  await addBatches(chain, 1, journal);
  const { driven } = endsOfLink(chain);
  await driven.sql`select 1`;
  await driven.sql.unsafe(
    `do $$ begin execute format('alter database %I connection limit %s', current_database(),
    (select count(*) + 1 from pg_stat_activity where datname = current_database() and backend_type = 'client backend')); end $$`,
  );
  const journey = await startJourney(chain, { flows: true });
  await takeSteps(journey, 12);
  const [lines] = await driven.sql`
    select count(*)::integer as n from pg_stat_activity
     where datname = current_database() and usename like 'strata\\_mover\\_%'`;
  assert.deepEqual([journey.next === "done", lines?.n], [false, 1]);
  await takeSteps(journey, MANY);

  assert.equal(journey.next, "done");
  const [trouble] = await chain.core.sql`select count(*)::integer as n from strata.failures`;
  assert.equal(trouble?.n, 0);
  await journey.session.end({ timeout: 0 });
  await assertConserved(chain, journal);
});

moveTest("no row is in two moves at once, whatever its writer does", async (chain) => {
  const journal: Journal = new Map();
  await smallBatches(chain);
  await addBatches(chain, 1, journal);
  const journey = await startJourney(chain, { flows: true });
  for (let taken = 0; taken < MANY && !isOver(journey); taken++) {
    await journey.step();
    await meddle(chain, 1 + taken % ROWS, journal);
    const twice = await chain.core.sql`
      select k.key from strata.manifests as f,
             unnest(f.keys[1:1]) with ordinality as k (key, position)
       where f.kept is null or k.position = any (f.kept)
       group by k.key having count(*) > 1`;
    assert.deepEqual(twice.map(({ key }) => key), []);
  }
  await journey.session.end({ timeout: 0 });
  await assertConserved(chain, journal);
});

moveTest("a flow pauses, so that the next hop gets its turn", async (chain) => {
  const journal: Journal = new Map();
  await smallBatches(chain);
  for (const { sql } of chain.databases) {
    await sql`update strata.settings set value = 2 where name = 'flow_batches'`;
  }
  await addBatches(chain, 1, journal);
  const journey = await startJourney(chain, { flows: true });
  let pauses = 0;
  for (let taken = 0; taken < MANY && !isOver(journey); taken++) {
    await journey.step();
    if (journey.next === "claim") {
      await assertAtPeace(chain);
      pauses++;
    }
  }
  assert.ok(pauses >= 2, `${pauses} pauses`);
  await journey.session.end({ timeout: 0 });
  await assertConserved(chain, journal);
});

async function interrupt(
  chain: MoveChain,
  first: number,
  { steps, victim }: { steps: number; victim: "driver" | "source" | "destination" },
): Promise<boolean> {
  const journal: Journal = new Map();
  await addBatches(chain, first, journal);
  const journey = await startJourney(chain, { flows: true });
  await takeSteps(journey, steps);
  const wasOver = isOver(journey);
  if (victim === "driver") {
    await endsOfLink(chain).driving.sql`select pg_terminate_backend(${journey.pid}, 5000)`;
  } else {
    await killServer(endsOfLink(chain)[victim].tier);
    await startServer(endsOfLink(chain)[victim].tier);
  }
  await journey.session.end({ timeout: 0 });
  for (const id of [first, first + 4, first + 8]) await meddle(chain, id, journal);
  await assertConserved(chain, journal);
  for (const { sql } of chain.databases) await sql`delete from public.notes where true`;
  return wasOver;
}

moveTest(
  "a flow is interrupted after any step, and every row is in one tier once",
  async (chain) => {
    await smallBatches(chain);
    for (let steps = 1, over = false; !over; steps++) {
      assert.ok(steps < MANY, "the flow never ends");
      over = await interrupt(chain, steps * 100, { steps, victim: "driver" });
    }
  },
);

for (const victim of ["source", "destination"] as const) {
  moveTest(`the ${victim} dies in a flow, and every row is in one tier once`, async (chain) => {
    await smallBatches(chain);
    for (const steps of [7, 8, 9, 10, 11]) {
      await interrupt(chain, steps * 100, { steps, victim });
    }
  });
}

moveTest("what a dead driver had sent still runs, and brings nothing back", async (chain) => {
  const journal: Journal = new Map();
  const { driving, driven } = endsOfLink(chain);
  await smallBatches(chain);
  await addBatches(chain, 1, journal);
  const journey = await startJourney(chain, { flows: true });
  await takeSteps(journey, 5);
  await journey.until("turn");

  // The neighbour stops in the middle of the message; its sender dies; the owner goes on.
  const table = driven === chain.core ? "strata.manifests" : "strata.arrivals";
  const holder = await driven.connect({ max: 1 }).reserve();
  await holder`begin`;
  await holder`lock table ${holder(table)} in share mode`;
  await journey.step();
  await waitForLock(driven.sql, table.split(".")[1] ?? "");
  await driving.sql`select pg_terminate_backend(${journey.pid}, 5000)`;
  await journey.session.end({ timeout: 0 });
  for (let id = 1; id < ROWS; id += 2) await meddle(chain, id, journal);
  const settled = assertConserved(chain, journal);
  await holder`commit`;
  holder.release();

  await settled;
});
