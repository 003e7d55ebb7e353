import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { Sql } from "postgres";
import { testChain } from "../support/chain.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addNote, idsOn, manageNotes, settle } from "../support/notes.ts";
import { refusal } from "../support/refusal.ts";
import { moverPassword } from "../support/stack.ts";

const ADDRESS = { host: "127.0.0.1", port: 5432, database: "postgres" };

async function core() {
  const db = await testDatabase("core");
  await db.sql`select strata.become('core')`;
  return db;
}

function dialMain(sql: Sql, password: string | null, { host, port, database } = ADDRESS) {
  return sql`
    select strata.join_tier('main', 'push', p_host => ${host}, p_port => ${port},
                            p_database => ${database}, p_password => ${password}) as says`;
}

async function userMapping(sql: Sql): Promise<string[]> {
  const rows = await sql<{ option: string }[]>`
    select unnest(umoptions) as option from pg_user_mappings where srvname = 'strata_main'`;
  return rows.map(({ option }) => option).sort();
}

Deno.test("join_tier() with push makes the hotter tier dial", async () => {
  await using db = await core();
  const [answer] = await dialMain(db.sql, "secret");
  assertEquals(answer?.says, "core dials main (push)");
  assertEquals([...await db.sql`select neighbour, direction, driver, server from strata.links`], [
    { neighbour: "main", direction: "colder", driver: "push", server: "strata_main" },
  ]);
  assertEquals(await userMapping(db.sql), ["password=secret", "user=strata_mover_core"]);
});

Deno.test("join_tier() with pull makes the hotter tier wait to be dialled", async () => {
  await using db = await core();
  const [answer] = await db.sql`select strata.join_tier('main', 'pull') as says`;
  assertEquals(answer?.says, "core is dialled by main (pull)");
  assertEquals([...await db.sql`select server from strata.links`], [{ server: null }]);
});

Deno.test("join_tier() with relay makes neither side dial", async () => {
  await using db = await core();
  const [answer] = await db.sql`select strata.join_tier('main', 'relay') as says`;
  assertEquals(answer?.says, "core is linked with main (relay)");
  assertEquals([...await db.sql`select srvname from pg_foreign_server`], []);
});

Deno.test("join_tier() that stops dialling forgets address and password", async () => {
  await using db = await core();
  await dialMain(db.sql, "secret");
  await db.sql`select strata.join_tier('main', 'pull')`;
  assertEquals([...await db.sql`select srvname from pg_foreign_server`], []);
});

const REFUSALS: [string, (sql: Sql) => PromiseLike<unknown>, string, string, string][] = [
  [
    "the tier itself",
    (sql) => sql`select strata.join_tier('core', 'push')`,
    "ST002",
    "core cannot be a neighbour of core",
    "The tiers are core, main and archive.",
  ],
  [
    "a tier that does not exist",
    (sql) => sql`select strata.join_tier('attic', 'push')`,
    "ST002",
    "attic cannot be a neighbour of core",
    "The tiers are core, main and archive.",
  ],
  [
    "an unknown driver",
    (sql) => sql`select strata.join_tier('main', 'pigeon')`,
    "ST004",
    'there is no driver "pigeon"',
    "push: the hotter tier dials; pull: the colder one; relay: an edge function.",
  ],
  [
    "to dial without an address",
    (sql) => sql`select strata.join_tier('main', 'push', p_password => 'secret')`,
    "ST004",
    "with push it is core that dials main, but no address was given",
    "Give p_host, p_port and p_database.",
  ],
];

for (const [what, statement, code, message, hint] of REFUSALS) {
  Deno.test(`join_tier() refuses ${what}`, async () => {
    await using db = await core();
    assertEquals(await refusal(statement(db.sql)), { code, message, hint });
    assertEquals([...await db.sql`select neighbour from strata.links`], []);
  });
}

Deno.test("join_tier() makes a password of 32 bytes when given none", async () => {
  await using db = await core();
  await using other = await core();
  await dialMain(db.sql, null);
  await dialMain(other.sql, null);
  const [first, second] = [await userMapping(db.sql), await userMapping(other.sql)];
  assertMatch(first[0] ?? "", /^password=[\w-]{43}$/);
  assertNotEquals(first[0], second[0]);
});

Deno.test("join_tier() takes a changed password over, and keeps it when given none", async () => {
  await using db = await core();
  await dialMain(db.sql, "first");
  await dialMain(db.sql, "second");
  await dialMain(db.sql, null, { ...ADDRESS, host: "127.0.0.2" });

  assertEquals(await userMapping(db.sql), ["password=second", "user=strata_mover_core"]);
  await db
    .sql`alter user mapping for current_user server strata_main options (set user 'strata_mover_core_2.old')`;
  await db.sql`select strata.join_tier('main', 'push', p_host => '127.0.0.2', p_port => 5432,
    p_database => 'postgres', p_user => 'strata_mover_core.new')`;
  assertEquals(await userMapping(db.sql), ["password=second", "user=strata_mover_core_2.new"]);
  const [server] = await db.sql`select srvoptions from pg_foreign_server`;
  assert(server?.srvoptions.includes("host=127.0.0.2"));
});

Deno.test("join_tier() puts another tier in the place of the one that was there", async () => {
  await using db = await core();
  await dialMain(db.sql, "secret");
  await db.sql`select strata.join_tier('archive', 'pull')`;
  assertEquals([...await db.sql`select neighbour, direction from strata.links`], [
    { neighbour: "archive", direction: "colder" },
  ]);
  assertEquals([...await db.sql`select srvname from pg_foreign_server`], []);
});

Deno.test("join_tier() tells a new neighbour of datasets the old one had heard of", async () => {
  await using chain = await testChain();
  const { core, archive } = chain;
  await manageNotes(core.sql, { core_retention_days: 0 });
  await core.sql`call strata.move_due()`; // main has heard of it, the archive has not

  await skipMain(core, archive);
  await addNote(core.sql, 1, "2000-01-01");
  await core.sql`call strata.move_due()`;
  assertEquals(await idsOn(archive.sql), [1]);
});

Deno.test("join_tier() refuses another neighbour while a move to the old one is open", async () => {
  await using chain = await testChain();
  const { core, archive } = chain;
  await manageNotes(core.sql, { core_retention_days: 0 });
  await settle(chain);
  await addNote(core.sql, 1, "2000-01-01");
  await core.sql`select strata.claim('notes', 'main')`;

  assertEquals(await refusal(skipMain(core, archive)), {
    code: "ST033",
    message: "a move to another tier is open, so archive cannot be the next one yet",
    hint: "Join that tier again and call strata.move_due() until nothing is open.",
  });
});

/** Links core with the archive directly. */
async function skipMain(core: TestDatabase, archive: TestDatabase) {
  const { hostname, port, pathname } = new URL(archive.url);
  await archive.sql`select strata.leave_tier('main'), strata.join_tier('core', 'push')`;
  await core.sql`
    select strata.join_tier('archive', 'push', p_host => ${hostname}, p_port => ${Number(port)},
                            p_database => ${pathname.slice(1)},
                            p_password => ${await moverPassword()})`;
}

Deno.test("leave_tier() forgets neighbour, address and password, and leaves rows alone", async () => {
  await using db = await core();
  await manageNotes(db.sql);
  await addNote(db.sql, 1, "2000-01-01");
  await dialMain(db.sql, "secret");

  await db.sql`select strata.leave_tier('main')`;

  assertEquals([...await db.sql`select neighbour from strata.links`], []);
  assertEquals([...await db.sql`select srvname from pg_foreign_server`], []);
  assertEquals(await idsOn(db.sql), [1]);
});
