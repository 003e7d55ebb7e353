import assert from "node:assert/strict";
import { REPOSITORY } from "../../local/settings.ts";
import { sharedSession } from "../support/session.ts";

/** What the platform does not let `postgres` do, and neither does the local core. */
const REFUSED = [
  "alter system set work_mem = '1GB'",
  "create role refused superuser",
  "alter role postgres superuser",
  "alter role supabase_admin nologin",
  "drop role supabase_admin",
  "set session authorization supabase_admin",
  "set role supabase_admin",
  "create extension file_fdw",
  "drop extension dblink cascade",
  "alter extension postgres_fdw set schema public",
  "create foreign data wrapper refused",
  "create tablespace refused location '/tmp'",
  "create function public.refused() returns integer language c as 'refused', 'refused'",
  "copy (select 1) to program 'true'",
  "copy (select 1) to '/tmp/refused'",
  "select pg_read_file('/etc/hostname')",
  "select extensions.dblink_connect_u('refused', 'dbname=postgres')",
  "drop schema extensions cascade",
  "drop schema vault cascade",
  "insert into vault.secrets (name, secret) values ('refused', 'refused')",
  "update vault.secrets set secret = 'refused'",
  "insert into cron.job (schedule, command) values ('* * * * *', 'select 1')",
  "update cron.job set command = 'refused'",
  "create trigger refused after insert on cron.job_run_details execute function public.date_from_created_at()",
  "alter event trigger pgrst_ddl_watch disable",
  "drop event trigger pgrst_drop_watch",
];

/** These no transaction may hold; all others are undone, should one of them be taken. */
const ALONE = /^(alter system|create tablespace) /;

/** What supautils alone refuses: roles of the platform's own, and membership in roles that reach its files. */
const RESERVED =
  "(anon|authenticated|authenticator|service_role|dashboard_user|pgbouncer|supabase_\\w+)";
const REFUSED_BY_SUPAUTILS = [
  new RegExp(`\\b(alter|drop)\\s+role\\s+(if\\s+exists\\s+)?${RESERVED}\\b`, "i"),
  /\bgrant\s+(pg_read_server_files|pg_write_server_files|pg_execute_server_program)\b/i,
  new RegExp(`\\bgrant\\s+(authenticator|dashboard_user|supabase_\\w+)\\s+to\\b`, "i"),
  /\b(alter|create)\s+(role|user)\b[^;]*\bsuperuser\b/i,
];

Deno.test("what the platform refuses to postgres is refused here", async (t) => {
  await using sql = await sharedSession("core");
  for (const statement of REFUSED) {
    await t.step(statement, async () => {
      const attempt = ALONE.test(statement)
        ? sql.unsafe(statement)
        : sql.begin((transaction) => transaction.unsafe(statement));
      await assert.rejects(attempt, { code: "42501" });
    });
  }
});

Deno.test("no migration does what supautils refuses", async () => {
  const directory = `${REPOSITORY}/supabase/migrations`;
  for await (const { name } of Deno.readDir(directory)) {
    const text = await Deno.readTextFile(`${directory}/${name}`);
    for (const refused of REFUSED_BY_SUPAUTILS) assert.doesNotMatch(text, refused, name);
  }
});

Deno.test("a project has schema storage: migrations make buckets and policies on objects", async () => {
  await using sql = await sharedSession("core");
  await sql.begin(async (transaction) => {
    await transaction.unsafe(`
      insert into storage.buckets (id, name, public) values ('notes', 'notes', false);
      create policy reads on storage.objects for select to authenticated
        using (bucket_id = 'notes' and (storage.foldername(name))[1] = 'mine');
      insert into storage.objects (bucket_id, name) values ('notes', 'mine/deep/a.txt'), ('notes', 'theirs/b.txt');
      set local role authenticated`);
    const seen = await transaction`
      select name, path_tokens, storage.filename(name), storage.extension(name) from storage.objects`;
    assert.deepEqual([...seen], [{
      name: "mine/deep/a.txt",
      path_tokens: ["mine", "deep", "a.txt"],
      filename: "a.txt",
      extension: "txt",
    }]);
    throw new Error("undo");
  }).catch((error) => assert.equal(error.message, "undo"));
});

Deno.test("a project's REST API hears of every change to the schema", async () => {
  await using sql = await sharedSession("core");
  const heard: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const { unlisten } = await sql.listen("pgrst", (text) => {
    heard.push(text);
    resolve();
  });
  await sql`create table public.refusals_test_heard (id integer)`;
  await promise;
  assert.equal(heard[0], "reload schema");
  await unlisten();
  await sql`drop table public.refusals_test_heard`;
});
