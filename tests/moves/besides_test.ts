import assert from "node:assert/strict";
import {
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  settle,
  startJourney,
} from "../support/moves.ts";

const DRIVER = { drivers: ["push"] } as const;

/** A batch that was claimed while others were under way. */
interface Claimed {
  id: string;
  /** The rows claimed, by their keys. */
  rows: number[];
}

/** Claims the next batch beside others, and commits. */
async function claimBeside({ core }: MoveChain, ...besides: Claimed[]): Promise<Claimed> {
  const [batch] = await core.sql<{ id: string | null }[]>`
    select move_id as id from strata.claim('notes', 'main', ${
    besides.map(({ id }) => id)
  }::uuid[])`;
  const [manifest] = await core.sql<{ keys: string[][] }[]>`
    select keys from strata.manifests where move_id = ${batch?.id ?? null}`;
  return { id: batch?.id ?? "", rows: (manifest?.keys[0] ?? []).map(Number) };
}

/** Notes of which each is some minutes younger than the one before, or all of one age; two make a batch. */
async function notesInTwos(chain: MoveChain, count: number, minutesApart: number): Promise<void> {
  await makeNotes(chain.core, 0);
  await settle(chain);
  await chain.core.sql`update strata.settings set value = 2 where name = 'batch_rows'`;
  await chain.core.sql`
    insert into public.notes (id, created_at, body)
    select id, timestamptz '2026-01-01 00:00:00Z' + id * ${minutesApart}::integer * interval '1 minute', 'note ' || id
      from generate_series(1, ${count}::integer) as id`;
}

moveTest("no row is claimed twice, however it has been changed since", async (chain) => {
  await notesInTwos(chain, 8, 1);
  const { sql } = chain.core;
  const first = await claimBeside(chain);
  assert.deepEqual(first.rows, [1, 2]);
  await sql`update public.notes set created_at = created_at + interval '150 seconds' where id = 1`;
  await sql`update public.notes set id = 9, created_at = created_at + interval '1 hour' where id = 7`;
  await sql`delete from public.notes where id = 2`;
  await sql`insert into public.notes values (2, timestamptz '2026-01-01 00:04:30Z', 'note 2 once more')`;
  const second = await claimBeside(chain, first);
  assert.deepEqual(second.rows, [3, 4]);
  const third = await claimBeside(chain, first, second);
  assert.deepEqual(third.rows, [5, 6]);
  await sql`update public.notes set created_at = created_at + interval '1 day' where id = 5`;
  assert.deepEqual((await claimBeside(chain, first, second, third)).rows, [8, 9]);
}, DRIVER);

moveTest("rows of one age follow each other in a flow, each once", async (chain) => {
  await notesInTwos(chain, 5, 0);
  const first = await claimBeside(chain);
  const second = await claimBeside(chain, first);
  const third = await claimBeside(chain, first, second);
  assert.deepEqual([first, second, third].map(({ rows }) => rows.length), [2, 2, 1]);
  assert.deepEqual([...first.rows, ...second.rows, ...third.rows].sort(), [1, 2, 3, 4, 5]);
  assert.deepEqual((await claimBeside(chain, first, second, third)).rows, []);
}, DRIVER);

moveTest(
  "younger rows are claimed before those of the age at which a batch ended",
  async (chain) => {
    await notesInTwos(chain, 3, 0);
    await chain.core.sql`
    insert into public.notes values (4, timestamptz '2026-01-02 00:00:00Z', 'note 4')`;
    const first = await claimBeside(chain);
    const second = await claimBeside(chain, first);
    assert.deepEqual(second.rows, [4]);
    const left = (await idsOf(chain.core)).filter((id) => ![...first.rows, 4].includes(id));
    assert.deepEqual((await claimBeside(chain, first)).rows, []); // the second is open and not named
    await chain.core.sql`update strata.settings set value = 100 where name = 'batch_rows'`;
    await settle(chain);
    assert.equal(left.length, 1);
    assert.deepEqual([await idsOf(chain.core), await idsOf(chain.main)], [[], [1, 2, 3, 4]]);
  },
  DRIVER,
);

moveTest("the first batches in five minutes are small ones", async (chain) => {
  const { core } = chain;
  await makeNotes(core, 0);
  await settle(chain);
  await core.sql`
    insert into public.notes (id, created_at, body)
    select id, timestamptz '2026-01-01 00:00:00Z' + id * interval '1 second', 'note ' || id
      from generate_series(1, 9000) as id`;
  await settle(chain);
  const moved = async () =>
    (await core.sql<{ rows: number }[]>`
      select rows_moved as rows from strata.moves where rows_claimed > 1 order by started_at`)
      .map(({ rows }) => rows);
  assert.deepEqual(await moved(), [2500, 5000, 1500]);
}, { drivers: ["push", "pull", "relay"] });

moveTest(
  "rows that are written faster than they can be moved do not keep others from moving",
  async (chain) => {
    const { core } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await core.sql`
    insert into public.notes (id, created_at, body)
    select id, timestamptz '2026-01-01 00:00:00Z' + id * interval '1 second', 'note ' || id
      from generate_series(1, 6000) as id`;
    for (const [claimed, next] of [[2500, "later"], [6000, "claim"]] as const) {
      const journey = await startJourney(chain);
      await journey.until("copy");
      const [batch] = await core.sql`
      select rows_claimed as rows from strata.moves where state <> 'closed'`;
      assert.equal(batch?.rows, claimed);
      await core.sql`update public.notes set body = body || '!' where id <= 2500`;
      await journey.until(next);
    }
    assert.deepEqual([(await idsOf(core)).length, (await idsOf(chain.main)).length], [2500, 3500]);
  },
  DRIVER,
);
