import { assert, assertEquals, assertMatch } from "@std/assert";
import { testDatabase } from "../support/database.ts";
import { type Application, application } from "../support/application.ts";
import { commandLine, strata } from "./support.ts";

type Sql = Awaited<ReturnType<typeof testDatabase>>["sql"];

/** As a project is before anybody has pushed to it. */
async function emptied(sql: Sql): Promise<void> {
  await sql.unsafe(`drop schema strata cascade; drop schema public cascade; create schema public`);
}

async function succeeds(pushed: Promise<{ code: number; output: string }>): Promise<string> {
  const { code, output } = await pushed;
  assertEquals(code, 0, output);
  return output;
}

const has = async (sql: Sql, name: string) =>
  (await sql`select to_regclass(${name}) is not null as there`)[0]?.["there"] as boolean;

async function added(shop: Application, ...flags: string[]): Promise<string> {
  const { code, out, err } = await strata(["add", shop.path, "--yes", ...flags]);
  assertEquals(code, 0, out + err);
  return out;
}

Deno.test("add puts one migration among the owner's own, and his push ships it, from any clone", async () => {
  await using shop = await application();
  await using cli = await commandLine(["core", "main"]);
  const core = cli.sql("core");
  const url = cli.databases.get("core")?.url ?? "";
  await emptied(core);
  await succeeds(shop.push(url));
  assertEquals(await has(core, "strata.datasets"), false);

  await added(shop);
  const [, , file = ""] = await shop.files("migrations");
  assertMatch(file, /^2027\d{10}_strata\.sql$/, "after the owner's newest, whatever its date");
  await succeeds(shop.push(url));
  assert(await has(core, "strata.datasets"));
  assertEquals(await has(core, "public.tasks"), false, "the companion was not asked for");

  const set = await cli.strata("setup", "--init");
  assertEquals(set.code, 0, set.out + set.err);
  await shop.write(
    "migrations/20280101000000_more.sql",
    "create table public.more (id bigint primary key);",
  );
  await using clone = await shop.clone();
  await succeeds(clone.push(url));
  assert(await has(core, "public.more"));
  assertMatch(await succeeds(shop.push(url)), /up to date/i);
  assertMatch(await added(shop), /nothing was done/);
});

Deno.test("after setup alone an owner who has nothing of Strata in his project pushes as before", async () => {
  await using shop = await application();
  await using cli = await commandLine(["core", "main"]);
  const url = cli.databases.get("core")?.url ?? "";
  await emptied(cli.sql("core"));
  await succeeds(shop.push(url));
  const set = await cli.strata("setup", "--init");
  assertEquals(set.code, 0, set.out + set.err);
  await shop.write(
    "migrations/20280101000000_more.sql",
    "create table public.more (id bigint primary key);",
  );
  await succeeds(shop.push(url));
  assert(await has(cli.sql("core"), "public.more"));

  await added(shop); // and if he wants it after all
  await succeeds(shop.push(url));
  assert(await has(cli.sql("core"), "strata.datasets"));
});

Deno.test("add again upgrades by one more file; a fresh database gets there over both", async () => {
  await using shop = await application();
  await using db = await testDatabase();
  await using fresh = await testDatabase();
  await emptied(db.sql);
  await emptied(fresh.sql);
  await added(shop);
  const [, , first = ""] = await shop.files("migrations");
  const older = (await shop.read(`migrations/${first}`)).replace(
    /^-- digest .*$/m,
    `-- digest ${"0".repeat(64)}`,
  );
  await shop.write(`migrations/${first}`, older);
  await succeeds(shop.push(db.url));

  assertMatch(await added(shop), /upgrades what the files before it installed/);
  const migrations = await shop.files("migrations");
  assertEquals(migrations.filter((name) => name.endsWith("_strata.sql")).length, 2);
  await succeeds(shop.push(db.url));
  await succeeds(shop.push(fresh.url));
  for (const { sql } of [db, fresh]) {
    assertEquals((await sql`select from strata.releases where product = 'strata'`).length, 1);
  }
});

Deno.test("the functions somebody wants come with their pinned imports, and the rest of the project stays", async () => {
  await using shop = await application();
  const config = await shop.read("config.toml");
  await added(shop, "--functions", "all");
  const functions = await shop.files("functions");
  assert(functions.includes("checkout"));
  assertEquals(await shop.read("functions/_shared/cors.ts"), "export const cors = {};\n");
  const now = await shop.read("config.toml");
  assertMatch(now, /schemas = \["public", "graphql_public", "strata"\]/);
  for (const name of functions.filter((one) => one.startsWith("strata-"))) {
    assertMatch(now, new RegExp(`^\\[functions\\.${name}\\]$`, "m"));
    assertMatch(await shop.read(`functions/${name}/deno.json`), /"npm:zod@\d/);
  }
  assertMatch(await added(shop, "--functions", "all"), /nothing was done/);
  assertMatch(
    await added(shop),
    /nothing was done/,
    "an upgrade keeps the functions that are there",
  );
  assertEquals(await shop.read("config.toml"), now);

  const { code, err } = await strata(["remove", shop.path, "--yes"]);
  assertEquals(code, 0, err);
  assertEquals(await shop.read("config.toml"), config);
  assertEquals(await shop.files("functions"), ["_shared", "checkout"]);
});

Deno.test("remove leaves a database with the owner's tables and rows, and his pushes go on", async () => {
  await using shop = await application();
  await using cli = await commandLine(["core", "main"]);
  const core = cli.sql("core");
  const url = cli.databases.get("core")?.url ?? "";
  await emptied(core);
  await added(shop);
  await succeeds(shop.push(url));
  await cli.configure(
    "lifecycle_policies: { orders: { age_column: placed_at, core_retention_days: 30, table: public.orders } }",
  );
  await core`insert into public.orders (id, placed_at) values (1, now() - interval '60 days'), (2, now())`;
  const sync = await cli.strata("setup", "--init").then(() => cli.strata("sync"));
  assertEquals(sync.code, 0, sync.out + sync.err);

  await strata(["remove", shop.path, "--yes"]);
  const refused = await shop.push(url);
  assert(refused.code !== 0);
  assertMatch(refused.output, /rows have settled on colder tiers \(1 of orders\)/);
  assert(await has(core, "strata.datasets"), "nothing was done");

  const again = await strata(["remove", shop.path, "--leave-rows", "--yes"]);
  assertEquals(again.code, 0, again.err);
  await succeeds(shop.push(url));
  assertEquals(await has(core, "strata.datasets"), false);
  assertEquals([...await core`select id::integer from public.orders`], [{ id: 2 }]);
  assertMatch(await succeeds(shop.push(url)), /up to date/i);
  assertEquals(
    (await strata(["remove", shop.path, "--leave-rows"])).out,
    "There is nothing of Strata in the project.",
  );
});

Deno.test("a folder without a project, and an unknown function, are refused with what to do", async () => {
  const folder = await Deno.makeTempDir();
  const none = await strata(["add", folder, "--yes"]);
  assertEquals(none.code, 2);
  assertMatch(none.err, /no Supabase project in .*no supabase\/config\.toml\n.*supabase init/s);
  await using shop = await application();
  const unknown = await strata(["add", shop.path, "--yes", "--functions", "helth"]);
  assertEquals(unknown.code, 2);
  assertMatch(unknown.err, /no function helth/);
  const nobody = await strata(["add", shop.path]);
  assertEquals([nobody.code, await shop.files("migrations")], [2, [
    "20250101000000_orders.sql",
    "20270101000000_later.sql",
  ]]);
  await Deno.remove(folder);
});
