import assert from "node:assert/strict";
import { ownAlerts, speak, speakAll } from "../support/agreements.ts";
import { backUp } from "../support/audit.ts";
import type { TestDatabase } from "../support/database.ts";
import {
  assertAtPeace,
  idsOf,
  type MoveChain,
  moveTest,
  runOnce,
  settle,
  startJourney,
  THREE_TIERS,
  troubleOf,
} from "../support/moves.ts";

const OPTIONS = { tiers: THREE_TIERS };

/** Notes that have settled on the archive and are to be deleted there at an age of 25 days. */
async function settledNotes(chain: MoveChain, count = 5): Promise<void> {
  const { core } = chain;
  await core.sql`
    create table public.notes (id bigint primary key, created_at timestamptz not null, body text)`;
  await core.sql`
    select strata.manage('public.notes', p_core_retention_days => 10, p_main_retention_days => 20,
                         p_delete_after_days => 25)`;
  await addNotes(core, 1, count);
  await settle(chain);
}

async function addNotes({ sql }: TestDatabase, first: number, last: number): Promise<void> {
  await sql`
    insert into public.notes select id, now() - interval '24 days', 'note ' || id
      from generate_series(${first}::bigint, ${last}::bigint) as id`;
}

/** Two days pass for the rows of a tier. */
const grow = ({ sql }: TestDatabase) =>
  sql`update public.notes set created_at = created_at - interval '2 days'`;

const deleteDue = ({ sql }: TestDatabase) => sql`call strata.delete_due()`;

const neverDelete = ({ sql }: TestDatabase) =>
  sql`select strata.manage('public.notes', p_delete_after_days => null)`;

async function deletedAfter(chain: MoveChain): Promise<(number | null)[]> {
  return await Promise.all(chain.databases.map(async ({ sql }) => {
    const [row] = await sql`select delete_after_days from strata.datasets where name = 'notes'`;
    return row?.delete_after_days;
  }));
}

async function openHolds({ sql }: TestDatabase): Promise<number> {
  const [row] = await sql`
    select count(*)::integer as holds from strata.holds where released_at is null`;
  return row?.holds;
}

moveTest(
  "an archive put back from a backup deletes nothing by what it knew then",
  async (chain) => {
    const { core, archive } = chain;
    await settledNotes(chain);
    await using backup = await backUp(archive);
    await neverDelete(core);
    await settle(chain);
    assert.deepEqual(await deletedAfter(chain), [null, null, null]);

    await backup.putBack();
    await grow(archive);
    await deleteDue(archive);
    assert.deepEqual(await idsOf(archive), [1, 2, 3, 4, 5]);

    await speakAll(chain);
    await settle(chain);
    assert.deepEqual(await deletedAfter(chain), [null, null, null]);
    await deleteDue(archive);
    assert.deepEqual(await idsOf(archive), [1, 2, 3, 4, 5]);
    await assertAtPeace(chain);
  },
  OPTIONS,
);

moveTest("an archive put back goes on deleting once its policy is confirmed", async (chain) => {
  const { archive } = chain;
  await settledNotes(chain);
  await using backup = await backUp(archive);
  await backup.putBack();
  await grow(archive);

  await speakAll(chain);
  await deleteDue(archive);

  assert.deepEqual(await idsOf(archive), []);
  assert.deepEqual(await ownAlerts(archive, "unconfirmed", "clock"), []);
}, OPTIONS);

moveTest("rows of a tier that was written anew from a dump have no word yet", async (chain) => {
  const { archive } = chain;
  await settledNotes(chain);
  await archive.sql`create table public.dump as select * from strata.confirmations`;
  await archive.sql`delete from strata.confirmations`;
  await archive.sql`insert into strata.confirmations select * from public.dump`;
  const [row] = await archive.sql`
    select strata.unconfirmed(d) as says from strata.datasets as d where d.name = 'notes'`;
  assert.match(row?.says, /^main has not confirmed it since this server was started or put back/);
}, OPTIONS);

moveTest("a hold is told again to a tier that was put back from before it", async (chain) => {
  const { core, main, archive } = chain;
  await settledNotes(chain);
  await using backup = await backUp(main);
  await core.sql`select strata.hold('notes', p_key => array['1'], p_reason => 'a court asked')`;
  await settle(chain);
  assert.deepEqual(await Promise.all([main, archive].map(openHolds)), [1, 1]);

  await backup.putBack();
  assert.equal(await openHolds(main), 0);
  await speakAll(chain);
  await settle(chain);
  await speakAll(chain);
  await settle(chain);

  assert.deepEqual(await Promise.all([main, archive].map(openHolds)), [1, 1]);
  assert.deepEqual(await ownAlerts(main, "policy_lost"), []);
  await grow(archive);
  await deleteDue(archive);
  assert.deepEqual(await idsOf(archive), [1]);
  await assertAtPeace(chain);
}, OPTIONS);

moveTest(
  "a hold that was released stays released when the tier below was put back",
  async (chain) => {
    const { core, archive } = chain;
    await settledNotes(chain, 1);
    const [hold] = await core.sql`
    select strata.hold('notes', p_key => array['1'], p_reason => 'a court asked') as id`;
    await settle(chain);
    await using backup = await backUp(archive);
    await core.sql`select strata.release(${hold?.id})`;
    await settle(chain);
    await backup.putBack();
    await speakAll(chain);
    await settle(chain);
    assert.equal(await openHolds(archive), 0);
  },
  OPTIONS,
);

/** Core is put back to before its owner said that nothing is ever deleted. */
async function forgetfulCore(chain: MoveChain, meanwhile?: () => Promise<unknown>) {
  const { core, archive } = chain;
  await settledNotes(chain);
  const backup = await backUp(core);
  await neverDelete(core);
  await settle(chain);
  await backup.putBack();
  await backup[Symbol.asyncDispose]();
  await addNotes(core, 6, 6);
  await meanwhile?.();
  await grow(archive);
  await speakAll(chain);
  await runOnce(chain);
}

/** Nobody does anything about it, and core says so. */
async function assertAtRest({ core, main, archive }: MoveChain): Promise<void> {
  await deleteDue(archive);
  assert.deepEqual(await idsOf(archive), [1, 2, 3, 4, 5]);
  assert.deepEqual([await idsOf(core), await idsOf(main)], [[6], []]);
  assert.deepEqual(await ownAlerts(core, "policy_lost"), ["policy_lost critical notes"]);
  assert.equal((await troubleOf(core))?.code, "ST051");
}

moveTest("a core that has forgotten a never does not take it from the others", async (chain) => {
  const { core, archive } = chain;
  await forgetfulCore(chain);
  await assertAtRest(chain);
  assert.deepEqual(await deletedAfter(chain), [25, null, null]);
  const trouble = await troubleOf(core);
  assert.match(
    trouble?.says ?? "",
    /main has accepted a policy of "notes" that core has forgotten/,
  );
  assert.match(trouble?.remedy ?? "", /select strata\.keep_policy\('notes'\)/);

  await neverDelete(core);
  await core.sql`select strata.keep_policy('notes')`;
  await settle(chain);
  await speakAll(chain);

  assert.deepEqual(await deletedAfter(chain), [null, null, null]);
  await deleteDue(archive);
  assert.deepEqual(await idsOf(archive), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(await ownAlerts(core, "policy_lost"), []);
  await assertAtPeace(chain);
}, OPTIONS);

moveTest("a core that has forgotten a never may decide against it", async (chain) => {
  const { core, archive } = chain;
  await forgetfulCore(chain);
  const [kept] = await core.sql`select strata.keep_policy('notes') as kept`;
  assert.equal(kept?.kept, true);
  await settle(chain);
  await speakAll(chain);
  assert.deepEqual(await deletedAfter(chain), [25, 25, 25]);
  await deleteDue(archive);
  assert.deepEqual(await idsOf(archive), [6]);
  assert.deepEqual(await ownAlerts(core, "policy_lost"), []);
}, OPTIONS);

moveTest("as many changes since do not hide that core has forgotten one", async (chain) => {
  await forgetfulCore(chain, () =>
    chain.core.sql`
      select strata.manage('public.notes', p_core_retention_days => 9),
             strata.manage('public.notes', p_core_retention_days => 8)`);
  await assertAtRest(chain);
  assert.deepEqual(await deletedAfter(chain), [25, null, null]);
}, OPTIONS);

moveTest("what was told just before a crash is no policy that was forgotten", async (chain) => {
  const { core } = chain;
  await settledNotes(chain, 1);
  await neverDelete(core);
  const journey = await startJourney(chain);
  await journey.until("told"); // accepted there, and the one who drives dies
  await core.sql`select strata.manage('public.notes', p_core_retention_days => 9)`;
  await settle(chain);
  await speakAll(chain);
  assert.deepEqual(await ownAlerts(core, "policy_lost"), []);
  assert.deepEqual(await deletedAfter(chain), [null, null, null]);
  await assertAtPeace(chain);
}, OPTIONS);

moveTest(
  "a dataset that was let go of and managed anew is no policy that was forgotten",
  async (chain) => {
    const { core } = chain;
    await settledNotes(chain, 1);
    await neverDelete(core);
    await settle(chain);
    await core.sql`select strata.unmanage('notes')`;
    await core.sql`select strata.manage('public.notes', p_core_retention_days => 10)`;
    await settle(chain);
    await speakAll(chain);
    assert.deepEqual(await ownAlerts(core, "policy_lost"), []);
    assert.deepEqual(await deletedAfter(chain), [2555, 2555, 2555]);
  },
  OPTIONS,
);

moveTest(
  "without core's word for a day nothing is deleted, which is said until it has come",
  async (chain) => {
    const { core, main, archive } = chain;
    await settledNotes(chain);
    await grow(archive);
    await archive.sql`update strata.datasets set managed_at = managed_at - interval '3 days'`;
    const [later] = await core.sql`select (now() + interval '25 hours')::text as at`;
    await chain.freezeClock(later?.at);
    await speak(chain, main, archive); // core is paused

    await deleteDue(archive);
    assert.deepEqual(await idsOf(archive), [1, 2, 3, 4, 5]);
    assert.deepEqual(await ownAlerts(archive, "unconfirmed", "clock"), [
      "unconfirmed warning notes",
    ]);

    await speakAll(chain);
    assert.deepEqual(await ownAlerts(archive, "unconfirmed", "clock"), []);
    await deleteDue(archive);
    assert.deepEqual(await idsOf(archive), []);
  },
  OPTIONS,
);

moveTest(
  "what core no longer manages is not deleted until its owner has said where it belongs",
  async (chain) => {
    const { core, main, archive } = chain;
    await settledNotes(chain);
    await grow(archive);
    await core.sql`select strata.unmanage('notes')`;
    await speakAll(chain);
    await deleteDue(archive);
    assert.deepEqual(await idsOf(archive), [1, 2, 3, 4, 5]);

    const [later] = await core.sql`select (now() + interval '25 hours')::text as at`;
    await chain.freezeClock(later?.at);
    await speakAll(chain);
    const [alert] = await archive.sql`
    select remedy from strata.alerts where kind = 'unconfirmed' and cleared_at is null`;
    assert.match(alert?.remedy, /on main: select strata\.forget_twin\('notes'\)/);

    await main.sql`select strata.forget_twin('notes')`;
    await speakAll(chain);
    assert.deepEqual(await ownAlerts(archive, "unconfirmed"), []);
    await deleteDue(archive);
    assert.deepEqual(await idsOf(archive), []);
  },
  OPTIONS,
);
