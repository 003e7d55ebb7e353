import assert from "node:assert/strict";
import { audioOf } from "../../supabase/functions/_strata/outbound/audio.ts";
import { FAULTS } from "../support/elevenlabs.ts";
import { FAULTS as TELEGRAM } from "../support/telegram.ts";
import { fillLife, ledger, send, voiceWorld } from "../support/voice.ts";

Deno.test("the briefing is spoken, sent once with its text, stored, counted and logged", async () => {
  await using world = await voiceWorld();
  await fillLife(world);
  const { state, channel, says, reason } = await send(world);
  assert.deepEqual([state, channel, reason], ["sent", "voice", null]);
  const text = String(says);
  assert.match(
    text,
    /^Good morning\. It is Sunday, .* Most important: Call the dentist at two thirty PM, due today\./,
  );

  const [message, ...more] = world.telegram.sent;
  assert.equal(more.length, 0);
  assert.deepEqual([message?.method, message?.chat, message?.text], ["sendVoice", "4711", text]);
  const sound = audioOf(message?.voice ?? new Uint8Array());
  assert.equal(sound?.mimeType, "audio/ogg");

  assert.deepEqual(world.elevenlabs.asked, [{
    voice: "JBFqnCBsd6RMkjVDRZzb",
    text,
    model: "eleven_flash_v2_5",
    language: "en",
    format: "opus_48000_64",
  }]);
  const characters = [...text].length;
  assert.deepEqual(await ledger(world), [
    `briefing settled ${characters} ${Math.ceil(characters / 2)}`,
  ]);

  const [row] = await world.db.sql`
    select b.state, b.channel, b.message_id, b.says, b.characters, b.seconds::float8 as seconds, c.state as cost,
           r.transcript, r.mime_type, r.language, r.kind, octet_length(r.audio) as bytes, r.metadata
      from strata.briefings as b join strata.costs as c on c.cost_id = b.cost_id
      join public.voice_recordings as r on r.id = b.recording_id`;
  assert.equal(row?.metadata.characters, characters);
  assert.deepEqual({ ...row, metadata: undefined }, {
    state: "sent",
    channel: "voice",
    message_id: "1",
    says: text,
    characters,
    seconds: sound?.seconds,
    cost: "settled",
    transcript: text,
    mime_type: "audio/ogg",
    language: "en",
    kind: "briefing",
    bytes: message?.voice?.length,
    metadata: undefined,
  });
});

Deno.test("however often and at once it is called, a day has one briefing", async () => {
  await using world = await voiceWorld();
  await Promise.all(Array.from({ length: 5 }, () => world.post({ action: "send", wait: true })));
  assert.equal((await send(world)).state, "already");
  assert.equal(world.telegram.sent.length, 1);
  assert.equal(world.elevenlabs.asked.length, 1);
  await world.db.freezeClock("2026-11-23T07:00:00Z");
  assert.equal((await send(world)).state, "sent");
  assert.equal(world.telegram.sent.length, 2);
  assert.notEqual(world.telegram.sent[0]?.text, world.telegram.sent[1]?.text);
});

Deno.test("pg_net is answered at once, and the work goes on", async () => {
  await using world = await voiceWorld();
  const { status, body } = await world.post({ action: "send" });
  assert.deepEqual([status, body], [202, { accepted: true, owners: ["owner"] }]);
  await world.deps.settle();
  assert.equal(world.telegram.sent.length, 1);
});

Deno.test("each owner hears it in their own language, chat, voice and name", async () => {
  await using world = await voiceWorld();
  await world.db.sql`
    insert into strata.owners (owner, name, language, timezone, voice_id, model, chat_id)
    values ('anna', 'Anna', 'de', 'Europe/Berlin', 'EXAVITQu4vr4xnSDxMaL', 'eleven_multilingual_v2', '-100815')`;
  const { body } = await world.post({ action: "send", wait: true });
  assert.deepEqual(
    body.briefings.map(({ owner, state }: Record<string, string>) => `${owner} ${state}`),
    ["anna sent", "owner sent"],
  );
  const [german, english] = world.telegram.sent;
  assert.match(german?.text ?? "", /^Guten Morgen, Anna\. Heute ist Sonntag/);
  assert.equal(german?.chat, "-100815");
  assert.match(english?.text ?? "", /^Good morning\./);
  assert.deepEqual(
    world.elevenlabs.asked.map(({ voice, model, language }) => [voice, model, language]),
    [["EXAVITQu4vr4xnSDxMaL", "eleven_multilingual_v2", null], [
      "JBFqnCBsd6RMkjVDRZzb",
      "eleven_flash_v2_5",
      "en",
    ]],
  );
});

Deno.test("what does not fit into the share is left out, the least important first", async () => {
  await using world = await voiceWorld();
  await fillLife(world);
  await world.db.sql`update strata.allowances set resets_at = '2026-01-22T07:00Z'`; // 30 days left
  world.elevenlabs.account.limit = 4_500; // 150 credits, 300 characters a day
  world.elevenlabs.account.resetsAt = "2026-12-22T07:00:00Z";
  const { state, channel, reason, says } = await send(world);
  assert.deepEqual([state, channel, reason], ["sent", "voice", "share"]);
  assert.ok([...String(says)].length <= 300);
  assert.match(String(says), /Call the dentist.*Send invoice.*Plan the garden/);
  assert.doesNotMatch(String(says), /steps|Enjoy/);
});

Deno.test("with nothing left but the greeting it is written, and says why", async () => {
  await using world = await voiceWorld();
  await fillLife(world);
  world.elevenlabs.account.limit = 0;
  await world.db.sql`update strata.settings set value = 1000 where name = 'cost_per_day'`; // 20 characters
  const { state, channel, reason } = await send(world);
  assert.deepEqual([state, channel, reason], ["sent", "text", "day"]);
  const [message] = world.telegram.sent;
  assert.equal(message?.method, "sendMessage");
  assert.match(
    message?.text ?? "",
    /steps yesterday.*\n\n\(In writing today: today's voice budget is too small\.\)$/s,
  );
  assert.equal(world.elevenlabs.asked.length, 0);
  assert.deepEqual(await ledger(world), []);
});

Deno.test("when the service says the quota is gone it is written, and not asked again until its reset", async () => {
  await using world = await voiceWorld();
  world.elevenlabs.fail(FAULTS.quota);
  assert.deepEqual((await send(world)).reason, "exhausted");
  assert.match(world.telegram.sent[0]?.text ?? "", /this month's voice credits are used up/);
  assert.deepEqual((await ledger(world)).map((line) => line.slice(0, 19)), ["briefing released 0"]);
  world.elevenlabs.account.maySeeAccount = false; // else it would be believed
  await world.db.freezeClock("2026-11-30T07:00:00Z");
  assert.deepEqual((await send(world)).reason, "exhausted");
  assert.equal(world.elevenlabs.asked.length, 1);
  await world.db.freezeClock("2026-12-01T07:00:00Z");
  assert.equal((await send(world)).channel, "voice");
});

for (
  const [name, faults, asked, costs] of [
    ["two 429s", [FAULTS.tooMany, FAULTS.busy], 3, ["settled"]],
    ["a 500 and a 503", [FAULTS.internal, FAULTS.unavailable], 3, ["settled"]],
    ["a connection that breaks off", [FAULTS.reset], 2, ["settled", "settled"]],
    ["no audio at all", [FAULTS.malformed], 2, ["settled", "settled"]],
    ["an empty body", [FAULTS.empty], 2, ["settled", "settled"]],
    ["something that is no Ogg", [FAULTS.notOgg], 2, ["settled", "settled"]],
  ] as const
) {
  Deno.test(`after ${name} it is spoken all the same, and every attempt that may cost is counted`, async () => {
    await using world = await voiceWorld();
    world.elevenlabs.fail(...faults);
    assert.equal((await send(world)).channel, "voice");
    assert.equal(world.telegram.sent.length, 1);
    assert.equal(world.elevenlabs.asked.length, asked);
    assert.deepEqual((await ledger(world)).map((line) => line.split(" ")[1]), [...costs]);
  });
}

Deno.test("what is no Ogg is asked for again as mp3; what came as mp3 is taken", async () => {
  await using world = await voiceWorld();
  world.elevenlabs.fail(FAULTS.notOgg);
  await send(world);
  assert.deepEqual(world.elevenlabs.asked.map(({ format }) => format), [
    "opus_48000_64",
    "mp3_44100_64",
  ]);
  await world.db.freezeClock("2026-11-23T07:00:00Z");
  world.elevenlabs.fail(FAULTS.mp3);
  await send(world);
  assert.equal(world.elevenlabs.asked.length, 3);
  const rows = await world.db.sql<
    { mime_type: string }[]
  >`select mime_type from public.voice_recordings`;
  assert.deepEqual(rows.map(({ mime_type }) => mime_type), ["audio/mpeg", "audio/mpeg"]);
});

for (
  const [name, fault, asked, reason] of [
    ["a bad key", FAULTS.invalidKey, 1, "refused"],
    ["a voice that is not there", FAULTS.noVoice, 1, "refused"],
    ["a text it finds too long", FAULTS.tooLong, 1, "refused"],
    ["a request it finds invalid", FAULTS.invalid, 1, "refused"],
    ["a service that stays busy", FAULTS.busy, 4, "unavailable"],
    ["a service that stays broken", FAULTS.internal, 4, "unavailable"],
  ] as const
) {
  Deno.test(`with ${name} it is written, costs nothing, and says so`, async () => {
    await using world = await voiceWorld();
    world.elevenlabs.fail(fault, fault, fault, fault, fault);
    const result = await send(world);
    assert.deepEqual([result.state, result.channel, result.reason], ["sent", "text", reason]);
    assert.equal(world.elevenlabs.asked.length, asked);
    assert.deepEqual((await ledger(world)).map((line) => line.split(" ")[1]), ["released"]);
    assert.match(
      world.telegram.sent[0]?.text ?? "",
      /\(In writing today: the voice service (refused|did not answer)\.\)$/,
    );
    assert.ok(world.deps.slept.reduce((sum, nap) => sum + nap, 0) < 10_000);
  });
}

for (const name of ["hang", "drip"] as const) {
  Deno.test(`a service that ${name}s is given up in time, and counted because it may charge`, async () => {
    await using world = await voiceWorld();
    const { fetch } = world.deps;
    world.deps.fetch = (input, init) => {
      if (String(input).includes("text-to-speech")) world.pass(34_700); // of 35 s that speaking may take
      return fetch(input, init);
    };
    world.elevenlabs.fail(FAULTS[name]);
    assert.deepEqual((await send(world)).reason, "unavailable");
    assert.equal(world.telegram.sent.length, 1);
    assert.deepEqual((await ledger(world)).map((line) => line.split(" ")[1]), ["settled"]);
  });
}

Deno.test("a lost answer is not bought again when there is no money for it", async () => {
  await using world = await voiceWorld();
  world.elevenlabs.account.limit = 0;
  await world.db.sql`update strata.settings set value = 20000 where name = 'cost_per_day'`; // 400 characters
  world.elevenlabs.fail(FAULTS.reset, FAULTS.reset);
  assert.deepEqual((await send(world)).reason, "day");
  const [sum] = await world.db.sql`select sum(usd)::float8 as usd from strata.costs`;
  assert.ok(sum?.usd <= 0.02, String(sum?.usd));
});

Deno.test("when the chat is not there, nothing is paid for, and a later attempt goes through", async () => {
  await using world = await voiceWorld();
  await world.db.sql`update strata.owners set chat_id = '404'`;
  const failed = await send(world);
  assert.deepEqual([failed.state, failed.says], [
    "failed",
    "Telegram: Bad Request: chat not found (400)",
  ]);
  assert.equal(world.elevenlabs.asked.length, 0);
  await world.db.sql`update strata.owners set chat_id = null`;
  assert.equal((await send(world)).state, "sent");
});

Deno.test("what was paid for and not taken is sent at the next attempt without paying again", async () => {
  await using world = await voiceWorld();
  world.telegram.fail(TELEGRAM.blocked);
  assert.equal((await send(world)).state, "failed");
  const again = await send(world);
  assert.deepEqual([again.state, again.channel], ["sent", "voice"]);
  assert.equal(world.elevenlabs.asked.length, 1);
  assert.equal(world.telegram.sent[0]?.text, world.elevenlabs.asked[0]?.text);
  const [row] = await world.db
    .sql`select cost_id is not null as costs, attempts from strata.briefings`;
  assert.deepEqual({ ...row }, { costs: true, attempts: 2 });
});

Deno.test("who forbids voice messages reads it", async () => {
  await using world = await voiceWorld();
  world.telegram.fail({ status: 400, description: "Bad Request: VOICE_MESSAGES_FORBIDDEN" });
  const { state, channel, reason } = await send(world);
  assert.deepEqual([state, channel, reason], ["sent", "text", "refused"]);
  assert.deepEqual(world.telegram.sent.map(({ method }) => method), ["sendMessage"]);
  const [row] = await world.db.sql`select state, channel, reason from strata.briefings`;
  assert.deepEqual({ ...row }, { state: "sent", channel: "text", reason: "refused" });
});

Deno.test("Telegram's pause is kept", async () => {
  await using world = await voiceWorld();
  world.telegram.fail(TELEGRAM.tooMany(3));
  assert.equal((await send(world)).state, "sent");
  assert.deepEqual(world.deps.slept, [3_000]);
});

Deno.test("when Telegram's answer is lost the briefing may have arrived and is not sent again", async () => {
  await using world = await voiceWorld();
  world.telegram.fail(TELEGRAM.reset);
  assert.equal((await send(world)).state, "unknown");
  assert.equal((await send(world)).state, "unknown");
  assert.equal(world.telegram.sent.length, 1);
});

Deno.test("a function that dies before it delivers is taken over, one that dies after never", async () => {
  await using world = await voiceWorld();
  const { rpc } = world.deps;
  const dieAt = (name: string) => {
    world.deps.rpc = (called, args) => {
      return called === name ? Promise.reject(new Error("gone")) : rpc(called, args);
    };
  };
  dieAt("briefing_facts");
  assert.equal((await send(world)).state, "failed");
  dieAt("finish_briefing");
  assert.equal((await send(world)).state, "failed");
  assert.equal(world.telegram.sent.length, 1);
  world.deps.rpc = rpc;
  await world.db.freezeClock("2026-11-22T07:04:00Z");
  assert.equal((await send(world)).state, "unknown");
  assert.equal(world.telegram.sent.length, 1);
});

Deno.test("without the personal system's recordings it is sent all the same", async () => {
  await using world = await voiceWorld();
  await world.db.sql`drop table public.voice_recordings`;
  assert.equal((await send(world)).channel, "voice");
  await world.db.freezeClock("2026-11-23T07:00:00Z");
  await world.db.sql`create table public.voice_recordings (body text)`;
  assert.equal((await send(world)).channel, "voice");
  assert.ok(world.deps.logged.some(({ event }) => event === "recording_not_stored"));
});

Deno.test("a long text is the caption as far as it goes", async () => {
  await using world = await voiceWorld();
  await world.db.sql`
    insert into public.tasks (title, priority) select repeat('🌲word', 60), 1 from generate_series(1, 3)`;
  await world.db.sql`
    insert into public.daily_summaries (date, summary, created_at)
    values ('2026-11-21', repeat('long ', 190), '2026-11-21T20:00Z')`;
  await world.db.sql`delete from strata.affirmations`;
  await world.db.sql`
    insert into strata.affirmations (language, says) values ('en', ${
    "Quite long words. ".repeat(16)
  })`;
  world.elevenlabs.account.limit = 1_000_000;
  const { says } = await send(world);
  const caption = world.telegram.sent[0]?.text ?? "";
  assert.ok(caption.length <= 1024);
  assert.equal(caption === says, [...String(says)].length <= 1024);
});

Deno.test("nothing secret is logged, whatever goes wrong", async () => {
  await using world = await voiceWorld();
  world.elevenlabs.fail(FAULTS.invalidKey);
  world.telegram.fail(TELEGRAM.reset);
  await send(world);
  const text = Deno.inspect(world.deps.logged, { depth: 10, strAbbreviateSize: Infinity });
  assert.ok(!text.includes(world.elevenlabs.key) && !text.includes(world.telegram.token), text);
  const [row] = await world.db.sql`select to_jsonb(b)::text as says from strata.briefings as b`;
  assert.ok(!row?.says.includes(world.telegram.token));
});
