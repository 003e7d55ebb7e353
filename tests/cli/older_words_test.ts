import assert from "node:assert/strict";
import { inTodaysWords } from "../../cli/lib/older_words.ts";
import { testProject } from "../support/project.ts";
import { telegramServer } from "../support/telegram.ts";
import { commandLine } from "./support.ts";

Deno.test("every command of the earlier design is one of today's", () => {
  for (
    const [older, today] of [
      ["multi_tier_setup.py --all", "setup --all"],
      ["multi_tier_setup.py --init", "setup --init"],
      ["multi_tier_setup.py --sample-data", "setup --sample-data"],
      ["multi_tier_setup.py --validate", "setup --validate"],
      ["data_sync_manager.py", "sync"],
      ["data_lifecycle_manager.py --process", "process"],
      ["data_lifecycle_manager", "monitor lifecycle"],
      ["lifecycle --process", "process"],
      ["home_server_archiver.py", "sync"],
      ["archiver", "sync"],
      ["archiver --test", "test-links archive"],
      ["home_server_archiver.py --cleanup", "process"],
      ["data_monitor.py --sizes", "monitor sizes"],
      ["monitor --sync", "monitor sync"],
      ["monitor --sizes --sync --lifecycle --json", "monitor sizes sync lifecycle --json"],
      ["data_monitor.py --report", "report"],
      ["data_monitor.py --report --send-to-admin", "report --send-to-admin"],
      ["data_monitor.py --alert", "alerts --send"],
      ["daily_voice_lambda.py preview", "voice preview"],
      ["daily_voice_lambda.py send_daily", "voice send"],
      ["voice --json send_daily", "voice --json send"],
      ["daily_voice_lambda.py history", "voice history"],
      ["elevenlabs_tts.py test", "voice test"],
    ] as const
  ) assert.equal(inTodaysWords(older.split(" ")).join(" "), today);
});

Deno.test("a command line of today is left as it is, whatever it names", () => {
  for (
    const args of [
      [],
      ["--help"],
      ["manage", "archiver", "--core", "90"],
      ["explain", "monitor", "--sizes"],
      ["load", "constructor", "data_monitor.py"],
      ["toString"],
      ["monitor", "sizes", "--json"],
      ["voice", "send", "--all"],
    ]
  ) assert.deepEqual(inTodaysWords(args), args);
});

Deno.test("older command lines do their work", async () => {
  await using cli = await commandLine(["core", "archive"]);
  assert.equal((await cli.strata("multi_tier_setup.py", "--init")).code, 0);
  const write = (age: string) =>
    cli.sql("core").unsafe(`insert into public.journal_entries (created_at, content)
      values (now() - interval '${age}', 'written ${age} ago')`);
  await write("30 days");
  assert.match((await cli.strata("monitor", "--sizes")).out, /🟢 core: .* of 500 MB/);
  const archived = await cli.strata("archiver");
  assert.equal(archived.code, 0, archived.err);
  assert.match(archived.out, /^journal_entries +core +archive +1 /m);
  const tested = await cli.strata("archiver", "--test");
  assert.match(tested.out, /^✓ +archive +right +postgres owns .*, which is archive$/m);
  assert.match(tested.out, /^✓ +archive +link +dials core \(pull\)$/m);
  assert.doesNotMatch(tested.out, /^. +core /m);
  await write("6 years");
  const cleaned = await cli.strata("archiver", "--cleanup");
  assert.equal(cleaned.code, 0, cleaned.err);
  assert.match(cleaned.out, /^journal_entries +archive +deleted +1 /m);
  const seen = await cli.strata("monitor", "--sync", "--lifecycle");
  assert.equal(seen.code, 0, seen.err);
  assert.match(seen.out, /journal_entries +core +archive +1 [^]*journal_entries +7 +365 +1825/);
  const { moves, datasets } = JSON.parse(
    (await cli.strata("monitor", "--sync", "--lifecycle", "--json")).out,
  );
  assert.deepEqual([moves.length, datasets.length], [3, 17]);
  assert.match((await cli.strata("monitor", "--report")).out, /^Strata, [^]*\narchive, as of /);
  assert.equal((await cli.strata("monitor", "--weather")).code, 2);
});

Deno.test("monitor --alert looks again and sends what is critical, once", async () => {
  await using cli = await commandLine(["core", "main"]);
  await using telegram = telegramServer();
  await using project = testProject(cli.databases.get("core") ?? { url: "" }, {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_CHAT_ID: "4711",
    TELEGRAM_API_ROOT: telegram.url,
  });
  Object.assign(cli.environment, {
    STRATA_CORE_URL: project.url,
    STRATA_CORE_KEY: project.secretKey,
  });
  assert.equal((await cli.strata("setup", "--init")).code, 0);
  const quiet = await cli.strata("monitor", "--alert");
  assert.deepEqual([quiet.code, quiet.err], [0, ""]);
  assert.match(quiet.out, /^Nothing is wrong\.\n\nNothing was sent: nothing waits/);
  await cli.sql("core")`select strata.set_tier('core', 4, 2, 3, 10)`; // MB: it holds more
  await cli.sql("core")`call strata.watch()`;
  const { code, out } = await cli.strata("monitor", "--alert");
  assert.equal(code, 1, out);
  assert.match(out, /🔴 core: size critical/);
  assert.match(out, /^telegram: sent$/m);
  const told = telegram.sent.length;
  assert.ok(told > 0);
  assert.equal((await cli.strata("alerts", "--send")).code, 1);
  assert.equal(telegram.sent.length, told);
});
