import assert from "node:assert/strict";
import { auditAlerts, auditAll, audited, backUp, mismatches } from "../support/audit.ts";
import {
  assertAtPeace,
  dialledTest,
  endPauses,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  settle,
  THREE_TIERS,
} from "../support/moves.ts";

/** Notes whose month is known: ids from `first`, in March 2026, which is due on main by July. */
async function marchNotes({ core }: MoveChain, first: number, last: number): Promise<void> {
  await core.sql`
    insert into public.notes (id, created_at, body)
    select id, timestamptz '2026-03-01 00:00:00Z' + id * interval '1 minute', 'note ' || id
      from generate_series(${first}::bigint, ${last}::bigint) as id`;
}

/** A chain on which notes of March 2026 have settled on main, and an audit found nothing. */
async function settled(chain: MoveChain, count = 5): Promise<void> {
  await chain.freezeClock("2026-07-01T00:00:00Z");
  await makeNotes(chain.core, 0);
  await marchNotes(chain, 1, count);
  await settle(chain);
  await auditAll(chain);
  assert.deepEqual(await mismatches(chain), []);
}

dialledTest(
  "an audit of a chain in order finds nothing and says what it looked at",
  async (chain) => {
    await settled(chain);
    await chain.core
      .sql`insert into public.notes (id, created_at) select id, strata.clock() from generate_series(100, 102) as id`;
    await auditAll(chain);
    const expected = { finished: true, months: 1, rows: 5, keys: 3, skipped: 0, besides: 0 };
    assert.deepEqual(await audited(chain), [
      { colder: "main", dataset: "notes", ...expected, trouble: null },
    ]);
    assert.deepEqual(await auditAlerts(chain), []);
  },
);

moveTest(
  "rows lost on the colder tier are found, and forgotten when they are back",
  async (chain) => {
    await settled(chain);
    const { main } = chain;
    await main.sql`create table public.kept as select * from public.notes where id in (2, 4)`;
    await main.sql`delete from public.notes where id in (2, 4)`;
    await auditAll(chain);
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main notes 2026-03 missing 2"]);
    assert.deepEqual(await auditAlerts(chain), [{
      tier: "main",
      subject: "notes",
      severity: "critical",
      says: '"notes" on main is not what settled there: 2 of 5 rows of 2026-03 are gone',
    }]);

    await main.sql`insert into public.notes select * from public.kept`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), []);
    assert.deepEqual(await auditAlerts(chain), []);
  },
);

dialledTest("a row whose content changed on the colder tier is found", async (chain) => {
  await settled(chain);
  await chain.main.sql`update public.notes set body = 'note 22' where id = 2`;
  await auditAll(chain);
  assert.deepEqual(await mismatches(chain), ["main notes 2026-03 altered"]);
  assert.equal((await auditAlerts(chain))[0]?.severity, "warning");
  await chain.main.sql`update public.notes set body = 'note 2' where id = 2`;
  await auditAll(chain);
  assert.deepEqual(await mismatches(chain), []);
});

dialledTest(
  "a row lost before the first audit is found, and so is one among later arrivals",
  async (chain) => {
    await chain.freezeClock("2026-07-01T00:00:00Z");
    await makeNotes(chain.core, 0);
    await marchNotes(chain, 1, 5);
    await settle(chain);
    await chain.main.sql`delete from public.notes where id = 1`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main notes 2026-03 missing 1"]);
    await marchNotes(chain, 11, 13);
    await settle(chain);
    await chain.main.sql`delete from public.notes where id = 12`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main notes 2026-03 missing 2"]);
  },
);

/** Takes what was found wrong as right, on whichever tier audits. */
async function accept(chain: MoveChain): Promise<void> {
  for (const { sql } of chain.databases) {
    await sql`select strata.accept_audit('notes') from strata.audit_findings limit 1`;
  }
}

moveTest(
  "rows written to the colder tier directly are found until accepted; then their loss is, too",
  async (chain) => {
    await settled(chain);
    const { main } = chain;
    await main
      .sql`insert into public.notes values (50, '2026-03-09', 'by hand'), (51, '2024-01-01', 'old')`;
    for (let times = 0; times < 2; times++) {
      await auditAll(chain);
      assert.deepEqual(await mismatches(chain), [
        "main notes 2024-01 besides 1",
        "main notes 2026-03 besides 1",
      ]);
    }
    const [alert, ...more] = await auditAlerts(chain);
    assert.deepEqual([more, alert?.severity], [[], "warning"]);
    assert.match(alert?.says ?? "", /1 row of 2024-01 came by no move; 1 row of 2026-03 came by/);
    await accept(chain);
    await auditAll(chain);
    assert.deepEqual([await mismatches(chain), await auditAlerts(chain)], [[], []]);
    await main.sql`update public.notes set body = 'changed' where id = 50`;
    await main.sql`delete from public.notes where id = 51`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), [
      "main notes 2024-01 missing 1",
      "main notes 2026-03 altered",
    ]);
  },
);

dialledTest("rows written there directly and deleted again leave no finding", async (chain) => {
  await settled(chain);
  const { main } = chain;
  await main.sql`insert into public.notes values (50, '2026-03-09', 'x'), (51, '2024-01-01', 'x')`;
  await auditAll(chain);
  assert.equal((await mismatches(chain)).length, 2);
  await main.sql`delete from public.notes where id in (50, 51)`;
  await auditAll(chain);
  assert.deepEqual([await mismatches(chain), await auditAlerts(chain)], [[], []]);
});

moveTest(
  "rows written there directly hide no change of the month's own rows",
  async (chain) => {
    await settled(chain, 4000);
    const { main } = chain;
    await main.sql`update public.notes set body = 'gone' where id <= 500`;
    await main.sql`delete from public.notes where id = 600`;
    await main.sql`
      insert into public.notes values (9001, '2026-03-01', 'a'), (9002, '2026-03-02', 'b')`;
    for (let times = 0; times < 2; times++) {
      await auditAll(chain);
      assert.deepEqual(await mismatches(chain), [
        "main notes 2026-03 altered",
        "main notes 2026-03 besides 1",
      ]);
    }
    await main.sql`delete from public.notes where id > 9000`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main notes 2026-03 missing 1"]);
    assert.match((await auditAlerts(chain))[0]?.says ?? "", /1 of 4000 rows .*at least \d+ others/);
  },
);

dialledTest(
  "a change that comes after such rows is found beside them, and stays",
  async (chain) => {
    await settled(chain);
    const { main } = chain;
    await main
      .sql`insert into public.notes select 100 + n, '2026-03-09', 'x' from generate_series(1, 300) as n`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main notes 2026-03 besides 300"]);
    await main.sql`update public.notes set body = 'changed' where id = 2`;
    for (let times = 0; times < 2; times++) {
      await auditAll(chain);
      assert.deepEqual(await mismatches(chain), [
        "main notes 2026-03 altered",
        "main notes 2026-03 besides 300",
      ]);
    }
    await main.sql`update public.notes set body = 'note 2' where id = 2`;
    await marchNotes(chain, 11, 13);
    await settle(chain);
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main notes 2026-03 besides 300"]);
  },
);

dialledTest(
  "what is accepted is right from then on, and the next loss is found all the same",
  async (chain) => {
    await settled(chain);
    const { main } = chain;
    await main.sql`delete from public.notes where id = 1`;
    await auditAll(chain);
    for (const { sql } of chain.databases) {
      const [open] = await sql`select from strata.audit_findings`;
      const accept = sql`select strata.accept_audit('notes', '2026-03')`;
      if (open !== undefined) await accept;
      else await assert.rejects(accept, { code: "ST080" });
    }
    assert.deepEqual(await auditAlerts(chain), []);
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), []);
    await main.sql`delete from public.notes where id = 2`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main notes 2026-03 missing 1"]);
  },
);

moveTest(
  "a row that is on both tiers is found, and accepted only as often as it was",
  async (chain) => {
    await settled(chain);
    const { core } = chain;
    await core.sql`select strata.hold('notes', p_condition => 'true', p_reason => 'stays')`;
    await core
      .sql`insert into public.notes values (3, '2026-06-30', 'another one'), (9, '2026-06-30', 'alone')`;
    await auditAll(chain);
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main notes 2026-06 doubled 1"]);
    assert.match(
      (await auditAlerts(chain))[0]?.says ?? "",
      /rows of 2026-06 are both on main and on the tier before it \(3\)$/,
    );
    for (const { sql } of chain.databases) {
      await sql`select strata.accept_audit('notes') from strata.audit_findings limit 1`;
    }
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), []);
    await core.sql`insert into public.notes values (4, '2026-06-29', 'yet another one')`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main notes 2026-06 doubled 2"]);
    await core.sql`delete from public.notes where id in (3, 4)`;
    await auditAll(chain);
    assert.deepEqual([await mismatches(chain), await auditAlerts(chain)], [[], []]);
  },
);

dialledTest(
  "rows settle to the archive and are deleted there at their age without a mismatch; a loss there is one",
  async (chain) => {
    const { core, archive } = chain;
    await chain.freezeClock("2026-07-01T00:00:00Z");
    await makeNotes(core, 0);
    await core.sql`
      insert into public.notes (id, created_at, body)
      select id, timestamptz '2018-01-01 00:00:00Z' + id * interval '10 days', 'note ' || id
        from generate_series(1, 300) as id`;
    await settle(chain);
    await auditAll(chain);
    await archive.sql`call strata.delete_due()`;
    const [left] = await archive.sql<
      { rows: number }[]
    >`select count(*)::integer as rows from public.notes`;
    assert.ok(left !== undefined && left.rows > 100 && left.rows < 250, String(left?.rows));
    await chain.freezeClock("2026-10-01T00:00:00Z");
    await settle(chain);
    await archive.sql`call strata.delete_due()`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), []);

    await archive.sql`delete from public.notes where id = 270`;
    await archive.sql`update public.notes set body = null where id = 271`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), [
      "archive notes 2025-05 missing 1",
      "archive notes 2025-06 altered",
    ]);
  },
  { tiers: THREE_TIERS },
);

dialledTest("a row brought back to main from the archive is found on both", async (chain) => {
  const { core, main, archive } = chain;
  await chain.freezeClock("2026-07-01T00:00:00Z");
  await makeNotes(core, 0);
  await core
    .sql`insert into public.notes values (1, '2024-01-05', 'old'), (2, '2024-01-06', 'old')`;
  await settle(chain);
  assert.deepEqual(await idsOf(archive), [1, 2]);
  await main.sql`insert into public.notes values (2, '2024-01-06', 'old')`;
  await auditAll(chain);
  assert.deepEqual(await mismatches(chain), [
    "archive notes 2024-01 doubled 1",
    "main notes 2024-01 besides 1",
  ]);
  await settle(chain); // it is due: its next move proves the copy that is there already
  await auditAll(chain);
  assert.deepEqual(await mismatches(chain), []);
  await assertAtPeace(chain);
}, { tiers: THREE_TIERS });

dialledTest("a main put back from an old backup is found out", async (chain) => {
  await settled(chain);
  await using backup = await backUp(chain.main);
  await marchNotes(chain, 11, 14);
  await settle(chain);
  await auditAll(chain);
  await backup.putBack();
  await auditAll(chain);
  assert.deepEqual(await mismatches(chain), ["main notes 2026-03 missing 4"]);
});

dialledTest(
  "a core put back from an old backup is found out, and settles once more without a mismatch",
  async (chain) => {
    await settled(chain);
    await marchNotes(chain, 11, 14);
    await using backup = await backUp(chain.core);
    await settle(chain);
    await auditAll(chain);
    await backup.putBack();
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), [
      "main notes 2026-03 doubled 4",
      "main notes 2026-03 rewound",
    ]);
    await endPauses(chain);
    await settle(chain);
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), []);
    assert.equal((await idsOf(chain.main)).length, 9);
  },
);
