import assert from "node:assert/strict";
import type { Sql } from "postgres";
import {
  addNotes,
  assertAtPeace,
  makeNotes,
  moveTest,
  rowsOf,
  rowsOfChain,
  settle,
  startJourney,
} from "../support/moves.ts";

/** What an owner may do to the table between two steps of a move; `id` is a row of the batch. */
const ACTIONS: Record<string, (sql: Sql, id: number) => Promise<unknown>> = {
  "updates a row": (sql, id) => sql`update public.notes set body = 'edited' where id = ${id}`,
  "deletes a row": (sql, id) => sql`delete from public.notes where id = ${id}`,
  "inserts a row": (sql, id) => addNotes(sql, id + 500_000, id + 500_000),
  "updates a row and takes it back": async (sql, id) => {
    await sql`update public.notes set body = body || '!' where id = ${id}`;
    await sql`update public.notes set body = 'note ' || id where id = ${id}`;
  },
  "gives a row another key": (sql, id) => {
    return sql`update public.notes set id = id + 500000 where id = ${id}`;
  },
  "deletes a row and inserts it again": async (sql, id) => {
    await sql`create temporary table kept on commit preserve rows as
      select * from public.notes where id = ${id}`;
    await sql`delete from public.notes where id = ${id}`;
    await sql`insert into public.notes select * from kept`;
    await sql`drop table kept`;
  },
  "rewrites the table": (sql) => sql`vacuum full public.notes`,
  "empties the table": (sql) => sql`truncate public.notes`,
  "adds a column": (sql, id) => {
    return sql`alter table public.notes add column ${sql(`added_${id}`)} integer default 7`;
  },
  "does nothing": () => Promise.resolve(),
};

/** The steps that a batch takes when its table is known to the colder tier. */
const STEPS = ["claim", "copy", "prove", "purge", "close", "finish"];

for (const [action, act] of Object.entries(ACTIONS)) {
  moveTest(`an owner who ${action} between any two steps has the last word`, async (chain) => {
    const { core } = chain;
    const owner = core.connect({ max: 1 });
    await makeNotes(core, 0);
    await settle(chain);

    const journal = new Set<string>();
    for (let taken = 0; taken <= STEPS.length; taken++) {
      const id = 10 * (taken + 1);
      await addNotes(owner, id, id + 1);
      for (const row of await rowsOf(core)) journal.add(row);

      const journey = await startJourney(chain);
      for (const step of STEPS.slice(0, taken)) {
        assert.equal(journey.next, step);
        await journey.step();
      }
      // What the owner sees before and after the action is all the owner knows of the rows.
      for (const row of await rowsOf(core)) journal.delete(row);
      await act(owner, id);
      for (const row of await rowsOf(core)) journal.add(row);

      await settle(chain);
      assert.deepEqual(await rowsOfChain(chain), [...journal].sort(), `after ${taken} steps`);
      assert.deepEqual(await rowsOf(core), []);
      await assertAtPeace(chain);
    }
  });
}
