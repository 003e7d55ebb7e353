import assert from "node:assert/strict";
import type { TestDatabase } from "../support/database.ts";
import {
  addNotes,
  assertAtPeace,
  endPauses,
  idsOf,
  makeNotes,
  moveTest,
  runOnce,
  setAsideOn,
  settle,
} from "../support/moves.ts";

/** A delete trigger of the owner's on core's notes; `old` is the row that goes. */
async function addDeleteTrigger({ sql }: TestDatabase, body: string): Promise<void> {
  await sql.unsafe(`create or replace function public.before_delete() returns trigger
    language plpgsql as $$ begin ${body} return old; end $$`);
  await sql`create trigger before_delete before delete on public.notes
    for each row execute function public.before_delete()`;
}

/** Notes that main knows, a delete trigger that may fire, and three rows that are due. */
async function makeGuardedNotes(core: TestDatabase, decision: string, body: string) {
  await makeNotes(core);
  await core.sql`create table public.bin (id bigint, purging text)`;
  await addDeleteTrigger(core, body);
  await core.sql`select strata.manage('public.notes', p_delete_triggers => ${decision})`;
}

const REFUSALS: Record<string, { body: string; code: string; says: RegExp; remedy: RegExp }> = {
  "raises an error for": {
    body: "if old.id = 2 then raise exception 'keep it'; end if;",
    code: "P0001",
    says: /^core refused to delete the row: keep it$/,
    remedy: /guard the trigger/,
  },
  "quietly keeps": {
    body: "if old.id = 2 then return null; end if;",
    code: "ST043",
    says: /^core did not delete the row although nothing refused$/,
    remedy: /current_setting\('strata\.purging', true\) is 'on'/,
  },
  "deletes by itself and quietly keeps": {
    body:
      "if old.id = 2 and pg_trigger_depth() = 1 then delete from public.notes where id = 2; return null; end if;",
    code: "ST043",
    says: /^core refused to delete the row: a trigger on public.notes deleted a row itself/,
    remedy: /current_setting\('strata\.purging', true\) is 'on'/,
  },
};

for (const [does, { body, code, says, remedy }] of Object.entries(REFUSALS)) {
  moveTest(`a delete trigger that ${does} one row keeps that row alone`, async (chain) => {
    const { core, main } = chain;
    await makeGuardedNotes(core, "fire", body);

    await runOnce(chain);
    await runOnce(chain);

    assert.deepEqual([await idsOf(core), await idsOf(main)], [[2], [1, 3]]);
    const [aside, ...more] = await setAsideOn(core);
    assert.deepEqual([aside?.key, aside?.code, more], ["2", code, []]);
    assert.match(aside?.says ?? "", says);
    assert.match(aside?.remedy ?? "", remedy);

    await core.sql`drop trigger before_delete on public.notes`;
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 2, 3]]);
    await assertAtPeace(chain);
  });
}

moveTest(
  "a delete trigger that takes another row along has it gone from both tiers",
  async (chain) => {
    const { core, main } = chain;
    await makeGuardedNotes(core, "fire", "delete from public.notes where id = old.id + 1;");

    await settle(chain);

    assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1]]);
    await assertAtPeace(chain);
  },
);

const FILL_THE_BIN =
  "insert into public.bin values (old.id, current_setting('strata.purging', true));";

moveTest(
  "a delete trigger that may fire does, and can tell a purge from a deletion",
  async (chain) => {
    const { core } = chain;
    await makeGuardedNotes(core, "fire", FILL_THE_BIN);
    await core.sql`delete from public.notes where id = 3`;

    await settle(chain);

    const bin = await core
      .sql`select id::integer, coalesce(purging, '') as purging from public.bin order by id`;
    assert.deepEqual(bin.map((row) => ({ ...row })), [
      { id: 1, purging: "on" },
      { id: 2, purging: "on" },
      { id: 3, purging: "" },
    ]);
  },
);

moveTest("a delete trigger that is to be skipped looks away from purges only", async (chain) => {
  const { core, main } = chain;
  await makeGuardedNotes(core, "skip", FILL_THE_BIN);
  await core.sql`delete from public.notes where id = 3`;

  await settle(chain);
  assert.deepEqual(await idsOf(main), [1, 2]);
  await addNotes(core.sql, 4, 4);
  await core.sql`delete from public.notes where id = 4`;

  const bin = await core.sql`select id::integer from public.bin order by id`;
  assert.deepEqual(bin.map(({ id }) => id), [3, 4]);
});

moveTest("after a purge the session that drove it deletes like any other", async (chain) => {
  const { core } = chain;
  const session = core.connect({ max: 1 });
  await makeGuardedNotes(core, "fire", FILL_THE_BIN);
  await settle(chain);
  await session`call strata.move_due()`;
  await addNotes(core.sql, 5, 5);
  await session`call strata.move_due(p_dataset => 'notes')`;
  await settle(chain);
  await addNotes(core.sql, 6, 6);
  await session`delete from public.notes where id = 6`;

  const [row] = await core
    .sql`select coalesce(purging, '') as purging from public.bin where id = 6`;
  assert.notEqual(row?.purging, "on");
});
