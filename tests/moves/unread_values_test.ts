/** Values that one of the two tiers cannot read. */
import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { connectLocally } from "../../local/cluster.ts";
import {
  endPauses,
  idsOf,
  type MoveChain,
  moveTest,
  runOnce,
  setAsideOn,
  settle,
  troubleOf,
} from "../support/moves.ts";
import { refusal } from "../support/refusal.ts";
import { testCluster } from "../support/stack.ts";

/** A managed table with a value column: rows 1 to 30, all due; row 7 has a value of its own. */
async function makeValues(sql: Sql, type: string, usual: string, odd: string): Promise<void> {
  await sql.unsafe(
    `create table public.vals (id int primary key, created_at timestamptz, v ${type});
    insert into public.vals select g, now() - interval '60 days' + g * interval '1 second', ${usual} from generate_series(1, 30) as g;
    update public.vals set v = ${odd} where id = 7`,
  );
  await sql`select strata.manage('public.vals')`;
}

/** Says that all rows but the seventh moved, and why that one did not. */
async function assertSeventhAside(chain: MoveChain, code: string, says: RegExp): Promise<void> {
  const { core, main } = chain;
  assert.equal(await troubleOf(core, "vals"), undefined);
  assert.deepEqual([await idsOf(core, "public.vals"), (await idsOf(main, "public.vals")).length], [
    [7],
    29,
  ]);
  const aside = await setAsideOn(core);
  assert.deepEqual(aside.map((row) => [row.key, row.code]), [["7", code]]);
  assert.match(aside[0]?.says ?? "", says);
}

const MISSING: Record<string, { make?: string; type: string; usual: string; odd: string }> = {
  "a table": {
    make: "create table public.tmpx (a int)",
    type: "regclass",
    usual: "'pg_class'",
    odd: "'public.tmpx'",
  },
  "a table, in an array": {
    make: "create table public.tmpx (a int)",
    type: "regclass[]",
    usual: "'{pg_class}'",
    odd: "'{pg_class,public.tmpx}'",
  },
  "a table, in a composite": {
    make: "create table public.tmpx (a int); create type public.pair as (a int, b regclass)",
    type: "public.pair",
    usual: "'(1,pg_class)'",
    odd: "'(1,public.tmpx)'",
  },
  "a table, in a domain": {
    make: "create table public.tmpx (a int); create domain public.tab as regclass",
    type: "public.tab",
    usual: "'pg_class'",
    odd: "'public.tmpx'",
  },
  "a function": {
    make: "create function public.tmpf() returns int language sql as 'select 1'",
    type: "regproc",
    usual: "'pg_catalog.now'",
    odd: "'public.tmpf'",
  },
  "a function with its arguments": {
    make: "create function public.tmpf(int) returns int language sql as 'select 1'",
    type: "regprocedure",
    usual: "'pg_catalog.now()'",
    odd: "'public.tmpf(int)'",
  },
  "an operator": {
    make: "create operator public.=== (leftarg = int, rightarg = int, function = int4eq)",
    type: "regoperator",
    usual: "'=(int,int)'",
    odd: "'public.===(int,int)'",
  },
  "a type": {
    make: "create type public.tmpt as (a int)",
    type: "regtype",
    usual: "'int'",
    odd: "'public.tmpt'",
  },
  "a schema": {
    make: "create schema tmps",
    type: "regnamespace",
    usual: "'public'",
    odd: "'tmps'",
  },
  "a text search configuration": {
    make: "create text search configuration public.tmpc (copy = english)",
    type: "regconfig",
    usual: "'english'",
    odd: "'public.tmpc'",
  },
  "a dictionary": {
    make: "create text search dictionary public.tmpd (template = simple)",
    type: "regdictionary",
    usual: "'simple'",
    odd: "'public.tmpd'",
  },
  "a collation": {
    make: `create collation public.tmpl from "C"`,
    type: "regcollation",
    usual: `'"C"'`,
    odd: "'public.tmpl'",
  },
};

for (const [what, { make, type, usual, odd }] of Object.entries(MISSING)) {
  moveTest(`a value that names ${what} main lacks is set aside, the others move`, async (chain) => {
    const { core, main } = chain;
    if (make !== undefined) await core.sql.unsafe(make);
    await makeValues(core.sql, type, usual, odd);
    await runOnce(chain);
    await runOnce(chain);
    await assertSeventhAside(
      chain,
      "ST047",
      /^main refuses the row: column "v": .*(tmp|public.===)/,
    );
    await main.sql.unsafe(
      what.includes("composite") || what.includes("domain")
        ? "create table public.tmpx (a int)"
        : make ?? "",
    );
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual((await idsOf(main, "public.vals")).length, 30);
  }, { drivers: ["push"] });
}

for (const [what, odd] of Object.entries({ "nothing": "0", "what is gone": "16384999::oid" })) {
  moveTest(`a number that names ${what} moves as it is`, async (chain) => {
    const { core, main } = chain;
    await makeValues(core.sql, "regclass", "'pg_class'", odd);
    await settle(chain);
    assert.deepEqual(await idsOf(core, "public.vals"), []);
    const [row] = await main.sql`select v::oid::bigint::text as v from public.vals where id = 7`;
    assert.equal(row?.v, odd.replace("::oid", ""));
  });
}

/** The number of a table of main's that is no table's on core. */
async function numberOnMainAlone({ core, main }: MoveChain): Promise<string> {
  for (let at = 0; at < 500; at++) {
    await main.sql.unsafe(`create table public.more_${at} (id int)`);
    const [there] = await main.sql`select ${`public.more_${at}`}::text::regclass::oid::text as oid`;
    const [here] = await core.sql`
      select count(*)::int as n from pg_class where oid = ${there?.oid}::text::oid`;
    if (here?.n === 0) return there?.oid;
  }
  throw new Error("every number of main's is one of core's as well");
}

moveTest("a number that names something on main alone is set aside", async (chain) => {
  const number = await numberOnMainAlone(chain);
  await makeValues(chain.core.sql, "regclass", "'pg_class'", `${number}::oid`);
  await runOnce(chain);
  await assertSeventhAside(chain, "ST047", /column "v" would be another value on main/);
});

moveTest("rights of a role that main lacks are set aside", async (chain) => {
  const { core } = chain;
  const role = `strata_test_${crypto.randomUUID().slice(0, 8)}`;
  await core.sql.unsafe(`create role ${role}`);
  try {
    await makeValues(core.sql, "aclitem", "'postgres=r/postgres'", `'${role}=r/postgres'`);
    await runOnce(chain);
    await assertSeventhAside(chain, "ST047", /column "v": role "strata_test_\w+" does not exist/);
  } finally {
    await core.sql.unsafe(`drop role ${role}`);
  }
}, { drivers: ["push"] });

moveTest("a value that a domain of main refuses, deep inside, is set aside", async (chain) => {
  const { core, main } = chain;
  await main.sql`create domain public.few as int check (value < 5)`;
  await core.sql.unsafe(`create domain public.few as int;
    create type public.deep as (a public.few[], b text)`);
  await makeValues(
    core.sql,
    "public.deep[]",
    "array[row('{1}', 'x')::public.deep]",
    "array[row('{9}', 'x')::public.deep]",
  );
  await runOnce(chain);
  await assertSeventhAside(
    chain,
    "23514",
    /column "v": value for domain public.few violates check/,
  );
});

moveTest("a key whose domain main checks otherwise stops nobody", async (chain) => {
  const { core, main } = chain;
  await main.sql`create domain public.few as int check (value <> 7)`;
  await core.sql.unsafe(`create domain public.few as int;
    create table public.vals (id public.few primary key, created_at timestamptz);
    insert into public.vals select g, now() - interval '60 days' from generate_series(1, 30) as g`);
  await core.sql`select strata.manage('public.vals')`;
  await runOnce(chain);
  await assertSeventhAside(
    chain,
    "23514",
    /column "id": value for domain public.few violates check/,
  );
});

moveTest("a value that cannot be read here is set aside, the others move", async (chain) => {
  const { core, main } = chain;
  await core.sql`create type public.mood as enum ('sad', 'gone')`;
  await makeValues(core.sql, "public.mood[]", "'{sad}'", "'{sad,gone}'");
  const superuser = connectLocally(await testCluster("core"), core.name);
  await superuser`delete from pg_catalog.pg_enum
    where enumtypid = 'public.mood'::regtype and enumlabel = 'gone'`;
  await superuser.end();
  await runOnce(chain);
  await runOnce(chain);
  await assertSeventhAside(
    chain,
    "ST048",
    /column "v" cannot be read: invalid internal value for enum/,
  );
  await core.sql`update public.vals set v = '{sad}'`;
  await endPauses(chain);
  await settle(chain);
  assert.deepEqual((await idsOf(main, "public.vals")).length, 30);
});

moveTest(
  "types that Postgres does not read, and keys that are names, are refused",
  async ({ core }) => {
    for (
      const [columns, says] of [
        [
          "id int primary key, v pg_node_tree",
          /column "v".* writes values of pg_node_tree and reads none/,
        ],
        ["id regclass primary key", /column "id" of the primary key .* regclass/],
        ["id int primary key, v oid", /column "v" .* large objects cannot cross/],
        ["id int primary key, v public.oids", /column "v" .* large objects cannot cross/],
      ] as const
    ) {
      await core.sql.unsafe(
        `drop domain if exists public.oids cascade; drop table if exists public.odd;
      create domain public.oids as oid[]; create table public.odd (${columns}, created_at timestamptz)`,
      );
      const { code, message } = await refusal(core.sql`select strata.manage('public.odd')`);
      assert.equal(code, "ST010");
      assert.match(message, says);
    }
  },
  { drivers: ["push"] },
);
