import assert from "node:assert/strict";
import { auditAlerts, auditAll, audited, mismatches } from "../support/audit.ts";
import { testChain } from "../support/chain.ts";
import { moverPassword } from "../support/stack.ts";
import {
  dialledTest,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  settle,
  THREE_TIERS,
} from "../support/moves.ts";

/** Two notes that have settled on the archive, and two that stay on core. */
async function settled(chain: MoveChain): Promise<void> {
  await chain.freezeClock("2026-07-01T00:00:00Z");
  await makeNotes(chain.core, 0);
  await chain.core.sql`insert into public.notes values
    (1, '2024-01-05', 'old'), (2, '2024-01-06', 'old'), (3, '2026-06-30', 'new'), (4, '2026-06-30', 'new')`;
  await settle(chain);
  assert.deepEqual(await idsOf(chain.archive), [1, 2]);
}

async function leftBehind(chain: MoveChain): Promise<{ passed: number; beyond: number }> {
  const [row] = await chain.main.sql<{ passed: number; beyond: number }[]>`
    select (select count(*)::integer from strata.passed_keys) as passed,
           (select count(*)::integer from strata.keys_beyond) as beyond`;
  return { passed: row?.passed ?? -1, beyond: row?.beyond ?? -1 };
}

/** Core has a row by a key that only the archive has; main has never seen it again. */
async function findsBeyond(chain: MoveChain): Promise<void> {
  await settled(chain);
  await chain.core.sql`insert into public.notes values (2, '2026-06-29', 'written again')`;
  await auditAll(chain);
  assert.deepEqual(await mismatches(chain), []); // seen on the archive, but maybe on its way when core was asked
  await auditAll(chain);
  assert.deepEqual(await mismatches(chain), ["main notes 2026-06 beyond 1"]);
  assert.match(
    (await auditAlerts(chain))[0]?.says ?? "",
    /rows of 2026-06 are both on the tier after main and on the tier before main \(2\)$/,
  );
  await chain.core.sql`delete from public.notes where id = 2`;
  await auditAll(chain);
  assert.deepEqual([await mismatches(chain), await auditAlerts(chain)], [[], []]);

  await chain.freezeClock("2026-08-01T00:00:00Z"); // what nobody asks about any more is forgotten
  await chain.main.sql`select strata.trust_clock('2026-08-01')`;
  await chain.main.sql`select strata.prune()`;
  assert.equal((await leftBehind(chain)).beyond, 0);
  await chain.main.sql`select strata.unmanage('notes')`;
  await chain.main.sql`select strata.prune()`;
  assert.deepEqual(await leftBehind(chain), { passed: 0, beyond: 0 });
}

moveTest("a row on core and on the archive, but not on main, is found", findsBeyond, {
  tiers: THREE_TIERS,
});

Deno.test("where neighbours dial main from both sides, such a row is found as well", async () => {
  await using made = await testChain({ driver: "push", tiers: THREE_TIERS });
  const { main, archive } = made;
  const { hostname, port, pathname } = new URL(main.url);
  await main.sql`select strata.join_tier(p_tier => 'archive', p_driver => 'pull')`;
  await archive.sql`
    select strata.join_tier(p_tier => 'main', p_driver => 'pull', p_host => ${hostname}, p_port => ${
    Number(port)
  },
                            p_database => ${
    pathname.slice(1)
  }, p_password => ${await moverPassword()})`;
  await findsBeyond(Object.assign(made, { driver: "push" as const }));
});

dialledTest(
  "a row that settled between the looks of two audits is not taken for doubled",
  async (chain) => {
    await settled(chain);
    const { core, main, archive } = chain;
    const audit = async ({ sql }: { sql: typeof core.sql }) => {
      await sql`select strata.audit_anew()`;
      await sql`call strata.audit()`;
    };
    // Core's keys are passed on; then a row goes all the way; then the archive is asked for them.
    await core.sql`insert into public.notes values (5, '2024-01-07', 'slow')`;
    await core.sql`select strata.hold('notes', p_key => array['5'], p_reason => 'not yet')`;
    await audit(chain.driver === "push" ? core : main);
    assert.deepEqual(await leftBehind(chain), { passed: 1, beyond: 0 });
    await core.sql`select strata.release(hold_id) from strata.holds`;
    await settle(chain);
    assert.deepEqual(await idsOf(archive), [1, 2, 5]);
    await audit(chain.driver === "push" ? main : archive);
    assert.deepEqual(await leftBehind(chain), { passed: 0, beyond: 1 });
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), []);
    assert.deepEqual((await audited(chain)).map(({ keys }) => keys), [2, 0]);
  },
  { tiers: THREE_TIERS },
);

dialledTest("without a tier after the next one no keys are passed on", async (chain) => {
  await chain.freezeClock("2026-07-01T00:00:00Z");
  await makeNotes(chain.core, 0);
  await chain.core
    .sql`insert into public.notes values (1, '2024-01-05', 'old'), (2, '2026-06-30', 'new')`;
  await settle(chain);
  await auditAll(chain);
  assert.deepEqual(await leftBehind(chain), { passed: 0, beyond: 0 });
});
