import assert from "node:assert/strict";
import {
  addNotes,
  assertAtPeace,
  idsOf,
  makeNotes,
  moveTest,
  runLink,
  settle,
} from "../support/moves.ts";

moveTest(
  "a run without time left stops after one batch, with nothing open, and the next goes on",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await core.sql`update strata.settings set value = 2 where name = 'batch_rows'`;
    await addNotes(core.sql, 1, 6);

    for (const moved of [2, 4, 6]) {
      await runLink(chain, { outOfTime: true });
      assert.equal((await idsOf(main)).length, moved);
      assert.equal((await idsOf(core)).length, 6 - moved);
      await assertAtPeace(chain);
    }
  },
);

moveTest("datasets take turns: none waits behind a larger one", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core, 0);
  await core.sql`create table public.zebras (id bigint primary key, created_at timestamptz)`;
  await core.sql`select strata.manage('public.zebras')`;
  await settle(chain);
  await core.sql`update strata.settings set value = 2 where name = 'batch_rows'`;
  await addNotes(core.sql, 1, 6);
  await core
    .sql`insert into public.zebras select n, now() - interval '90 days' from generate_series(1, 4) as n`;

  await runLink(chain, { outOfTime: true });
  await runLink(chain, { outOfTime: true });

  assert.deepEqual([await idsOf(main), await idsOf(main, "public.zebras")], [[1, 2], [1, 2]]);
});

moveTest("one dataset alone is moved when it is named", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core);
  await core.sql`create table public.zebras (id bigint primary key, created_at timestamptz)`;
  await core.sql`insert into public.zebras values (1, now() - interval '90 days')`;
  await core.sql`select strata.manage('public.zebras')`;

  await runLink(chain, { dataset: "zebras" });

  assert.deepEqual([await idsOf(core), await idsOf(main, "public.zebras")], [[1, 2, 3], [1]]);
});
