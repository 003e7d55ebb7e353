import assert from "node:assert/strict";
import { Webhook } from "standardwebhooks";
import { createHandler } from "../../supabase/functions/strata-notify/handler.ts";
import { badInput } from "../support/bad_input.ts";
import { TEST_ENV, testDeps } from "../support/function_deps.ts";
import { notifyOver, telegramEnv } from "../support/notify.ts";
import { deliveries, quietlessCore } from "../support/outbox.ts";
import { parseHtml, telegramServer } from "../support/telegram.ts";

badInput("strata-notify", {
  handler: () => createHandler(testDeps({ env: TEST_ENV })),
  good: [{ method: "GET" }, { method: "POST", body: { wait: true } }],
});

const CRITICAL = `select strata.raise_alert('size_critical', null, '', 'critical',
  'core holds 471 MB of <b>500</b> MB & more', 'see "monitor sizes"')`;

Deno.test("notify sends a critical alert once, whoever calls how often", async () => {
  await using db = await quietlessCore();
  await using telegram = telegramServer();
  const notify = notifyOver(db.sql, telegramEnv(telegram));
  await db.sql.unsafe(CRITICAL);
  await Promise.all([notify.deliver(), notify.deliver(), notify.deliver()]);
  await notify.deliver();
  assert.equal(telegram.sent.length, 1);
  const [message] = telegram.sent;
  assert.equal(message?.chat, "4711");
  assert.equal(message?.silent, false);
  assert.equal(
    message?.text,
    "🔴 <b>core: size critical</b> (since 2026-03-01 12:00 UTC)\n" +
      'core holds 471 MB of &lt;b&gt;500&lt;/b&gt; MB &amp; more\n→ see "monitor sizes"\n\n' +
      "<i>core · 1</i>",
  );
});

Deno.test("notify answers 202 to whoever only wakes it, and delivers behind that", async () => {
  await using db = await quietlessCore();
  await using telegram = telegramServer();
  const notify = notifyOver(db.sql, telegramEnv(telegram));
  await db.sql.unsafe(CRITICAL);
  const response = await notify.request("POST", "", {});
  assert.deepEqual([response.status, await response.json()], [202, { accepted: true }]);
  await notify.deps.settle();
  assert.equal(telegram.sent.length, 1);
});

Deno.test("notify previews what it would send, and sends nothing", async () => {
  await using db = await quietlessCore();
  await using telegram = telegramServer();
  const notify = notifyOver(db.sql, telegramEnv(telegram));
  await db.sql`select strata.tell_notice('x', 'A title', 'and a text')`;
  for (const [method, query] of [["GET", ""], ["POST", "?dry_run=1"]] as const) {
    const preview = await (await notify.request(method, query)).json();
    assert.deepEqual(preview.messages, [{
      key: "notice/x",
      kind: "notice",
      audience: "owner",
      severity: "info",
      silent: false,
      parts: 1,
      text: "A title and a text",
    }]);
    assert.equal(preview.configured.telegram, "yes");
    assert.match(preview.configured.webhook, /^no: STRATA_WEBHOOK_URL/);
  }
  assert.deepEqual(telegram.calls, []);
  assert.deepEqual(await deliveries(db.sql, "notice/x"), []);
});

Deno.test("notify sends a greeting when it is told to test the way", async () => {
  await using db = await quietlessCore();
  await using telegram = telegramServer();
  const notify = notifyOver(db.sql, telegramEnv(telegram));
  await notify.request("POST", "", { test: true, wait: true });
  assert.match(telegram.sent[0]?.text ?? "", /^<b>Strata<\/b> can reach you here\./);
});

Deno.test("notify without a channel sends nothing and says so", async () => {
  await using db = await quietlessCore();
  const notify = notifyOver(db.sql, { TELEGRAM_BOT_TOKEN: `1:${"x".repeat(35)}` });
  await db.sql.unsafe(CRITICAL);
  assert.deepEqual(await notify.deliver(), []);
  const [state] = await db
    .sql`select state from strata.channel_states() where channel = 'telegram'`;
  assert.equal(state?.state, "off");
  const preview = await (await notify.request("GET")).json();
  assert.equal(preview.configured.telegram, "no: TELEGRAM_CHAT_ID");
});

Deno.test("notify cuts a long message, numbers its parts, and goes on after the part that is out", async () => {
  await using db = await quietlessCore();
  await using telegram = telegramServer();
  const notify = notifyOver(db.sql, telegramEnv(telegram));
  await db.sql`
    select strata.raise_alert('row_set_aside', null, 'table ' || n, 'warning', repeat('<x> & ', 20), 'look')
      from generate_series(1, 60) as n`;
  telegram.fail({ body: '{"ok":true,"result":{"message_id":1}}' }); // the first part is out
  telegram.fail({ hang: true }); // the second is not
  assert.deepEqual((await notify.deliver()).map(({ outcome }) => outcome), ["uncertain"]);
  assert.equal(telegram.sent.length, 1);
  await db.freezeClock("2026-03-01T12:02:00Z");
  assert.deepEqual((await notify.deliver()).map(({ outcome }) => outcome), ["sent"]);
  const footers = telegram.sent.map(({ text }) => text.split("\n").at(-1));
  const parts = footers.length;
  assert.ok(parts > 3);
  assert.deepEqual(footers, [
    `<i>core · 1, 1/${parts}</i>`,
    ...footers.slice(1).map((_, at) =>
      `<i>core · 1, ${at + 2}/${parts} · perhaps you have it already</i>`
    ),
  ]);
  for (const { text } of telegram.sent) {
    assert.ok(text.length <= 4096 && "text" in parseHtml(text));
  }
  assert.ok(notify.deps.slept.length >= parts - 2, "at most one message a second");
});

Deno.test("notify sends admin messages to the admin's chat, and to the owner's when that refuses", async () => {
  await using db = await quietlessCore();
  await using telegram = telegramServer({ chats: ["4711", "-100815"] });
  await db
    .sql`select strata.tell('notice/1', 'notice', '{"title": "a", "text": "b"}', p_audience => 'admin')`;
  await notifyOver(db.sql, { ...telegramEnv(telegram), TELEGRAM_ADMIN_CHAT_ID: "-100815" })
    .deliver();
  await db
    .sql`select strata.tell('notice/2', 'notice', '{"title": "a", "text": "b"}', p_audience => 'admin')`;
  const lost = notifyOver(db.sql, { ...telegramEnv(telegram), TELEGRAM_ADMIN_CHAT_ID: "-999" });
  assert.deepEqual((await lost.deliver()).map(({ outcome }) => outcome), ["sent"]);
  assert.deepEqual(telegram.sent.map(({ chat }) => chat), ["-100815", "4711"]);
  assert.match(telegram.sent[1]?.text ?? "", /TELEGRAM_ADMIN_CHAT_ID takes no messages/);
});

Deno.test("notify posts to a webhook what its receiver can check and knows again", async () => {
  await using db = await quietlessCore();
  const secret = `whsec_${btoa("k".repeat(32))}`;
  const received: { headers: Record<string, string>; body: string }[] = [];
  const statuses = [503, 200];
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (request) => {
      received.push({ headers: Object.fromEntries(request.headers), body: await request.text() });
      return new Response(null, { status: statuses.shift() ?? 200 });
    },
  );
  const notify = notifyOver(db.sql, {
    STRATA_WEBHOOK_URL: `http://127.0.0.1:${server.addr.port}/hook`,
    STRATA_WEBHOOK_SECRET: secret,
  });
  await db.sql.unsafe(CRITICAL);
  assert.deepEqual((await notify.deliver()).map(({ outcome }) => outcome), ["retry"]);
  await db.freezeClock("2026-03-01T12:02:00Z");
  assert.deepEqual((await notify.deliver()).map(({ outcome }) => outcome), ["sent"]);
  const [first, second] = received;
  assert.equal(first?.headers["webhook-id"], "core/1");
  assert.equal(second?.headers["webhook-id"], "core/1");
  const signer = new Webhook(secret);
  const { headers = {}, body = "" } = second ?? {};
  const at = new Date(Number(headers["webhook-timestamp"]) * 1000);
  assert.equal(headers["webhook-signature"], signer.sign("core/1", at, body));
  const { type, data } = JSON.parse(body);
  assert.equal(type, "strata.alert");
  assert.equal(data.attempt, 2);
  assert.equal(data.body.alerts[0].kind, "size_critical");
});

Deno.test("notify lets no outcome of one message stop the next", async () => {
  await using db = await quietlessCore();
  await using telegram = telegramServer();
  const notify = notifyOver(db.sql, telegramEnv(telegram));
  await db.sql`insert into strata.outbox (key, kind, audience, severity, body, made_at, due_at)
    values ('odd', 'digest', 'owner', 'info', '{"alerts": "<none>"}', strata.clock(), strata.clock())`;
  await db.sql`select strata.tell_notice('fine', 'a', 'b')`;
  assert.deepEqual((await notify.deliver()).map(({ outcome }) => outcome), ["sent", "sent"]);
  assert.match(telegram.sent[0]?.text ?? "", /<code>{"alerts":"&lt;none&gt;"}<\/code>/);
});

Deno.test("notify logs no token and no key", async () => {
  await using db = await quietlessCore();
  await using telegram = telegramServer();
  telegram.fail({ reset: true });
  const notify = notifyOver(db.sql, telegramEnv(telegram));
  await db.sql.unsafe(CRITICAL);
  await notify.deliver();
  const said = JSON.stringify([
    notify.deps.logged,
    await db.sql`select last_error from strata.deliveries`,
  ]);
  assert.ok(!said.includes(telegram.token), said);
});
