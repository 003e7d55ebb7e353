import { assert, assertEquals } from "@std/assert";
import { createHandler, Env } from "../../supabase/functions/strata-health/handler.ts";
import { VERSION } from "../../supabase/functions/_strata/http/version.ts";
import { DatabaseError } from "../../supabase/functions/_strata/http/errors.ts";
import { assertRefused, badInput } from "../support/bad_input.ts";
import { testChain } from "../support/chain.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { call, TEST_ENV, testDeps } from "../support/function_deps.ts";
import { clientOf, testProject } from "../support/project.ts";
import { rpcTo } from "../support/rpc.ts";
import { MB, pretendSize } from "../support/watch.ts";

const BARE = Env.parse({
  ...TEST_ENV,
  SUPABASE_SECRET_KEYS: JSON.stringify(TEST_ENV.SUPABASE_SECRET_KEYS),
});

badInput("strata-health", {
  handler: () => createHandler(testDeps({ env: BARE })),
  good: [{ method: "GET" }, { method: "POST", body: {} }],
  open: ["GET"],
});

/** The handler over a database that stands alone; its clock is the real one. */
function healthOf(db: TestDatabase, more: Partial<Env> = {}, fetcher: typeof fetch = fetch) {
  const env = { ...BARE, ...more };
  return createHandler(
    testDeps({ env, rpc: rpcTo(db.sql), fetch: fetcher, now: () => Date.now() }),
  );
}

/** A service outside that counts how often it is asked. */
function service(answer: () => Response | Promise<Response>) {
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    asked.push(new URL(request.url).pathname);
    return answer();
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { asked, url, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("health without a key says that it lives and its version, and asks nobody", async () => {
  const handler = createHandler(testDeps({ env: BARE }));
  const response = await handler(call("GET", "", { headers: { apikey: "" } }));
  // An empty header is a key that is not good; a monitor sends none.
  await assertRefused(response, 401, "unauthorized");
  const bare = await handler(new Request("http://functions.test/health"));
  assertEquals([bare.status, await bare.json()], [200, {
    ok: true,
    status: "ok",
    version: VERSION,
  }]);
  const head = await handler(new Request("http://functions.test/health", { method: "HEAD" }));
  assertEquals([head.status, await head.text()], [200, ""]);
});

Deno.test("health with a wrong key is refused", async () => {
  const handler = createHandler(testDeps({ env: BARE }));
  for (const apikey of ["sb_secret_wrong", "sb_publishable_1", "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"]) {
    await assertRefused(
      await handler(call("GET", "", { headers: { apikey } })),
      401,
      "unauthorized",
    );
  }
});

Deno.test("health of a tier where all is well", async () => {
  await using db = await testDatabase();
  await db.sql`select strata.become('core', true)`;
  await pretendSize(db.sql, 100 * MB);
  await db.sql`call strata.watch()`;
  const response = await healthOf(db)(call("GET"));
  const said = await response.json();
  assertEquals([response.status, said.status, said.down, said.wrong], [200, "ok", [], []]);
  assertEquals([said.tier, said.level, said.links, said.last_move], ["core", "ok", [], null]);
  assert(said.tiers[0].ok && said.tiers[0].took_ms >= 0);
  assert(Math.abs(said.tiers[0].clock_skew_seconds) < 3);
});

Deno.test("health tells a database that is no tier yet", async () => {
  await using db = await testDatabase();
  const said = await (await healthOf(db)(call("GET"))).json();
  assertEquals([said.status, said.tier, said.tiers[0].tier], ["ok", null, "this tier"]);
});

Deno.test("health says what is in trouble: warnings degrade it, what is critical takes it down", async () => {
  await using db = await testDatabase();
  await db.sql`select strata.become('core', true)`;
  const ask = async () => {
    const response = await healthOf(db)(call("GET"));
    const { status, down, wrong } = await response.json();
    return [response.status, status, down, wrong];
  };
  await db.sql`select strata.raise_alert('overdue', null, 'notes', 'warning', 'notes wait')`;
  assertEquals(await ask(), [200, "degraded", [], ["notes wait"]]);
  await db.sql`select strata.raise_alert('size_critical', null, '', 'critical', 'core is full')`;
  assertEquals(await ask(), [503, "down", ["core is full"], ["notes wait"]]);
});

Deno.test("health is down, and says no more, when the database does not answer", async () => {
  const deps = testDeps({
    env: BARE,
    rpc: () => Promise.reject(new DatabaseError("", "connect ECONNREFUSED 10.0.0.3")),
  });
  const response = await createHandler(deps)(call("POST"));
  const text = await response.text();
  assertEquals([response.status, JSON.parse(text).down], [503, ["this tier does not answer"]]);
  assert(!text.includes("10.0.0.3"));
});

Deno.test("health shows its links: the line's TLS, and how far the neighbour's clock is", async () => {
  await using chain = await testChain({ tiers: ["core", "main"], driver: "pull" });
  await chain.main.sql`call strata.watchdog()`;
  const [link] = (await (await healthOf(chain.main)(call("GET"))).json()).links;
  const { neighbour, driver, dials, ok, tls } = link;
  assertEquals([neighbour, driver, dials, ok, tls], ["core", "pull", true, true, "TLSv1.3"]);
  assert(Math.abs(link.clock_skew_seconds) < 3, `${link.clock_skew_seconds}`);
  const [other] = (await (await healthOf(chain.core)(call("GET"))).json()).links;
  assertEquals([other.neighbour, other.dials, other.tls], ["main", false, null]);
});

Deno.test("health asks the other tiers it has a key for, and says which does not answer", async () => {
  await using chain = await testChain({ tiers: ["core", "main"] });
  await using main = testProject(chain.main);
  const tiers = async (more: Partial<Env>) => {
    const response = await healthOf(chain.core, more)(call("GET"));
    const { tiers, down } = await response.json();
    return [
      response.status,
      tiers.map(({ tier, ok }: { tier: string; ok: boolean }) => [tier, ok]),
      down,
    ];
  };
  const good = { STRATA_MAIN_URL: main.url, STRATA_MAIN_KEY: main.secretKey };
  assertEquals(await tiers(good), [200, [["core", true], ["main", true]], []]);
  const gone = { ...good, STRATA_MAIN_URL: "http://127.0.0.1:10" };
  assertEquals(await tiers(gone), [503, [["core", true], ["main", false]], [
    "main does not answer",
  ]]);
});

Deno.test("health tries the services outside, and does not try again for five minutes", async () => {
  await using db = await testDatabase();
  await using telegram = service(() => Response.json({ ok: true, result: {} }));
  await using voice = service(() => new Response("{}", { status: 401 }));
  const handler = healthOf(db, {
    TELEGRAM_BOT_TOKEN: "123:secret",
    TELEGRAM_API_ROOT: telegram.url,
    ELEVENLABS_API_KEY: "xi-secret",
    ELEVENLABS_API_ROOT: voice.url,
  });
  const ask = async () => (await handler(call("GET"))).json();
  for (const _ of [1, 2]) {
    const { status, wrong, outside } = await ask();
    assertEquals([status, wrong], ["degraded", ["elevenlabs: the key is refused"]]);
    assertEquals([outside.telegram.ok, outside.telegram.says], [true, "the bot answers"]);
  }
  assertEquals([telegram.asked, voice.asked], [["/bot123:secret/getMe"], ["/v1/models"]]);

  await db.sql`update strata.outside set checked_at = checked_at - interval '6 minutes'`;
  await ask();
  assertEquals([telegram.asked.length, voice.asked.length], [2, 2]);
});

Deno.test("POST notes that somebody asked; a dry run does not", async () => {
  await using db = await testDatabase();
  const noted = async () => (await db.sql`select name from strata.outside`).map(({ name }) => name);
  assertEquals((await healthOf(db)(call("POST", "?dry_run=1"))).status, 200);
  assertEquals(await noted(), []);
  assertEquals((await healthOf(db)(call("POST"))).status, 200);
  assertEquals(await noted(), ["keep_alive"]);
});

Deno.test("health answers supabase-js over the gateway", async () => {
  await using db = await testDatabase();
  await db.sql`select strata.become('core', true)`;
  await using project = testProject(db);
  const { data, error } = await clientOf(project).functions.invoke("strata-health", { body: {} });
  assertEquals([error, data?.status, data?.tier], [null, "ok", "core"]);
});
