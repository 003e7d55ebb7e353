/** Played here: whoever holds the publishable key, which is everybody who has seen the application. */
import { assert, assertEquals } from "@std/assert";
import { createClient } from "@supabase/supabase-js";
import { functionNames } from "../../local/functions.ts";
import { becomes } from "../support/watch.ts";
import { VERSION } from "../../supabase/functions/_strata/http/version.ts";
import { testDatabase } from "../support/database.ts";
import { testProject } from "../support/project.ts";

/** What the routes take, so that nothing but the key is in the way. */
const BODIES: Record<string, unknown[]> = {
  "strata-health": [{}],
  "strata-notify": [{}, { test: true }, { wait: true }],
  "strata-relay": [{ from: "core", to: "main" }],
  "strata-report": [{ send: true }, { send: true, kind: "month", to: "admin", wait: true }],
  "strata-voice": ["send", "test", "preview", "voices", "history"].map((action) => ({ action })),
  "strata-deploy-notice": [
    { repository: "a/b", what: "backup", state: "success", at: new Date().toISOString() },
  ],
};

Deno.test("over REST the publishable key calls no function of strata and reaches no table", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  await using project = testProject(db);
  const anon = createClient(project.url, project.publishableKey, { db: { schema: "strata" } });

  const functions = await db.sql<{ name: string; args: string[] | null }[]>`
    select p.proname as name, p.proargnames[1:p.pronargs] as args from pg_proc as p
     where p.pronamespace = 'strata'::regnamespace and p.prokind = 'f'`;
  assert(functions.length > 300);
  const called: string[] = [];
  for (const { name, args } of functions) {
    const given = Object.fromEntries((args ?? []).map((arg) => [arg, null]));
    for (const body of [given, {}]) {
      const { error } = await anon.rpc(name, body);
      if (error === null) called.push(name);
    }
  }
  assertEquals(called, []);

  const relations = await db.sql<{ name: string }[]>`
    select c.relname as name from pg_class as c
     where c.relnamespace = 'strata'::regnamespace and c.relkind in ('r', 'v', 'm', 'p', 'f')`;
  assert(relations.length > 40);
  const reached: string[] = [];
  for (const { name } of relations) {
    const answers = await Promise.all([
      anon.from(name).select(),
      anon.from(name).insert({}),
      anon.from(name).delete().not("ctid", "is", null),
    ]);
    if (answers.some(({ error }) => error === null)) reached.push(name);
  }
  assertEquals(reached, []);
});

Deno.test("no edge function tells the holder of the publishable key anything, or works for him", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  await using project = testProject(db, {
    DEPLOY_WEBHOOK_SECRET: "a-secret-of-sixteen-letters-or-more",
  });
  const key = project.publishableKey;
  const credentials: Record<string, string>[] = [
    { apikey: key },
    { apikey: key, authorization: `Bearer ${key}` },
    { authorization: `Bearer ${key}` },
    { apikey: key, "x-strata-wake": `t=${Math.floor(Date.now() / 1000)},v1=${"0".repeat(64)}` },
    { apikey: key, "x-hub-signature-256": `sha256=${"0".repeat(64)}` },
  ];
  const names = await functionNames();
  assertEquals(names, Object.keys(BODIES).sort());
  const let_in: string[] = [];
  for (const name of names) {
    for (const headers of credentials) {
      for (const [method, body] of requestsOf(name)) {
        const response = await fetch(`${project.url}/functions/v1/${name}`, {
          method,
          body,
          headers: { "content-type": "application/json", ...headers },
        });
        const text = await response.text();
        const isAlive = name === "strata-health" && method === "GET" &&
          headers.apikey === undefined;
        if (isAlive) assertEquals(JSON.parse(text), { ok: true, status: "ok", version: VERSION });
        else if (![401, 405].includes(response.status)) let_in.push(`${method} ${name}: ${text}`);
      }
    }
  }
  assertEquals(let_in, []);
  for (const table of ["outside", "outbox", "deliveries", "briefings", "costs", "leases"]) {
    assertEquals((await db.sql.unsafe(`select from strata.${table}`)).length, 0, table);
  }
});

function requestsOf(name: string): [method: string, body: string | null][] {
  return [
    ["GET", null],
    ["DELETE", null],
    ...(BODIES[name] ?? []).map((body): [string, string] => ["POST", JSON.stringify(body)]),
  ];
}
