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
  runAllAtOnce,
  settle,
  startJourney,
  THREE_TIERS,
} from "../support/moves.ts";

const old = (sql: Sql, ids: number[], days: number) =>
  sql`insert into public.notes (id, created_at, body)
    select id, now() - make_interval(days => ${days}), 'note ' || id from unnest(${ids}::bigint[]) as id`;

/** Notes that all three tiers know. */
async function makeKnownNotes(chain: MoveChain): Promise<void> {
  await makeNotes(chain.core, 0);
  await old(chain.core.sql, [0], 500);
  await settle(chain);
}

moveTest(
  "nothing of an open move travels on: main waits until core has closed it",
  async (chain) => {
    const { core, main, archive } = chain;
    await makeKnownNotes(chain);
    await old(core.sql, [1, 2], 500); // old enough for the archive
    const arriving = await startJourney(chain);
    await arriving.until("purge");
    await core.sql`delete from public.notes where id = 1`;

    for (const step of ["purge", "close"]) {
      assert.equal(arriving.next, step);
      const leaving = await startJourney(chain, { from: "main" });
      await leaving.step();
      assert.equal(leaving.next, "blocked");
      await main.sql`call strata.delete_due()`;
      assert.deepEqual([await idsOf(main), await idsOf(archive)], [[1, 2], [0]]);
      await arriving.step();
    }
    const leaving = await startJourney(chain, { from: "main" });
    await leaving.step();
    assert.equal(leaving.next, "copy");

    await settle(chain);
    assert.deepEqual([await idsOf(core), await idsOf(main), await idsOf(archive)], [[], [], [
      0,
      2,
    ]]);
    await assertAtPeace(chain);
  },
  { tiers: THREE_TIERS },
);

moveTest(
  "nothing is deleted on the last tier while it may still have to be taken back",
  async (chain) => {
    const { core, main, archive } = chain;
    await makeKnownNotes(chain);
    await old(main.sql, [1, 2], 3000); // past its deletion age
    const arriving = await startJourney(chain, { from: "main" });
    await arriving.until("purge");

    await archive.sql`call strata.delete_due()`;
    assert.deepEqual(await idsOf(archive), [0, 1, 2]);

    await main.sql`update public.notes set created_at = now() where id = 1`;
    await settle(chain);
    await archive.sql`call strata.delete_due()`;
    assert.deepEqual([await idsOf(core), await idsOf(main), await idsOf(archive)], [[], [1], [0]]);
  },
  { tiers: THREE_TIERS },
);

moveTest(
  "both links at once over one dataset, with writers: every row ends where it belongs",
  async (chain) => {
    const { core, main, archive } = chain;
    await makeKnownNotes(chain);
    for (const { sql } of [core, main]) {
      await sql`update strata.settings set value = 7 where name = 'batch_rows'`;
    }
    await old(core.sql, range(1, 40), 500);
    await old(core.sql, range(41, 80), 90);
    await old(main.sql, range(81, 120), 500);
    const writer = (async () => {
      for (const id of range(1, 20)) {
        await core.sql`delete from public.notes where id = ${2 * id}`;
        await core.sql`update public.notes set body = 'edited' where id = ${40 + 2 * id}`;
      }
    })();
    await Promise.all([writer, runAllAtOnce(chain)]);
    const left = new Set([...await idsOf(core), ...await idsOf(main), ...await idsOf(archive)]);

    await settle(chain);

    assert.deepEqual(await idsOf(core), []);
    assert.deepEqual(await idsOf(main), range(41, 80));
    const settled = (await idsOf(archive)).filter((id) => id > 0);
    assert.deepEqual(
      settled,
      [...left].filter((id) => id > 0 && (id <= 40 || id > 80)).sort((a, b) => a - b),
    );
    for (const id of [...range(0, 19).map((n) => 2 * n + 1), ...range(81, 120)]) {
      assert.ok(settled.includes(id), `note ${id} is lost`);
    }
    assert.equal((await rowsOf(archive)).length, new Set(await rowsOf(archive)).size);
    await assertAtPeace(chain);
  },
  { tiers: THREE_TIERS },
);

moveTest("a large row goes on from main to the archive, whatever its age", async (chain) => {
  const { core, main, archive } = chain;
  await makeKnownNotes(chain);
  await old(core.sql, [1, 2], 60);
  await core.sql`update public.notes set body = repeat('x', 101 * 1024) where id = 1`;

  await settle(chain);

  assert.deepEqual([await idsOf(core), await idsOf(main), await idsOf(archive)], [[], [2], [0, 1]]);
}, { tiers: THREE_TIERS });

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

moveTest(
  "a batch claimed beside another begins where that ends; what comes in late has its turn",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core, 4);
    await settle(chain);
    await addNotes(core.sql, 11, 16);
    await core.sql`update strata.settings set value = 2 where name = 'batch_rows'`;
    const claimed = async (...besides: string[]) => {
      const [batch] = await core.sql<{ move_id: string }[]>`
        select move_id from strata.claim('notes', 'main', ${besides})`;
      assert.ok(batch);
      const [keys] = await core.sql`select strata.claimed_keys(${batch.move_id})::text as keys`;
      return { ...batch, keys: keys?.keys };
    };

    const first = await claimed();
    await addNotes(core.sql, 5, 5); // older than all of them
    const second = await claimed(first.move_id);

    assert.deepEqual([first.keys, second.keys], ["{{11,12}}", "{{13,14}}"]);
    await settle(chain);
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [
      1,
      2,
      3,
      4,
      5,
      11,
      12,
      13,
      14,
      15,
      16,
    ]]);
  },
  { drivers: ["push"] },
);
