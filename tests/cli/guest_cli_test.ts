/** The Supabase CLI's other commands in an application's project that has Strata in it, and the companion's way out. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connectLocally } from "../../local/cluster.ts";
import { type Application, application, type Called } from "../support/application.ts";
import { ownStack } from "../support/own_stack.ts";
import { emptyDatabase } from "../upgrade/support.ts";
import { strata } from "./support.ts";

async function succeeds(called: Promise<Called>): Promise<Called> {
  const done = await called;
  assertEquals(done.code, 0, done.output);
  return done;
}

async function added(shop: Application, ...flags: string[]): Promise<void> {
  const { code, out, err } = await strata(["add", shop.path, "--yes", ...flags]);
  assertEquals(code, 0, out + err);
}

Deno.test("migration list, migration up, gen types and a dry run of a push say what they said before", async () => {
  await using shop = await application();
  await using db = await emptyDatabase("core");
  const remote = `--remote=${db.url}`;
  await succeeds(shop.push(db.url));
  const types = await succeeds(shop.cli("gen", "types", remote, "--schema", "public"));
  assertMatch(types.out, /orders/);

  await added(shop);
  assertMatch((await succeeds(shop.cli("db", "push", remote, "--dry-run"))).output, /_strata\.sql/);
  await succeeds(shop.push(db.url));
  const after = await succeeds(shop.cli("gen", "types", remote, "--schema", "public"));
  assertEquals(after.out, types.out, "nothing of Strata's is in what the application sees");
  const list = await succeeds(shop.cli("migration", "list", remote));
  const rows = list.out.split("\n").filter((line) => /`\d{14}`/.test(line));
  assertEquals(rows.length, 3, list.out);
  for (const row of rows) assertMatch(row, /`(\d{14})` \| `\1`/);
  assertMatch((await succeeds(shop.cli("migration", "up", remote))).output, /up to date/i);

  const tables = await succeeds(shop.cli("gen", "types", remote, "--schema", "strata"));
  assertMatch(tables.out, /datasets/, "for whoever wants them");
});

// A server of its own: what a hosted project does for extensions, supautils, needs a superuser here.
Deno.test("db reset makes a database anew from the owner's migrations, Strata's among them", async () => {
  await using stack = await ownStack();
  await using shop = await application();
  await added(shop, "--personal");
  const url = stack.env["STRATA_CORE_DB_URL"] ?? "";
  const [cluster] = stack.clusters.filter(({ tier }) => tier === "core");
  if (cluster === undefined) throw new Error("the stack has no core");
  const admin = connectLocally(cluster);
  try {
    await admin`alter role postgres superuser`;
    await succeeds(shop.push(url));
    await admin`select strata.become('core')`;
    await admin`insert into public.orders (id) values (1)`;
    await succeeds(shop.cli("db", "reset", `--remote=${url}`, "--yes"));
    const [found] = await admin`
      select to_regclass('strata.datasets') is not null as strata, to_regclass('public.tasks') is not null as companion,
             (select count(*)::integer from public.orders) as orders, (select count(*)::integer from strata.self) as tiers`;
    assertEquals(found, { strata: true, companion: true, orders: 0, tiers: 0 });
    assertEquals((await admin`select strata.become('core')`).length, 1);
    await admin.unsafe("call strata.process()");
    assertMatch((await succeeds(shop.push(url))).output, /up to date/i);
  } finally {
    await admin.end();
  }
});

Deno.test("the companion alone leaves a project and its database; Strata stays in both", async () => {
  await using shop = await application();
  await using db = await emptyDatabase("core");
  await added(shop, "--personal", "--functions", "strata-health,strata-voice");
  await succeeds(shop.push(db.url));
  await db.sql`select strata.become('core')`;
  const remove = async () => await strata(["remove", shop.path, "--companion", "--yes"]);
  const { code, out, err } = await remove();
  assertEquals(code, 0, out + err);
  assert(!(await shop.files("functions")).includes("strata-voice"));
  assert((await shop.files("functions")).includes("strata-health"));
  assert(!(await shop.read("config.toml")).includes("strata-voice"));
  const has = async (name: string) =>
    (await db.sql`select to_regclass(${name}) is not null as it`)[0]?.["it"];

  await succeeds(shop.push(db.url));
  assertEquals(await has("strata.owners"), false);
  assertEquals(await has("public.tasks"), true);
  await db.sql`call strata.process()`;
  assertMatch((await succeeds(shop.push(db.url))).output, /up to date/i);
  assertEquals((await remove()).out, "There is nothing of the companion in the project.");

  await using fresh = await emptyDatabase("core");
  await succeeds(shop.push(fresh.url));
  assertEquals((await fresh.sql`select to_regclass('public.tasks') as it`)[0]?.["it"], null);

  await added(shop, "--personal");
  await succeeds(shop.push(db.url));
  assertEquals(await has("strata.owners"), true);
});
