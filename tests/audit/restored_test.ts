import assert from "node:assert/strict";
import { auditAlerts, auditAll, backUp, mismatches, unproved } from "../support/audit.ts";
import {
  dialledTest,
  endPauses,
  idsOf,
  makeNotes,
  type MoveChain,
  settle,
  THREE_TIERS,
} from "../support/moves.ts";

/** Notes of one day of March 2025, which leave main a year later. */
async function notesOf({ core }: MoveChain, day: number, first: number, last: number) {
  await core.sql`
    insert into public.notes (id, created_at, body)
    select id, make_timestamptz(2025, 3, ${day}, 12, 0, 0, 'UTC') + id * interval '1 second', 'note ' || id
      from generate_series(${first}::bigint, ${last}::bigint) as id`;
}

dialledTest(
  "after main was put back, rows that are on the archive are told apart from those that are lost",
  async (chain) => {
    const { main, archive } = chain;
    await chain.freezeClock("2025-07-01T00:00:00Z");
    await makeNotes(chain.core, 0);
    await notesOf(chain, 20, 1, 11);
    await notesOf(chain, 2, 31, 33);
    await settle(chain);
    await auditAll(chain);
    await using backup = await backUp(main);
    await notesOf(chain, 1, 12, 16);
    await notesOf(chain, 25, 17, 22);
    await settle(chain);
    await chain.freezeClock("2026-03-10T00:00:00Z");
    await settle(chain);
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), []);
    assert.equal((await idsOf(archive)).length, 8); // 12 to 16 and 31 to 33
    await backup.putBack(); // with 31 to 33, which have moved on
    await chain.freezeClock("2026-03-10T00:00:00Z");
    await endPauses(chain);
    await auditAll(chain);
    assert.deepEqual(
      (await mismatches(chain)).filter((one) => !one.endsWith(" rewound")),
      ["archive notes 2025-03 doubled 3", "main notes 2025-03 missing 6"],
    );
    await settle(chain); // 31 to 33 once more
    await auditAll(chain);
    assert.deepEqual((await idsOf(main)).length, 11);
    assert.deepEqual(
      (await mismatches(chain)).filter((one) => !one.endsWith(" rewound")),
      ["main notes 2025-03 missing 6"],
    );
    const says = (await auditAlerts(chain)).map((one) => one.says).join();
    assert.match(says, /6 of 17 rows of 2025-03 are gone; 5 more have moved on/);
  },
  { tiers: THREE_TIERS },
);

dialledTest("after the archive was put back, what it lost is counted", async (chain) => {
  const { archive } = chain;
  await chain.freezeClock("2026-03-10T00:00:00Z");
  await makeNotes(chain.core, 0);
  await notesOf(chain, 1, 1, 5);
  await settle(chain);
  await auditAll(chain);
  await using backup = await backUp(archive);
  await notesOf(chain, 2, 6, 8);
  await settle(chain);
  await auditAll(chain);
  await backup.putBack();
  await endPauses(chain);
  await auditAll(chain);
  assert.deepEqual(await mismatches(chain), ["archive notes 2025-03 missing 3"]);
}, { tiers: THREE_TIERS });

dialledTest(
  "after core was put back, rows that settle once more are no rows too many",
  async (chain) => {
    const { core, main } = chain;
    await chain.freezeClock("2025-07-01T00:00:00Z");
    await makeNotes(core, 0);
    await notesOf(chain, 1, 1, 5);
    await using backup = await backUp(core);
    await settle(chain);
    await auditAll(chain);
    await backup.putBack();
    await endPauses(chain);
    await settle(chain);
    await auditAll(chain);
    assert.deepEqual([await mismatches(chain), await unproved(chain)], [[], []]);
    await main.sql`update public.notes set body = 'changed' where id = 2`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main notes 2025-03 altered"]);
    await main.sql`delete from public.notes where id = 2`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main notes 2025-03 missing 1"]);
  },
);
