import assert from "node:assert/strict";
import { createHandler, Env } from "../../supabase/functions/strata-voice/handler.ts";
import { DatabaseError } from "../../supabase/functions/_strata/http/errors.ts";
import { badInput } from "../support/bad_input.ts";
import { FAULTS } from "../support/elevenlabs.ts";
import { factsOf } from "../support/facts.ts";
import { call, TEST_ENV, testDeps } from "../support/function_deps.ts";
import { fillLife, ledger, send, voiceWorld } from "../support/voice.ts";

const env = Env.parse({
  ...TEST_ENV,
  SUPABASE_SECRET_KEYS: JSON.stringify(TEST_ENV.SUPABASE_SECRET_KEYS),
});

badInput("strata-voice", {
  handler: () => createHandler(testDeps({ env })),
  good: [
    { method: "GET", query: "?action=history&limit=3" },
    { method: "POST", body: { action: "send" } },
    { method: "POST", body: { action: "estimate", text: "x" } },
  ],
});

badInput("voice, with a text to estimate", {
  handler: () =>
    createHandler(testDeps({
      env,
      rpc: (name) =>
        Promise.resolve(
          name === "briefing_facts" ? { ...factsOf() } : {
            credits: 1,
            usd: 0,
            fits: true,
            limited_by: "share",
            units_left: 100,
            credits_left: 50,
            usd_left: 0.01,
          },
        ),
    })),
  good: [{ method: "GET" }, { method: "POST", body: { action: "estimate" } }],
  texts: [
    { method: "POST", body: (text) => ({ action: "estimate", text }), status: 200 },
  ],
});

for (
  const [what, body] of [
    ["an action that is not there", { action: "sing" }],
    ["no action", {}],
    ["an owner with a quote", { action: "send", owner: "o'brien" }],
    ["an owner of another type", { action: "send", owner: 7 }],
    ["a limit that is too large", { action: "history", limit: 101 }],
    ["a limit that is no whole number", { action: "history", limit: 1.5 }],
    ["a text that is too long", { action: "estimate", text: "x".repeat(5_001) }],
    ["an empty text", { action: "estimate", text: "" }],
    ["a field of another action", { action: "send", text: "x" }],
  ] as const
) {
  Deno.test(`voice refuses ${what}`, async () => {
    const handler = createHandler(testDeps({ env }));
    const response = await handler(call("POST", "", { body }));
    assert.equal(response.status, 400);
    assert.equal((await response.json()).error.code, "invalid_body");
  });
}

Deno.test("a preview says what would be said and what it costs, and calls nobody", async () => {
  await using world = await voiceWorld();
  await fillLife(world);
  const { status, body } = await world.get();
  assert.equal(status, 200);
  const { text, characters, words, seconds, cost, limits, ...rest } = body;
  assert.match(text, /^Good morning\..* Send invoice number forty-two, overdue since Thursday\./);
  assert.equal(characters, [...text].length);
  assert.ok(words > 60 && seconds > 20);
  assert.deepEqual(cost, { credits: characters / 2, usd: 0 });
  assert.equal(limits.limited_by, "share");
  assert.deepEqual(rest, {
    owner: "owner",
    day: "2026-11-22",
    language: "en",
    channel: "voice",
    reason: null,
    left_out: [],
    voice: "JBFqnCBsd6RMkjVDRZzb",
    model: "eleven_flash_v2_5",
    configured: { telegram: true, elevenlabs: true },
  });
  assert.deepEqual([world.telegram.calls, world.elevenlabs.calls], [[], []]);
  assert.deepEqual(await ledger(world), []);
  assert.equal((await world.db.sql`select from strata.briefings`).length, 0);
  assert.equal((await send(world)).says, text); // and that is what is then said
});

Deno.test("POST, dry_run and GET preview the same", async () => {
  await using world = await voiceWorld();
  const { body } = await world.get("?action=preview&owner=owner");
  assert.deepEqual((await world.post({ action: "preview" })).body, body);
  const dry = await world.post({ action: "send" }, "?dry_run=1");
  assert.deepEqual([dry.status, dry.body], [200, { briefings: [body] }]);
  assert.equal(world.telegram.sent.length, 0);
});

Deno.test("a preview without a voice shows what would be written", async () => {
  await using world = await voiceWorld({ without: "elevenlabs" });
  const { body } = await world.get();
  assert.deepEqual([body.channel, body.reason, body.configured.elevenlabs], [
    "text",
    "unconfigured",
    false,
  ]);
  const { channel, says } = await send(world);
  assert.deepEqual([channel, says], ["text", body.text]);
});

Deno.test("without Telegram nothing is sent, and it says what is missing", async () => {
  await using world = await voiceWorld({ without: "telegram" });
  assert.equal((await world.get()).body.configured.telegram, false);
  for (const action of ["send", "test"]) {
    const { status, body } = await world.post({ action });
    assert.deepEqual([status, body.error.code], [409, "not_configured"]);
    assert.match(body.error.message, /TELEGRAM_BOT_TOKEN/);
  }
  assert.equal((await world.db.sql`select from strata.briefings`).length, 0);
});

Deno.test("the history tells what was said, how, and for how much", async () => {
  await using world = await voiceWorld();
  await send(world);
  await world.db.freezeClock("2026-11-23T07:00:00Z");
  world.elevenlabs.fail(FAULTS.invalidKey);
  await send(world);
  const { body } = await world.get("?action=history&limit=2");
  const [monday, sunday] = body.briefings;
  assert.deepEqual([monday.day, monday.channel, monday.reason], ["2026-11-23", "text", "refused"]);
  assert.deepEqual([sunday.day, sunday.channel, sunday.usd, sunday.attempts], [
    "2026-11-22",
    "voice",
    0,
    1,
  ]);
  assert.match(sunday.says, /^Good morning\./);
  assert.equal((await world.post({ action: "history", limit: 1 })).body.briefings.length, 1);
});

Deno.test("the voices of the account, with its credits", async () => {
  await using world = await voiceWorld();
  const { body } = await world.get("?action=voices");
  assert.deepEqual(body.voices.map(({ name }: { name: string }) => name), ["George", "Sarah"]);
  assert.deepEqual(body.credits, {
    plan: "free",
    used: 0,
    amount: 10_000,
    resetsAt: "2026-12-01T00:00:00.000Z",
  });
  world.elevenlabs.account.maySeeAccount = false;
  assert.equal((await world.get("?action=voices")).body.credits, null);
});

Deno.test("the voices of nobody: a bad key, no key", async () => {
  await using world = await voiceWorld();
  world.deps.env.ELEVENLABS_API_KEY = "sk_wrong_wrong_wrong";
  const wrong = await world.get("?action=voices");
  assert.deepEqual([wrong.status, wrong.body.error.code], [502, "elevenlabs"]);
  assert.match(wrong.body.error.message, /invalid_api_key/);
  await using without = await voiceWorld({ without: "elevenlabs" });
  const { status, body } = await without.get("?action=voices");
  assert.deepEqual([status, body.error.code], [409, "not_configured"]);
});

Deno.test("an estimate of a text, and of today's briefing", async () => {
  await using world = await voiceWorld();
  const { body } = await world.post({ action: "estimate", text: "x".repeat(3_000) });
  assert.deepEqual([body.characters, body.seconds, body.fits], [3_000, 200, false]);
  assert.deepEqual(body.cost, { credits: 1_500, usd: 0 });
  assert.equal(body.limits.limited_by, "share");
  const today = await world.get("?action=estimate");
  assert.equal(today.body.fits, true);
  assert.deepEqual(world.elevenlabs.calls, []);
});

Deno.test("a test says one sentence, is counted apart, and is no briefing", async () => {
  await using world = await voiceWorld();
  await world.db.sql`update strata.owners set language = 'de'`;
  const dry = await world.post({ action: "test" }, "?dry_run=1");
  assert.equal(dry.body.fits, true);
  assert.deepEqual([world.telegram.calls, world.elevenlabs.calls], [[], []]);
  const { status, body } = await world.post({ action: "test" });
  assert.deepEqual([status, body.channel, body.usd], [200, "voice", 0]);
  assert.equal(
    world.telegram.sent[0]?.text,
    "Das ist die Stimme deines Briefings. Alles funktioniert.",
  );
  assert.deepEqual(await ledger(world), ["voice-test settled 56 28"]);
  assert.equal((await world.db.sql`select from strata.briefings`).length, 0);
  world.elevenlabs.fail(FAULTS.noVoice);
  const refused = await world.post({ action: "test" });
  assert.deepEqual([refused.body.channel, refused.body.reason, refused.body.code], [
    "text",
    "refused",
    "voice_not_found",
  ]);
});

Deno.test("a test that Telegram does not take is an error that says so", async () => {
  await using world = await voiceWorld();
  await world.db.sql`update strata.owners set chat_id = '404'`;
  const { status, body } = await world.post({ action: "test" });
  assert.deepEqual([status, body.error.code], [502, "telegram"]);
  assert.match(body.error.message, /chat not found/);
  assert.equal(world.elevenlabs.asked.length, 0);
});

Deno.test("an owner, a price or a database that is not there", async () => {
  await using world = await voiceWorld();
  for (const action of ["preview", "history", "estimate", "send", "test"]) {
    const { status, body } = await world.post({ action, owner: "nobody" });
    assert.deepEqual([status, body.error.code], [404, "unknown_owner"], action);
  }
  await world.db.sql`update strata.owners set model = 'eleven_v9'`;
  const unpriced = await world.get();
  assert.deepEqual([unpriced.status, unpriced.body.error.code], [409, "unknown_price"]);
  world.deps.rpc = () => Promise.reject(new DatabaseError("", "connection refused"));
  const gone = await world.get();
  assert.deepEqual([gone.status, gone.body.error.code], [503, "database_unreachable"]);
});
