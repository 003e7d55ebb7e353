import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { z } from "zod";
import { ownKey, PlatformEnv, readEnv } from "../../supabase/functions/_strata/http/env.ts";
import { DatabaseError, HttpError } from "../../supabase/functions/_strata/http/errors.ts";
import { Nothing, plainText, route, router } from "../../supabase/functions/_strata/http/http.ts";
import { createLog } from "../../supabase/functions/_strata/http/log.ts";
import { type Deps, wire } from "../../supabase/functions/_strata/http/wire.ts";
import { assertRefused, badInput } from "../support/bad_input.ts";
import { call, TEST_ENV, testDeps } from "../support/function_deps.ts";

const Body = z.strictObject({ title: plainText(100).optional() });
const Query = z.strictObject({ days: z.coerce.number().int().optional() });

/** A function that says back what it was told. */
function echo(deps: Deps) {
  return router(deps, {
    GET: route({
      body: Nothing,
      query: Query,
      run: ({ query }) => Promise.resolve({ days: query.days ?? null }),
    }),
    POST: route({
      body: Body,
      query: Nothing,
      previews: true,
      run: ({ body, dryRun }) => Promise.resolve({ ...body, dryRun }),
    }),
  });
}

badInput("router", {
  handler: () => echo(testDeps({ env: TEST_ENV })),
  good: [{ method: "GET", query: "?days=3" }, { method: "POST", body: { title: "x" } }],
  texts: [{ method: "POST", query: "?dry_run=1", body: (title) => ({ title }), status: 200 }],
});

Deno.test("router: good requests arrive as they were sent", async () => {
  const handler = echo(testDeps({ env: TEST_ENV }));
  const answer = async (request: Request) => await (await handler(request)).json();
  assertEquals(await answer(call("GET", "?days=3")), { days: 3 });
  assertEquals(await answer(call("POST", "", { body: { title: "a" } })), {
    title: "a",
    dryRun: false,
  });
  assertEquals(await answer(call("POST", "?dry_run=1")), { dryRun: true });
  assertEquals(await answer(call("POST", "?dry_run=false", { body: {} })), { dryRun: false });
});

Deno.test("router: HEAD is GET without a body, and needs the key as well", async () => {
  const handler = echo(testDeps({ env: TEST_ENV }));
  const known = await handler(call("HEAD"));
  assertEquals([known.status, await known.text()], [200, ""]);
  assertEquals((await handler(call("HEAD", "", { headers: { apikey: "x" } }))).status, 401);
});

Deno.test("router: a parameter that is given twice or makes no sense is refused", async () => {
  const handler = echo(testDeps({ env: TEST_ENV }));
  for (
    const [method, query] of [["GET", "?days=1&days=2"], ["GET", "?dry_run=1"], [
      "POST",
      "?dry_run=perhaps",
    ]]
  ) {
    await assertRefused(await handler(call(method ?? "", query)), 400, "invalid_query");
  }
});

Deno.test("router: what went wrong inside stays inside, and is logged", async () => {
  const failures: [unknown, number, string][] = [
    [new Error("password is swordfish"), 500, "internal"],
    [new DatabaseError("42501", "permission denied for table moves"), 500, "internal"],
    [new DatabaseError("", "connection refused by 10.0.0.3"), 503, "database_unreachable"],
    [new DatabaseError("PGRST002", "no schema cache"), 503, "database_unreachable"],
    [new HttpError(409, "sent_already", "It was sent already."), 409, "sent_already"],
  ];
  for (const [failure, status, code] of failures) {
    const deps = testDeps({ env: TEST_ENV });
    const run = () => Promise.reject(failure);
    const handler = router(deps, { GET: route({ body: Nothing, query: Nothing, run }) });
    await assertRefused(await handler(call("GET")), status, code);
    assertEquals(deps.logged.length, failure instanceof HttpError ? 0 : 1);
  }
});

Deno.test("router: a signed webhook is checked against the bytes that came", async () => {
  const deps = testDeps({ env: TEST_ENV });
  const seen: string[] = [];
  const handler = router(deps, {
    POST: route({
      access: {
        says: "Sign it.",
        mayBe: (request) => request.headers.has("x-signature"),
        isGenuine: (request, bytes) => {
          seen.push(new TextDecoder().decode(bytes));
          return Promise.resolve(request.headers.get("x-signature") === "good");
        },
      },
      body: Body,
      query: Nothing,
      run: ({ bytes }) => Promise.resolve({ length: bytes.length }),
    }),
  });
  const headers = { apikey: "", "x-signature": "bad" };
  await assertRefused(await handler(call("POST", "", { body: {}, headers })), 401, "unauthorized");
  const good = await handler(
    call("POST", "", { body: {}, headers: { ...headers, "x-signature": "good" } }),
  );
  assertEquals([await good.json(), seen], [{ length: 2 }, ["{}", "{}"]]);
});

Deno.test("readEnv() names what is missing or malformed, never a value", () => {
  const message = (variables: Record<string, string>) => {
    return assertThrows(() => readEnv(PlatformEnv, variables), Error).message;
  };
  const url = { SUPABASE_URL: "https://x.supabase.co" };
  assertEquals(message({}), "SUPABASE_URL is missing");
  assertEquals(message(url), "SUPABASE_SECRET_KEYS is missing");
  assertEquals(message({ ...url, SUPABASE_SECRET_KEYS: "" }), "SUPABASE_SECRET_KEYS is missing");
  for (const keys of ["swordfish", '["swordfish"]', '{"default": "eyJswordfish.x.y"}']) {
    const said = message({ ...url, SUPABASE_SECRET_KEYS: keys });
    assertEquals(said, "SUPABASE_SECRET_KEYS is of the wrong form");
  }
});

Deno.test("readEnv() takes the keys of hosted and of self-hosted projects", () => {
  const url = { SUPABASE_URL: "https://x.supabase.co" };
  const hosted = readEnv(PlatformEnv, {
    ...url,
    SUPABASE_SECRET_KEYS: '{"cron": "sb_secret_1", "default": "sb_secret_2"}',
    SOMETHING_ELSE: "is not ours",
  });
  assertEquals(ownKey(hosted), "sb_secret_2");
  assertEquals(
    ownKey(readEnv(PlatformEnv, { ...url, SUPABASE_SECRET_KEY: "sb_secret_3" })),
    "sb_secret_3",
  );
});

Deno.test("every key of the project lets in, whatever its name", async () => {
  const env = {
    ...TEST_ENV,
    SUPABASE_SECRET_KEYS: { default: "sb_secret_aaa", cron: "sb_secret_bbb" },
  };
  const handler = echo(testDeps({ env }));
  const status = async (apikey: string) => {
    return (await handler(call("GET", "", { headers: { apikey } }))).status;
  };
  assertEquals([await status("sb_secret_aaa"), await status("sb_secret_bbb")], [200, 200]);
  assertEquals(await status("sb_secret_ccc"), 401);
});

Deno.test("wire() answers with an error of its own when settings are missing", async () => {
  const handler = wire("echo", PlatformEnv, echo, {});
  await assertRefused(await handler(call("GET")), 500, "misconfigured");
});

Deno.test("a log shows no secret, whatever an error says", () => {
  const lines: string[] = [];
  const log = createLog("echo", ["123:token/of+bot", "a"], (line) => lines.push(line));
  log("failed", {
    error: new Error("GET https://api.telegram.org/bot123:token/of+bot/send failed"),
    url: `https://x/${encodeURIComponent("123:token/of+bot")}`,
  });
  const [line = ""] = lines;
  assertStringIncludes(line, "bot***/send failed");
  assertEquals(/token/.test(line), false);
  assertEquals(JSON.parse(line).event, "failed");
});
