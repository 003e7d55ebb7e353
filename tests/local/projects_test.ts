import { assert, assertEquals } from "@std/assert";
import postgres from "postgres";
import { createClient } from "@supabase/supabase-js";
import { killProcesses } from "../../local/processes.ts";
import { projectServers } from "../../local/projects_process.ts";
import { asPostgrest, openRest } from "../../local/rest.ts";
import { down, status, up } from "../../local/stack.ts";
import { testDatabase } from "../support/database.ts";
import { ownStack } from "../support/own_stack.ts";
import { clientOf, testProject } from "../support/project.ts";
import { waitFor } from "../support/wait_for.ts";

Deno.test("a tier's REST API calls functions as service_role, with hosted's statement timeout", async () => {
  await using db = await testDatabase();
  await db.sql.unsafe(`
    create function strata.who(p_says text) returns text language sql set search_path = ''
      as $$ select p_says || ' ' || current_user || ' ' || current_setting('statement_timeout') $$;
    create function strata.refuse() returns void language plpgsql set search_path = ''
      as $$ begin raise exception 'no' using errcode = 'ST030', hint = 'wait', detail = 'now'; end $$;
    revoke execute on function strata.who, strata.refuse from public;
    grant execute on function strata.who, strata.refuse to service_role`);
  await using project = testProject(db);
  const secret = clientOf(project);

  const { data, error: unexpected } = await secret.rpc("who", { p_says: "it's ü\\" });
  assertEquals([unexpected, data], [null, "it's ü\\ service_role 8s"]);
  const { error } = await secret.rpc("refuse");
  assertEquals({ ...error }, {
    ...error,
    code: "ST030",
    message: "no",
    hint: "wait",
    details: "now",
  });

  const options = { db: { schema: "strata" } };
  const anon = createClient(project.url, project.publishableKey, options);
  assertEquals((await anon.rpc("who", { p_says: "" })).error?.code, "42501");
  const nobody = createClient(project.url, "sb_secret_wrong", options);
  assertEquals((await nobody.rpc("who", { p_says: "" })).status, 401);
});

Deno.test("a tier's REST API grants nothing to anybody", async () => {
  await using db = await testDatabase();
  await using project = testProject(db);
  const granted = async () => [
    ...await db.sql`select c.oid::regclass::text as name, c.relacl::text from pg_class as c
      where c.relacl is not null order by c.oid`,
    ...await db.sql`select n.nspname as name, n.nspacl::text from pg_namespace as n order by n.oid`,
    ...await db.sql`select d.defaclnamespace::regnamespace::text as name, d.defaclacl::text
      from pg_default_acl as d order by d.oid`,
  ];
  const before = await granted();
  for (const key of [project.secretKey, project.publishableKey]) {
    const client = createClient(project.url, key);
    await client.from("tasks").select("id");
    await client.schema("strata").rpc("validate");
    await client.schema("strata").from("moves").select("move_id");
  }
  assertEquals(await granted(), before);
});

Deno.test("a tier's REST API knows what was made after its first answer", async () => {
  await using db = await testDatabase();
  await using project = testProject(db);
  const secret = clientOf(project);
  assertEquals((await secret.rpc("late", { p_says: "a" })).error?.code, "PGRST202");
  assertEquals((await secret.schema("public").from("late").select()).error?.code, "PGRST205");
  await db.sql.unsafe(`
    create table public.late (id int primary key);
    grant select on public.late to service_role;
    create function strata.late(p_says text) returns text language sql set search_path = ''
      as 'select p_says';
    revoke execute on function strata.late from public;
    grant execute on function strata.late to service_role`);
  assertEquals((await secret.rpc("late", { p_says: "in time" })).data, "in time");
  assertEquals((await secret.schema("public").from("late").select()).data, []);
});

Deno.test("a tier's REST API that loses its database on the way says so as PostgREST does", async () => {
  const message = "Error: write CONNECTION_CLOSED 127.0.0.1:5432"; // its driver's words
  const answer = await asPostgrest(Response.json({ code: "SUP", message }, { status: 500 }));
  const { code } = await answer.json();
  assertEquals([answer.status, code], [503, "PGRST001"]);
});

Deno.test("the gateway says that its database is away, and finds everything when it is back", async () => {
  await using db = await testDatabase();
  const reached = new URL(db.url);
  const proxy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = proxy.addr.port;
  proxy.close(); // nobody listens there by now
  const through = new URL(db.url);
  through.port = String(port);
  const rest = openRest({
    databaseUrl: through.href,
    secretKey: "sb_secret_x",
    publishableKey: "sb_publishable_x",
  });
  const ask = async () => {
    const response = await rest.fetch(
      new Request("http://127.0.0.1/rest/v1/rpc/health", {
        method: "POST",
        body: "{}",
        headers: {
          apikey: "sb_secret_x",
          "content-type": "application/json",
          "content-profile": "strata",
        },
      }),
    );
    return [response.status, (await response.json()).code];
  };
  try {
    assertEquals(await ask(), [503, "PGRST002"]);
    const line = Deno.listen({ hostname: "127.0.0.1", port });
    const carrying = (async () => {
      for await (const one of line) {
        const other = await Deno.connect({
          hostname: reached.hostname,
          port: Number(reached.port),
        });
        one.readable.pipeTo(other.writable).catch(() => {});
        other.readable.pipeTo(one.writable).catch(() => {});
      }
    })();
    assertEquals(await ask(), [200, undefined]);
    line.close();
    await carrying.catch(() => {});
  } finally {
    await rest.close();
  }
});

Deno.test("a function that is not there is answered as hosted does", async () => {
  await using db = await testDatabase();
  await using project = testProject(db);
  const { error, response } = await clientOf(project).functions.invoke("nothing");
  assertEquals([error?.name, response?.status], ["FunctionsHttpError", 404]);
  await response?.body?.cancel();
});

Deno.test("up serves every tier's project, takes it back when it was killed, and down ends it", async (t) => {
  await using stack = await ownStack(undefined, { projects: true });
  const { env, where } = stack;

  await t.step("every tier answers at its own address with its own key", async () => {
    for (const tier of ["CORE", "MAIN", "ARCHIVE"]) {
      const url = `${env[`STRATA_${tier}_URL`]}/rest/v1/rpc/nothing`;
      const status = async (apikey: string) => {
        const response = await fetch(url, {
          method: "POST",
          body: "{}",
          headers: { apikey, "content-type": "application/json" },
        });
        await response.body?.cancel();
        return response.status;
      };
      assertEquals(await status(env[`STRATA_${tier}_KEY`] ?? ""), 404);
      assertEquals(await status("sb_secret_wrong"), 401);
    }
    assertEquals((await status(where)).projects, true);
  });

  await t.step("pg_net reaches a function by the secrets in Vault", async () => {
    const sql = postgres(env.STRATA_CORE_DB_URL ?? "", { max: 1 });
    try {
      const [request] = await sql`
        select net.http_post(
          url => (select decrypted_secret from vault.decrypted_secrets where name = 'project_url')
                 || '/functions/v1/nothing') as id`;
      const answer = await waitFor("the function's answer", async () => {
        const [row] = await sql`select * from net._http_response where id = ${request?.id}`;
        return row;
      });
      assertEquals([answer.status_code, JSON.parse(answer.content).code], [404, "NOT_FOUND"]);
    } finally {
      await sql.end();
    }
  });

  await t.step("what functions log is for its owner's eyes", async () => {
    const paths = ["functions.log", "env"].map((file) => `${stack.stack.home}/${file}`);
    assertEquals(await Promise.all(paths.map(modeOf)), [0o600, 0o600]);
    await Deno.chmod(paths[0] ?? "", 0o644); // as it was written before
    await up({ ...where, projects: true });
    assertEquals(await Promise.all(paths.map(modeOf)), [0o600, 0o600]);
  });

  await t.step("killed, they come back with up, under the same keys", async () => {
    await killProcesses(() => projectServers(stack.stack));
    assertEquals((await status(where)).projects, false);
    const again = await up({ ...where, projects: true });
    assertEquals(again.env, env);
    assertEquals((await projectServers(stack.stack)).length, 1);
  });

  await t.step("down ends them", async () => {
    assert(await down(where));
    assertEquals((await projectServers(stack.stack)).length, 0);
  });
});

async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}
