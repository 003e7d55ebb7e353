import assert from "node:assert/strict";
import { telegramServer } from "../support/telegram.ts";
import { testProject } from "../support/project.ts";
import { commandLine } from "./support.ts";

/** A core and a main that are set up, and a Telegram that core's functions reach. */
async function chain() {
  const cli = await commandLine(["core", "main"]);
  const telegram = telegramServer();
  const core = cli.databases.get("core");
  assert.ok(core !== undefined);
  const project = testProject(core, {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_CHAT_ID: "4711",
    TELEGRAM_ADMIN_CHAT_ID: "-100815",
    TELEGRAM_API_ROOT: telegram.url,
  });
  cli.environment["STRATA_CORE_URL"] = project.url;
  cli.environment["STRATA_CORE_KEY"] = project.secretKey;
  const { code, out, err } = await cli.strata("setup", "--init");
  assert.equal(code, 0, `${out}${err}`);
  await cli.sql("core")`update strata.quiet_hours set starts = '00:00', ends = '00:00'`;
  return {
    ...cli,
    telegram,
    project,
    async [Symbol.asyncDispose]() {
      await project[Symbol.asyncDispose]();
      await telegram[Symbol.asyncDispose]();
      await cli[Symbol.asyncDispose]();
    },
  };
}

Deno.test("report shows how everything is, and sends it once when it is told to", async () => {
  await using cli = await chain();
  const shown = await cli.strata("report");
  assert.equal(shown.code, 0, shown.err);
  assert.match(
    shown.out,
    /^Strata, [^]*\ncore\n[^]*moves of the last 24 hours: 0, [^]*\nmain\n/,
  );
  const { alerts, tiers } = JSON.parse((await cli.strata("report", "--json")).out);
  assert.deepEqual([alerts, tiers.length], [[], 2]);

  const sent = await cli.strata("report", "--send");
  assert.deepEqual([sent.code, sent.out], [0, "telegram: sent"]);
  const again = await cli.strata("report", "--send");
  assert.deepEqual([again.code, again.out], [0, "It was sent before; not again."]);
  assert.ok(cli.telegram.sent.every(({ chat }) => chat === "4711"));
  const parts = cli.telegram.sent.length;

  assert.equal((await cli.strata("report", "--send-to-admin")).out, "telegram: sent");
  assert.ok(cli.telegram.sent.length > parts);
  assert.ok(cli.telegram.sent.slice(parts).every(({ chat }) => chat === "-100815"));
  assert.match(cli.telegram.sent[parts]?.text ?? "", /^<b>Strata in \d{4}-\d\d<\/b>/);
});

Deno.test("report --send says when nobody can send, and that nothing is lost", async () => {
  await using cli = await chain();
  cli.environment["STRATA_CORE_URL"] = "http://127.0.0.1:9";
  const { code, err } = await cli.strata("report", "--send");
  assert.equal(code, 1);
  assert.match(err, /notify of core does not answer\. The report waits in the outbox/);
});

Deno.test("status names the channels, and says when nobody is told", async () => {
  await using cli = await chain();
  const before = await cli.strata("status");
  assert.match(
    before.out,
    /^told over\n⚪ telegram {2}function notify has not been heard from yet\n⚪ webhook/m,
  );
  await cli.strata("report", "--send");
  const after = await cli.strata("status");
  assert.match(after.out, /🟢 telegram {2}last used \d{4}-[\d: -]+\n⚪ webhook {3}not configured/);
  const { tiers } = JSON.parse((await cli.strata("status", "--json")).out);
  assert.equal(tiers[0].channels[0].state, "on");
});
