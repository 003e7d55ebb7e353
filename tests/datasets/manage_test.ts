import { assertEquals } from "@std/assert";
import type { Sql } from "postgres";
import { testChain } from "../support/chain.ts";
import { testDatabase } from "../support/database.ts";
import {
  addNote,
  createNotes,
  idsOn,
  manage,
  manageNotes,
  type Policy,
  settle,
} from "../support/notes.ts";
import { refusal } from "../support/refusal.ts";

async function core() {
  const db = await testDatabase("core");
  await db.sql`select strata.become('core')`;
  return db;
}

async function dataset(sql: Sql, name: string) {
  const [row] = await sql`
    select schema_name, table_name, key_columns, age_column from strata.datasets where name = ${name}`;
  return row;
}

Deno.test("manage() writes the policy down, with the defaults for what is left out", async () => {
  await using db = await core();
  await createNotes(db.sql);
  await db.sql`select strata.manage('public.notes')`;
  const [row] = await db.sql`
    select name, schema_name, table_name, key_columns, age_column, core_retention_days as core,
           main_retention_days as main, delete_after_days as delete, due_when, size_limit_kb,
           delete_triggers, revision
      from strata.datasets`;
  assertEquals(row, {
    name: "notes",
    schema_name: "public",
    table_name: "notes",
    key_columns: ["id"],
    age_column: "created_at",
    core: 30,
    main: 365,
    delete: 2555,
    due_when: null,
    size_limit_kb: 100,
    delete_triggers: null,
    revision: "1",
  });
});

const KEYS: [string, string, string[]][] = [
  ["a uuid", "id uuid primary key", ["id"]],
  ["a bigint identity", "id bigint generated always as identity primary key", ["id"]],
  ["a text", "name text primary key", ["name"]],
  ["two columns, in the key's order", "a int, b date, primary key (b, a)", ["b", "a"]],
  ["a column with a name to quote", '"My ""Key""" int primary key', ['My "Key"']],
];

for (const [what, columns, key] of KEYS) {
  Deno.test(`manage() adopts a table whose primary key is ${what}`, async () => {
    await using db = await core();
    await db.sql.unsafe(`create table public.things (${columns}, created_at timestamptz)`);
    assertEquals(await manage(db.sql, "public.things"), "things");
    assertEquals((await dataset(db.sql, "things"))?.key_columns, key);
  });
}

const NAMES: [string, string, string, string][] = [
  ['public."My Table"', "My Table", "public", "My Table"],
  ['public."select"', "select", "public", "select"],
  ["shop.orders", "shop.orders", "shop", "orders"],
  [`"Odd Shop"."it's \"\"here\"\""`, `Odd Shop.it's "here"`, "Odd Shop", `it's "here"`],
];

for (const [relation, name, schema_name, table_name] of NAMES) {
  Deno.test(`manage() adopts ${relation} and moves its rows`, async () => {
    await using chain = await testChain();
    const { core, archive } = chain;
    await core.sql.unsafe(`
      create schema if not exists ${relation.split(".")[0]};
      create table ${relation} (id int primary key, "Born at" timestamptz);
      insert into ${relation} values (1, '2000-01-01')`);
    const policy = { age_column: "Born at", core_retention_days: 0, main_retention_days: 0 };
    assertEquals(await manage(core.sql, relation, policy), name);
    assertEquals(await dataset(core.sql, name), {
      schema_name,
      table_name,
      key_columns: ["id"],
      age_column: "Born at",
    });
    await settle(chain);
    assertEquals(await idsOn(core.sql, relation), []);
    assertEquals(await idsOn(archive.sql, relation), [1]);
  });
}

Deno.test("manage() takes a name of the owner's choice", async () => {
  await using db = await core();
  await createNotes(db.sql);
  assertEquals(await manage(db.sql, "public.notes", { dataset: "scribbles" }), "scribbles");
});

Deno.test("manage() a second time changes nothing", async () => {
  await using db = await core();
  await manageNotes(db.sql, { due_when: "body <> ''" });
  const [once] = await db.sql`select *, xmin from strata.datasets`;
  await manage(db.sql, "public.notes", { due_when: "body <> ''" });
  const [twice] = await db.sql`select *, xmin from strata.datasets`;
  assertEquals(twice, once);
});

Deno.test("manage() with another policy counts a revision up", async () => {
  await using db = await core();
  await manageNotes(db.sql);
  await manage(db.sql, "public.notes", { core_retention_days: 7 });
  assertEquals([...await db.sql`select core_retention_days, revision from strata.datasets`], [
    { core_retention_days: 7, revision: "2" },
  ]);
});

/** A policy without a number that is a default. */
const OWN: Policy = {
  age_column: "placed_at",
  core_retention_days: 60,
  main_retention_days: 730,
  delete_after_days: null,
  due_when: "id > 1",
  size_limit_kb: null,
};

/** The policy of `orders` as it is written down. */
async function ordersPolicy(sql: Sql) {
  const [row] = await sql`
    select name, age_column, core_retention_days, main_retention_days, delete_after_days, due_when,
           size_limit_kb from strata.datasets`;
  return row;
}

const ONE_MORE: [string, Policy, Policy][] = [
  ["nothing", {}, {}],
  ["an age", { core_retention_days: 90 }, {}],
  ["the age of deletion", { delete_after_days: 4000 }, {}],
  ["never", { main_retention_days: null }, {}],
  ["never, as a number", { main_retention_days: -1 }, { main_retention_days: null }],
  ["no condition", { due_when: null }, {}],
  ["a size limit", { size_limit_kb: 7 }, {}],
  ["another age column", { age_column: "seen_at" }, {}],
];

for (const [what, said, written] of ONE_MORE) {
  Deno.test(`manage() that says ${what} of a managed table leaves the rest as it is`, async () => {
    await using db = await core();
    await db.sql`create table public.orders (id int primary key, placed_at date, seen_at date)`;
    await manage(db.sql, "public.orders", { ...OWN, dataset: "sales" });
    assertEquals(await manage(db.sql, "public.orders", said), "sales");
    assertEquals(await ordersPolicy(db.sql), { name: "sales", ...OWN, ...said, ...written });
  });
}

Deno.test("manage() refuses one age that does not go with those that are kept", async () => {
  await using db = await core();
  await manageNotes(db.sql, { core_retention_days: 60, main_retention_days: 730 });
  assertEquals(await refusal(manage(db.sql, "public.notes", { core_retention_days: 900 })), {
    code: "ST012",
    message:
      'the policy of "notes" makes no sense: core_retention_days is 900, main_retention_days is 730',
    hint: "Ages grow down the chain: make main_retention_days 900 or more, or never, " +
      "or core_retention_days 730 or less.",
  });
});

Deno.test("manage() of no table says so", async () => {
  await using db = await core();
  assertEquals(await refusal(db.sql`select strata.manage(null)`), {
    code: "ST010",
    message: "p_relation is null",
    hint: "Name the table: strata.manage('public.orders').",
  });
});

Deno.test("a changed policy takes effect, and travels down the chain when nothing is due", async () => {
  await using chain = await testChain();
  const { core, main, archive } = chain;
  await manageNotes(core.sql);
  await settle(chain);
  await manage(core.sql, "public.notes", { delete_after_days: 4000, due_when: "id > 1" });
  await settle(chain);

  for (const { sql } of [main, archive]) {
    assertEquals([...await sql`select delete_after_days, due_when from strata.datasets`], [
      { delete_after_days: 4000, due_when: "id > 1" },
    ]);
  }
});

Deno.test("-1 and null are both ways to say never", async () => {
  await using db = await core();
  await manageNotes(db.sql, {
    core_retention_days: 30,
    main_retention_days: -1,
    delete_after_days: null,
  });
  assertEquals([
    ...await db.sql`select main_retention_days, delete_after_days from strata.datasets`,
  ], [
    { main_retention_days: null, delete_after_days: null },
  ]);
});

Deno.test("two tables cannot be one dataset, nor one table two datasets", async () => {
  await using db = await core();
  await manageNotes(db.sql);
  await db.sql`create table public.other (id int primary key, created_at timestamptz)`;

  assertEquals(await refusal(manage(db.sql, "public.other", { dataset: "notes" })), {
    code: "ST010",
    message: 'dataset "notes" is table public.notes already',
    hint: "Choose another name with p_dataset, or unmanage the other table first.",
  });
  assertEquals(await refusal(manage(db.sql, "public.notes", { dataset: "again" })), {
    code: "ST010",
    message: "table public.notes is managed already, as another dataset",
    hint: "Unmanage that dataset first: " +
      "select name, schema_name, table_name from strata.datasets.",
  });
});

Deno.test("what was in the way of a dataset is forgotten when its policy changes", async () => {
  await using db = await core();
  await manageNotes(db.sql);
  await db.sql`select strata.note_failure('notes', 'ST022', 'something')`;
  await manage(db.sql, "public.notes", { core_retention_days: 7 });
  assertEquals([...await db.sql`select trouble, failures, next_try_at from strata.datasets`], [
    { trouble: null, failures: 0, next_try_at: null },
  ]);
});

Deno.test("a refused table is left as it was", async () => {
  await using db = await core();
  await createNotes(db.sql);
  await refusal(manage(db.sql, "public.notes", { core_retention_days: 9, main_retention_days: 3 }));
  assertEquals([...await db.sql`select from strata.datasets`], []);
  const indexes = await db.sql`select from pg_index where indrelid = 'public.notes'::regclass`;
  assertEquals(indexes.length, 1); // the primary key's
  await addNote(db.sql, 1, null);
});
