import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Sql } from "postgres";
import { Failure } from "../../cli/lib/errors.ts";
import { pushMigrations } from "../../cli/lib/supabase.ts";
import { testDatabase } from "../support/database.ts";
import { copyOfProject } from "../support/management_api.ts";
import { commandLine } from "./support.ts";

const PERSONAL_SYSTEM = "20261122009000";

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

Deno.test("setup --init and --validate leave the migrations of the project's owner alone", async () => {
  await using cli = await commandLine(["core", "main"]);
  await pushed(cli.sql("core"), "20250101000000", "20261122153000", "20290101000000");
  const before = await history(cli.sql("core"));
  const { code, out, err } = await cli.strata("setup", "--init");
  assertEquals(code, 0, out + err);
  assertEquals(await history(cli.sql("core")), before);

  const { checks } = JSON.parse((await cli.strata("setup", "--validate", "--json")).out);
  const found = checks.filter(({ topic }: { topic: string }) => topic === "migrations");
  assertEquals(found.map(({ tier, ok }: { tier: string; ok: boolean }) => [tier, ok]), [
    ["core", true],
    ["main", true],
  ]);
});

Deno.test("Strata is pushed in between migrations of the project's owner", async () => {
  await using db = await testDatabase();
  const strata = await history(db.sql);
  await db.sql.unsafe(`drop schema strata cascade; drop schema public cascade;
    create schema public; truncate supabase_migrations.schema_migrations`);
  await pushed(db.sql, "20250101000000", "20290101000000");
  await pushMigrations(db.url);
  assertEquals(await history(db.sql), ["20250101000000", ...strata, "20290101000000"]);
});

Deno.test("the personal system's file may go, and come back", async () => {
  await using db = await testDatabase();
  await using project = await copyOfProject();
  const directory = `${project.path}/supabase/migrations`;
  await Deno.remove(`${directory}/${PERSONAL_SYSTEM}_personal_system.sql`);
  const complete = await history(db.sql);
  await pushMigrations(db.url, {}, `${project.path}/supabase`);
  assertEquals(await history(db.sql), complete);

  await db.sql.unsafe(`drop schema public cascade; create schema public;
    delete from supabase_migrations.schema_migrations where version = '${PERSONAL_SYSTEM}'`);
  await pushMigrations(db.url);
  assertEquals(await history(db.sql), complete);
  const [tasks] = await db.sql<{ there: boolean }[]>`
    select to_regclass('public.tasks') is not null as there`;
  assert(tasks?.there);
});

Deno.test("a database that a newer Strata has set up is left alone", async () => {
  await using db = await testDatabase();
  await pushed(db.sql, "20261122009999");
  const failure = await assertRejects(() => pushMigrations(db.url), Failure, "20261122009999");
  assert(failure.remedy.startsWith("Update this copy of Strata"));
});
