import assert from "node:assert/strict";
import {
  addNotes,
  assertAtPeace,
  endPauses,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  rowsOf,
  rowsOfChain,
  runOnce,
  settle,
  troubleOf,
} from "../support/moves.ts";
import { testChain } from "../support/chain.ts";
import { canMount, smallDisk } from "../support/small_disk.ts";

/** Notes and letters, both known to main, both with rows due. Returns the notes as they are. */
async function makeNotesAndLetters(chain: MoveChain): Promise<string[]> {
  const { core } = chain;
  await makeNotes(core, 0);
  await core.sql`create table public.letters (id bigint primary key, created_at timestamptz)`;
  await core.sql`select strata.manage('public.letters')`;
  await settle(chain);
  await addNotes(core.sql, 1, 3);
  await core.sql`insert into public.letters values (1, now() - interval '90 days')`;
  return await rowsOf(core);
}

/** Says that the notes stand still for this reason, safe on core, while the letters have moved. */
async function assertOnlyNotesStandStill(
  chain: MoveChain,
  notes: string[],
  expected: { code: string; says: RegExp; remedy: RegExp },
): Promise<void> {
  const { core, main } = chain;
  const trouble = await troubleOf(core);
  assert.equal(trouble?.code, expected.code);
  assert.match(trouble?.says ?? "", expected.says);
  assert.match(trouble?.remedy ?? "", expected.remedy);
  assert.deepEqual(await rowsOf(core), notes);
  assert.deepEqual([await idsOf(core, "public.letters"), await idsOf(main, "public.letters")], [
    [],
    [1],
  ]);
}

/** Says that, the cause being mended, everything moves. */
async function assertMoves(chain: MoveChain, notes: string[]): Promise<void> {
  await endPauses(chain);
  await settle(chain);
  assert.deepEqual(await rowsOf(chain.main), notes);
  assert.deepEqual(await rowsOfChain(chain), notes);
  await assertAtPeace(chain);
}

moveTest("a rule for deletions on the twin stops its dataset alone", async (chain) => {
  const { main } = chain;
  const notes = await makeNotesAndLetters(chain);
  await main.sql`
    create rule soft as on delete to public.notes do instead
      update public.notes set body = 'deleted' where id = old.id returning notes.*`;
  await runOnce(chain);
  await assertOnlyNotesStandStill(chain, notes, {
    code: "ST010",
    says: /twin public.notes on main has rule "soft", which is followed when a row is deleted/,
    remedy: /change what the message names/,
  });
  await main.sql`drop rule soft on public.notes`;
  await assertMoves(chain, notes);
});

moveTest(
  "a dropped twin stops its dataset alone, until it is said to be started anew",
  async (chain) => {
    const { main } = chain;
    const notes = await makeNotesAndLetters(chain);
    await main.sql`drop table public.notes`;

    await runOnce(chain);
    await endPauses(chain);
    await runOnce(chain);

    await assertOnlyNotesStandStill(chain, notes, {
      code: "ST020",
      says: /the twin public\.notes is gone from main/,
      remedy: /restore the table .* select strata\.forget_twin\('notes'\);$/,
    });
    await main.sql`select strata.forget_twin('notes')`;
    await assertMoves(chain, notes);
  },
);

moveTest(
  "a column dropped from the twin stops its dataset alone, until it is back",
  async (chain) => {
    const { main } = chain;
    const notes = await makeNotesAndLetters(chain);
    await main.sql`alter table public.notes drop column body`;

    await runOnce(chain);
    await endPauses(chain);
    await runOnce(chain);

    await assertOnlyNotesStandStill(chain, notes, {
      code: "ST021",
      says: /column "body" is gone from twin/,
      remedy: /add it again on that tier: alter table public\.notes add column/,
    });
    await main.sql`alter table public.notes add column body text`;
    await assertMoves(chain, notes);
  },
);

moveTest(
  "a disk that says it is full stops its dataset alone, until it has room",
  async (chain) => {
    const { main } = chain;
    const notes = await makeNotesAndLetters(chain);
    await main.sql.unsafe(`create function public.fill() returns trigger language plpgsql as
    $$ begin raise exception 'no space left on device' using errcode = '53100'; end $$`);
    await main.sql`create trigger fill before insert on public.notes
    for each statement execute function public.fill()`;

    await runOnce(chain);

    await assertOnlyNotesStandStill(chain, notes, {
      code: "53100",
      says: /^copy: no space left on device$/,
      remedy: /free space on that server/,
    });
    await main.sql`drop trigger fill on public.notes`;
    await assertMoves(chain, notes);
  },
);

moveTest(
  "a dataset that fails again and again is tried at growing intervals, with smaller batches",
  async (chain) => {
    const { core, main } = chain;
    await makeNotesAndLetters(chain);
    await core.sql`update strata.settings set value = 100 where name = 'batch_bytes'`;
    await main.sql.unsafe(`create function public.fill() returns trigger language plpgsql as
    $$ begin raise exception 'no space left on device' using errcode = '53100'; end $$`);
    await main.sql`create trigger fill before insert on public.notes
    for each statement execute function public.fill()`;

    const pauses: number[] = [];
    for (let attempt = 1; attempt <= 4; attempt++) {
      await runOnce(chain);
      const [row] = await core.sql`
      select (extract(epoch from next_try_at - now()) / 60)::integer as minutes from strata.datasets
       where name = 'notes'`;
      pauses.push(row?.minutes);
      await endPauses(chain);
    }
    assert.deepEqual(pauses, [1, 2, 4, 8]);

    const moves = await core.sql`select rows_claimed, last_sqlstate from strata.moves
    where dataset = 'notes' order by started_at`;
    assert.deepEqual(moves.map((move) => ({ ...move })), [
      { rows_claimed: 3, last_sqlstate: "53100" },
      { rows_claimed: 2, last_sqlstate: "53100" },
      { rows_claimed: 1, last_sqlstate: "53100" },
      { rows_claimed: 1, last_sqlstate: "53100" },
    ]);
  },
);

const MAY_MOUNT = await canMount();
if (!MAY_MOUNT) {
  console.log("No file system may be mounted here: full disks are left to the trigger.");
}

for (const driver of MAY_MOUNT ? ["push", "pull"] as const : []) {
  Deno.test(`a disk that is really full stops its dataset alone, until it has room (${driver})`, async () => {
    await using disk = await smallDisk("main", 2);
    await using chain = Object.assign(await testChain({ driver, tiers: ["core", "main"] }), {
      driver,
    });
    const { core, main } = chain;
    await makeNotesAndLetters(chain);
    await core.sql`update public.notes set body = repeat(md5(id::text), 40000) where id = 3`;
    await core.sql`alter table public.notes alter column body set storage external`;
    await main.sql`alter table public.notes alter column body set storage external`;
    const notes = await rowsOf(core);
    await main.sql`alter table public.notes set tablespace ${main.sql(disk.tablespace)}`;
    await main.sql`insert into public.notes select -n, now(), repeat(md5(n::text), 10000)
      from generate_series(1, 4) as n`;

    await runOnce(chain);

    await assertOnlyNotesStandStill(chain, notes, {
      code: "53100",
      says: /^copy: could not extend file .*: No space left on device/,
      remedy: /free space on that server/,
    });
    await main.sql`alter table public.notes set tablespace pg_default`;
    await main.sql`delete from public.notes where id < 0`;
    await assertMoves(chain, notes);
  });
}
