import assert from "node:assert/strict";
import { auditAll, mismatches, unproved } from "../support/audit.ts";
import { dialledTest, endPauses, type MoveChain, settle } from "../support/moves.ts";

/** Changes of a table's columns, as its owner makes them on both tiers, and what cannot be compared after each. */
const CHANGES: Record<string, { change: string; onBoth: boolean; left: string[] }> = {
  "a column was added": {
    change: "add column colour text default 'red'",
    onBoth: false,
    left: ["main pots 2026-03 partly 110"],
  },
  "a column was dropped": { change: "drop column n", onBoth: true, left: [] },
  "a column's type was changed": {
    change: "alter column n type numeric(12, 3)",
    onBoth: true,
    left: ["main pots 2026-03 partly 110"],
  },
};

/** Rows of another month, to which none come any more. */
async function addEarlier({ core }: MoveChain): Promise<void> {
  await core.sql`
    insert into public.pots (id, at, body)
    select id, timestamptz '2026-02-01' + id * interval '1 minute', 'pot ' || id from generate_series(1001, 1020) as id`;
}

/** What could not be proved of the month to which rows came before and after the change. */
async function ofMarch(chain: MoveChain): Promise<string[]> {
  return (await unproved(chain)).filter((one) => one.includes(" 2026-03 "));
}

async function add({ core }: MoveChain, first: number, last: number): Promise<void> {
  await core.sql`
    insert into public.pots (id, at, body)
    select id, timestamptz '2026-03-01' + id * interval '1 minute', 'pot ' || id
      from generate_series(${first}::int, ${last}::int) as id`;
}

/** A hundred rows on main, audited; then the columns are changed, and ten more come. */
async function changed(chain: MoveChain, change: string, onBoth: boolean): Promise<void> {
  const { core, main } = chain;
  await chain.freezeClock("2026-07-01T00:00:00Z");
  await core
    .sql`create table public.pots (id int primary key, at timestamptz not null, n integer default 7, body text)`;
  await core.sql`select strata.manage('public.pots', p_age_column => 'at')`;
  await add(chain, 1, 100);
  await addEarlier(chain);
  await settle(chain);
  await auditAll(chain);
  assert.deepEqual([await mismatches(chain), await ofMarch(chain)], [[], []]);
  if (onBoth) await main.sql.unsafe(`alter table public.pots ${change}`);
  await core.sql.unsafe(`alter table public.pots ${change}`);
  await endPauses(chain);
  await add(chain, 101, 110);
  await settle(chain);
}

for (const [what, { change, onBoth, left }] of Object.entries(CHANGES)) {
  dialledTest(`after ${what}, rows that were altered before and after are found`, async (chain) => {
    await changed(chain, change, onBoth);
    const { main } = chain;
    await main.sql`update public.pots set body = 'gone' where id between 40 and 89`;
    for (let times = 0; times < 2; times++) {
      await auditAll(chain);
      assert.deepEqual(await mismatches(chain), ["main pots 2026-03 altered"]);
    }
    await main.sql`update public.pots set body = 'pot ' || id where id between 41 and 89`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main pots 2026-03 altered"]);
    await main.sql`update public.pots set body = 'pot ' || id where id = 40`;
    await auditAll(chain);
    assert.deepEqual([await mismatches(chain), await ofMarch(chain)], [[], left]);
    await main.sql`update public.pots set body = 'x' where id = 105`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main pots 2026-03 altered"]);
  });

  dialledTest(`after ${what}, rows that were not altered are right`, async (chain) => {
    await changed(chain, change, onBoth);
    await auditAll(chain);
    assert.deepEqual([await mismatches(chain), await ofMarch(chain)], [[], left]);
    await auditAll(chain);
    assert.deepEqual([await mismatches(chain), await ofMarch(chain)], [[], []]);
    await chain.main.sql`delete from public.pots where id = 105`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main pots 2026-03 missing 1"]);
  });
}

for (const change of ["drop column n", "alter column n type smallint using 1"]) {
  dialledTest(
    `what was in a column is lost where the twin alone has it changed: ${change}`,
    async (chain) => {
      await changed(chain, "add column colour text", false);
      await auditAll(chain);
      await chain.main.sql.unsafe(`alter table public.pots ${change}`);
      for (let times = 0; times < 2; times++) {
        await auditAll(chain);
        assert.deepEqual(await mismatches(chain), [
          "main pots 2026-02 altered",
          "main pots 2026-03 altered",
        ]);
      }
    },
  );
}

dialledTest("what was only counted is said until it is accepted", async (chain) => {
  await changed(chain, "add column colour text", false);
  await chain.main.sql`update strata.books set names = null, marks = null`; // rows have left, say
  await chain.main.sql`update public.pots set body = 'gone' where id <= 50`;
  for (let times = 0; times < 2; times++) {
    await auditAll(chain);
    assert.deepEqual([await mismatches(chain), await ofMarch(chain)], [
      [],
      ["main pots 2026-03 counted 110"],
    ]);
  }
  for (const { sql } of chain.databases) {
    await sql`select strata.accept_audit('pots') from strata.audit_notes limit 1`;
  }
  await auditAll(chain);
  assert.deepEqual([await mismatches(chain), await ofMarch(chain)], [[], []]);
});
