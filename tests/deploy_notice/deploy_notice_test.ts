import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { sign } from "@octokit/webhooks-methods";
import {
  createHandler,
  type Env,
  type Speak,
} from "../../supabase/functions/strata-deploy-notice/handler.ts";
import { assertRefused, HOSTILE_TEXTS, UNSTORABLE_TEXTS } from "../support/bad_input.ts";
import { TEST_ENV, testDeps } from "../support/function_deps.ts";
import { elevenLabsServer } from "../support/elevenlabs.ts";
import { telegramEnv } from "../support/notify.ts";
import { keys, quietlessCore } from "../support/outbox.ts";
import { rpcTo } from "../support/rpc.ts";
import { parseHtml, telegramServer } from "../support/telegram.ts";

const SECRET = "a secret of sixteen letters or more".replaceAll(" ", "-");
const NOW = "2026-11-22T12:00:00Z"; // the handler's clock
const REPOSITORY = { full_name: "someone/site", private: true };

/** As GitHub sends it, with more fields than are read. */
const DEPLOYMENT = {
  action: "created",
  repository: REPOSITORY,
  deployment: {
    id: 1,
    environment: "production",
    ref: "refs/heads/main",
    sha: "a".repeat(40),
    payload: {},
  },
  deployment_status: { state: "success", updated_at: NOW, target_url: "https://example.org" },
  sender: { login: "someone" },
};
const WORKFLOW = {
  action: "completed",
  repository: REPOSITORY,
  workflow_run: {
    name: "deploy",
    conclusion: "failure",
    head_branch: "main",
    head_sha: "b".repeat(40),
    updated_at: NOW,
  },
};
const OWN = { repository: "someone/site", what: "backup", state: "success", at: NOW };

/** A request signed as GitHub signs it, unless told otherwise. */
async function signed(
  body: unknown,
  { event = "", query = "", secret = SECRET, headers = {} }: {
    event?: string;
    query?: string;
    secret?: string;
    headers?: Record<string, string>;
  } = {},
): Promise<Request> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return new Request(`http://functions.test/deploy-notice${query}`, {
    method: "POST",
    body: text,
    headers: {
      "content-type": "application/json",
      "x-hub-signature-256": await sign(secret, text),
      ...(event === "" ? {} : { "x-github-event": event }),
      ...headers,
    },
  });
}

/** The function has neither a secret nor a voice. */
const BARE_ENV: Env = {
  ...TEST_ENV,
  ELEVENLABS_VOICE_ID: "JBFqnCBsd6RMkjVDRZzb",
  ELEVENLABS_API_ROOT: "http://127.0.0.1:9",
};

/** The function without a database: for what must be refused before one is asked. */
function alone(env: Partial<Env> = { DEPLOY_WEBHOOK_SECRET: SECRET }) {
  return createHandler(testDeps<Env>({ env: { ...BARE_ENV, ...env } }));
}

function over(sql: Sql, env: Partial<Env> = {}, speak?: Speak) {
  const deps = testDeps<Env>({
    env: { ...BARE_ENV, DEPLOY_WEBHOOK_SECRET: SECRET, ...env },
    rpc: rpcTo(sql),
    fetch,
  });
  return { deps, handler: createHandler(deps, speak) };
}

type Case = [what: string, request: Request, status: number, code: string];

/** What comes without the right signature, or by another method. */
async function unsignedCases(): Promise<Case[]> {
  const unsigned = await signed(OWN, { headers: { "x-hub-signature-256": "" } });
  const key = TEST_ENV.SUPABASE_SECRET_KEYS?.["default"] ?? "";
  const withKey = await signed(OWN, { headers: { "x-hub-signature-256": "", apikey: key } });
  const old = await signed(OWN, {
    headers: { "x-hub-signature-256": "", "x-hub-signature": "sha1=00" },
  });
  const other = await signed({ ...OWN, what: "another body" });
  const swapped = new Request(other.url, {
    method: "POST",
    headers: other.headers,
    body: JSON.stringify(OWN),
  });
  return [
    ["GET", new Request("http://functions.test/deploy-notice"), 405, "method_not_allowed"],
    [
      "PUT",
      new Request("http://functions.test/deploy-notice", { method: "PUT" }),
      405,
      "method_not_allowed",
    ],
    ["no signature", unsigned, 401, "unauthorized"],
    ["the secret key instead of a signature", withKey, 401, "unauthorized"],
    ["the old SHA-1 signature", old, 401, "unauthorized"],
    ["another secret", await signed(OWN, { secret: "w".repeat(30) }), 401, "unauthorized"],
    ["another body's signature", swapped, 401, "unauthorized"],
    [
      "a signature that is none",
      await signed(OWN, { headers: { "x-hub-signature-256": "sha256=zz" } }),
      401,
      "unauthorized",
    ],
    [
      "no body",
      await signed(" ", { headers: { "x-hub-signature-256": "sha256=" + "0".repeat(64) } }),
      401,
      "unauthorized",
    ],
  ];
}

/** What is signed and makes no sense. */
async function senselessCases(): Promise<Case[]> {
  return [
    ["too large a body", await signed(" ".repeat(1024 * 1024 + 1)), 413, "body_too_large"],
    ["broken JSON", await signed('{"a": '), 400, "invalid_json"],
    [
      "a form",
      await signed("payload=%7B%7D", {
        headers: { "content-type": "application/x-www-form-urlencoded" },
      }),
      415,
      "not_json",
    ],
    ["an unknown parameter", await signed(OWN, { query: "?colour=blue" }), 400, "invalid_query"],
    ["a list", await signed([]), 400, "invalid_body"],
    ["null", await signed("null"), 400, "invalid_body"],
    [
      "an unknown field of our own form",
      await signed({ ...OWN, surprise: 1 }),
      400,
      "invalid_body",
    ],
    [
      "an unknown state of our own form",
      await signed({ ...OWN, state: "perhaps" }),
      400,
      "invalid_body",
    ],
    [
      "an event without what it should have",
      await signed({ repository: REPOSITORY }, { event: "workflow_run" }),
      400,
      "invalid_body",
    ],
    [
      "an event of two days ago",
      await signed({ ...OWN, at: "2026-11-20T11:00:00Z" }),
      409,
      "stale",
    ],
    ["an event of tomorrow", await signed({ ...OWN, at: "2026-11-23T11:00:00Z" }), 409, "stale"],
    [
      "an event of no time",
      await signed({ ...WORKFLOW, workflow_run: { ...WORKFLOW.workflow_run, updated_at: null } }, {
        event: "workflow_run",
      }),
      409,
      "stale",
    ],
  ];
}

Deno.test("deploy-notice: every bad input has its status and its code", async (t) => {
  const cases = [...await unsignedCases(), ...await senselessCases()];
  for (const [what, request, status, code] of cases) {
    await t.step(`${what}: ${status} ${code}`, async () => {
      await assertRefused(await alone()(request), status, code);
    });
  }
  for (const text of UNSTORABLE_TEXTS) {
    await t.step(`${JSON.stringify(text)}: 400`, async () => {
      await assertRefused(await alone()(await signed({ ...OWN, what: text })), 400, "invalid_body");
    });
  }
  await t.step("without a secret nobody is let in", async () => {
    await assertRefused(await alone({})(await signed(OWN)), 401, "unauthorized");
  });
});

Deno.test("deploy-notice: one line for what was deployed or failed, on GitHub, Gitea and elsewhere", async () => {
  const gitea = async () => {
    const request = await signed({
      ...WORKFLOW,
      workflow_run: {
        ...WORKFLOW.workflow_run,
        name: undefined,
        path: "deploy.yml",
        conclusion: "success",
      },
    });
    const headers = new Headers(request.headers);
    headers.set(
      "x-gitea-signature",
      (headers.get("x-hub-signature-256") ?? "").replace("sha256=", ""),
    );
    headers.set("x-gitea-event", "workflow_run");
    headers.delete("x-hub-signature-256");
    return new Request(`${request.url}?dry_run=1`, {
      method: "POST",
      headers,
      body: await request.text(),
    });
  };
  const status = {
    repository: REPOSITORY,
    context: "ci/build",
    sha: "c".repeat(40),
    state: "error",
    updated_at: NOW,
  };
  const preview = { query: "?dry_run=1" };
  const lines: [Request, string][] = [
    [
      await signed(DEPLOYMENT, { ...preview, event: "deployment_status" }),
      "🚀 someone/site: production succeeded (main aaaaaaaa)",
    ],
    [
      await signed(WORKFLOW, { ...preview, event: "workflow_run" }),
      "💥 someone/site: deploy failed (main bbbbbbbb)",
    ],
    [
      await signed(status, { ...preview, event: "status" }),
      "💥 someone/site: ci/build failed (cccccccc)",
    ],
    [await gitea(), "🚀 someone/site: deploy.yml succeeded (main bbbbbbbb)"],
    [await signed(OWN, preview), "🚀 someone/site: backup succeeded "],
  ];
  for (const [request, line] of lines) {
    const response = await alone()(request);
    const { title, text } = await response.json();
    assert.equal(`${title} ${text}`, line);
  }
});

Deno.test("deploy-notice: what is no news is taken and not told", async () => {
  const pending = { ...DEPLOYMENT, deployment_status: { state: "in_progress", updated_at: NOW } };
  const requested = { ...WORKFLOW, action: "requested" };
  const cancelled = {
    ...WORKFLOW,
    workflow_run: { ...WORKFLOW.workflow_run, conclusion: "cancelled" },
  };
  const cases: [unknown, string, string][] = [
    [{ zen: "Design for failure." }, "ping", "ping"],
    [pending, "deployment_status", "deployment_status in_progress"],
    [requested, "workflow_run", "workflow_run pending"],
    [cancelled, "workflow_run", "workflow_run cancelled"],
    [{}, "push", "push"],
  ];
  for (const [body, event, ignored] of cases) {
    const response = await alone()(await signed(body, { event }));
    assert.deepEqual([response.status, await response.json()], [200, { told: false, ignored }]);
  }
});

Deno.test("deploy-notice: told once; the same body again is refused, whatever its headers say", async () => {
  await using db = await quietlessCore(NOW);
  await using telegram = telegramServer();
  const { handler, deps } = over(db.sql, telegramEnv(telegram));
  const deliver = async (delivery: string) =>
    handler(
      await signed(DEPLOYMENT, {
        event: "deployment_status",
        headers: { "x-github-delivery": delivery },
      }),
    );
  const first = await deliver("1");
  assert.equal(first.status, 202);
  await first.body?.cancel();
  await deps.settle();
  assert.deepEqual(telegram.sent.map(({ text }) => text), [
    "<b>🚀 someone/site: production succeeded</b> (main aaaaaaaa)\n\n<i>core · 1</i>",
  ]);
  for (const again of await Promise.all([deliver("1"), deliver("2"), deliver("3")])) {
    await assertRefused(again, 409, "replayed");
  }
  await deps.settle();
  assert.equal(telegram.sent.length, 1);
  assert.equal((await keys(db.sql)).length, 1);
});

Deno.test("deploy-notice: the same at once is told once", async () => {
  await using db = await quietlessCore(NOW);
  const { handler, deps } = over(db.sql);
  const requests = await Promise.all([1, 2, 3, 4].map(() => signed(OWN)));
  const statuses = await Promise.all(requests.map(async (one) => {
    const response = await handler(one);
    await response.body?.cancel();
    return response.status;
  }));
  await deps.settle();
  assert.deepEqual(statuses.sort(), [202, 409, 409, 409]);
});

Deno.test("deploy-notice: a text from outside stays a text", async () => {
  await using db = await quietlessCore(NOW);
  await using telegram = telegramServer();
  const { handler, deps } = over(db.sql, telegramEnv(telegram));
  for (const text of HOSTILE_TEXTS) {
    const response = await handler(
      await signed({ ...OWN, what: text, repository: text, ref: text }),
    );
    assert.equal(response.status, 202, await response.text());
    await deps.settle();
  }
  assert.equal(telegram.sent.length, HOSTILE_TEXTS.length);
  for (const { text } of telegram.sent) {
    assert.ok("text" in parseHtml(text));
    assert.ok(!/<(?!\/?[bi]>)/.test(text), text);
  }
});

Deno.test("deploy-notice: what is told may also be spoken, and a voice that fails takes nothing back", async () => {
  await using db = await quietlessCore(NOW);
  await using telegram = telegramServer();
  const heard: string[] = [];
  const speak: Speak = (_deps, line) => {
    heard.push(line);
    return heard.length === 1 ? Promise.resolve("spoken") : Promise.reject(new Error("no voice"));
  };
  const { handler, deps } = over(db.sql, telegramEnv(telegram), speak);
  for (const what of ["one", "two"]) {
    const response = await handler(await signed({ ...OWN, what }));
    assert.equal(response.status, 202);
    await response.body?.cancel();
    await deps.settle().catch(() => {});
  }
  assert.deepEqual(heard, ["someone site: one succeeded", "someone site: two succeeded"]);
  assert.equal(telegram.sent.length, 2);
});

Deno.test("deploy-notice: spoken until the month's ceiling of its kind is reached, then only written", async () => {
  await using db = await quietlessCore(NOW);
  await using telegram = telegramServer();
  await using elevenlabs = elevenLabsServer();
  const [budget] = await db
    .sql`select usd_per_month from strata.budgets where kind = 'deploy-notice'`;
  assert.equal(Number(budget?.usd_per_month), 0.12);
  await db.sql`update strata.budgets set usd_per_month = 0.002 where kind = 'deploy-notice'`; // 40 letters
  const { handler, deps } = over(db.sql, {
    ...telegramEnv(telegram),
    ELEVENLABS_API_KEY: elevenlabs.key,
    ELEVENLABS_API_ROOT: elevenlabs.url,
  });
  for (const what of ["one", "two"]) {
    const response = await handler(await signed({ ...OWN, what }));
    assert.equal(response.status, 202);
    await response.body?.cancel();
    await deps.settle();
  }
  assert.deepEqual(telegram.sent.map(({ method }) => method), [
    "sendMessage",
    "sendVoice",
    "sendMessage",
  ]);
  assert.deepEqual(elevenlabs.asked.map(({ text }) => text), ["someone site: one succeeded"]);
  const said = deps.logged.filter(({ event }) => event === "spoken").map(({ fields }) =>
    fields["says"]
  );
  assert.deepEqual(said, ["sent", "month"]);
});

Deno.test("deploy-notice: nobody is woken by a voice", async () => {
  await using db = await quietlessCore("2026-11-22T02:00:00Z");
  await using telegram = telegramServer();
  const heard: string[] = [];
  const speak: Speak = (_deps, line) => Promise.resolve(String(heard.push(line)));
  const { handler, deps } = over(db.sql, telegramEnv(telegram), speak);
  await (await handler(await signed(OWN))).body?.cancel();
  await deps.settle();
  assert.deepEqual(heard, []);
  assert.deepEqual(telegram.sent.map(({ silent }) => silent), [true]);
});
