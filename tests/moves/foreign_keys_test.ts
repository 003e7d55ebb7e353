import assert from "node:assert/strict";
import type { TestDatabase } from "../support/database.ts";
import {
  assertAtPeace,
  idsOf,
  makeNotes,
  moveTest,
  settle,
  startJourney,
} from "../support/moves.ts";
import { waitFor } from "../support/wait_for.ts";

/** A table of reminders on core, each of which refers to a note. */
async function makeReminders({ sql }: TestDatabase, onDelete: string): Promise<void> {
  await sql.unsafe(`create table public.reminders (
    id bigint primary key, note bigint references public.notes on delete ${onDelete})`);
}

for (
  const onDelete of ["no action", "restrict", "set null", "no action deferrable initially deferred"]
) {
  moveTest(`a row stays while another refers to it (on delete ${onDelete})`, async (chain) => {
    const { core, main } = chain;
    await makeNotes(core);
    await makeReminders(core, onDelete);
    await core.sql`insert into public.reminders values (1, 2)`;

    await settle(chain);
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[2], [1, 3]]);
    const reminders = await core.sql`select note::integer from public.reminders`;
    assert.deepEqual(reminders.map(({ note }) => note), [2]);

    await core.sql`delete from public.reminders`;
    await settle(chain);
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 2, 3]]);
  });

  moveTest(
    `a row that is referred to while it moves comes back (on delete ${onDelete})`,
    async (chain) => {
      const { core, main } = chain;
      await makeNotes(core);
      await makeReminders(core, onDelete);
      const journey = await startJourney(chain);
      await journey.until("purge");
      await core.sql`insert into public.reminders values (1, 2)`;

      await settle(chain);

      assert.deepEqual([await idsOf(core), await idsOf(main)], [[2], [1, 3]]);
      const reminders = await core.sql`select note::integer from public.reminders`;
      assert.deepEqual(reminders.map(({ note }) => note), [2]);
      await assertAtPeace(chain);
    },
  );
}

moveTest("a reference that is not committed yet keeps its row", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core);
  await makeReminders(core, "set null");
  const journey = await startJourney(chain);
  await journey.until("purge");
  const writer = await core.connect({ max: 1 }).reserve();
  await writer`begin`;
  await writer`insert into public.reminders values (1, 2)`;
  let purged = false;
  const purging = journey.step().then(() => purged = true);
  await waitFor("the purge to pass the row by, or to wait for the writer", async () => {
    const waiting = await core.sql`select from pg_stat_activity
      where wait_event_type = 'Lock' and datname = current_database()`;
    return purged || waiting.length > 0;
  }, { everyMs: 5 });
  await writer`commit`;
  await purging;

  await settle(chain);

  assert.deepEqual([await idsOf(core), await idsOf(main)], [[2], [1, 3]]);
  const reminders = await core.sql`select note::integer from public.reminders`;
  assert.deepEqual(reminders.map(({ note }) => note), [2]);
});

moveTest("rows that refer to each other in one table leave from the leaves up", async (chain) => {
  const { core, main } = chain;
  await core.sql`create table public.notes (
    id bigint primary key, parent bigint references public.notes, created_at timestamptz)`;
  await core.sql`insert into public.notes
    select id, parent, now() - case id when 11 then 1 else 90 end * interval '1 day'
      from (values (1, null), (2, 1), (3, 2), (4, 3), (5, 1), (6, 6), (7, 8), (8, 7), (9, 10), (10, 9), (11, 10)) as n (id, parent)`;
  await core.sql`select strata.manage('public.notes')`;

  await settle(chain);

  // Two that refer to each other go together, unless a row that stays refers to one of them.
  const settled = [1, 2, 3, 4, 5, 6, 7, 8];
  assert.deepEqual([await idsOf(core), await idsOf(main)], [[9, 10, 11], settled]);
});

moveTest(
  "a twin carries no foreign keys: rows arrive in the order they become due",
  async (chain) => {
    const { core, main } = chain;
    await core.sql`create table public.shelves (id bigint primary key)`;
    await core.sql`insert into public.shelves values (1)`;
    await makeNotes(core, 0);
    await core.sql`alter table public.notes add column shelf bigint references public.shelves`;
    await core
      .sql`insert into public.notes values (1, now() - interval '90 days', 'on a shelf', 1)`;

    await settle(chain);

    assert.deepEqual(await idsOf(main), [1]);
  },
);
