import { assertEquals, assertMatch } from "@std/assert";
import type { Sql } from "postgres";
import { connectLocally } from "../../local/cluster.ts";
import { startNetWorker, stopNetWorker } from "../../local/net_worker_process.ts";
import { findPostgres } from "../../local/packages.ts";
import { testDatabase } from "../support/database.ts";
import { ownStack } from "../support/own_stack.ts";
import { testCluster } from "../support/stack.ts";
import { waitFor } from "../support/wait_for.ts";
import { becomes, openKinds } from "../support/watch.ts";
import postgres from "postgres";

async function knowsFunctions(sql: Sql, prefix = ""): Promise<void> {
  await sql`select strata.set_secret(${`${prefix}project_url`}, 'http://127.0.0.1:9'),
                   strata.set_secret(${`${prefix}wake_secret`}, 'x')`;
}

async function wrong(sql: Sql): Promise<string[]> {
  const rows = await sql<{ says: string }[]>`
    select w.says from strata.what_is_wrong() as w where w.kind = 'cannot_wake'`;
  return rows.map(({ says }) => says);
}

Deno.test("functions that are configured and cannot be woken for want of pg_net are told of", async () => {
  await using core = await testDatabase();
  const platform = connectLocally(await testCluster("core"), core.name);
  await platform.unsafe("drop extension if exists pg_net; drop schema if exists net cascade");
  await platform.unsafe("create schema net authorization postgres"); // somebody's own
  await platform.end();
  const { sql } = core;
  await becomes(sql, "core");
  assertEquals(await wrong(sql), []); // there is nothing to wake

  await knowsFunctions(sql);
  const here = "there is no pg_net in this database, so no function is woken: " +
    "no message is sent and no briefing spoken";
  assertEquals(await wrong(sql), [here]);
  await knowsFunctions(sql, "core_");
  assertEquals(await wrong(sql), [`${here}, core's project is not kept awake`]);

  await sql`select strata.check_alerts()`;
  assertEquals((await openKinds(sql)).filter((kind) => kind === "cannot_wake"), ["cannot_wake"]);
  const [check] = await sql`select * from strata.validate() where topic like 'cannot wake%'`;
  assertEquals(check?.ok, false);
  assertMatch(check?.remedy, /create extension pg_net with schema extensions/);
  assertEquals([...await sql`select strata.invoke('strata-notify') as request`], [{
    request: null,
  }]);

  await sql`select strata.forget_secret(name) from (values ('wake_secret'), ('core_wake_secret')) as s (name)`;
  assertEquals(await wrong(sql), []);
});

/** The stand-in's worker can be stopped; the extension's is the server's. */
const hasRealNet = (await findPostgres())?.extensions.has("pg_net") ?? false;

Deno.test({
  name: "a worker of pg_net that does not run is told of once requests wait",
  ignore: hasRealNet,
  fn: worker,
});

async function worker(): Promise<void> {
  await using stack = await ownStack(undefined, { content: "migrated" });
  const url = stack.env["STRATA_CORE_DB_URL"] ?? "";
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await becomes(sql, "core");
    await knowsFunctions(sql);
    await stopNetWorker(stack.clusters);
    assertEquals(await wrong(sql), []);
    await sql`select strata.invoke('strata-notify')`;
    assertEquals(await wrong(sql), [
      "the worker of pg_net does not run, and requests wait (1): no message is sent and no briefing spoken",
    ]);
    await startNetWorker(stack.clusters);
    await waitFor("the request to be sent", async () => (await wrong(sql)).length === 0);
  } finally {
    await sql.end();
  }
}
