/** Twins that are other than what they stand for, and values that do not cross. */
import { connectLocally } from "../../local/cluster.ts";
import type { TestChain } from "../support/chain.ts";
import { manage, settle } from "../support/notes.ts";
import { testCluster } from "../support/stack.ts";
import { addNotes, type Case } from "./support.ts";

/** The notes have a state, and one of each tier's has settled: then its type is another one. */
const withState = (...onCore: string[]): Case["make"] => async (chain) => {
  const { sql } = chain.core;
  await sql`create type public.state as enum ('open', 'done')`;
  await sql`alter table public.notes add column state public.state default 'open'`;
  await addNotes(chain, 4);
  await settle(chain);
  for (const one of onCore) await sql.unsafe(one);
  await addNotes(chain, 5);
};

/** Table sums, of which each tier has its own. */
const sums = (computed: string) =>
  `create table public.sums (id int primary key, created_at timestamptz,
     twice int generated always as (${computed}) stored)`;

async function manageSums({ core, main }: TestChain, onCore: string[], onMain: string[]) {
  for (const one of onCore) await core.sql.unsafe(one);
  for (const one of onMain) await main.sql.unsafe(one);
  await manage(core.sql, "public.sums", { core_retention_days: 0, delete_after_days: null });
  await core.sql`insert into public.sums (id, created_at) values (1, '2020-01-01')`;
}

const doubles = (by: number) =>
  `create function public.doubles(int) returns int immutable language sql return $1 * ${by}`;

/** Of two rows the second has a value that does not cross. */
async function manageValues({ core }: TestChain, type: string, usual: string, odd: string) {
  await core.sql.unsafe(`
    create table public.vals (id int primary key, created_at timestamptz, v ${type});
    insert into public.vals values (1, '2020-01-01', ${usual}), (2, '2020-01-01', ${odd})`);
  await manage(core.sql, "public.vals", { core_retention_days: 0, delete_after_days: null });
}

/** By SQLSTATE. */
export const TWINS: Record<string, Case> = {
  ST034: {
    kind: "stands_still",
    make: withState("alter type public.state rename value 'open' to 'fresh'"),
    act: ({ main }, { says }) =>
      main.sql.unsafe(/\. On main: (.*;)/.exec(says)?.[1] ?? "select 1 / 0"),
  },
  ST035: {
    kind: "stands_still",
    make: withState(
      "alter type public.state rename to state_before",
      "create type public.state as enum ('fresh', 'done')",
      `alter table public.notes alter column state drop default,
         alter column state type public.state using 'fresh'`,
      "drop type public.state_before",
    ),
    on: "main",
    fill: ["public.state", "'open'", "'fresh'"],
  },
  ST037: {
    kind: "stands_still",
    make: (chain) => manageSums(chain, [sums("id * 2")], ["create type public.sums as (id int)"]),
    on: "main",
    fill: ["sums_type"],
  },
  ST038: {
    kind: "stands_still",
    make: (chain) => manageSums(chain, [sums("id * 2")], [sums("id + id")]),
    on: "main",
    fill: ["twice"],
  },
  ST046: {
    kind: "row_set_aside",
    make: (chain) =>
      manageSums(chain, [doubles(2), sums("public.doubles(id)")], [
        doubles(3),
        sums("public.doubles(id)"),
      ]),
    on: "main",
    fill: ["twice"],
  },
  ST049: {
    kind: "row_set_aside",
    async make({ core: { sql } }) {
      await sql.unsafe(`
        create table public.rings (id int primary key, created_at timestamptz, next_id int references public.rings);
        insert into public.rings select g, '2020-01-01', g % 30 + 1 from generate_series(1, 30) as g`);
      await sql`update strata.settings set value = 20 where name = 'batch_rows'`;
      await manage(sql, "public.rings", { core_retention_days: 0, delete_after_days: null });
    },
    on: "core",
    fill: ["30", "'batch_rows'"],
  },
  ST047: {
    kind: "row_set_aside",
    async make(chain) {
      await chain.core.sql`create table public.named (id int)`;
      await manageValues(chain, "regclass", "'pg_class'", "'public.named'");
    },
    act: ({ main }) => main.sql`create table public.named (id int)`,
  },
  ST048: {
    kind: "row_set_aside",
    async make(chain) {
      await chain.core.sql`create type public.mood as enum ('sad', 'gone')`;
      await manageValues(chain, "public.mood", "'sad'", "'gone'");
      const superuser = connectLocally(await testCluster("core"), chain.core.name);
      await superuser`delete from pg_catalog.pg_enum
        where enumtypid = 'public.mood'::regtype and enumlabel = 'gone'`;
      await superuser.end();
    },
    act: ({ core }) => core.sql`update public.vals set v = 'sad' where id = 2`,
  },
};
