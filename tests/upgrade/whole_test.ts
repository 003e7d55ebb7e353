/** A release file that is not sent as one transaction. */
import { assertEquals, assertMatch } from "@std/assert";
import type { TestDatabase } from "../support/database.ts";
import { filesHere } from "../support/released.ts";
import { differences, snapshot } from "../support/snapshot.ts";
import { testStack } from "../support/stack.ts";
import { everyTable } from "./dump.ts";
import { waitFor } from "../support/wait_for.ts";
import { emptyDatabase, releasedDatabase, upgrade } from "./support.ts";

/** As somebody does who knows nothing of it. */
async function psql(
  { url, tier }: TestDatabase,
  text: string,
  ...flags: string[]
): Promise<string> {
  const { bin } = (await testStack()).servers[tier];
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, text);
  const { stderr } = await new Deno.Command(`${bin}/psql`, {
    args: [url, "-Xq", ...flags, "-f", file, "-c", "create table public.afterwards ()"],
  }).output();
  await Deno.remove(file);
  return new TextDecoder().decode(stderr);
}

async function everything({ sql }: TestDatabase) {
  await sql`drop table if exists public.afterwards`;
  return { ...await everyTable(sql), ...await snapshot(sql, ["strata", "public"]) };
}

const defaults = async (sql: TestDatabase["sql"]) => [
  ...await sql`select setting, source from pg_catalog.pg_settings
    where name in ('default_transaction_read_only', 'search_path') order by name`,
];

Deno.test("sent statement by statement a release changes nothing, and the session is as it was", async () => {
  const [strata] = await filesHere();
  await using old = await releasedDatabase("0.0", "core");
  await old.sql`select strata.become('core')`;
  const before = await everything(old);
  const said = await psql(old, strata?.text ?? "");
  assertMatch(said, /this file is one transaction, and was sent statement by statement/);
  assertEquals(
    (await old.sql`select to_regclass('public.afterwards') as it`)[0]?.["it"],
    "public.afterwards",
  );
  assertEquals(differences(await everything(old), before), []);
  await upgrade(old);

  await using empty = await emptyDatabase("core");
  await psql(empty, strata?.text ?? "", "-v", "ON_ERROR_STOP=1");
  assertEquals((await empty.sql`select to_regnamespace('strata') as it`)[0]?.["it"], null);
  await psql(empty, strata?.text ?? "", "-1", "-v", "ON_ERROR_STOP=1");
  assertEquals((await empty.sql`select version from strata.releases`).length, 1);
});

Deno.test("whatever settings the session has, a release makes the same, and drops no function of the owner's", async () => {
  const [strata] = await filesHere();
  await using db = await releasedDatabase("today", "core");
  const before = await snapshot(db.sql, ["strata"]);
  await db.sql.unsafe(`create function strata.theirs() returns integer language sql as 'select 1';
    create schema other; create domain other.text as integer; create domain other.bigint as boolean;
    create function other.string_agg(pg_catalog.text, pg_catalog.text) returns pg_catalog.text language sql as 'select null::pg_catalog.text'`);
  for (
    const settings of [
      "set search_path = ''",
      "set search_path = other, strata, pg_catalog, public",
      "set check_function_bodies = on; set default_transaction_read_only = off",
    ]
  ) {
    const session = db.connect({ max: 1 });
    await session.unsafe(settings);
    const own = await defaults(session);
    await session.unsafe(strata?.text ?? "");
    assertEquals(await defaults(session), own, settings);
    assertEquals((await db.sql`select strata.theirs() as it`)[0]?.["it"], 1, settings);
    await db.sql`drop function strata.theirs()`;
    assertEquals(differences(await snapshot(db.sql, ["strata"]), before), [], settings);
    await db.sql`create function strata.theirs() returns integer language sql as 'select 1'`;
  }
});

Deno.test("of two releases at once the second waits, and finds what the first has made", async () => {
  const [strata] = await filesHere();
  await using db = await releasedDatabase("0.0", "core");
  const [first, second] = [db.connect({ max: 1 }), db.connect({ max: 1 })];
  let waiting: Promise<unknown> | undefined;
  await first.begin(async (one) => {
    await one.unsafe(strata?.text ?? "");
    waiting = second.unsafe(strata?.text ?? "").execute();
    waiting.catch(() => {});
    await waitFor("the second release to wait", async () => {
      const rows = await db.sql`
        select from pg_catalog.pg_stat_activity where datname = ${db.name} and wait_event_type = 'Lock'`;
      return rows.length > 0;
    });
  });
  await waiting;
  assertEquals((await db.sql`select version from strata.releases`).length, 1);
});
