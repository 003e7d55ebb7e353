/** What the owner grants on Strata's routines and tables outlives a release; nothing is opened by one. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connectLocally } from "../../local/cluster.ts";
import type { TestDatabase } from "../support/database.ts";
import { filesHere } from "../support/released.ts";
import { testCluster } from "../support/stack.ts";
import { emptyDatabase, releasedDatabase } from "./support.ts";

/** Who may do what in schema strata, but for its owner. */
async function rights({ sql }: TestDatabase): Promise<string[]> {
  const rows = await sql<{ it: string }[]>`
    select format('%s %s to %s%s', a.privilege_type, p.oid::regprocedure, coalesce(r.rolname, 'public'),
                  case when a.is_grantable then ' and on' end) as it
      from pg_proc as p cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
      left join pg_roles as r on r.oid = a.grantee
     where p.pronamespace = 'strata'::regnamespace and a.grantee <> p.proowner
    union all
    select format('%s %s to %s', a.privilege_type, c.oid::regclass, coalesce(r.rolname, 'public'))
      from pg_class as c cross join lateral aclexplode(c.relacl) as a left join pg_roles as r on r.oid = a.grantee
     where c.relnamespace = 'strata'::regnamespace and a.grantee <> c.relowner
    union all
    select format('%s strata to %s', a.privilege_type, coalesce(r.rolname, 'public'))
      from pg_namespace as n cross join lateral aclexplode(n.nspacl) as a left join pg_roles as r on r.oid = a.grantee
     where n.nspname = 'strata' and a.grantee <> n.nspowner
    order by 1`;
  return rows.map(({ it }) => it);
}

/** A role of the owner's; it is dropped after the database in which it has rights. */
async function ownersRole(): Promise<string & AsyncDisposable> {
  const role = `reader_${crypto.randomUUID().replaceAll("-", "")}`;
  const admin = connectLocally(await testCluster("core"));
  await admin.unsafe(`create role ${role} nologin`);
  const dispose = async () => {
    await admin.unsafe(`drop role ${role}`);
    await admin.end();
  };
  return Object.assign(role, { [Symbol.asyncDispose]: dispose });
}

/** Runs the release files, changed or as they are, and returns what they warn of. */
async function pushed(db: TestDatabase, change = (text: string) => text): Promise<string[]> {
  const warnings: string[] = [];
  const session = db.connect({
    max: 1,
    onnotice: ({ message, severity }) => severity === "WARNING" && warnings.push(`${message}`),
  });
  for (const { text } of await filesHere()) await session.unsafe(change(text));
  await session.end();
  return warnings;
}

for (const release of ["0.0", "today"] as const) {
  Deno.test(`what the owner has granted is granted after an upgrade as well (${release})`, async () => {
    await using role = await ownersRole();
    await using db = await releasedDatabase(release, "core");
    await using plain = await releasedDatabase("today", "core");
    await db.sql.unsafe(`
      grant usage on schema strata to ${role};
      grant execute on function strata.plan(text) to ${role} with grant option;
      grant execute on function strata.clock() to service_role;
      grant execute on procedure strata.watch() to ${role};
      grant select on table strata.moves to ${role};
      grant select (name) on table strata.datasets to ${role}`);
    const theirs = (all: string[]) => all.filter((one) => one.includes(role));
    const before = theirs(await rights(db));
    assertEquals(before.length, 4);
    await pushed(db);
    assertEquals(theirs(await rights(db)), before);
    const [column] = await db.sql`
      select has_column_privilege(${`${role}`}::name, 'strata.datasets', 'name', 'select') as it`;
    assertEquals(column?.["it"], true);
    assertEquals(
      (await rights(db)).filter((one) => !one.includes(role)),
      // Of what 0.0 granted to service_role it kept no list.
      release === "0.0" ? await rights(plain) : [
        "EXECUTE strata.clock() to service_role",
        ...await rights(plain),
      ].sort(),
    );
    await pushed(db);
    assertEquals(theirs(await rights(db)), before);

    // What is the owner's is not what a release grants: it is his to take away.
    await db.sql.unsafe(`revoke usage on schema strata from ${role}`);
    await db.sql.unsafe(`revoke execute on function strata.plan(text) from ${role}`);
    await db.sql`select strata.become('core')`;
    assertEquals(theirs(await rights(db)).length, before.length - 2);
  });
}

Deno.test("a right goes to the routine that has the name, whatever it takes; what cannot be granted is named", async () => {
  await using role = await ownersRole();
  await using db = await releasedDatabase("today", "core");
  await db.sql.unsafe(`
    grant execute on function strata.plan(text) to ${role};
    grant execute on function strata.clock_trouble(boolean) to ${role}`);
  const warnings = await pushed(
    db,
    (text) =>
      text.replaceAll(
        "strata.plan(p_dataset text default null)",
        "strata.plan(p_dataset text default null, p_more text default null)",
      )
        .replaceAll("strata.plan(text)", "strata.plan(text, text)"),
  );
  assertEquals(warnings, []);
  const theirs = (await rights(db)).filter((one) => one.includes(role));
  assertEquals(theirs, [
    `EXECUTE strata.clock_trouble(boolean) to ${role}`,
    `EXECUTE strata.plan(text,text) to ${role}`,
  ]);
});

Deno.test("a release opens nothing to a publishable key or a neighbour, and says what it does not grant again", async () => {
  await using db = await releasedDatabase("today", "core");
  await db.sql.unsafe(`
    grant usage on schema strata to anon, authenticated;
    grant execute on all routines in schema strata to anon, public;
    grant select on all tables in schema strata to authenticated;
    grant execute on function strata.version() to strata_mover`);
  const [warning, ...others] = await pushed(db);
  assertEquals(others, []);
  assertMatch(warning ?? "", /^not granted again: .*strata\.version\(\) to strata_mover/);
  assertMatch(warning ?? "", /strata\.plan\(text\) to anon/);
  assertMatch(warning ?? "", /strata\.moves to authenticated/);
  await using plain = await releasedDatabase("today", "core");
  assertEquals(await rights(db), await rights(plain));
  assertEquals(await pushed(db), []);
});

Deno.test("default privileges hold for what is new, and open nothing", async () => {
  await using role = await ownersRole();
  await using db = await emptyDatabase("core");
  await db.sql.unsafe(`
    alter default privileges grant execute on functions to ${role}, service_role, anon, authenticated;
    alter default privileges grant select on tables to ${role}, service_role, anon, authenticated;
    alter default privileges grant usage on sequences to service_role, anon`);
  await pushed(db);
  await using plain = await releasedDatabase("today", "core");
  const all = await rights(db);
  assertEquals(all.filter((one) => !one.includes(role)), await rights(plain));
  assert(all.includes(`EXECUTE strata.status() to ${role}`));
  assert(all.includes(`SELECT strata.moves to ${role}`));

  // On what was there counts what its owner said of it since.
  await db.sql.unsafe(`revoke execute on function strata.status() from ${role}`);
  const before = await rights(db);
  await pushed(db);
  assertEquals(await rights(db), before);
});
