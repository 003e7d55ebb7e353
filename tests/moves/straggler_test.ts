import assert from "node:assert/strict";
import type { Sql } from "postgres";
import {
  addNotes,
  assertAtPeace,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  rowsOf,
  runOnce,
  settle,
  startJourney,
  THREE_TIERS,
  waitForLock,
} from "../support/moves.ts";

/** A claimed batch as it travels, in the hands of the test. */
interface Batch {
  move_id: string;
  columns: string[];
  keys: string;
  lines: string;
}

const claim = async ({ core }: MoveChain): Promise<Batch> => {
  const [batch] = await core.sql<Omit<Batch, "keys">[]>`
    select move_id, columns, lines from strata.claim('notes', 'main')`;
  if (batch === undefined) throw new Error("nothing was claimed");
  const [claimed] = await core.sql<{ keys: string }[]>`
    select strata.claimed_keys(${batch.move_id})::text as keys`; // not in the statement that claims: it would not see them
  return { ...batch, keys: claimed?.keys ?? "" };
};

const receive = (sql: Sql, { move_id, columns, lines }: Batch) =>
  sql`select strata.receive(${move_id}, 'notes', 'core', ${columns}, ${lines})`;

const prove = async (sql: Sql, { move_id, columns, keys }: Batch): Promise<string> => {
  const [row] = await sql<{ proofs: string }[]>`
    select strata.prove(${move_id}, 'notes', ${columns}, ${keys}::text[])::text as proofs`;
  return row?.proofs ?? "";
};

/** Takes back nothing, and shuts the door. */
const closeArrival = (sql: Sql, { move_id, columns }: Batch) =>
  sql`select strata.close_arrival(${move_id}, 'notes', 'core', ${columns}, '{}', '{}', '{}')`;

async function makeKnownNotes(chain: MoveChain): Promise<void> {
  await makeNotes(chain.core, 0);
  await settle(chain);
  await addNotes(chain.core.sql, 1, 3);
}

const refusal = (code: string) => ({ code });

moveTest(
  "a copy that comes in after its move was closed is refused, and brings nothing back",
  async (chain) => {
    const { core, main } = chain;
    await makeKnownNotes(chain);
    const batch = await claim(chain);
    await core.sql`delete from public.notes`; // by its owner
    await settle(chain);

    await assert.rejects(receive(main.sql, batch), refusal("ST031"));

    assert.deepEqual(await idsOf(main), []);
    await assertAtPeace(chain);
  },
);

moveTest("a copy that comes in twice is taken in once", async (chain) => {
  const { main } = chain;
  await makeKnownNotes(chain);
  const batch = await claim(chain);
  await receive(main.sql, batch);
  await receive(main.sql, batch);

  const arrivals = await main
    .sql`select rows_received from strata.arrivals where closed_at is null`;
  assert.deepEqual(arrivals.map(({ rows_received }) => rows_received), [3]);
  await settle(chain);
  assert.deepEqual(await idsOf(main), [1, 2, 3]);
});

moveTest("a copy that comes in while its move is being given up is taken back", async (chain) => {
  const { core, main } = chain;
  await makeKnownNotes(chain);
  const batch = await claim(chain);
  const journey = await startJourney(chain);
  await journey.until("close"); // nothing was proved, nothing was purged
  await receive(main.sql, batch);
  await core.sql`delete from public.notes where id = 2`;

  await settle(chain);

  assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 3]]);
  await assertAtPeace(chain);
});

moveTest(
  "a purge that comes twice gives the same answer and deletes nothing more",
  async (chain) => {
    const { core, main } = chain;
    await makeKnownNotes(chain);
    const batch = await claim(chain);
    await receive(main.sql, batch);
    const proofs = await prove(main.sql, batch);
    await core.sql`update public.notes set body = 'edited' where id = 2`;
    const purge = async () => {
      const [row] = await core.sql<{ kept: string }[]>`
      select strata.purge(${batch.move_id}, ${proofs}::bytea[])::text as kept`;
      return row?.kept;
    };
    const first = await purge();
    await core.sql`insert into public.notes values (1, now(), 'new under an old key')`;

    assert.equal(await purge(), first);

    assert.deepEqual(await idsOf(core), [1, 2]);
  },
);

moveTest("a purge without all its proofs is refused", async (chain) => {
  const { core } = chain;
  await makeKnownNotes(chain);
  const { move_id } = await claim(chain);
  const purge = core.sql`select strata.purge(${move_id}, '{NULL}')`;
  await assert.rejects(purge, refusal("ST004"));
  assert.deepEqual(await idsOf(core), [1, 2, 3]);
});

moveTest(
  "an arrival that is closed twice gives the same answer; a move is closed once",
  async (chain) => {
    const { core, main } = chain;
    await makeKnownNotes(chain);
    const batch = await claim(chain);
    await receive(main.sql, batch);
    const proofs = await prove(main.sql, batch);
    const closeMove = () => core.sql`select strata.close_move(${batch.move_id}, '{}')`;
    await assert.rejects(closeMove(), refusal("ST030"), "it has not been purged");
    await core.sql`select strata.purge(${batch.move_id}, ${proofs}::bytea[])`;

    assert.deepEqual(await closeArrival(main.sql, batch), await closeArrival(main.sql, batch));
    await closeMove();
    await assert.rejects(closeMove(), refusal("ST030"));

    assert.deepEqual(await idsOf(main), [1, 2, 3]);
    await assertAtPeace(chain);
  },
);

moveTest("an arrival whose source was put back from a backup blocks nothing", async (chain) => {
  const { core, main, archive } = chain;
  await makeKnownNotes(chain);
  await main.sql`insert into public.notes values (4, now() - interval '500 days')`;
  const rows = await rowsOf(core);
  const journey = await startJourney(chain);
  await journey.until("purge");
  await core.sql`delete from strata.moves`; // core as it was before the claim
  assert.deepEqual(await idsOf(main), [1, 2, 3, 4]);

  await settle(chain);

  assert.deepEqual(await rowsOf(main), rows);
  assert.deepEqual([await idsOf(core), await idsOf(archive)], [[], [4]]);
  await assertAtPeace(chain);
}, { tiers: THREE_TIERS });

moveTest(
  "a run that looks for work shuts no door that another run has just opened",
  async (chain) => {
    const { core, main } = chain;
    await makeKnownNotes(chain);
    // The second run stops while it asks which arrivals are open.
    await main.sql`create table public.gate ()`;
    await main.sql.unsafe(
      `create or replace function strata.open_arrivals(p_from text) returns uuid[]
    language plpgsql security definer set search_path = '' as $$ begin
      lock table public.gate in access exclusive mode;
      return (select coalesce(array_agg(a.move_id), '{}') from strata.arrivals as a where a.closed_at is null);
    end $$`,
    );
    const gatekeeper = await main.connect({ max: 1 }).reserve();
    await gatekeeper`begin`;
    await gatekeeper`lock table public.gate in access exclusive mode`;
    const second = runOnce(chain);
    await waitForLock(main.sql, "gate");

    const batch = await claim(chain);
    await receive(main.sql, batch);
    await core.sql`update public.notes set body = 'edited' where id = 2`;
    await gatekeeper`commit`;
    await second;

    const [arrival] = await main
      .sql`select rows_retracted from strata.arrivals where move_id = ${batch.move_id}`;
    assert.equal(arrival?.rows_retracted, 1);
    await settle(chain);
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 2, 3]]);
    await assertAtPeace(chain);
  },
);
