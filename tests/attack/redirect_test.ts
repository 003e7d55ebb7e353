/** Who answers for an address and points elsewhere does not get the key there: one test for each client. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { speak } from "../../supabase/functions/_strata/outbound/elevenlabs.ts";
import { readEnv } from "../../supabase/functions/_strata/http/env.ts";
import { DatabaseError } from "../../supabase/functions/_strata/http/errors.ts";
import { callOut, OutboundError } from "../../supabase/functions/_strata/outbound/outbound.ts";
import { keyFetch, RedirectError } from "../../supabase/functions/_strata/outbound/safe_address.ts";
import { connectRpc } from "../../supabase/functions/_strata/protocol/strata_rpc.ts";
import { attempt, telegramApi } from "../../supabase/functions/_strata/outbound/telegram.ts";
import { sendWebhook } from "../../supabase/functions/_strata/outbound/webhook.ts";
import { Env as HealthEnv } from "../../supabase/functions/strata-health/handler.ts";
import { outside } from "../../supabase/functions/strata-health/outside.ts";
import { commandLine } from "../cli/support.ts";
import { TEST_ENV, testDeps } from "../support/function_deps.ts";

const KEY = `sb_secret_${"k".repeat(32)}`;

/** An address that points to another one, and what arrives there. */
interface Trap extends AsyncDisposable {
  url: string;
  /** Requests that came to the address itself. */
  readonly asked: number;
  /** Requests that were carried on. */
  readonly caught: number;
}

function trap(status = 307): Trap {
  let [asked, caught] = [0, 0];
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const other = Deno.serve(options, async (request) => {
    await request.text();
    caught++;
    return Response.json({ ok: true, result: { message_id: 1 } });
  });
  const first = Deno.serve(options, async (request) => {
    await request.text();
    asked++;
    const { pathname } = new URL(request.url);
    const location = `http://localhost:${other.addr.port}${pathname}`;
    return new Response(null, { status, headers: { location } });
  });
  return {
    url: `http://127.0.0.1:${first.addr.port}`,
    get asked() {
      return asked;
    },
    get caught() {
      return caught;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([first.shutdown(), other.shutdown()]);
    },
  };
}

const outward = () => ({ fetch, now: () => 0, sleep: () => Promise.resolve() });

Deno.test("a redirect is carried on by a client that is not told otherwise", async () => {
  await using server = trap();
  const answer = await fetch(server.url, { method: "POST", body: "{}", headers: { apikey: KEY } });
  await answer.body?.cancel();
  assertEquals(server.caught, 1); // so the others would be caught, too
});

for (const status of [301, 302, 303, 307, 308]) {
  Deno.test(`fetch with a key says that it was redirected (${status})`, async () => {
    await using server = trap(status);
    const failure = await assertRejects(() => keyFetch()(server.url), RedirectError);
    assertEquals([failure.status, server.caught], [status, 0]);
  });
}

Deno.test("the REST API of a tier: relay, health and every function of ours", async () => {
  await using server = trap();
  const failure = await assertRejects(() => connectRpc(server.url, KEY)("health"), DatabaseError);
  assertMatch(failure.message, /answers with a redirect \(307\), which is not followed/);
  assert(failure.unreachable);
  assertEquals([server.asked, server.caught], [1, 0]);
});

Deno.test("the command line: functions of core, and notify", async () => {
  await using server = trap();
  await using cli = await commandLine(["core", "main"]);
  assertEquals((await cli.strata("setup", "--init")).code, 0);
  cli.environment["STRATA_CORE_URL"] = server.url;
  for (const line of [["voice", "preview"], ["report", "--send"]]) {
    const { code, err } = await cli.strata(...line);
    assertEquals(code, 1, err);
    assertMatch(err, /core: the address answers with a redirect .*\n→ Write the address/);
  }
  assertEquals([server.asked, server.caught], [2, 0]);
});

Deno.test("callOut(), whatever its caller asks of fetch", async () => {
  await using server = trap();
  const call = { url: server.url, deadline: 5000, repeatable: false, attempts: 1 };
  const init = { redirect: "follow" as const, headers: { key: KEY } };
  await assertRejects(() => callOut(outward(), { ...call, init }), OutboundError);
  assertEquals([server.asked, server.caught], [1, 0]);
});

Deno.test("Telegram", async () => {
  await using server = trap();
  const settings = { token: `1:${"t".repeat(30)}`, chat: "1", adminChat: "1", apiRoot: server.url };
  const outcome = await attempt(() => telegramApi({ fetch }, settings).sendMessage("1", "hello"));
  assertEquals([outcome.outcome, server.asked, server.caught], ["uncertain", 1, 0]);
});

Deno.test("ElevenLabs", async () => {
  await using server = trap();
  const settings = { key: "k".repeat(20), voice: "v".repeat(20), root: server.url };
  const speech = await speak(outward(), settings, {
    ...{ text: "hello", voice: settings.voice, model: "eleven_flash_v2_5", language: "en" },
    ...{ format: "mp3_44100_64", deadline: 5000 },
  });
  assertEquals([speech.outcome, server.asked, server.caught], ["lost", 1, 0]);
});

Deno.test("the webhook", async () => {
  await using server = trap();
  const settings = { url: server.url, secret: "s".repeat(24) };
  const message = { id: "1", type: "strata.test", data: {}, deadline: 5000 };
  const outcome = await sendWebhook(outward(), settings, message);
  assertEquals([outcome.outcome, server.asked, server.caught], ["uncertain", 1, 0]);
});

Deno.test("the services that health looks at", async () => {
  await using server = trap();
  const env = readEnv(HealthEnv, {
    SUPABASE_URL: TEST_ENV.SUPABASE_URL,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: KEY }),
    TELEGRAM_BOT_TOKEN: "1:token",
    TELEGRAM_API_ROOT: server.url,
    ELEVENLABS_API_KEY: "k".repeat(20),
    ELEVENLABS_API_ROOT: server.url,
  });
  const deps = testDeps({ env, fetch, rpc: () => Promise.resolve(null) });
  const found = await outside(deps, {});
  assertEquals(Object.values(found).map(({ ok }) => ok), [false, false]);
  assertEquals([server.asked, server.caught], [2, 0]);
});

Deno.test("a key goes in clear text to no public address", async () => {
  const env = {
    SUPABASE_URL: TEST_ENV.SUPABASE_URL,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: KEY }),
  };
  for (const name of ["STRATA_MAIN_URL", "TELEGRAM_API_ROOT", "ELEVENLABS_API_ROOT"]) {
    const problem =
      `${name} would send the key in clear text over other people's networks: write https://`;
    const given = { ...env, [name]: "http://main.example.org" };
    await assertRejects(() => Promise.try(() => readEnv(HealthEnv, given)), Error, problem);
    readEnv(HealthEnv, { ...env, [name]: "http://192.168.1.2:8000" });
  }
  const rpc = connectRpc("http://main.example.org", KEY, () => {
    throw new Error("it was called");
  });
  await assertRejects(() => rpc("health"), DatabaseError, "would send the key in clear text");
});
