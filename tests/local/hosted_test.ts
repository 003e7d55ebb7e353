import assert from "node:assert/strict";
import postgres from "postgres";
import { TIERS } from "../../local/settings.ts";
import { testDatabase } from "../support/database.ts";
import { sharedSession } from "../support/session.ts";
import { databaseUrl } from "../support/template.ts";
import { waitFor } from "../support/wait_for.ts";

Deno.test("on every tier, postgres is the role that hosted gives, and no superuser", async () => {
  for (const tier of TIERS) {
    await using sql = await sharedSession(tier);
    const [role] = await sql`
      select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
        from pg_roles where rolname = current_user`;
    assert.deepEqual({ ...role }, {
      rolsuper: false,
      rolcreaterole: true,
      rolcreatedb: true,
      rolreplication: true,
      rolbypassrls: true,
    });
  }
});

Deno.test("a connection over TCP without a password is refused", async () => {
  const url = new URL(await databaseUrl("core", "postgres"));
  url.password = "";
  const sql = postgres(url.href, { max: 1 });
  await assert.rejects(sql`select 1`, /password/);
  await sql.end();
});

Deno.test("TLS is spoken to whoever asks for it", async () => {
  const sql = postgres(await databaseUrl("core", "postgres"), { max: 1, ssl: "require" });
  const [session] = await sql`
    select version from pg_stat_ssl where pid = pg_backend_pid()`;
  assert.equal(session?.version, "TLSv1.3");
  await sql.end();
});

Deno.test("statements are cancelled after 120 s and the clock is UTC", async () => {
  await using sql = await sharedSession();
  const [row] = await sql`
    select current_setting('statement_timeout') as timeout, current_setting('timezone') as zone`;
  assert.deepEqual({ ...row }, { timeout: "2min", zone: "UTC" });
});

Deno.test("postgres makes a postgres_fdw server, and dblink goes through it", async () => {
  await using sql = await sharedSession("core");
  const main = new URL(await databaseUrl("main", "postgres"));
  await sql.unsafe(`
    create server hosted_test foreign data wrapper postgres_fdw
      options (host '${main.hostname}', port '${main.port}', dbname 'postgres');
    create user mapping for postgres server hosted_test
      options (user 'postgres', password '${main.password}')`);
  try {
    const [row] = await sql`
      select cluster from extensions.dblink(
        'hosted_test', 'select current_setting(''cluster_name'')') as t (cluster text)`;
    assert.match(row?.cluster, /^strata-main-/);
  } finally {
    await sql`drop server hosted_test cascade`;
  }
});

Deno.test("postgres may read cron.job and tidy its history, and nothing more", async () => {
  await using sql = await sharedSession();
  await assert.rejects(sql`update cron.job set command = ''`, { code: "42501" });
  await sql`delete from cron.job_run_details where end_time < now() - interval '7 days'`;
});

Deno.test("a cron job may call a procedure that commits", async () => {
  await using sql = await sharedSession();
  await sql.unsafe(`
    create table public.hosted_test_log (step int);
    create procedure public.hosted_test_steps() language plpgsql as $$
    begin
      insert into public.hosted_test_log values (1);
      commit;
      insert into public.hosted_test_log values (2);
    end $$`);
  const [job] = await sql`
    select cron.schedule('hosted_test', '* * * * *', 'call public.hosted_test_steps()') as id`;
  try {
    const run = await waitFor("the minute's cron job", async () => {
      const [found] = await sql`
        select status, return_message, username from cron.job_run_details
         where jobid = ${job?.id} and end_time is not null`;
      return found;
    }, { timeoutMs: 90_000, everyMs: 250 });
    assert.deepEqual({ ...run }, {
      status: "succeeded",
      return_message: "CALL",
      username: "postgres",
    });
    assert.equal((await sql`select from public.hosted_test_log`).length, 2);
  } finally {
    await sql`select cron.unschedule('hosted_test')`;
    await sql`drop procedure public.hosted_test_steps`;
    await sql`drop table public.hosted_test_log`;
  }
});

Deno.test("a migration finds schema auth: who calls, in which role, and the users it refers to", async () => {
  await using db = await testDatabase("core");
  await db.sql.unsafe(`
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade, name text);
    alter table public.profiles enable row level security;
    create policy own on public.profiles to authenticated using (auth.uid() = id);
    grant select on public.profiles to authenticated;
    insert into auth.users (id, email) select ('00000000-0000-4000-8000-00000000000' || n)::uuid, n || '@example.org'
      from generate_series(1, 2) as n;
    insert into public.profiles (id, name) select u.id, u.email from auth.users as u`);
  const seen = await db.sql.begin(async (tx) => {
    const claims = {
      sub: "00000000-0000-4000-8000-000000000001",
      role: "authenticated",
      email: "1@example.org",
    };
    await tx`select set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)`;
    await tx`set local role authenticated`;
    return [
      ...await tx`select p.name, auth.role(), auth.email(), auth.jwt() ->> 'sub' as sub from public.profiles as p`,
    ];
  });
  assert.deepEqual(seen.map((row) => ({ ...row })), [{
    name: "1@example.org",
    role: "authenticated",
    email: "1@example.org",
    sub: "00000000-0000-4000-8000-000000000001",
  }]);
  const [nobody] = await db.sql`select auth.uid() as uid, auth.role() as role, auth.jwt() as jwt`;
  assert.deepEqual({ ...nobody }, { uid: null, role: null, jwt: null });
});
