import assert from "node:assert/strict";
import type { Sql } from "postgres";
import {
  addNotes,
  assertAtPeace,
  DIALLING,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  rowsOfChain,
  runOnce,
  settle,
  startJourney,
} from "../support/moves.ts";
import { waitFor } from "../support/wait_for.ts";

const PUSH = { drivers: ["push"] } as const;

async function somebodyWaits(sql: Sql): Promise<void> {
  await waitFor("somebody to wait for the dataset", async () => {
    const waiting = await sql`
      select from pg_locks where locktype = 'advisory' and not granted
         and database = (select oid from pg_database where datname = current_database())`;
    return waiting.length > 0;
  }, { everyMs: 5 });
}

/** Three notes that are long due for deletion on main. */
async function makeOverdueNotes(chain: MoveChain): Promise<void> {
  const { core, main } = chain;
  await makeNotes(core, 0);
  await settle(chain);
  await main
    .sql`insert into public.notes select n, '2001-01-01', 'x' from generate_series(1, 3) as n`;
}

/** The owner does something and commits only when somebody else waits for the dataset. */
async function whileWaiting(
  sql: Sql,
  owner: Sql,
  says: string,
  other: () => Promise<unknown>,
): Promise<void> {
  await owner`begin`;
  await owner.unsafe(says);
  const waiting = other().catch((error) => error);
  await somebodyWaits(sql);
  await owner`commit`;
  await waiting;
}

moveTest(
  "a dataset let go of while its next batch waits for its turn is not claimed",
  async (chain) => {
    const { core } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await addNotes(core.sql, 1, 3);
    const before = await rowsOfChain(chain);
    const journey = await startJourney(chain);
    const owner = core.connect({ max: 1 });

    await whileWaiting(core.sql, owner, "select strata.unmanage('notes')", () => journey.step());
    for (let n = 0; n < 3; n++) await runOnce(chain);

    assert.deepEqual(await rowsOfChain(chain), before);
    const open = await core.sql`select from strata.moves where state <> 'closed'`;
    assert.equal(open.length, 0);
  },
  { drivers: DIALLING },
);

moveTest("a longer stay that is agreed while a claim waits is kept to", async (chain) => {
  const { core } = chain;
  await makeNotes(core, 0);
  await settle(chain);
  await addNotes(core.sql, 1, 3);
  const journey = await startJourney(chain);
  const owner = core.connect({ max: 1 });

  const says = "select strata.manage('public.notes', p_core_retention_days => 90)";
  await whileWaiting(core.sql, owner, says, () => journey.step());
  await settle(chain);

  assert.deepEqual(await idsOf(core), [1, 2, 3]);
}, PUSH);

const CHANGES_OF_MIND = {
  "is let go of": "select strata.unmanage('notes')",
  "is to be kept for good":
    "select strata.accept(jsonb_set(strata.describe('notes'), '{delete_after_days}', 'null'), 'core')",
};

for (const [name, says] of Object.entries(CHANGES_OF_MIND)) {
  moveTest(
    `nothing is deleted of a dataset that ${name} while its deletion waits`,
    async (chain) => {
      const { main } = chain;
      await makeOverdueNotes(chain);
      const [owner, job] = [main.connect({ max: 1 }), main.connect({ max: 1 })];
      await whileWaiting(
        main.sql,
        owner,
        says,
        async () => await job`select strata.delete_batch('notes')`,
      );
      assert.deepEqual(await idsOf(main), [1, 2, 3]);
    },
    PUSH,
  );
}

moveTest(
  "a hold made while a deletion waits holds, whatever isolation is the default",
  async (chain) => {
    const { main } = chain;
    await makeOverdueNotes(chain);
    const owner = main.connect({ max: 1 });
    const job = main.connect({ max: 1 });
    await job`set default_transaction_isolation = 'repeatable read'`;
    const says = "select strata.hold('notes', array['2'], p_reason => 'court')";
    await whileWaiting(main.sql, owner, says, async () => await job`call strata.delete_due()`);
    assert.deepEqual(await idsOf(main), [2]);
  },
  PUSH,
);

moveTest(
  "a row of a table that became a child is not deleted for another one's proof",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await core.sql.unsafe(`
    create table public.was_child () inherits (public.notes);
    drop table public.was_child`); // the table still counts as one that may have children
    await core.sql.unsafe(`
    create table public.kept_notes (like public.notes including all);
    insert into public.notes select n, now() - interval '60 days', 'due' from generate_series(1, 3) as n;
    insert into public.kept_notes select n, now(), 'not due' from generate_series(101, 103) as n`);
    const journey = await startJourney(chain);
    await journey.until("purge");
    await core.sql`alter table public.kept_notes inherit public.notes`;

    await journey.step();

    assert.deepEqual(await idsOf(core, "public.kept_notes"), [101, 102, 103]);
    assert.deepEqual([await idsOf(main), journey.next], [[1, 2, 3], "close"]);
  },
  PUSH,
);

moveTest(
  "a row of a table that took the claimed one's name stays if it is not the same",
  async (chain) => {
    const { core } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await core.sql.unsafe(`
    create table public.others (like public.notes including all);
    insert into public.notes select n, now() - interval '60 days', 'old ' || n from generate_series(1, 3) as n;
    insert into public.others select n, now() - interval '60 days', 'new ' || n from generate_series(1, 3) as n`);
    const journey = await startJourney(chain);
    await journey.until("purge"); // both were filled by one transaction: same keys, places and versions
    await core.sql.unsafe(`
    alter table public.notes rename to gone_notes;
    alter table public.others rename to notes`);

    await journey.step();

    const rows = await core.sql<{ body: string }[]>`select body from public.notes order by id`;
    assert.deepEqual(rows.map(({ body }) => body), ["new 1", "new 2", "new 3"]);
  },
  PUSH,
);

moveTest(
  "rows whose key's type has an equality of its own follow each other in a flow",
  async (chain) => {
    const { core, main } = chain;
    for (
      const { sql } of [core, main]
    ) await sql`create extension if not exists ltree schema public`;
    await core.sql`
    create table public.notes (id public.ltree, n bigint, created_at timestamptz, primary key (n, id))`;
    await core.sql`select strata.manage('public.notes')`;
    await settle(chain);
    await core.sql`
    update strata.settings set value = case name when 'batch_rows' then 3 else 100 end
     where name in ('batch_rows', 'share_beside_others')`;
    await core.sql`
    insert into public.notes select ('k' || n)::public.ltree, n, '2026-01-01' from generate_series(1, 60) as n`;
    const journey = await startJourney(chain, { flows: true });
    let most = 0;
    for (let n = 0; n < 40; n++) {
      await journey.step();
      const open = await core.sql`select from strata.moves where state <> 'closed'`;
      most = Math.max(most, open.length);
    }
    assert.ok(most > 1, "one batch at a time");
    await journey.session.end({ timeout: 0 });
    await settle(chain);
    await assertAtPeace(chain);
  },
  { drivers: DIALLING },
);
