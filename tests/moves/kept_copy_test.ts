/** A copy that something on the colder tier keeps, a reference or a trigger, is not said to have been taken back. */
import assert from "node:assert/strict";
import {
  addNotes,
  endPauses,
  idsOf,
  makeNotes,
  moveTest,
  runOnce,
  setAsideOn,
  settle,
  startJourney,
} from "../support/moves.ts";

for (const action of ["cascade", "restrict"]) {
  moveTest(`a copy that a row of main refers to stays with it (${action})`, async (chain) => {
    const { core, main } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await main.sql.unsafe(
      `create table public.marks (note bigint primary key references public.notes on delete ${action})`,
    );
    await addNotes(core.sql, 1, 3);
    const journey = await startJourney(chain);
    await journey.until("purge");
    await main.sql`insert into public.marks values (2)`;
    await core.sql`update public.notes set body = 'edited' where id in (2, 3)`;
    await journey.until("finish");

    assert.deepEqual([...await main.sql`select note::int from public.marks`], [{ note: 2 }]);
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[2, 3], [1, 2]]);

    for (let run = 0; run < 3; run++) await runOnce(chain);
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[2], [1, 2, 3]]);
    const asides = (await setAsideOn(core)).map(({ key, code }) => [key, code]);
    assert.deepEqual(asides, [["2", "ST040"]]);

    await main.sql`delete from public.marks`; // the owner decides
    await main.sql`delete from public.notes where id = 2`;
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 2, 3]]);
  }, { drivers: ["push"] });
}

moveTest(
  "a copy that a trigger of main keeps is noted where its row was deleted",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await main.sql.unsafe(`
    create function public.keep() returns trigger language plpgsql as $$ begin return null; end $$;
    create trigger keep before delete on public.notes for each row execute function public.keep()`);
    await addNotes(core.sql, 1, 3);
    const journey = await startJourney(chain);
    await journey.until("purge");
    await core.sql`delete from public.notes where id = 2`;
    await journey.until("finish");
    await runOnce(chain);

    assert.deepEqual(await idsOf(main), [1, 2, 3]);
    const [arrival] = await main.sql`select outcomes, rows_retracted from strata.arrivals`;
    assert.deepEqual({ ...arrival }, { outcomes: ["other"], rows_retracted: 0 });
    const left = await core.sql`select key, tier from strata.left_copies`;
    assert.deepEqual(left.map((row) => ({ ...row })), [{ key: ["2"], tier: "main" }]);
  },
  { drivers: ["push"] },
);
