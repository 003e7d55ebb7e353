/** remove.sql: what it takes, and what it names instead. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { companionRemovalSql, removalSql } from "../../cli/project/guest.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { refusal } from "../support/refusal.ts";
import { filesHere } from "../support/released.ts";
import { differences, snapshot } from "../support/snapshot.ts";
import { everyTable } from "../upgrade/dump.ts";
import { emptyDatabase } from "../upgrade/support.ts";

const has = async ({ sql }: TestDatabase, name: string) =>
  (await sql`select to_regclass(${name}) is not null as there`)[0]?.["there"] as boolean;

const DEPENDENTS: Record<string, string> = {
  view: "create view public.theirs as select * from strata.status()",
  default: "create table public.theirs (at timestamptz default strata.clock())",
  column: "create table public.theirs (id bigint, one strata.sight)",
  "foreign key": "create table public.theirs (dataset text references strata.datasets (name))",
  policy: `create table public.theirs (id bigint);
           create policy theirs on public.theirs using (strata.tier() = 'core')`,
  "foreign table": `create server strata_main foreign data wrapper postgres_fdw;
                    create foreign table public.theirs (id bigint) server strata_main`,
};

Deno.test("what is the owner's and would go with Strata is named, and nothing goes", async () => {
  await using db = await testDatabase();
  await db.sql`select strata.become('core')`;
  for (const [kind, statement] of Object.entries(DEPENDENTS)) {
    await db.sql.unsafe(statement);
    const { code, message } = await refusal(db.sql.unsafe(await removalSql(true)));
    assertEquals(code, "ST068", kind);
    assertMatch(message, /theirs/, kind);
    assert(await has(db, "public.theirs") && await has(db, "strata.datasets"), kind);
    await db.sql.unsafe(
      `drop ${kind === "view" || kind === "foreign table" ? kind : "table"} public.theirs`,
    );
  }
  await db.sql.unsafe(await removalSql(false));
  assertEquals(await has(db, "strata.datasets"), false);
  assert(await has(db, "public.journal_entries"), "the companion's tables stay");
  await db.sql.unsafe(await removalSql(false)); // and again
});

Deno.test("a schema strata that is not of Strata stays, and a release does not go into it", async () => {
  await using db = await testDatabase();
  await db.sql.unsafe(await removalSql(false));
  await db.sql.unsafe("create schema strata; create table strata.datasets (id bigint)");
  await db.sql.unsafe(await removalSql(false));
  assert(await has(db, "strata.datasets"));
  const file = await Deno.readTextFile("supabase/migrations/20261201000000_strata.sql");
  const { code, message } = await refusal(db.connect({ max: 1 }).unsafe(file));
  assertEquals([code, message], [
    "42P06",
    "there is a schema strata in this database already, and it is not of Strata: it has table strata.datasets",
  ]);
});

Deno.test("logins stay while another database of the server needs their group", async () => {
  await using db = await testDatabase("main");
  await using _other = await testDatabase("main");
  const logins = () =>
    db.sql`select rolname from pg_roles where rolname like 'strata_mover%' order by 1`;
  const before = [...await logins()];
  assert(before.length > 1);
  await db.sql.unsafe(await removalSql(false));
  assertEquals([...await logins()], before);
});

Deno.test("a move that is under way is waited for, and the removal does not wait for good", async () => {
  await using db = await testDatabase();
  const text = (await removalSql(false)).replaceAll("'60s'", "'50ms'");
  await db.connect({ max: 1 }).begin(async (other) => {
    await other`select from strata.moves`;
    assertEquals((await refusal(db.sql.unsafe(text))).code, "55P03");
  });
  await db.sql.unsafe(text);
});

Deno.test("what an open drain has changed of read-only defaults is put back", async () => {
  await using db = await testDatabase();
  const said = () =>
    db.sql`
    select unnest(s.setconfig) as it from pg_db_role_setting as s join pg_database as d on d.oid = s.setdatabase
     where d.datname = ${db.name} and s.setrole = 0`;
  await db.sql`select strata.become('core')`;
  await db.sql`update strata.tiers set warn_mb = 1, critical_mb = 2`; // it is still too large
  await db.sql`insert into strata.drains (state, reason, target_bytes, billed_before, started_at)
    values ('moving', 'critical', 1, 1, now())`;
  await db.sql.unsafe(`alter database ${db.name} set default_transaction_read_only = on`);
  const before = [...await said()];
  const session = db.connect({ max: 1 });
  await session`set default_transaction_read_only = off`;
  await session`select strata.keep_writable()`;
  assert(JSON.stringify(await said()) !== JSON.stringify(before), "the drain lets it write");
  await session.unsafe(await removalSql(false));
  assertEquals([...await said()], before);
});

Deno.test("without the companion all is as where it never was, and its tables in public stay", async () => {
  await using db = await testDatabase();
  await using plain = await emptyDatabase("core");
  const [strata, companion] = await filesHere();
  await plain.connect({ max: 1 }).unsafe(strata?.text ?? "");
  for (const one of [db, plain]) await one.sql`select strata.become('core')`;
  await db.sql`select strata.manage('public.tasks', p_core_retention_days => 30)`;
  await db.sql`insert into public.tasks (title) values ('stays')`;

  const remove = async () =>
    await db.connect({ max: 1 }).unsafe(await companionRemovalSql()).then(() => undefined);
  await db.sql.unsafe("create view public.theirs as select * from strata.owners");
  const refused = await refusal(remove());
  assertEquals(refused.code, "ST068");
  assertMatch(refused.message, /theirs/);
  assert(await has(db, "strata.owners"));
  await db.sql.unsafe("drop view public.theirs");

  await remove();
  await remove(); // and again
  const [there, never] = [
    await snapshot(db.sql, ["strata"]),
    await snapshot(plain.sql, ["strata"]),
  ];
  assertEquals(differences(there, never), []);
  const planted = async ({ sql }: TestDatabase) => {
    const { "strata.releases": _r, "strata.self": _s, "strata.datasets": _d, ...tables } =
      await everyTable(sql);
    return Object.fromEntries(
      Object.entries(tables).filter(([name]) => name.startsWith("strata.")),
    );
  };
  assertEquals(differences(await planted(db), await planted(plain)), []);
  assertEquals((await db.sql`select from strata.datasets`).length, 1);
  await db.sql`call strata.process()`;
  assertEquals((await db.sql`select title from public.tasks`).length, 1);

  await db.connect({ max: 1 }).unsafe(companion?.text ?? "");
  assert(await has(db, "strata.owners"), "it can come back");
});
