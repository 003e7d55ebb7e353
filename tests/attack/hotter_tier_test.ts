/** Whoever has taken core has the login with which it pushes to main. None of their code runs there. */
import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { idsOf, makeNotes, type MoveChain, moveTest, settle } from "../support/moves.ts";
import { refusal } from "../support/refusal.ts";
import { ASKED, asNeighbour } from "./support.ts";

const PUSH = { drivers: ["push"] } as const;

for (const call of ASKED["by the colder"]) {
  moveTest(
    `a tier that pushes cannot have anything deleted: ${call.split("(")[0]}`,
    async (chain) => {
      await makeNotes(chain.core);
      await settle(chain);
      await asNeighbour(chain.main, "core", async (sql) => {
        const { code } = await refusal(
          sql.unsafe(`select strata.${call.replace("'main'", "'archive'")}`),
        );
        assert.equal(code, "ST009");
      });
    },
    PUSH,
  );
}

type Description = Record<string, unknown> & {
  columns: unknown[];
  types: unknown[];
  holds: unknown[];
};

/** Code that leaves a trace on main if it is run. */
const CODE = "public.trace() is null";
const SQL = `integer); create table public.traced (id integer`;
const type = (name: string, mod?: unknown) => ({
  schema: "pg_catalog",
  name,
  ...(mod === undefined ? {} : { mod }),
});
const HOLD = {
  hold_id: "00000000-0000-0000-0000-000000000001",
  dataset: "notes",
  key: null,
  prevents: "delete",
  reason: "so",
  made_on: "core",
  made_at: "2026-01-01",
};

/** What a description may be forged into. Each is refused, or the forged part is left out or waits. */
const FORGED: Record<string, (honest: Description) => Partial<Description>> = {
  "SQL for a column's type": () => ({ columns: [{ name: "id", type: SQL }] }),
  "SQL for the name of a type": ({ columns }) => ({
    columns: [...columns, { name: "x", type: type(SQL) }],
  }),
  "SQL for a modifier": ({ columns }) => ({
    columns: [...columns, { name: "x", type: type("numeric", "1) default (public.trace()") }],
  }),
  "SQL for a column's name": ({ columns }) => ({
    columns: [...columns, { name: SQL, type: type("int4") }],
  }),
  "SQL for the key": () => ({ key: [`id) ; create table public.traced (x int)`] }),
  "a domain with a check": ({ columns, types }) => ({
    types: [...types, {
      schema: "public",
      name: "d",
      kind: "d",
      base: type("int4"),
      not_null: false,
      checks: [`check (${CODE})`],
    }],
    columns: [...columns, { name: "x", type: { schema: "public", name: "d" } }],
  }),
  "SQL for a domain's base": ({ types }) => ({
    types: [...types, {
      schema: "public",
      name: "d",
      kind: "d",
      base: `int4 check (${CODE})`,
      not_null: false,
    }],
  }),
  "SQL for an attribute": ({ types }) => ({
    types: [...types, { schema: "public", name: "c", kind: "c", attributes: ["x int4", SQL] }],
  }),
  "SQL for an enum's label": ({ types }) => ({
    types: [...types, {
      schema: "public",
      name: "e",
      kind: "e",
      labels: ["'); create table public.traced (x int); --"],
    }],
  }),
  "SQL for a range's subtype": ({ types }) => ({
    types: [...types, {
      schema: "public",
      name: "r",
      kind: "r",
      subtype: "int4, canonical = public.trace",
      multirange: { schema: "public", name: "m" },
    }],
  }),
  "a range with a canonical function": ({ types }) => ({
    types: [...types, {
      schema: "public",
      name: "r",
      kind: "r",
      subtype: type("int4"),
      canonical: "public.trace",
      multirange: { schema: "public", name: "m" },
    }],
  }),
  "SQL for a collation": ({ columns }) => ({
    columns: [...columns, {
      name: "x",
      type: type("text"),
      collation: {
        schema: "public",
        name: "c",
        provider: "i",
        locale: "und'); create table public.traced (x int); --",
        deterministic: true,
      },
    }],
  }),
  "an extension that brings more than types": ({ types }) => ({
    types: [...types, { schema: "public", name: "x", extension: "plpython3u" }],
  }),
  "SQL for a schema": () => ({ schema: `x"; create table public.traced (x int); --` }),
  "a condition as SQL": () => ({ due_when: CODE }),
  "a condition as SQL that waits": () => ({ due_when: null, due_when_sql: CODE }),
  "a hold as SQL": () => ({ holds: [{ ...HOLD, condition: CODE }] }),
  "a hold as SQL that waits": () => ({
    holds: [{ ...HOLD, condition: null, condition_sql: CODE }],
  }),
  "a condition over SQL": () => ({
    due_when: { op: "=", of: [{ column: "public.trace()" }, { word: "true" }] },
  }),
  "an age column that is SQL": () => ({
    age_column: "created_at) where public.trace() is null; --",
  }),
  "a table of Strata's": () => ({ schema: "strata", table: "settings" }),
  "a table of the catalogue": () => ({ schema: "pg_catalog", table: "pg_authid" }),
  "a table of pg_cron's": () => ({ schema: "cron", table: "job" }),
};

async function describedNotes(chain: MoveChain): Promise<Description> {
  await makeNotes(chain.core);
  await settle(chain);
  await chain.main.sql.unsafe(`create function public.trace() returns boolean language sql
    as $$ create table public.traced (at timestamptz) $$`.replace(
    "create table public.traced (at timestamptz)",
    "select pg_catalog.set_config('trace.d', 'yes', false) is null",
  ));
  await chain.main.sql.unsafe(
    `create or replace function public.trace() returns boolean language plpgsql
    as $$ begin create table if not exists public.traced (at timestamptz); return null; end $$`,
  );
  const [row] = await chain.core.sql<
    { described: Description }[]
  >`select strata.describe('notes') as described`;
  assert.ok(row);
  return row.described;
}

async function accept(sql: Sql, description: Partial<Description>): Promise<string> {
  try {
    await sql`select strata.accept(${JSON.stringify(description)}::text::jsonb, 'core')`;
    return "taken";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

for (const [what, forge] of Object.entries(FORGED)) {
  moveTest(`a description with ${what} runs nothing`, async (chain) => {
    const honest = await describedNotes(chain);
    const { main } = chain;
    for (const name of ["notes", "stolen"]) {
      const description = { ...honest, name, table: name, revision: 99, ...forge(honest) };
      await asNeighbour(main, "core", async (sql) => void await accept(sql, description));
      // Whatever was taken is used now: for claims, plans, deletions and holds.
      await main.sql`select strata.plan()`.catch(() => {});
      await main.sql.unsafe("call strata.delete_due()").catch(() => {});
    }
    const [trace] = await main.sql`select to_regclass('public.traced') is null as is_clean`;
    assert.ok(trace?.is_clean, "code of the hotter tier was run");
    assert.equal((await idsOf(main)).length, 3, "no row is gone");
  }, PUSH);
}

moveTest(
  "a condition in SQL keeps everything where it is until the owner takes it",
  async (chain) => {
    const honest = await describedNotes(chain);
    const { main } = chain;
    const condition = "exists (select from pg_catalog.pg_class)";
    await asNeighbour(main, "core", async (sql) => {
      assert.equal(
        await accept(sql, {
          ...honest,
          due_when_sql: condition,
          core_retention_days: 0,
          main_retention_days: 0,
          delete_after_days: 0,
        }),
        "taken",
      );
    });
    await main.sql`select strata.become('main', true)`;
    await main.sql.unsafe("call strata.delete_due()");
    assert.equal((await idsOf(main)).length, 3);
    const [trouble] = await main.sql`select trouble_sqlstate as code, remedy from strata.datasets`;
    assert.equal(trouble?.code, "ST028");
    const [remedy] =
      /select strata\.take_conditions\('notes', array\['exists .*'\]\)/.exec(trouble?.remedy) ?? [];
    await main.sql.unsafe(remedy ?? "select 'the remedy names no statement' / 0");
    const [after] = await main.sql`select trouble, due_when from strata.datasets`;
    assert.deepEqual({ ...after }, { trouble: null, due_when: condition });
    await main.sql.unsafe("call strata.delete_due()");
    assert.deepEqual(await idsOf(main), []);
  },
  PUSH,
);

moveTest("a table of main's own does not become a twin because core says so", async (chain) => {
  const honest = await describedNotes(chain);
  const { main } = chain;
  await main
    .sql`create table public.diary (id bigint primary key, created_at timestamptz not null default now(), body text)`;
  await main.sql`insert into public.diary values (1, '2000-01-01', 'mine')`;
  const description = { ...honest, name: "diary", table: "diary" };
  await asNeighbour(main, "core", async (sql) => {
    assert.equal(await accept(sql, description), "ST029");
    const { code, hint } = await refusal(
      sql`select strata.accept(${JSON.stringify(description)}::text::jsonb, 'core')`,
    );
    assert.equal(code, "ST029");
    const [remedy] = /select strata\.allow_twin\('[^']+'\)/.exec(hint ?? "") ?? [];
    await main.sql.unsafe(remedy ?? "select 'the remedy names no statement' / 0");
    assert.equal(await accept(sql, description), "taken");
  });
}, PUSH);

moveTest("core's login brings rows only to what core settles there", async (chain) => {
  await describedNotes(chain);
  const { main } = chain;
  await main
    .sql`create table public.diary (id bigint primary key, created_at timestamptz not null default now())`;
  await main.sql`select strata.manage('public.diary')`;
  await asNeighbour(main, "core", async (sql) => {
    const { code } = await refusal(sql`
      select strata.receive(gen_random_uuid(), 'diary', 'core', array['id', 'created_at'], '')`);
    assert.equal(code, "ST029");
  });
}, PUSH);

moveTest("a retraction takes back what its own move brought and nothing else", async (chain) => {
  await describedNotes(chain); // notes 1 to 3 are on main
  const { core, main } = chain;
  await core.sql`insert into public.notes values (7, now() - interval '60 days', 'new')`;
  const [batch] = await core.sql<{ id: string; columns: string[]; lines: string }[]>`
    select move_id as id, columns, lines from strata.claim('notes', 'main')`;
  assert.ok(batch);
  const { id, columns, lines } = batch;
  await asNeighbour(main, "core", async (sql) => {
    await sql`select strata.receive(${id}, 'notes', 'core', ${columns}, ${lines})`;
    const keys = [["1", "2", "7"]];
    const [proved] = await sql<{ proofs: string }[]>`
      select strata.prove(${id}, 'notes', ${columns}, ${keys})::text as proofs`;
    const [closed] = await sql`
      select strata.close_arrival(${id}, 'notes', 'core', ${columns}, array[1, 2, 3], ${keys}, ${
      proved?.proofs ?? ""
    }::text::bytea[]) as outcomes`;
    assert.deepEqual(closed?.outcomes, ["other", "other", "retracted"]);
  });
  assert.deepEqual(await idsOf(main), [1, 2, 3]);
}, PUSH);
