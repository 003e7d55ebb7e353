import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Sql } from "postgres";
import { Failure } from "../../cli/lib/errors.ts";
import { pushReleases, releasesHere, versionHere } from "../../cli/lib/releases.ts";
import { pushFiles } from "../../cli/lib/supabase.ts";
import { testDatabase } from "../support/database.ts";
import { commandLine } from "./support.ts";

/** Leaves rows in the history of migrations, as others' pushes do. */
async function pushed(sql: Sql, ...versions: string[]): Promise<void> {
  await sql`insert into supabase_migrations.schema_migrations (version, name)
    select v, 'of_somebody' from unnest(${versions}::text[]) as v`;
}

async function history(sql: Sql): Promise<string[]> {
  const rows = await sql<{ version: string }[]>`
    select version from supabase_migrations.schema_migrations order by version`;
  return rows.map(({ version }) => version);
}

async function removeStrata(sql: Sql): Promise<void> {
  await sql.unsafe("drop schema strata cascade; drop schema public cascade; create schema public");
}

const OWN = ["20250101000000", "20261122153000", "20290101000000"];

Deno.test("setup leaves the history as its owner's pushes made it, and the owner's next push goes through", async () => {
  await using cli = await commandLine(["core", "main"]);
  const core = cli.sql("core");
  await removeStrata(core);
  await pushed(core, ...OWN);
  const { code, out, err } = await cli.strata("setup", "--init");
  assertEquals(code, 0, out + err);
  assertEquals(await history(core), OWN);

  const { checks } = JSON.parse((await cli.strata("setup", "--validate", "--json")).out);
  const found = checks.filter(({ topic }: { topic: string }) => topic === "release");
  assertEquals(found.map(({ tier, ok }: { tier: string; ok: boolean }) => [tier, ok]), [
    ["core", true],
    ["main", true],
  ]);
});

Deno.test("a push that was killed before it took its rows out of the history is tidied by the next one", async () => {
  await using db = await testDatabase();
  await db.sql`insert into supabase_migrations.schema_migrations (version, name, statements) values
    ('20261201120000', 'strata_setup', '{"select strata.note_release(''strata'')"}'),
    ('20261201120001', 'strata_companion_setup', '{"select strata.note_release(''companion'')"}'),
    ('20250101000000', 'own', '{}'), ('20250101000001', 'strata_setup', '{"select 1"}')`;
  const { pushed } = await pushReleases(db.url);
  assertEquals(pushed, []);
  assertEquals(
    await history(db.sql),
    ["20250101000000", "20250101000001"],
    "a file of the owner's stays, whatever its name",
  );
});

Deno.test("a release that an owner pushed among his own migrations stays in his history", async () => {
  await using db = await testDatabase();
  await removeStrata(db.sql);
  const [strata] = await releasesHere();
  await pushFiles(db.url, [
    { name: "20250101000000_own.sql", text: "create table public.own (id bigint primary key)" },
    { name: "20270101000000_strata.sql", text: strata?.text ?? "" },
  ]);
  const { pushed } = await pushReleases(db.url);
  assertEquals(pushed, []);
  assertEquals(await history(db.sql), ["20250101000000", "20270101000000"]);
});

Deno.test("the companion is only pushed where it is wanted, and is kept current where it is", async () => {
  await using db = await testDatabase();
  await removeStrata(db.sql);
  const products = async (personal?: boolean) =>
    (await pushReleases(db.url, { ...(personal === undefined ? {} : { personal }) })).pushed.map((
      { product },
    ) => product);
  assertEquals(await products(), ["strata"]);
  const own = await db.sql`select from pg_class where relnamespace = 'public'::regnamespace`;
  assertEquals(own.length, 0, "nothing of ours lies in the owner's schema");
  await db.sql`select strata.become('core')`;
  assertEquals([...await db.sql`select c.subject, c.says from strata.alert_conditions() as c`], []);
  await db.sql`call strata.process()`;

  assertEquals(await products(true), ["companion"]);
  await db.sql`update strata.releases set digest = 'of an earlier one'`;
  assertEquals(await products(), ["strata", "companion"]);
  assert((await db.sql`select to_regprocedure('strata.briefing_log()') as there`)[0]);
});

Deno.test("a database that a newer Strata has set up is left alone", async () => {
  await using db = await testDatabase();
  await db.sql`insert into strata.releases (product, version, digest, routines, installed_at)
    values ('strata', '99.0.0', 'newer', '{}', now() + interval '1 day')`;
  const failure = await assertRejects(() => pushReleases(db.url), Failure, "99.0.0");
  assert(failure.remedy.startsWith("Update this copy of Strata"));
  const [strata] = await releasesHere();
  const text = strata?.text ?? "";
  const refused = await assertRejects(
    () => pushFiles(db.url, [{ name: "20270101000000_strata.sql", text }]),
    Error,
  );
  assert(
    refused.message.includes(`and this is the file of ${await versionHere()}: nothing was changed`),
    refused.message,
  );
  assertEquals(await history(db.sql), []);
});

Deno.test("a table of the owner's that is called like one of the companion's stays as it is", async () => {
  await using db = await testDatabase();
  await removeStrata(db.sql);
  await db.sql.unsafe(
    "create table public.tasks (id int primary key); grant select on public.tasks to anon",
  );
  const failure = await assertRejects(() => pushReleases(db.url, { personal: true }), Error);
  assert(failure.message.includes("they are taken: public.tasks"), failure.message);
  const kept = await db.sql`
    select c.relrowsecurity as rls, has_table_privilege('anon', c.oid, 'select') as granted
      from pg_class as c where c.oid = 'public.tasks'::regclass`;
  assertEquals([...kept], [{ rls: false, granted: true }]);
});
