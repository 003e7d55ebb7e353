import assert from "node:assert/strict";
import { auditAlerts, auditAll, audited, mismatches } from "../support/audit.ts";
import {
  addNotes,
  dialledTest,
  DIALLING,
  endPauses,
  endsOfLink,
  makeNotes,
  type MoveChain,
  moveTest,
  settle,
  startJourney,
} from "../support/moves.ts";

/** Three months of settled notes and seven that stay on core. */
async function manyMonths(chain: MoveChain): Promise<void> {
  const { core } = chain;
  await chain.freezeClock("2026-07-01T00:00:00Z");
  await makeNotes(core, 0);
  await core.sql`
    insert into public.notes (id, created_at)
    select id, timestamptz '2026-03-01 00:00:00Z' + id * interval '1 day' from generate_series(1, 90) as id
    union all select id, strata.clock() from generate_series(101, 107) as id`;
  await settle(chain);
}

dialledTest(
  "an audit whose budget is spent goes on where it stopped, and then waits a week",
  async (chain) => {
    await manyMonths(chain);
    for (const { sql } of chain.databases) {
      await sql`update strata.settings set value = 3 where name = 'audit_page'`;
    }
    const { sql } = endsOfLink(chain).driving;
    const began = async () =>
      (await sql<{ at: string }[]>`select started_at::text as at from strata.audit_turns`)[0]?.at;
    const progress: number[] = [];
    let calls = 0;
    for (; (await audited(chain))[0]?.finished !== true; calls++) {
      assert.ok(calls < 20, "the audit never ends");
      await sql`call strata.audit('0 seconds')`;
      const [now] = await audited(chain);
      progress.push((now?.months ?? 0) + (now?.keys ?? 0));
    }
    const first = await began();
    assert.deepEqual(progress, [0, 1, 2, 3, 3, 6, 9, 10, 10, 10, 10]);
    const { months, rows, keys } = (await audited(chain))[0] ?? {};
    assert.deepEqual({ months, rows, keys }, { months: 3, rows: 90, keys: 7 });

    await chain.freezeClock("2026-07-07T23:00:00Z");
    await sql`call strata.audit()`;
    assert.equal(await began(), first);
    await chain.freezeClock("2026-07-08T00:00:00Z");
    await sql`call strata.audit()`;
    assert.notEqual(await began(), first);
    assert.equal((await audited(chain))[0]?.finished, true);
  },
);

/** How much is not quiet before each step: the month while an arrival is open, the keys while they are on both tiers. */
const BUSY = { copy: 0, prove: 2, purge: 2, close: 1, finish: 0 };

for (const [step, skipped] of Object.entries(BUSY)) {
  moveTest(
    `rows that are on their way before ${step} are neither lost nor doubled`,
    async (chain) => {
      await makeNotes(chain.core, 3);
      await settle(chain);
      await auditAll(chain);
      await addNotes(chain.core.sql, 11, 13);
      const journey = await startJourney(chain);
      await journey.until(step);
      await auditAll(chain);
      assert.deepEqual([await mismatches(chain), await auditAlerts(chain)], [[], []]);
      assert.equal((await audited(chain))[0]?.skipped, skipped);
      await journey.until("claim");
      await auditAll(chain);
      assert.deepEqual(await mismatches(chain), []);
      assert.equal((await audited(chain))[0]?.besides, 0);
    },
    { drivers: step === "purge" ? ["push", "pull", "relay"] : DIALLING },
  );
}

dialledTest("a row its writer took back in the middle of a move is no mismatch", async (chain) => {
  await makeNotes(chain.core, 3);
  const journey = await startJourney(chain);
  await journey.until("prove");
  await chain.core.sql`update public.notes set body = 'edited' where id = 1`;
  await chain.core.sql`delete from public.notes where id = 2`;
  await settle(chain);
  await auditAll(chain);
  assert.deepEqual(await mismatches(chain), []);
  assert.equal((await audited(chain))[0]?.rows, 2);
});

dialledTest(
  "after a column was added, contents are compared again from the next audit on",
  async (chain) => {
    await chain.freezeClock("2026-07-01T00:00:00Z");
    const { core, main } = chain;
    const add = (first: number) =>
      core.sql`
      insert into public.notes (id, created_at, body) select id, '2026-03-05', 'x' from generate_series(${first}::int, ${
        first + 2
      }::int) as id`;
    await makeNotes(core, 0);
    await add(1);
    await settle(chain);
    await auditAll(chain);
    await core.sql`alter table public.notes add column colour text default 'red'`;
    await add(11);
    await settle(chain);
    await auditAll(chain);
    await main.sql`update public.notes set colour = 'blue' where id = 1`;
    await add(21);
    await settle(chain);
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), [
      "main notes 2026-03 altered",
    ]);
    await main.sql`delete from public.notes where id = 12`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), ["main notes 2026-03 missing 1"]);
  },
);

dialledTest("a twin that was dropped is a loss of all its rows", async (chain) => {
  await manyMonths(chain);
  await auditAll(chain);
  await chain.main.sql`drop table public.notes`;
  await auditAll(chain);
  assert.deepEqual(await mismatches(chain), [
    "main notes 2026-03 missing 30",
    "main notes 2026-04 missing 30",
    "main notes 2026-05 missing 30",
  ]);
});

dialledTest("an audit over a link that is down says so and goes on later", async (chain) => {
  await manyMonths(chain);
  const { driving, driven } = endsOfLink(chain);
  const server = `strata_${driven.tier}`;
  await driving.sql.unsafe(`alter server ${server} options (set port '1')`);
  await auditAll(chain);
  const [down] = await audited(chain);
  assert.equal(down?.finished, false);
  assert.match(down?.trouble ?? "", /cannot be reached/);
  assert.deepEqual(await auditAlerts(chain), []);
  await driving.sql`update strata.audit_turns set started_at = started_at - interval '8 days'`;
  await endPauses(chain);
  await driving.sql`call strata.audit()`;
  assert.match(
    (await auditAlerts(chain))[0]?.says ?? "",
    /^"notes" on main could not be audited since .* cannot be reached/,
  );
  const port = new URL(driven.url).port;
  await driving.sql.unsafe(`alter server ${server} options (set port '${port}')`);
  await endPauses(chain);
  await driving.sql`call strata.audit()`;
  assert.deepEqual({ ...(await audited(chain))[0] }, {
    colder: "main",
    dataset: "notes",
    finished: true,
    months: 3,
    rows: 90,
    keys: 7,
    skipped: 0,
    besides: 0,
    trouble: null,
  });
  assert.deepEqual(await auditAlerts(chain), []);
});

dialledTest(
  "a month that takes too long to read stops its dataset, not the link",
  async (chain) => {
    await manyMonths(chain);
    const { source, destination, driving } = endsOfLink(chain);
    const far = chain.driver === "push" ? destination : source;
    const [slow] = chain.driver === "push"
      ? ["stock_months(text)"]
      : ["ledger_months(text, text[])"];
    await far.sql.unsafe(`alter function strata.${slow} rename to hidden_months`);
    await far.sql.unsafe(
      `create function strata.${
        slow.replace("(text", "(p_dataset text").replace(", text[]", ", p_whats text[]")
      }
    returns text[] language sql security definer set search_path = '' as $$
      select array['2026-03'] from pg_sleep(20) $$;
    grant execute on function strata.${slow} to strata_mover`,
    );
    await driving.sql`update strata.settings set value = 4 where name = 'link_timeout'`;
    await auditAll(chain);
    const [report] = await audited(chain);
    assert.equal(report?.finished, false);
    assert.match(report?.trouble ?? "", /did not answer within 4 seconds|statement timeout/);
    const [link] = await driving.sql`select trouble from strata.links`;
    assert.equal(link?.trouble, null);
  },
);

dialledTest("what is let go of is audited no more, and its alert goes", async (chain) => {
  await manyMonths(chain);
  await chain.main.sql`delete from public.notes where id = 1`;
  await auditAll(chain);
  assert.equal((await auditAlerts(chain)).length, 1);
  for (const { sql } of chain.databases) {
    await sql`select strata.unmanage('notes')`;
    await sql`select strata.prune()`;
  }
  assert.deepEqual(await auditAlerts(chain), []);
  const { sql } = endsOfLink(chain).driving;
  const [left] = await sql`select (select count(*)::integer from strata.audit_accounts) as accounts,
    (select count(*)::integer from strata.audit_turns) as turns, (select count(*)::integer from strata.audit_findings) as findings`;
  assert.deepEqual({ ...left }, { accounts: 0, turns: 0, findings: 0 });
});
