import assert from "node:assert/strict";
import {
  addNotes,
  assertAtPeace,
  dialledTest as moveTest,
  endsOfLink,
  idsOf,
  makeNotes,
  type MoveChain,
  rowsOfChain,
  runLink,
  settle,
  startJourney,
} from "../support/moves.ts";
import { waitFor } from "../support/wait_for.ts";

/** Seven batches: others are looked for with each but the first. */
const ROWS = 14;
const BATCH_ROWS = 2;

async function makeBatches(chain: MoveChain): Promise<void> {
  await makeNotes(chain.core, 0);
  await settle(chain);
  await chain.core.sql`update strata.settings set value = ${BATCH_ROWS} where name = 'batch_rows'`;
  await addNotes(chain.core.sql, 1, ROWS);
}

/** The same rows once more, after they have settled. */
async function addAnew(chain: MoveChain): Promise<void> {
  await assertSettled(chain);
  await chain.main.sql`delete from public.notes where true`;
  await addNotes(chain.core.sql, 1, ROWS);
}

async function setShare({ core }: MoveChain, percent: number): Promise<void> {
  await core.sql`update strata.settings set value = ${percent} where name = 'share_beside_others'`;
}

/** Somebody who is at work on core all the time; ends with the block. */
async function client({ core }: MoveChain, name = "an app"): Promise<AsyncDisposable> {
  const sql = core.connect({ max: 1, connection: { application_name: name } });
  let [asked, over] = [0, false];
  const working = (async () => {
    for (; !over; asked++) await sql`select 1`;
  })();
  await waitFor(`${name} to be at work`, () => Promise.resolve(asked > 0));
  return {
    async [Symbol.asyncDispose]() {
      over = true;
      await working;
    },
  };
}

/** For how many seconds runs over the link from core have rested. */
async function rested(chain: MoveChain): Promise<number> {
  const { driving, driven } = endsOfLink(chain);
  const [link] = await driving.sql<{ seconds: number }[]>`
    select extract(epoch from rested)::float8 as seconds from strata.links where neighbour = ${driven.tier}`;
  return link?.seconds ?? NaN;
}

async function assertSettled(chain: MoveChain): Promise<void> {
  const ids = Array.from({ length: ROWS }, (_, at) => at + 1);
  assert.deepEqual([await idsOf(chain.core), await idsOf(chain.main)], [[], ids]);
  await assertAtPeace(chain);
}

moveTest("a run rests while others use core, and not when they are gone", async (chain) => {
  await makeBatches(chain);
  const rows = await rowsOfChain(chain);
  {
    await using _app = await client(chain);
    await runLink(chain);
  }
  assert.deepEqual(await rowsOfChain(chain), rows);
  const before = await rested(chain);
  assert.ok(before > 0, "it never rested");
  await addAnew(chain);
  await runLink(chain);

  await assertSettled(chain);
  assert.equal(await rested(chain), before);
});

moveTest(
  "a run does not rest beside Strata itself, nor at 100 percent, nor in a drain",
  async (chain) => {
    await makeBatches(chain);
    {
      await using _tool = await client(chain, "strata");
      await runLink(chain);
    }
    await using _app = await client(chain);
    await addAnew(chain);
    await setShare(chain, 100);
    await runLink(chain);
    await addAnew(chain);
    await setShare(chain, 1);
    await chain.core.sql`select strata.open_drain('critical')`;
    await runLink(chain);

    await assertSettled(chain);
    assert.equal(await rested(chain), 0);
  },
);

moveTest("a run rests after a small dataset as well, before the next one", async (chain) => {
  const { core } = chain;
  await makeNotes(core, 0);
  await core.sql`create table public.zebras (id bigint primary key, created_at timestamptz)`;
  await core.sql`select strata.manage('public.zebras')`;
  await settle(chain);
  await addNotes(core.sql, 1, 1);
  await core.sql`insert into public.zebras values (1, now() - interval '90 days')`;
  await using _app = await client(chain);

  await runLink(chain);

  assert.ok(await rested(chain) > 0, "it never rested");
});

moveTest("rests are part of a run's budget", async (chain) => {
  await makeBatches(chain);
  await setShare(chain, 1);
  await using _app = await client(chain);
  const { driving } = endsOfLink(chain);
  await driving.connect({ max: 1 })`call strata.move_due('3 seconds')`;
  const seconds = await rested(chain);
  assert.ok(seconds > 0 && seconds <= 3, `${seconds} s`);
  await assertAtPeace(chain);
  assert.notDeepEqual(await idsOf(chain.core), []);
});

moveTest("beside others batches go one by one, and nothing is open in between", async (chain) => {
  await makeBatches(chain);
  await using _app = await client(chain);
  const journey = await startJourney(chain, { flows: true });
  let [between, taken] = [0, 0];
  for (; journey.next !== "done"; taken++) {
    assert.ok(taken < 100, `${journey.next} comes next`);
    await journey.step();
    if (journey.next !== "claim") continue;
    await assertAtPeace(chain);
    between++;
  }
  // The first one begins a flow, because nobody has been looked for yet; it ends with the next claim.
  assert.equal(between, ROWS / BATCH_ROWS - 1);
  await journey.session.end({ timeout: 0 });
  await assertSettled(chain);
});
