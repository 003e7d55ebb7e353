import assert from "node:assert/strict";
import { killServer, startServer } from "../support/servers.ts";
import {
  addNotes,
  assertAtPeace,
  endPauses,
  endsOfLink,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  rowsOf,
  rowsOfChain,
  settle,
  startJourney,
} from "../support/moves.ts";

/** Ten rows are four batches, so that one is always claimed while another is under way. */
const BATCH_ROWS = 3;
const ROWS = 10;

async function manyBatches({ core }: MoveChain): Promise<Map<number, string>> {
  await core.sql`update strata.settings set value = ${BATCH_ROWS} where name = 'batch_rows'`;
  await addNotes(core.sql, 1, ROWS);
  const [rows, ids] = [await rowsOf(core), await idsOf(core)];
  assert.equal(rows.length, ROWS);
  const byId = new Map<number, string>();
  for (const row of rows) byId.set(ids.find((id) => row.includes(`"id": ${id},`)) ?? 0, row);
  return byId;
}

moveTest(
  "the batch ahead has other rows, even when a writer changed one meanwhile",
  async (chain) => {
    const { core } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await manyBatches(chain);
    const journey = await startJourney(chain, { ahead: true });
    await journey.until("copy");
    await core.sql`update public.notes set body = 'edited' where id = 2`;
    await journey.until("close");

    const claimed = await core.sql<{ key: string }[]>`
    select unnest(f.keys) as key from strata.manifests as f
      join strata.moves as m using (move_id) where m.state = 'claimed'`;

    assert.deepEqual(claimed.map(({ key }) => key).sort(), ["4", "5", "6"]);
  },
);

for (const victim of ["driver", "source", "destination"] as const) {
  for (const step of ["prove", "purge", "close", "finish"]) {
    moveTest(
      `the ${victim} dies before ${step}, with a batch ahead, and every row is in one tier once`,
      async (chain) => {
        const { core } = chain;
        await makeNotes(core, 0);
        await settle(chain);
        const journal = await manyBatches(chain);
        const journey = await startJourney(chain, { ahead: true });
        await journey.until(step);
        if (victim === "driver") {
          await endsOfLink(chain).driving.sql`select pg_terminate_backend(${journey.pid}, 5000)`;
        } else {
          await killServer(endsOfLink(chain)[victim].tier);
          await startServer(endsOfLink(chain)[victim].tier);
        }
        await journey.session.end({ timeout: 0 });

        // The owner takes back one row of the batch under way and one of the batch ahead.
        for (const id of [1, 5]) {
          const gone = await core.sql`delete from public.notes where id = ${id} returning id`;
          if (gone.length > 0) journal.delete(id);
        }
        await endPauses(chain);
        await settle(chain);
        assert.deepEqual(await rowsOfChain(chain), [...journal.values()].sort());
        assert.deepEqual(await idsOf(core), []);
        await assertAtPeace(chain);
      },
    );
  }
}
