import assert from "node:assert/strict";
import { notifyOver, telegramEnv } from "../support/notify.ts";
import { deliveries, quietlessCore, withoutDigest } from "../support/outbox.ts";
import { type Fault, FAULTS, telegramServer } from "../support/telegram.ts";

const KEY = "notice/x";
const later = (minutes: number) =>
  new Date(Date.parse("2026-03-01T12:00:00Z") + minutes * 60_000).toISOString();

/** A core with one message, a Telegram that fails, and what comes of the first attempt. */
async function failing(...faults: Fault[]) {
  const db = await quietlessCore();
  await withoutDigest(db.sql);
  const telegram = telegramServer();
  telegram.fail(...faults);
  const notify = notifyOver(db.sql, telegramEnv(telegram));
  await db.sql`select strata.tell_notice('x', 'a title', 'a text')`;
  const [first] = await notify.deliver();
  return {
    db,
    telegram,
    notify,
    outcome: first?.outcome,
    says: first?.says,
    async alert() {
      const [alert] = await db.sql`
        select says, remedy from strata.alerts where kind = 'channel_down' and cleared_at is null`;
      return alert;
    },
    async [Symbol.asyncDispose]() {
      await telegram[Symbol.asyncDispose]();
      await db[Symbol.asyncDispose]();
    },
  };
}

// No answer, or one that says nothing: the message may be out.
for (
  const [what, fault] of Object.entries({
    "an internal error": FAULTS.internal,
    "a gateway's page": FAULTS.badGateway,
    "no answer": FAULTS.hang,
    "an answer lost": FAULTS.sentThenHang,
    "an answer that breaks off": FAULTS.reset,
    "an answer that drips": FAULTS.drip,
    "half an answer": FAULTS.malformed,
    "an answer without sense": FAULTS.senseless,
  })
) {
  Deno.test(`Telegram gives ${what}: it is sent again, and says it may have been seen`, async () => {
    await using run = await failing(fault);
    assert.equal(run.outcome, "uncertain", run.says);
    assert.deepEqual(await run.notify.deliver(), [], "not before a pause");
    await run.db.freezeClock(later(2));
    assert.equal((await run.notify.deliver())[0]?.outcome, "sent");
    assert.match(run.telegram.sent.at(-1)?.text ?? "", /core · 1 · perhaps you have it already/);
    assert.equal(await run.alert(), undefined);
  });
}

Deno.test("Telegram says when to come again: it is waited for, here if it is soon", async () => {
  await using run = await failing(FAULTS.tooMany(3));
  assert.equal(run.outcome, "sent");
  assert.deepEqual(run.notify.deps.slept, [3_000]);
  assert.doesNotMatch(run.telegram.sent[0]?.text ?? "", /perhaps/);
});

Deno.test("Telegram asks for a long pause: the channel keeps it", async () => {
  await using run = await failing(FAULTS.tooMany(600));
  assert.equal(run.outcome, "retry");
  await run.db.sql`select strata.tell_notice('y', 'another', 'text')`;
  await run.db.freezeClock(later(9));
  assert.deepEqual(await run.notify.deliver(), []);
  await run.db.freezeClock(later(10));
  assert.equal((await run.notify.deliver()).length, 2);
  assert.equal(run.telegram.sent.length, 2);
});

for (
  const [what, fault, remedy] of [
    ["knows no such bot", FAULTS.unauthorized, /token or secret is wrong/],
    ["says we are blocked", FAULTS.blocked, /press Start/],
    ["knows no such chat", FAULTS.noChat, /set the channel's address/],
    ["says the chat has moved", FAULTS.migrated, /set the channel's address/],
  ] as const
) {
  Deno.test(`Telegram ${what}: nothing more is sent, an alert says what to do`, async () => {
    await using run = await failing(fault);
    assert.equal(run.outcome, "stop");
    const alert = await run.alert();
    assert.ok(alert?.says.includes(fault.description), alert?.says);
    assert.match(alert?.remedy, remedy);
    await run.db.sql`select strata.tell_notice('y', 'another', 'text')`;
    await run.db.freezeClock(later(60));
    const calls = run.telegram.calls.length;
    assert.deepEqual(await run.notify.deliver(), []);
    assert.equal(run.telegram.calls.length, calls);
    assert.equal((await deliveries(run.db.sql, KEY))[0]?.state, "waiting");

    const changed = { ...telegramEnv(run.telegram), TELEGRAM_CHAT_ID: "-100815" };
    assert.equal((await notifyOver(run.db.sql, changed).deliver()).length, 2);
    assert.equal(await run.alert(), undefined);
  });
}

Deno.test("Telegram cannot read the tags: the message goes out as plain text", async () => {
  await using run = await failing(FAULTS.unparsable);
  assert.equal(run.outcome, "sent");
  const [message] = run.telegram.sent;
  assert.equal(message?.parseMode, undefined);
  assert.equal(message?.text, "a title a text\n\ncore · 1");
});

Deno.test("Telegram refuses a message: that one is given up, with an alert", async () => {
  await using run = await failing({ status: 400, description: "Bad Request: message is too long" });
  assert.equal(run.outcome, "refused");
  const [alert] = await run.db.sql`select kind, says from strata.alerts where cleared_at is null`;
  assert.equal(alert?.kind, "undelivered");
  assert.match(alert?.says, /message is too long/);
});

Deno.test("a wrong token of ours is refused by the stand-in as by the original", async () => {
  await using db = await quietlessCore();
  await using telegram = telegramServer();
  const env = { ...telegramEnv(telegram), TELEGRAM_BOT_TOKEN: `1:${"w".repeat(35)}` };
  await db.sql`select strata.tell_notice('x', 'a', 'b')`;
  const [first] = await notifyOver(db.sql, env).deliver();
  assert.deepEqual([first?.outcome, first?.says], ["stop", "Unauthorized [401]"]);
});

Deno.test("Telegram never answers: the call is given up after fifteen seconds", async () => {
  await using db = await quietlessCore();
  await using telegram = telegramServer();
  telegram.fail(FAULTS.hang);
  await db.sql`select strata.tell_notice('x', 'a', 'b')`;
  const began = performance.now();
  const [first] = await notifyOver(db.sql, telegramEnv(telegram), 60_000).deliver();
  assert.equal(first?.outcome, "uncertain");
  const took = performance.now() - began;
  assert.ok(took > 14_000 && took < 25_000, `${took} ms`);
});
