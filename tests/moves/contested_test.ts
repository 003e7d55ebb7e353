/** A row that another of the hotter tier waits for leaves by the ledger once, however it leaves. */
import assert from "node:assert/strict";
import postgres, { type Sql } from "postgres";
import { waitFor } from "../support/wait_for.ts";
import {
  endPauses,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  setAsideOn,
  settle,
  THREE_TIERS,
} from "../support/moves.ts";

/** Row 2 has moved to main, and core has another row 2, which main does not take. */
async function contest(chain: MoveChain): Promise<void> {
  const { core, main } = chain;
  await makeNotes(core);
  await settle(chain);
  await core.sql`insert into public.notes values (2, now() - interval '60 days', 'another')`;
  await settle(chain);
  assert.deepEqual((await setAsideOn(core)).map(({ key, code }) => [key, code]), [["2", "ST040"]]);
  assert.equal((await main.sql`select from strata.contested`).length, 1);
}

/** A connection of its own, which one that waits does not keep from others. */
function session(url: string): Promise<Sql & AsyncDisposable> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  return Promise.resolve(Object.assign(sql, { [Symbol.asyncDispose]: () => sql.end() }));
}

const leftMain = async ({ main }: MoveChain) =>
  (await main.sql`select what, rows::int from strata.ledger where what <> 'met' order by what`)
    .map(({ what, rows }) => `${what} ${rows}`);

moveTest("a contested row that moves on is entered as moved alone", async (chain) => {
  const { core, main, archive } = chain;
  await contest(chain);
  await core.sql`select strata.manage('public.notes', p_main_retention_days => 40)`;
  await settle(chain);
  await main.sql`call strata.look()`;

  assert.deepEqual([await idsOf(main), await idsOf(archive)], [[], [1, 2, 3]]);
  assert.deepEqual(await leftMain(chain), ["moved 3"]);
}, { drivers: ["push"], tiers: THREE_TIERS });

moveTest("a contested row of which a column is dropped has not left", async (chain) => {
  const { main } = chain;
  await contest(chain);
  await main.sql`alter table public.notes drop column body`;
  await main.sql`call strata.look()`;
  assert.deepEqual(await leftMain(chain), []);
}, { drivers: ["push"] });

moveTest("a contested row that is deleted is entered once by two that look", async (chain) => {
  const { core, main } = chain;
  await contest(chain);
  await main.sql`delete from public.notes where id = 2`;
  await main.sql`
    select strata.add_to_ledger('notes', 'deleted', month, array[fingerprint], columns, columns::text)
      from strata.contested`; // another row of that month, which was deleted before
  await using other = await session(main.url);
  await using one = await session(main.url);
  let waiting: Promise<unknown> = Promise.resolve();
  await one.begin(async (sql) => {
    await sql`select strata.settle_contested('notes')`;
    waiting = other`select strata.settle_contested('notes')`.execute();
    await waitFor("the other one to wait", async () =>
      (await main.sql`select from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'`).length >
        0);
  });
  await waiting;
  assert.deepEqual(await leftMain(chain), ["deleted 2"]);
  await endPauses(chain);
  await settle(chain);
  assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 2, 3]]);
}, { drivers: ["push"] });
