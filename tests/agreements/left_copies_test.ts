import assert from "node:assert/strict";
import { ownAlerts } from "../support/agreements.ts";
import { backUp } from "../support/audit.ts";
import {
  assertAtPeace,
  idsOf,
  makeNotes,
  moveTest,
  settle,
  startJourney,
} from "../support/moves.ts";

for (const next of ["copy", "prove"]) {
  moveTest(
    `what is deleted on a core put back to before the ${next} of a move is found`,
    async (chain) => {
      const { core, main } = chain;
      await makeNotes(core, 3);
      const journey = await startJourney(chain);
      await journey.until(next);
      await journey.session.end();
      await using backup = await backUp(core);
      await settle(chain);
      await backup.putBack();
      await core.sql`delete from public.notes where id = 2`;
      await core.sql`update public.notes set body = 'edited' where id = 3`;
      await settle(chain).catch(() => {}); // note 3 is in conflict, and says so by itself

      assert.deepEqual([await idsOf(core), await idsOf(main)], [[3], [1, 2, 3]]);
      const copies = await core.sql`select dataset, key, tier from strata.left_copies`;
      assert.deepEqual(copies.map((row) => ({ ...row })), [
        { dataset: "notes", key: ["2"], tier: "main" },
      ]);
      await core.sql`select strata.check_alerts()`;
      assert.deepEqual(await ownAlerts(core, "left_copies"), ["left_copies warning notes"]);

      await main.sql`delete from public.notes where id = 2`;
      await core.sql`select strata.forget_copies('notes')`;
      await core.sql`select strata.check_alerts()`;
      assert.deepEqual(await ownAlerts(core, "left_copies"), []);
    },
  );
}

moveTest("what is deleted on a core in the middle of a move leaves no copy", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core, 3);
  const journey = await startJourney(chain);
  await journey.until("purge");
  await core.sql`delete from public.notes where id = 2`;
  await settle(chain);
  assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 3]]);
  assert.equal((await core.sql`select from strata.left_copies`).length, 0);
  await assertAtPeace(chain);
});

moveTest("a key that is dropped before a move is closed keeps it open no longer", async (chain) => {
  const { core } = chain;
  await makeNotes(core, 3);
  const journey = await startJourney(chain);
  await journey.until("copy");
  await journey.session.end();
  await using backup = await backUp(core);
  await settle(chain);
  await backup.putBack();
  await core.sql`delete from public.notes where id = 2`;
  const again = await startJourney(chain);
  await again.until("close");
  await again.session.end();
  await core.sql`alter table public.notes drop column id`;
  await settle(chain).catch(() => {}); // the dataset has no key any more, and says so
  assert.equal((await core.sql`select from strata.moves where state <> 'closed'`).length, 0);
  assert.equal((await core.sql`select from strata.left_copies`).length, 1);
});
