/** Every command takes a dataset by its table's name as well, in any quoting that SQL knows. */
import assert from "node:assert/strict";
import { readTableName } from "../../cli/lib/table_name.ts";
import { commandLine } from "./support.ts";

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** Schema, table, and other ways to write them. */
const NAMES: [schema: string, table: string, ...others: string[]][] = [
  ["Shop.eu", "orders.2024"],
  ['a"b', "it's 100%"],
  ["größe", "日本語"],
  ["public", "Orders"],
  ["public", "orders", "public.orders", "PUBLIC.Orders", '"public".orders', "ORDERS"],
  ["s".repeat(63), "T".repeat(63)],
];

Deno.test("a table's name is read as SQL reads it", () => {
  const read = (text: string) => Object.values(readTableName(text) ?? {});
  assert.deepEqual(read('"Shop.eu"."a""b"'), ["Shop.eu", 'a"b']);
  assert.deepEqual(read("Shop.Orders"), ["shop", "orders"]);
  assert.deepEqual(read("Größe"), ["public", "größe"]);
  assert.deepEqual(read("a.b.c"), []);
});

Deno.test("every command takes a dataset by its table's name, in any quoting", async () => {
  await using cli = await commandLine(["core", "main"]);
  const core = cli.sql("core");
  await cli.strata("setup", "--init");
  const done = async (...args: string[]) => {
    const ran = await cli.strata(...args);
    assert.equal(ran.code, 0, `${args.join(" ")}: ${ran.out}${ran.err}`);
    return ran.out;
  };
  for (const [schema, table] of NAMES) {
    const full = `${quote(schema)}.${quote(table)}`;
    await core.unsafe(`create schema if not exists ${quote(schema)};
      create table ${full} ("Id ""x" text primary key, "Made At" timestamptz);
      insert into ${full} select 'K' || g, now() - interval '100 days' from generate_series(1, 3) as g`);
    await done("manage", full, "--age", "Made At");
    await done("hold", full, "K1", "--reason", "why not");
  }
  await done("sync");
  for (const [schema, table, ...others] of NAMES) {
    const full = `${quote(schema)}.${quote(table)}`;
    for (const name of [full, ...others]) {
      assert.match(await done("explain", name, "K1"), /why not/);
      assert.match(await done("explain", name, "K3"), /main +where +on main/);
      await done("plan", name);
    }
    assert.match(await done("hold", full, "--list"), /K1/);
    await done("audit", "--dataset", full);
    await done("sync", "--dataset", full);
    await done("unmanage", full, "--yes");
  }
  const policies = NAMES.map(([schema, table], at) =>
    `  set${at}: { table: ${
      JSON.stringify(`${quote(schema)}.${quote(table)}`)
    }, age_column: "Made At" }`
  );
  await cli.configure(`lifecycle_policies:\n${policies.join("\n")}`);
  await done("setup", "--init");
  const managed = await core`select table_name from strata.datasets where age_column = 'Made At'`;
  assert.equal(managed.length, NAMES.length);
});

Deno.test("a policy without a table is that of the table of its name, with its capitals", async () => {
  await using cli = await commandLine(["core", "main"]);
  const core = cli.sql("core");
  await core`create table public."Visits" (id int primary key, created_at timestamptz)`;
  await core`create table public."sales 2024" (id int primary key, created_at timestamptz)`;
  await core`create table public.bills (id int primary key, created_at timestamptz)`;
  await cli.configure('lifecycle_policies: { Visits: {}, "sales 2024": {}, Bills: {} }');
  const { code, out } = await cli.strata("setup", "--init");
  assert.equal(code, 0, out);
  const managed = await core`select name, table_name from strata.datasets
    where table_name in ('Visits', 'sales 2024', 'bills') order by table_name collate "C"`;
  assert.deepEqual(managed.map(({ table_name }) => table_name), ["Visits", "bills", "sales 2024"]);
});
