import assert from "node:assert/strict";
import { ownAlerts, speak, speakAll } from "../support/agreements.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { idsOf, type MoveChain, moveTest, runOnce, settle, THREE_TIERS } from "../support/moves.ts";
import { addNote, idsOn, manageNotes } from "../support/notes.ts";
import { refusal } from "../support/refusal.ts";

const OPTIONS = { tiers: THREE_TIERS };

/** Puts a tier's clock so far ahead of the real one. */
async function setClock({ sql }: TestDatabase, ahead: string): Promise<void> {
  await sql.unsafe(`create or replace function strata.clock() returns timestamptz
    language sql stable set search_path = '' as $$ select pg_catalog.now() + interval '${ahead}' $$`);
}

/** Notes on the archive, some of which are to be deleted. */
async function settledNotes(chain: MoveChain): Promise<void> {
  const { core, archive } = chain;
  await core.sql`
    create table public.notes (id bigint primary key, created_at timestamptz not null, body text)`;
  await core.sql`
    select strata.manage('public.notes', p_core_retention_days => 10, p_main_retention_days => 20,
                         p_delete_after_days => 2555)`;
  await core.sql`
    insert into public.notes select id, now() - interval '30 days', '' from generate_series(1, 5) as id`;
  await settle(chain);
  await speakAll(chain);
  await archive.sql`update public.notes set created_at = '2000-01-01' where id = 1`;
}

moveTest(
  "an archive whose clock is ahead deletes nothing, and says so until it is right",
  async (chain) => {
    const { core, main, archive } = chain;
    await settledNotes(chain);
    await archive.sql`
    select strata.hold('notes', p_key => array['2'], p_reason => 'a court asked',
                       p_until => now() + interval '1 year')`;
    await setClock(archive, "8 years");
    await archive.sql`call strata.upkeep('5 seconds')`;
    assert.deepEqual(await idsOf(archive), [1, 2, 3, 4, 5]);

    await speakAll(chain);
    await speakAll(chain); // an alert needs a word more to come up to core
    await archive.sql`call strata.upkeep('5 seconds')`;
    assert.deepEqual(await idsOf(archive), [1, 2, 3, 4, 5]);
    assert.deepEqual(await ownAlerts(archive, "clock"), ["clock critical"]);
    assert.deepEqual(await ownAlerts(main, "clock"), [], "core agrees with it");
    const [heard] = await core.sql`
    select says from strata.alerts where kind = 'clock' and tier = 'archive' and cleared_at is null`;
    assert.match(heard?.says, /^the clock of archive was at /);
    const holds = await archive.sql`select from strata.holds where released_at is null`;
    assert.equal(holds.length, 1);

    await setClock(archive, "0 days");
    await speakAll(chain);
    assert.deepEqual(await ownAlerts(archive, "clock"), []);
    await archive.sql`call strata.upkeep('5 seconds')`;
    assert.deepEqual(await idsOf(archive), [2, 3, 4, 5]);
  },
  OPTIONS,
);

moveTest("a tier whose clock is ahead lets nothing settle", async (chain) => {
  const { core, main, archive } = chain;
  await settledNotes(chain);
  await core.sql`insert into public.notes values (6, now() - interval '15 days', '')`;
  await settle(chain);
  assert.deepEqual(await idsOf(main), [6]);
  await setClock(main, "30 days");
  await runOnce(chain);
  await runOnce(chain);
  assert.deepEqual([await idsOf(main), await idsOf(archive)], [[6], [1, 2, 3, 4, 5]]);
  await speakAll(chain);
  assert.deepEqual(await ownAlerts(main, "clock"), ["clock critical"]);

  await setClock(main, "0 days");
  await speakAll(chain);
  for (const one of chain.databases) assert.deepEqual(await ownAlerts(one, "clock"), []);
}, OPTIONS);

moveTest("a hold with an end outlives a clock that is past it", async (chain) => {
  const { core, main } = chain;
  await settledNotes(chain);
  await core.sql`insert into public.notes values (6, now() - interval '15 days', '')`;
  await core.sql`
    select strata.hold('notes', p_key => array['6'], p_reason => 'a court asked',
                       p_until => now() + interval '1 year')`;
  await setClock(core, "2 years");
  await runOnce(chain);
  await core.sql`call strata.upkeep('5 seconds')`;
  assert.deepEqual([await idsOf(core), await idsOf(main)], [[6], []]);
  const [row] = await core.sql`select count(*)::integer as holds from strata.holds`;
  assert.equal(row?.holds, 1);
}, OPTIONS);

moveTest(
  "a tier that was off for three months goes on when a neighbour agrees with its clock",
  async (chain) => {
    const { main, archive } = chain;
    await settledNotes(chain);
    await archive.sql`
    update strata.clock_seen set sure_at = sure_at - interval '90 days'`;
    await archive.sql`update strata.links set compared_at = compared_at - interval '90 days'`;
    await archive.sql`select strata.look_at_clock()`;
    const [row] = await archive.sql`select strata.clock_trouble() as says`;
    assert.match(row?.says, /^the clock of archive is at .* and was last known to be right at /);

    await speak(chain, main, archive);
    assert.deepEqual(await ownAlerts(archive, "clock"), []);
    await archive.sql`call strata.delete_due()`;
    assert.deepEqual(await idsOf(archive), [2, 3, 4, 5]);
  },
  OPTIONS,
);

/** A tier without neighbours, on which one row is to be deleted. */
async function alone(): Promise<TestDatabase> {
  const db = await testDatabase("archive");
  await db.sql`select strata.become('archive')`;
  await manageNotes(db.sql, {
    core_retention_days: 0,
    main_retention_days: 0,
    delete_after_days: 400,
  });
  await addNote(db.sql, 1, "2000-01-01");
  await addNote(db.sql, 2, new Date().toISOString());
  await db.sql`select strata.look_at_clock()`;
  return db;
}

Deno.test("a tier without neighbours that was off for three months waits for its owner's word", async () => {
  await using db = await alone();
  await db.sql`update strata.clock_seen set sure_at = sure_at - interval '90 days'`;
  await db.sql`call strata.upkeep('5 seconds')`;
  await db.sql`select strata.check_alerts()`;
  assert.deepEqual(await idsOn(db.sql), [1, 2]);
  assert.deepEqual(await ownAlerts(db, "clock"), ["clock critical"]);

  const today = new Date().toISOString().slice(0, 10);
  await db.sql`select strata.trust_clock(${today}::date)`;
  await db.sql`select strata.check_alerts()`;
  assert.deepEqual(await ownAlerts(db, "clock"), []);
  await db.sql`call strata.upkeep('5 seconds')`;
  assert.deepEqual(await idsOn(db.sql), [2]);
});

Deno.test("a wrong clock is not taken for right unseen", async () => {
  await using db = await alone();
  await setClock(db, "8 years");
  const today = new Date().toISOString().slice(0, 10);
  assert.equal((await refusal(db.sql`select strata.trust_clock(${today}::date)`)).code, "ST052");
  await db.sql`call strata.upkeep('5 seconds')`;
  assert.deepEqual(await idsOn(db.sql), [1, 2]);

  await setClock(db, "0 days");
  await db.sql`call strata.upkeep('5 seconds')`;
  assert.deepEqual(await idsOn(db.sql), [2]);
});

Deno.test("a tier without neighbours that is looked after every day goes on", async () => {
  await using db = await alone();
  for (const ahead of ["1 day", "2 days", "3 days"]) {
    await setClock(db, ahead);
    await db.sql`call strata.upkeep('5 seconds')`;
    const [row] = await db.sql`select strata.clock_trouble() as says`;
    assert.equal(row?.says, null, ahead);
  }
  assert.deepEqual(await idsOn(db.sql), [2]);
});

Deno.test("a clock that goes back decides nothing until it is where it was", async () => {
  await using db = await alone();
  await setClock(db, "-1 day");
  await db.sql`call strata.upkeep('5 seconds')`;
  assert.deepEqual(await idsOn(db.sql), [1, 2]);
  const [row] = await db.sql`select strata.clock_trouble() as says`;
  assert.match(row?.says, /^the clock of archive went back from /);
});
