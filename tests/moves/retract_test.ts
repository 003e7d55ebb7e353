import assert from "node:assert/strict";
import {
  addNotes,
  assertAtPeace,
  endPauses,
  idsOf,
  makeNotes,
  moveTest,
  rowsOf,
  runInNewSessions,
  runOnce,
  setAsideOn,
  settle,
  startJourney,
} from "../support/moves.ts";

moveTest(
  "a copy is taken back when its row has been edited on core, and the edited row moves",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core);
    const journey = await startJourney(chain);
    await journey.until("purge");
    await core.sql`update public.notes set body = 'edited' where id = 2`;
    await journey.until("finish");
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[2], [1, 3]]);

    const [move] = await core.sql`select rows_claimed, rows_moved, rows_kept from strata.moves`;
    assert.deepEqual({ ...move }, { rows_claimed: 3, rows_moved: 2, rows_kept: 1 });
    const [arrival] = await main.sql`select rows_received, rows_retracted from strata.arrivals`;
    assert.deepEqual({ ...arrival }, { rows_received: 3, rows_retracted: 1 });
    await settle(chain);
    assert.deepEqual(await idsOf(main), [1, 2, 3]);
  },
);

moveTest("a copy that was edited on main as well is not taken back but shown", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core);
  const journey = await startJourney(chain);
  await journey.until("purge");
  await core.sql`update public.notes set body = 'edited on core' where id = 2`;
  await main.sql`update public.notes set body = 'edited on main' where id = 2`;

  await runOnce(chain);

  const second = (rows: string[]) => rows.filter((row) => row.includes("edited on"));
  assert.match(second(await rowsOf(core)).join(), /edited on core/);
  assert.match(second(await rowsOf(main)).join(), /edited on main/);
  assert.deepEqual((await setAsideOn(core)).map(({ key, code }) => [key, code]), [["2", "ST040"]]);
  await core.sql`delete from public.notes where id = 2`; // the owner decides
  await endPauses(chain);
  await settle(chain);
  assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 2, 3]]);
});

moveTest("a row that was on main before the move is not taken back with it", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core, 0);
  await settle(chain);
  await addNotes(core.sql, 1, 3);
  const [second] = await core.sql`select created_at::text from public.notes where id = 2`;
  await main
    .sql`insert into public.notes values (2, ${second?.created_at}::text::timestamptz, 'note 2')`;
  const journey = await startJourney(chain);
  await journey.until("purge");
  await core.sql`delete from public.notes where id = 2`;

  await settle(chain);

  assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 2, 3]]);
  await assertAtPeace(chain);
});

moveTest(
  "a row that is held while it moves comes back, and moves when it is released",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core);
    const journey = await startJourney(chain);
    await journey.until("purge");
    const [hold] = await core.sql`
    select strata.hold('notes', array['2'], p_reason => 'being read') as id`;

    await settle(chain);
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[2], [1, 3]]);

    await core.sql`select strata.release(${hold?.id})`;
    await settle(chain);
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 2, 3]]);
    await assertAtPeace(chain);
  },
);

moveTest("a batch of which nothing may leave ends its dataset's turn", async (chain) => {
  const { core } = chain;
  await makeNotes(core);
  const journey = await startJourney(chain);
  await journey.until("purge");
  await core.sql`update public.notes set body = 'edited'`;
  await journey.until("finish");
  await journey.step();
  assert.equal(journey.next, "later");
});

moveTest(
  "copies and purges are on disk and see the latest, whatever a database's defaults are",
  async (chain) => {
    const { core } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await addNotes(core.sql, 1, 1);
    for (const { sql, name } of chain.databases) {
      await sql`alter database ${sql(name)} set synchronous_commit = off`;
      await sql`alter database ${sql(name)} set default_transaction_isolation = serializable`;
      await sql`create table public.seen (durable text, isolation text)`;
      await sql.unsafe(`create function public.look() returns trigger language plpgsql as $$ begin
      insert into public.seen
      values (current_setting('synchronous_commit'), current_setting('transaction_isolation'));
      return null; end $$`);
      await sql`create trigger look after insert or delete on public.notes
      for each row execute function public.look()`;
    }
    await core.sql`select strata.manage('public.notes', p_delete_triggers => 'fire')`;
    await runInNewSessions(chain);

    for (const { sql } of chain.databases) {
      const seen = await sql`select durable, isolation from public.seen`;
      assert.deepEqual(seen.map((row) => ({ ...row })), [{
        durable: "on",
        isolation: "read committed",
      }]);
    }
  },
);

moveTest(
  "a table dropped in mid-move takes its copies with it, and can be given up then",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core);
    const journey = await startJourney(chain);
    await journey.until("purge");
    await journey.session.end({ timeout: 0 });
    await core.sql`drop table public.notes`;

    await runOnce(chain);

    assert.deepEqual(await idsOf(main), []);
    await core.sql`select strata.unmanage('notes')`;
    await assertAtPeace(chain);
  },
);
