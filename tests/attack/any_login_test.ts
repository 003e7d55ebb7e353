/**
 * Played here: any login of a database with pg_net. It reads what is queued and what was answered
 * (pg_net grants both to everybody) and sends what it finds wherever it likes.
 */
import { assert, assertEquals } from "@std/assert";
import type { Sql } from "postgres";
import { signWake, WAKE_HEADER } from "../../supabase/functions/_strata/http/wake.ts";
import { assertRefused } from "../support/bad_input.ts";
import { refusal } from "../support/refusal.ts";
import type { TestDatabase } from "../support/database.ts";
import { quietlessCore } from "../support/outbox.ts";
import { tellProject, type TestProject, testProject } from "../support/project.ts";
import { telegramServer } from "../support/telegram.ts";
import { waitFor } from "../support/wait_for.ts";

interface Queued {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer>;
}

/** A login with nothing but what everybody has, on a database where that may connect. */
async function anyLogin(db: TestDatabase) {
  const name = `stranger_${crypto.randomUUID().slice(0, 8)}`;
  await db.sql.unsafe(`create role ${name} login password 'swordfish'`);
  const sql = db.connect({ username: name, password: "swordfish", max: 1 });
  return {
    sql,
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 1 });
      await db.sql.unsafe(`drop role ${name}`);
    },
  };
}

async function queued(sql: Sql): Promise<Queued> {
  const [found] = await sql<Queued[]>`
    select method, url, headers, body from net.http_request_queue order by id desc limit 1`;
  if (found === undefined) throw new Error("nothing is queued");
  return found;
}

async function send({ method, url, headers, body }: Queued) {
  const response = await fetch(url, { method, headers, body: new Uint8Array(body) });
  return { status: response.status, text: await response.text() };
}

async function assertStaysOut(request: Queued): Promise<void> {
  const { method, url, headers, body } = request;
  const response = await fetch(url, { method, headers, body: new Uint8Array(body) });
  await assertRefused(response, 401, "unauthorized");
}

async function assertNoKey(sql: Sql, wake: Queued, project: TestProject): Promise<void> {
  const shown = JSON.stringify([...await sql`select * from net.http_request_queue`]) +
    new TextDecoder().decode(wake.body);
  assert(shown.includes(WAKE_HEADER));
  for (const secret of [project.secretKey, project.wakeSecret, "sb_secret_", "apikey"]) {
    assertEquals(shown.includes(secret), false);
  }
  for (const table of ["vault.decrypted_secrets", "strata.alerts"]) {
    const { code } = await refusal(sql.unsafe(`select from ${table}`));
    assertEquals(code, "42501");
  }
}

/** A wake as the database would sign it, with a secret that no login can read. */
async function signed(project: TestProject, name: string, body: string, at = Date.now()) {
  const wake = await signWake(name, project.wakeSecret, at, body);
  return {
    method: "POST",
    url: `${project.url}/functions/v1/${name}`,
    headers: { "content-type": "application/json", [WAKE_HEADER]: wake },
    body: new TextEncoder().encode(body),
  };
}

const ours = (name: string) => `strata-${name}`;

Deno.test("any login finds nothing in pg_net's tables but a wake, which is good for waking alone", async (t) => {
  await using db = await quietlessCore();
  await using telegram = telegramServer();
  await using project = testProject(db, {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_CHAT_ID: "4711",
    TELEGRAM_API_ROOT: telegram.url,
  });
  await tellProject(db.sql, project);
  await db
    .sql`select strata.raise_alert('size_critical', null, '', 'critical', 'it is so', 'mend it')`;
  await db.sql`call strata.deliver()`;
  await using stranger = await anyLogin(db);
  const wake = await queued(stranger.sql);

  await t.step("there is no key in it", () => assertNoKey(stranger.sql, wake, project));

  await t.step("it wakes no other function, with no other body, by no other method", async () => {
    for (const name of ["voice", "health", "relay", "report", "deploy-notice"].map(ours)) {
      await assertStaysOut({ ...wake, url: `${project.url}/functions/v1/${name}` });
    }
    for (const body of ['{"test": true}', '{"wait": true}', "{ }"]) {
      await assertStaysOut({ ...wake, body: new TextEncoder().encode(body) });
    }
    const { [WAKE_HEADER]: header = "" } = wake.headers;
    const later = header.replace(/t=\d+/, `t=${Math.floor(Date.now() / 1000) + 60}`);
    await assertStaysOut({ ...wake, headers: { ...wake.headers, [WAKE_HEADER]: later } });
    for (const name of ["strata-notify", "strata-report", "strata-voice"]) {
      const response = await fetch(`${project.url}/functions/v1/${name}`, {
        headers: wake.headers,
      });
      await assertRefused(response, 401, "unauthorized");
    }
    assertEquals(telegram.sent, []);
  });

  await t.step("an hour later, or an hour before, it wakes nobody", async () => {
    for (const hours of [-1, 1]) {
      const at = Date.now() + hours * 3_600_000;
      await assertStaysOut(await signed(project, "strata-notify", "{}", at));
    }
  });

  await t.step("sent as it is, and again, it does once what was due", async () => {
    const answers = [await send(wake), await send(wake), await send(wake)];
    for (const { status, text } of answers) {
      assertEquals([status, text], [202, '{"accepted":true}']);
    }
    await waitFor("the message", () => telegram.sent.length > 0 || undefined);
    await send(wake);
    await waitFor("every delivery to be over", async () => {
      const open = await db.sql`select from strata.deliveries where state <> 'sent'`;
      return open.length === 0 || undefined;
    });
    assertEquals(telegram.sent.length, 1);
  });
});

Deno.test("who can sign may have a function do what is due, read nothing, and nothing else", async () => {
  await using db = await quietlessCore();
  await using project = testProject(db);
  const refused: [name: string, body: string, status: number][] = [
    ["strata-notify", '{"test":true}', 400],
    ["strata-notify", '{"wait":true}', 400],
    ["strata-voice", '{"action":"test"}', 400],
    ["strata-voice", '{"action":"preview"}', 400],
    ["strata-voice", '{"action":"history"}', 400],
    ["strata-voice", '{"action":"send","owner":"owner"}', 400],
    ["strata-voice", '{"action":"send","wait":true}', 400],
    ["strata-relay", '{"from":"core","to":"main","dataset":"tasks"}', 400],
    ["strata-relay", '{"from":"main","to":"core"}', 400],
    ["strata-health", '{"all":true}', 400],
    ["strata-report", '{"send":true}', 401],
    ["strata-deploy-notice", "{}", 401],
  ];
  for (const [name, body, status] of refused) {
    const answer = await send(await signed(project, name, body));
    assertEquals([name, body, answer.status], [name, body, status]);
  }
  const dry = await signed(project, "strata-notify", "{}");
  assertEquals((await send({ ...dry, url: `${dry.url}?dry_run=1` })).status, 400);

  const health = await send(await signed(project, "strata-health", "{}"));
  assertEquals([health.status, health.text], [200, '{"woken":true}']);
  const voice = await send(await signed(project, "strata-voice", '{"action":"send"}'));
  assertEquals([voice.status, voice.text], [202, '{"accepted":true}']);
  const briefings = await db.sql`select from strata.briefings`;
  assertEquals(briefings.length, 0); // none is due: waking does not make one so
});
