import assert from "node:assert/strict";
import { serveProject } from "../../local/projects.ts";
import { fillLife } from "../support/voice.ts";
import { SUNDAY } from "../support/briefings.ts";
import { type ElevenLabsServer, elevenLabsServer } from "../support/elevenlabs.ts";
import { type TelegramServer, telegramServer } from "../support/telegram.ts";
import { type CommandLine, commandLine } from "./support.ts";

/** A command line whose core has a project with functions, and the world outside it. */
interface Spoken extends CommandLine {
  telegram: TelegramServer;
  elevenlabs: ElevenLabsServer;
}

async function spokenTo(): Promise<Spoken> {
  const telegram = telegramServer();
  const elevenlabs = elevenLabsServer();
  const cli = await commandLine(["core", "main"]);
  const database = cli.databases.get("core");
  assert.ok(database !== undefined);
  const secretKey = `sb_secret_${crypto.randomUUID().replaceAll("-", "")}`;
  const project = serveProject({
    databaseUrl: database.url,
    secretKey,
    publishableKey: "sb_publishable_of_a_test",
    variables: {
      TELEGRAM_BOT_TOKEN: telegram.token,
      TELEGRAM_CHAT_ID: "4711",
      TELEGRAM_API_ROOT: telegram.url,
      ELEVENLABS_API_KEY: elevenlabs.key,
      ELEVENLABS_API_ROOT: elevenlabs.url,
    },
  }, 0);
  Object.assign(cli.environment, { STRATA_CORE_URL: project.url, STRATA_CORE_KEY: secretKey });
  await database.sql`select strata.become('core')`;
  await database.freezeClock(SUNDAY);
  await fillLife({ db: database });
  return {
    ...cli,
    telegram,
    elevenlabs,
    async [Symbol.asyncDispose]() {
      await project[Symbol.asyncDispose]();
      await telegram[Symbol.asyncDispose]();
      await elevenlabs[Symbol.asyncDispose]();
      await cli[Symbol.asyncDispose]();
    },
  };
}

Deno.test("voice: look, estimate, send, look again, over the real REST API and supabase-js", async () => {
  await using cli = await spokenTo();
  const preview = await cli.strata("voice", "preview");
  assert.equal(preview.code, 0, preview.err);
  assert.match(preview.out, /^2026-11-22, owner \(en\): spoken$/m);
  assert.match(preview.out, /^\d{3} characters, \d+ words, about \d+ s: 0 USD, \d+(\.5)? credits/m);
  assert.match(preview.out, /^Good morning\. It is Sunday, November twenty-second\./m);

  const estimate = await cli.strata("voice", "estimate", "--text", "x".repeat(3_000));
  assert.equal(estimate.code, 1);
  assert.match(estimate.out, /^It is too long: 2,222 characters are left \(share\)\.$/m);

  assert.equal((await cli.strata("voice", "history")).out, "No briefing yet.");
  const sent = await cli.strata("voice", "send");
  assert.equal(sent.code, 0, `${sent.out}${sent.err}`);
  assert.match(sent.out, /^2026-11-22 owner: sent, spoken\nGood morning\./);
  assert.equal(cli.telegram.sent[0]?.method, "sendVoice");
  const again = await cli.strata("voice", "send", "--all", "--json");
  assert.equal(again.code, 0);
  assert.equal(JSON.parse(again.out).briefings[0].state, "already");
  assert.equal(cli.telegram.sent.length, 1);

  const older = await cli.strata("voice", "send_daily");
  assert.match(older.out, /^2026-11-22 owner: was sent already\nGood morning/m);
  assert.equal(cli.telegram.sent.length, 1);

  const history = await cli.strata("voice", "history", "--limit", "3");
  assert.match(history.out, /^2026-11-22 +sent +voice +\d+ +\d+ +0/m);
  const voices = await cli.strata("voice", "voices");
  assert.match(voices.out, /^\* JBFqnCBsd6RMkjVDRZzb +George +premade/m);
  assert.match(voices.out, /^plan free: \d+ of 10,000 credits used, anew on 2026-12-01$/m);
  const test = await cli.strata("voice", "test");
  assert.deepEqual([test.code, test.out], [0, "Sent: listen to it in your chat."]);
  const [stored] = await cli.sql("core")`select audio, metadata from public.voice_recordings`;
  assert.deepEqual(new Uint8Array(stored?.audio), cli.telegram.sent[0]?.voice);
  assert.equal(stored?.metadata.model, "eleven_flash_v2_5");
});

Deno.test("voice says what is wrong and what to do about it", async () => {
  await using cli = await spokenTo();
  const nobody = await cli.strata("voice", "preview", "--owner", "nobody");
  assert.deepEqual([nobody.code, nobody.err], [2, "There is no such owner."]);
  assert.equal((await cli.strata("voice", "sing")).code, 2);
  const limit = await cli.strata("voice", "history", "--limit", "0");
  assert.equal(limit.code, 2);
  const key = cli.environment.STRATA_CORE_KEY ?? "";
  cli.environment.STRATA_CORE_KEY = "sb_secret_wrong";
  const wrong = await cli.strata("voice", "preview");
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /→ Correct core's key in \.env/);
  cli.environment.STRATA_CORE_KEY = key;
  cli.environment.STRATA_CORE_URL = "http://127.0.0.1:9";
  const gone = await cli.strata("voice", "preview", "--json");
  assert.equal(gone.code, 1);
  assert.match(JSON.parse(gone.out).error.says, /core's functions cannot be reached/);
});
