import assert from "node:assert/strict";
import {
  BOTH,
  claim,
  deliveries,
  noteSent,
  noteUnsent,
  quietlessCore,
  TELEGRAM,
  withoutDigest,
} from "../support/outbox.ts";

const later = (minutes: number) =>
  new Date(Date.parse("2026-03-01T12:00:00Z") + minutes * 60_000).toISOString();

async function coreWithMessage(key = "notice/1") {
  const db = await quietlessCore();
  await withoutDigest(db.sql);
  await db.sql`select strata.tell(${key}, 'notice', '{"text": "hello"}')`;
  return db;
}

Deno.test("tell() writes a key once, whoever calls again", async () => {
  await using db = await coreWithMessage();
  const [again] = await db.sql`select strata.tell('notice/1', 'notice', '{"text": "other"}') as id`;
  assert.equal(again?.id, null);
  const [message] = await claim(db.sql);
  assert.deepEqual(message?.body, { text: "hello" });
});

Deno.test("tell() refuses a message without a key or without a body", async () => {
  await using db = await quietlessCore();
  for (const [key, body] of [["", "{}"], [null, "{}"], ["k", null], ["k", "[1]"]]) {
    const outcome = await db.sql`select strata.tell(${key ?? null}, 'notice', ${
      body ?? null
    }::text::jsonb)`
      .then(() => "told", (error) => error.code);
    assert.equal(outcome, "ST111");
  }
});

Deno.test("claim_messages() leases each message to one caller per channel, and an acknowledged one to nobody", async () => {
  await using db = await coreWithMessage();
  const claimed = await claim(db.sql, BOTH);
  assert.deepEqual(claimed.map(({ channel }) => channel).sort(), ["telegram", "webhook"]);
  assert.deepEqual(await claim(db.sql, BOTH), []);
  for (const one of claimed) assert.ok(await noteSent(db.sql, one));
  await db.freezeClock(later(600));
  assert.deepEqual(await claim(db.sql, BOTH), []);
  const states = (await deliveries(db.sql, "notice/1")).map(({ state }) => state);
  assert.deepEqual(states, ["sent", "sent"]);
});

Deno.test("two claims at once never give the same message twice", async () => {
  await using db = await quietlessCore();
  await db.sql`select strata.tell('notice/' || n, 'notice', '{}') from generate_series(1, 12) as n`;
  const claims = await Promise.all(
    [1, 2, 3].map(() => claim(db.connect(), TELEGRAM, 4)),
  );
  const keys = claims.flat().map(({ key }) => key);
  assert.equal(keys.length, 12);
  assert.equal(new Set(keys).size, 12);
});

Deno.test("a lease that runs out gives the message to the next caller, marked as perhaps sent", async () => {
  await using db = await coreWithMessage();
  const [first] = await claim(db.sql);
  assert.ok(first !== undefined && !first.perhaps_sent);
  await db.freezeClock(later(2));
  assert.deepEqual(await claim(db.sql), []);
  await db.freezeClock(later(4));
  const [second] = await claim(db.sql);
  assert.equal(second?.perhaps_sent, true);
  assert.equal(second?.attempt, 2);
  assert.equal(await noteSent(db.sql, first), false, "the first lease is over");
  assert.ok(second !== undefined && await noteSent(db.sql, second));
});

Deno.test("an acknowledgement that comes late, but before anybody claimed again, counts", async () => {
  await using db = await coreWithMessage();
  const [message] = await claim(db.sql);
  await db.freezeClock(later(60));
  assert.ok(message !== undefined && await noteSent(db.sql, message));
  assert.deepEqual(await claim(db.sql), []);
});

Deno.test("a long message goes on after the part that was acknowledged last", async () => {
  await using db = await coreWithMessage();
  const [message] = await claim(db.sql);
  assert.ok(message !== undefined && await noteSent(db.sql, message, 2, false));
  await db.freezeClock(later(4));
  assert.equal((await claim(db.sql))[0]?.parts_sent, 2);
});

Deno.test("what failed is tried again with growing pauses, eight times, then given up with an alert", async () => {
  await using db = await coreWithMessage();
  let minutes = 0;
  const pauses: number[] = [];
  for (let attempt = 1; attempt <= 8; attempt++) {
    const from = minutes;
    let message;
    while ((message = (await claim(db.sql))[0]) === undefined) {
      await db.freezeClock(later(++minutes));
    }
    pauses.push(minutes - from);
    assert.equal(message.attempt, attempt);
    assert.ok(await noteUnsent(db.sql, message, "retry"));
  }
  assert.deepEqual(pauses, [0, 1, 2, 4, 8, 16, 32, 60]);
  await db.freezeClock(later(minutes + 120));
  assert.deepEqual(await claim(db.sql), []);
  assert.equal((await deliveries(db.sql, "notice/1"))[0]?.state, "failed");
  const [alert] = await db
    .sql`select kind, subject, says from strata.alerts where cleared_at is null`;
  assert.equal(alert?.kind, "undelivered");
  assert.match(
    alert?.says,
    /^one message could not be delivered over telegram .* it said no \[500\]$/,
  );
});

Deno.test("a caller that takes a message and never says how it went cannot do so for ever", async () => {
  await using db = await coreWithMessage();
  let taken = 0;
  for (let minutes = 0; minutes < 100; minutes += 4) {
    await db.freezeClock(later(minutes));
    taken += (await claim(db.sql)).length;
  }
  assert.equal(taken, 8);
});

Deno.test("a channel that says when to come again is left alone until then, the others are not", async () => {
  await using db = await coreWithMessage();
  await db.sql`select strata.tell('notice/2', 'notice', '{}')`;
  const [first] = await claim(db.sql, TELEGRAM, 1);
  assert.ok(first !== undefined && await noteUnsent(db.sql, first, "retry", "429", 600));
  const others = await claim(db.sql, BOTH);
  assert.deepEqual(others.map(({ channel }) => channel), ["webhook", "webhook"]);
  await db.freezeClock(later(9));
  assert.deepEqual(await claim(db.sql), []);
  await db.freezeClock(later(10));
  assert.equal((await claim(db.sql)).length, 2);
});

Deno.test("a channel that refuses us stops, with an alert, until its configuration changes", async () => {
  await using db = await coreWithMessage();
  const [message] = await claim(db.sql);
  assert.ok(message !== undefined && await noteUnsent(db.sql, message, "stop", "403"));
  const [alert] = await db.sql`
    select subject, says, remedy from strata.alerts where kind = 'channel_down' and cleared_at is null`;
  assert.equal(alert?.subject, "telegram");
  assert.match(
    alert?.says,
    /^telegram takes no messages since 2026-03-01 12:00: it said no \[403\]$/,
  );
  assert.match(alert?.remedy, /press Start/);
  await db.freezeClock(later(60));
  assert.deepEqual(await claim(db.sql), []);
  await db.sql`select strata.check_alerts()`;
  const [open] = await db
    .sql`select from strata.alerts where kind = 'channel_down' and cleared_at is null`;
  assert.ok(open, "looking again does not clear it");

  const [again] = await claim(db.sql, { telegram: "another", webhook: null });
  assert.equal(again?.attempt, 1, "the stop was not the message's fault");
  assert.ok(again !== undefined && await noteSent(db.sql, again));
  const [cleared] = await db.sql`select cleared_at from strata.alerts where kind = 'channel_down'`;
  assert.ok(cleared?.cleared_at !== null);
});

Deno.test("a stopped channel is tried again after six hours", async () => {
  await using db = await coreWithMessage();
  const [message] = await claim(db.sql);
  assert.ok(message !== undefined && await noteUnsent(db.sql, message, "stop", "401"));
  await db.freezeClock(later(361));
  assert.deepEqual((await claim(db.sql)).map(({ key }) => key), ["notice/1"]);
});

Deno.test("a message the channel refuses is given up at once, the others go on", async () => {
  await using db = await coreWithMessage();
  await db.sql`select strata.tell('notice/2', 'notice', '{}')`;
  const [first, second] = await claim(db.sql);
  assert.ok(first !== undefined && await noteUnsent(db.sql, first, "refused", "400"));
  assert.ok(second !== undefined && await noteSent(db.sql, second));
  assert.equal((await deliveries(db.sql, "notice/1"))[0]?.state, "failed");
});

Deno.test("a channel or an outcome nobody knows is refused", async () => {
  await using db = await coreWithMessage();
  const code = (error: { code: string }) => error.code;
  const pigeon = db.sql`select strata.note_channels('{"pigeon": "x"}')`;
  assert.equal(await pigeon.then(() => "", code), "ST110");
  const [message] = await claim(db.sql);
  assert.ok(message !== undefined);
  assert.equal(await noteUnsent(db.sql, message, "lost").then(() => "", code), "ST110");
});
