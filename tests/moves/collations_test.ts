/** Keys that are equal by their collation, wherever it lies. */
import assert from "node:assert/strict";
import { makeNotes, moveTest, runOnce, setAsideOn, settle, troubleOf } from "../support/moves.ts";

const CI = `create collation public.ci
  (provider = icu, locale = 'und-u-ks-level2', deterministic = false);`;

/** A key's column, what it needs, and two values that are one key. */
const KEYS: Record<string, { make?: string; column: string; one: string; same: string }> = {
  "a column's": { column: "text collate public.ci", one: "Anna", same: "ANNA" },
  "a domain's": {
    make: "create domain public.name as varchar(9) collate public.ci",
    column: "public.name",
    one: "Anna",
    same: "ANNA",
  },
  "a column's and not its domain's": {
    make: `create domain public.name as text collate "C"`,
    column: "public.name collate public.ci",
    one: "Anna",
    same: "ANNA",
  },
  "an array's elements'": { column: "text[] collate public.ci", one: "{Anna}", same: "{ANNA}" },
  "an attribute's": {
    make: "create type public.full_name as (a text collate public.ci, b int)",
    column: "public.full_name",
    one: "(Anna,1)",
    same: "(ANNA,1)",
  },
  "an attribute's, in an array of a domain": {
    make: `create type public.full_name as (a text collate public.ci, b int);
      create domain public.someone as public.full_name`,
    column: "public.someone[]",
    one: '{"(Anna,1)"}',
    same: '{"(ANNA,1)"}',
  },
  "a range's": {
    make: "create type public.names as range (subtype = text, collation = public.ci)",
    column: "public.names",
    one: "[Anna,Zed)",
    same: "[ANNA,Zed)",
  },
  "a multirange's": {
    make: "create type public.names as range (subtype = text, collation = public.ci)",
    column: "public.multinames",
    one: "{[Anna,Zed)}",
    same: "{[ANNA,Zed)}",
  },
};

for (const [what, { make = "", column, one, same }] of Object.entries(KEYS)) {
  moveTest(`keys that are equal by ${what} collation settle once`, async (chain) => {
    const { core, main } = chain;
    const type = column === "public.multinames" ? "public.names_many" : column;
    const made = make.replace(
      "collation = public.ci)",
      "collation = public.ci, multirange_type_name = public.names_many)",
    );
    await core.sql.unsafe(`${CI} ${made};
      create table public.people (id ${type} primary key, v int, created_at timestamptz)`);
    await core.sql`select strata.manage('public.people', p_delete_after_days => null)`;
    const add = (key: string, v: number) =>
      core.sql.unsafe("insert into public.people values ($1, $2, now() - interval '100 days')", [
        key,
        v,
      ]);
    await add(one, 1);
    await settle(chain);
    assert.equal((await main.sql`select from public.people`).length, 1);
    await add(same, 2);
    await runOnce(chain);
    assert.deepEqual((await setAsideOn(core)).map(({ code }) => code), ["ST040"]);
    assert.equal((await main.sql`select from public.people`).length, 1);
    // What is kept is looked for by its key, on both tiers.
    await core.sql`delete from public.people`;
    await settle(chain);
  }, { drivers: ["push"] });
}

moveTest("a collation that cannot be made stops the dataset by its name", async (chain) => {
  const { core, main } = chain;
  await core.sql.unsafe(`create collation public.german (locale = 'C');
    create table public.people (id text collate public.german primary key, created_at timestamptz)`);
  await core.sql`select strata.manage('public.people')`;
  await runOnce(chain);
  assert.equal((await troubleOf(core, "people"))?.code, "ST026");
  assert.match(
    (await troubleOf(core, "people"))?.says ?? "",
    /collation public.german is missing on main/,
  );
  await main.sql`create collation public.german (locale = 'C')`;
  await core.sql`select strata.manage('public.people')`;
  await settle(chain);
}, { drivers: ["push"] });

moveTest("a table that was there with another collation is no twin", async (chain) => {
  const { core, main } = chain;
  await main.sql`create table public.notes (id bigint primary key, created_at timestamptz not null,
    body text collate "POSIX")`;
  await makeNotes(core);
  await runOnce(chain);
  assert.equal((await troubleOf(core))?.code, "ST022");
  assert.match(
    (await troubleOf(core))?.says ?? "",
    /column "body" .* is text, on main it is text collate POSIX/,
  );
}, { drivers: ["push"] });

moveTest("a cast of main's owner does not read what arrives", async (chain) => {
  const { core, main } = chain;
  await core.sql.unsafe(`create type public.pair as (a int, b text);
    create table public.pairs (id int primary key, created_at timestamptz, pair public.pair)`);
  await core.sql`select strata.manage('public.pairs')`;
  await settle(chain);
  await main.sql.unsafe(
    `create function public.read_pair(text) returns public.pair language sql immutable
      as $$ select row(0, 'read')::public.pair $$;
    create cast (text as public.pair) with function public.read_pair(text)`,
  );
  await core.sql`insert into public.pairs values (1, now() - interval '60 days', (1, 'x'))`;
  await settle(chain);
  assert.deepEqual([...await main.sql`select pair::text as pair from public.pairs`], [{
    pair: "(1,x)",
  }]);
}, { drivers: ["push"] });
