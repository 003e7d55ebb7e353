/** Played here: anybody who can open a connection to a function and has patience. */
import { assert, assertEquals } from "@std/assert";
import { createHandler } from "../../supabase/functions/strata-notify/handler.ts";
import { assertRefused } from "../support/bad_input.ts";
import { testDatabase } from "../support/database.ts";
import { call, TEST_ENV, testDeps } from "../support/function_deps.ts";
import { testProject } from "../support/project.ts";

const SIGNATURE = `sha256=${"0".repeat(64)}`;
const SECRET = "a-secret-of-sixteen-letters-or-more";

/** Sends a head and the beginning of a body over a socket of its own, and no more; what is answered, and when. */
async function begin(url: string, name: string, headers: Record<string, string>, body = "") {
  const { hostname, port, host } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const lines = Object.entries({ host, "content-type": "application/json", ...headers })
    .map(([header, value]) => `${header}: ${value}\r\n`).join("");
  const begun = performance.now();
  const head = `POST /functions/v1/${name} HTTP/1.1\r\n${lines}\r\n`;
  await connection.write(new TextEncoder().encode(head + body));
  const buffer = new Uint8Array(4_096);
  const length = await connection.read(buffer) ?? 0;
  const text = new TextDecoder().decode(buffer.subarray(0, length));
  const took = performance.now() - begun;
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), text, took };
}

Deno.test("a body that drips is given up after five seconds, and one that may not come is not waited for", async () => {
  await using db = await testDatabase();
  await using project = testProject(db, { DEPLOY_WEBHOOK_SECRET: SECRET });
  await (await fetch(`${project.url}/functions/v1/strata-health`)).body?.cancel(); // all functions are loaded
  const key = { apikey: project.secretKey };
  const signature = { "x-hub-signature-256": SIGNATURE };
  const length = (bytes: number) => ({ "content-length": `${bytes}` });
  const on = (name: string, headers: Record<string, string>, body?: string) => {
    return begin(project.url, name, headers, body);
  };

  const slow = await Promise.all([
    on("strata-deploy-notice", { ...signature, ...length(100) }, '{"re'),
    on("strata-deploy-notice", { ...signature, "transfer-encoding": "chunked" }, '4\r\n{"re\r\n'),
    ...["strata-notify", "strata-voice", "strata-relay", "strata-report", "strata-health"].map(
      (name) => {
        return on(name, { ...key, ...length(100) }, '{"re');
      },
    ),
  ]);
  for (const { status, text, took } of slow) {
    assertEquals(status, 408, text);
    assert(took >= 4_900 && took < 9_000, `${took} ms`);
  }

  const atOnce: [status: number, answer: ReturnType<typeof begin>][] = [
    [401, on("strata-deploy-notice", length(100))], // no signature
    [401, on("strata-deploy-notice", { "x-hub-signature-256": "sha256=abc", ...length(100) })],
    [401, on("strata-deploy-notice", { ...key, ...length(100) })],
    [413, on("strata-deploy-notice", { ...signature, ...length(1024 * 1024 + 1) })],
    [415, on("strata-deploy-notice", { ...signature, ...length(9), "content-type": "text/plain" })],
    [413, on("strata-notify", { ...key, ...length(64 * 1024 + 1) })],
    [415, on("strata-notify", { ...key, ...length(9), "content-type": "text/plain" })],
    ...["strata-notify", "strata-voice", "strata-relay", "strata-report", "strata-health"].flatMap((
      name,
    ) => [
      [401, on(name, length(100))] as [number, ReturnType<typeof begin>],
      [401, on(name, { "x-strata-wake": "t=1,v1=00", ...length(100) })] as [
        number,
        ReturnType<typeof begin>,
      ],
    ]),
  ];
  for (const [expected, answer] of atOnce) {
    const { status, text, took } = await answer;
    assertEquals(status, expected, text);
    assert(took < 4_900, `${took} ms: ${text}`);
  }
});

Deno.test("a signature that is missing is asked for, not a key", async () => {
  await using db = await testDatabase();
  await using project = testProject(db, { DEPLOY_WEBHOOK_SECRET: SECRET });
  const { text } = await begin(
    project.url,
    "strata-deploy-notice",
    { "content-length": "2" },
    "{}",
  );
  assert(/DEPLOY_WEBHOOK_SECRET/.test(text) && !/sb_secret/.test(text), text);
});

Deno.test("a body that is longer than it announces is refused", async () => {
  const handler = createHandler(testDeps({ env: TEST_ENV }));
  const request = call("POST", "", { body: { wait: true }, headers: { "content-length": "5" } });
  await assertRefused(await handler(request), 413, "body_too_large");
});
