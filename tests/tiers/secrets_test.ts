import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import postgres, { type Sql } from "postgres";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { refusal } from "../support/refusal.ts";
import { moverPassword, testCluster } from "../support/stack.ts";

/** A core that dials main with a password found nowhere else; the statement is the session's. */
async function coreThatDials(secret: string) {
  const db = await testDatabase("core");
  await db.sql`select strata.become('core')`;
  await joinMain(db.sql, secret);
  return db;
}

function joinMain(sql: Sql, secret: string) {
  return sql`
    select strata.join_tier('main', 'push', p_host => '127.0.0.1', p_port => 5432,
                            p_database => 'postgres', p_password => ${secret})`;
}

/** A session of another role: by its own login, or as the API takes it on. */
async function sessionAs(db: TestDatabase, role: string): Promise<Sql> {
  const max = 1; // `set role` lasts as long as the one connection
  if (role === "strata_mover_main") {
    return db.connect({ username: role, password: await moverPassword(), max });
  }
  const sql = db.connect({ max });
  await sql`set role ${sql(role)}`;
  return sql;
}

for (const role of ["strata_mover_main", "anon", "authenticated"]) {
  Deno.test(`${role} cannot read the password of a link`, async () => {
    const secret = crypto.randomUUID();
    await using db = await coreThatDials(secret);
    const sql = await sessionAs(db, role);

    const seen = await sql`select umoptions from pg_user_mappings where srvname = 'strata_main'`;
    assertEquals([...seen], [{ umoptions: null }]);
    assertEquals((await refusal(sql`select umoptions from pg_user_mapping`)).code, "42501");
  });
}

Deno.test("its owner can read the password of a link, so the tests above look where it is", async () => {
  const secret = crypto.randomUUID();
  await using db = await coreThatDials(secret);
  const [mapping] = await db.sql`select umoptions from pg_user_mappings`;
  assertEquals(mapping?.umoptions, ["user=strata_mover_core", `password=${secret}`]);
});

Deno.test("the password of a link shows in no session's query", async () => {
  const secret = crypto.randomUUID();
  await using db = await coreThatDials(secret);
  const found = await db.sql`
    select query from pg_stat_activity
     where position(${secret} in query) > 0 and pid <> pg_backend_pid()`;
  assertEquals([...found], []);
});

Deno.test("the password of a link shows in no table of Strata", async () => {
  const secret = crypto.randomUUID();
  await using db = await coreThatDials(secret);
  const tables = await db.sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class as c
     where c.relnamespace = 'strata'::regnamespace and c.relkind = 'r'`;
  assert(tables.length > 5);
  for (const { name } of tables) {
    const rows = await db.sql.unsafe(`select t::text as line from ${name} as t`);
    assertFalse(rows.some(({ line }) => line.includes(secret)), name);
  }
});

Deno.test("the password of a link stays out of the server's log, also when joining fails", async () => {
  const secret = crypto.randomUUID();
  await using db = await coreThatDials(secret);
  const marker = `no_such_driver_${crypto.randomUUID()}`;
  await refusal(db.sql`select strata.join_tier('main', 'push', p_password => ${secret})`);
  await refusal(db.sql`select strata.join_tier('main', ${marker}, p_password => ${secret})`);

  const log = await Deno.readTextFile(`${(await testCluster("core")).directory}/log`);
  assertStringIncludes(log, marker); // the refusal itself is there
  assertFalse(log.includes(secret));
});

Deno.test("set_mover_login() takes a verifier and never a password", async () => {
  await using db = await testDatabase();
  assertEquals(await refusal(db.sql`select strata.set_mover_login('main', 'hunter2', 10)`), {
    code: "ST004",
    message: "that is not a SCRAM-SHA-256 verifier",
    hint:
      "Give what strata.renew_password() says on the tier that dials; no clear password must reach this database.",
  });
});

Deno.test("a neighbour's login cannot come in with another password", async () => {
  await using db = await testDatabase();
  const sql = postgres(db.url, { username: "strata_mover_main", password: "a guess", max: 1 });
  assertEquals((await refusal(sql`select 1`)).code, "28P01");
  await sql.end();
});
