import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { killServer, startServer } from "../support/servers.ts";
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
  setAsideOn,
  settle,
  startJourney,
  THREE_TIERS,
  troubleOf,
} from "../support/moves.ts";

/** Notes 1 to 3, due on a main that knows the table. */
async function makeKnownNotes(chain: MoveChain): Promise<void> {
  await makeNotes(chain.core, 0);
  await settle(chain);
  await addNotes(chain.core.sql, 1, 3);
}

/** A table `public.keyed` on core, managed, with one row that is due for each key. */
async function makeKeyed(sql: Sql, type: string, keys: string[]): Promise<void> {
  await sql.unsafe(`create table public.keyed (id ${type} primary key,
    created_at timestamptz default now() - interval '90 days')`);
  for (const key of keys) await sql.unsafe(`insert into public.keyed (id) values ('${key}')`);
  await sql`select strata.manage('public.keyed')`;
}

async function keysOf(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`select id::text as id from public.keyed order by 1`;
  return rows.map(({ id }) => id);
}

moveTest("a twin that a crash would empty takes nothing in and proves nothing", async (chain) => {
  const { core, main } = chain;
  await makeKnownNotes(chain);
  const rows = await rowsOf(core);
  await main.sql`alter table public.notes set unlogged`;
  await runOnce(chain);
  assert.equal((await troubleOf(core))?.code, "ST027");
  assert.deepEqual([await rowsOf(core), await rowsOf(main)], [rows, []]);

  await main.sql`alter table public.notes set logged`;
  await endPauses(chain);
  const journey = await startJourney(chain);
  await journey.until("prove");
  await main.sql`alter table public.notes set unlogged`;
  await journey.step();
  await killServer("main");
  await startServer("main");
  await journey.session.end({ timeout: 0 });
  assert.deepEqual(await rowsOfChain(chain), rows);

  await main.sql`alter table public.notes set logged`;
  await endPauses(chain);
  await settle(chain);
  assert.deepEqual(await rowsOf(main), rows);
});

moveTest("a source whose commits do not wait for the disk loses no claim", async (chain) => {
  const { core, main } = chain;
  await makeKnownNotes(chain);
  await core.sql`alter database ${core.sql(core.name)} set synchronous_commit = off`;
  const journey = await startJourney(chain);
  await journey.until("prove");
  await killServer("core");
  await journey.session.end({ timeout: 0 });
  await startServer("core");
  await core.sql`delete from public.notes where id = 2`; // by its owner
  await endPauses(chain);

  await settle(chain);

  assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 3]]);
  await assertAtPeace(chain);
});

/** What changes rows without giving them another version. */
const RESHAPINGS: Record<string, string> = {
  "a column that is dropped and made anew":
    "alter table public.notes drop column body; alter table public.notes add column body text",
  "an attribute that is dropped and made anew":
    "alter type public.place drop attribute size; alter type public.place add attribute size integer",
  "a column that is added while there is no primary key":
    "alter table public.notes drop constraint notes_pkey, add column added integer default 7",
};

for (const [what, statements] of Object.entries(RESHAPINGS)) {
  moveTest(`${what} in mid-move is as its owner left it`, async (chain) => {
    const { core, main } = chain;
    await makeNotes(core, 0);
    await core.sql`create type public.place as (name text, size integer)`;
    await core.sql`alter table public.notes add column place public.place default ('here', 5)`;
    await addNotes(core.sql, 1, 3);
    const journey = await startJourney(chain);
    await journey.until("purge");
    await core.sql.unsafe(statements);
    const rows = await rowsOf(core);
    await journey.until("finish");
    assert.deepEqual([await rowsOf(core), await idsOf(main)], [rows, []]);
    await journey.session.end({ timeout: 0 });
  });
}

moveTest("a row that was on main before stays, whatever trigger looks on", async (chain) => {
  const { core, main } = chain;
  await makeKnownNotes(chain);
  await main.sql.unsafe(`create function public.look() returns trigger language plpgsql as
    $$ begin return new; end $$`);
  await main.sql`create trigger look before insert on public.notes
    for each row execute function public.look()`;
  const [second] = await core.sql`select created_at::text from public.notes where id = 2`;
  await main
    .sql`insert into public.notes values (2, ${second?.created_at}::text::timestamptz, 'note 2')`;
  const journey = await startJourney(chain);
  await journey.until("purge");
  await core.sql`delete from public.notes where id = 2`;

  await settle(chain);

  assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 2, 3]]);
  await assertAtPeace(chain);
});

moveTest("a row that a deferred trigger on main alters stays on core alone", async (chain) => {
  const { core, main } = chain;
  await makeKnownNotes(chain);
  const rows = await rowsOf(core);
  await main.sql.unsafe(
    `create function public.alter_it() returns trigger language plpgsql as $$ begin
    update public.notes set body = 'altered' where id = new.id and id = 2; return null; end $$`,
  );
  await main.sql`create constraint trigger alter_it after insert on public.notes
    deferrable initially deferred for each row execute function public.alter_it()`;

  await runOnce(chain);

  assert.deepEqual((await setAsideOn(core)).map(({ key, code }) => [key, code]), [["2", "ST042"]]);
  assert.deepEqual([await idsOf(core), await rowsOfChain(chain)], [[2], rows]);
});

moveTest("a deferred trigger on core that keeps one row keeps that row alone", async (chain) => {
  const { core, main } = chain;
  await makeKnownNotes(chain);
  await core.sql.unsafe(`create function public.keep() returns trigger language plpgsql as $$ begin
    if old.id = 2 then raise exception 'keep it'; end if; return null; end $$`);
  await core.sql`create constraint trigger keep after delete on public.notes
    deferrable initially deferred for each row execute function public.keep()`;
  await core.sql`select strata.manage('public.notes', p_delete_triggers => 'fire')`;

  await runOnce(chain);

  assert.deepEqual((await setAsideOn(core)).map(({ key, code }) => [key, code]), [["2", "P0001"]]);
  assert.deepEqual([await idsOf(core), await idsOf(main)], [[2], [1, 3]]);
});

moveTest("a column that was narrowed on main cuts nothing off", async (chain) => {
  const { core, main } = chain;
  await makeKnownNotes(chain);
  const rows = await rowsOf(core);
  await main.sql`alter table public.notes alter column body type varchar(4)`;

  await runOnce(chain);
  assert.equal((await troubleOf(core))?.code, "ST022");
  assert.deepEqual(await rowsOfChain(chain), rows);

  await main.sql`alter table public.notes alter column body type text`;
  await endPauses(chain);
  await settle(chain);
  assert.deepEqual(await rowsOf(main), rows);
});

moveTest("a row is held under any text that means its key", async (chain) => {
  const { core } = chain;
  await makeKeyed(core.sql, "numeric", ["1.0", "2"]);
  await core.sql`select strata.hold('keyed', array['1.00'], p_reason => 'being read')`;
  await settle(chain);
  assert.deepEqual(await keysOf(core.sql), ["1.0"]);
});

moveTest("a row under a key of fixed width, or of a boolean, is set aside", async (chain) => {
  const { core, main } = chain;
  await core.sql`create table public.keyed (id char(4), is_draft boolean,
    created_at timestamptz default now() - interval '90 days', primary key (id, is_draft))`;
  await core.sql`select strata.manage('public.keyed')`;
  await settle(chain);
  await main.sql`alter table public.keyed add check (id <> 'b')`;
  await core.sql`insert into public.keyed values ('a', true), ('b', true)`;

  await runOnce(chain);
  await runOnce(chain); // its pause is not over

  const aside = await core.sql`select attempts from strata.set_aside`;
  assert.deepEqual(aside.map(({ attempts }) => attempts), [1]);
});

moveTest("a row that another refers to in other letters stays (citext)", async (chain) => {
  const { core } = chain;
  await core.sql`create extension citext with schema extensions`;
  await makeKeyed(core.sql, "extensions.citext", ["ANN", "bob"]);
  await core.sql`create table public.pets (
    id integer primary key, owner extensions.citext references public.keyed on delete set null)`;
  await core.sql`insert into public.pets values (1, 'ann')`;

  await settle(chain);

  const pets = await core.sql`select owner::text as owner from public.pets`;
  assert.deepEqual([await keysOf(core.sql), pets.map(({ owner }) => owner)], [["ANN"], ["ann"]]);
});

moveTest("rows whose key's type has an equality of its own move (ltree)", async (chain) => {
  const { core, main } = chain;
  await core.sql`create extension ltree with schema extensions`;
  await makeKeyed(core.sql, "extensions.ltree", ["a.b", "a.c"]);
  await settle(chain);
  assert.deepEqual([await keysOf(core.sql), await keysOf(main.sql)], [[], ["a.b", "a.c"]]);
});

moveTest("rows of more than a hundred columns move", async (chain) => {
  const { core, main } = chain;
  const columns = Array.from({ length: 250 }, (_, n) => `column_${n} text default 'text ${n}'`);
  await core.sql.unsafe(`create table public.notes (id integer primary key,
    created_at timestamptz default now() - interval '90 days', ${columns.join(", ")})`);
  await core.sql`insert into public.notes values (1), (2)`;
  await core.sql`select strata.manage('public.notes')`;
  const rows = await rowsOf(core);

  await settle(chain);

  assert.deepEqual([await rowsOf(core), await rowsOf(main)], [[], rows]);
});

moveTest("a tier that is not the next one takes nothing up and gets nothing", async (chain) => {
  const { core, archive } = chain;
  await makeKnownNotes(chain);
  const journey = await startJourney(chain);
  await journey.until("purge");
  await journey.session.end({ timeout: 0 });
  const claim = core.sql`select strata.claim('notes', 'archive')`;
  await assert.rejects(claim, { code: "ST003" });

  await settle(chain);

  assert.deepEqual([await idsOf(core), await idsOf(archive)], [[], []]);
  await assertAtPeace(chain);
}, { tiers: THREE_TIERS });
