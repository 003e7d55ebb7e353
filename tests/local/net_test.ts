import assert from "node:assert/strict";
import postgres, { type Sql } from "postgres";
import { ownStack } from "../support/own_stack.ts";
import { killServer, startServer } from "../support/servers.ts";
import { sharedSession } from "../support/session.ts";
import { waitFor } from "../support/wait_for.ts";

interface Heard {
  method: string;
  path: string;
  type: string | null;
  body: string;
}

/** A server that remembers what it was asked and answers 202. */
function listener(answer: (request: Request) => Promise<void> = async () => {}) {
  const heard: Heard[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    heard.push({
      method: request.method,
      path: pathname + search,
      type: request.headers.get("content-type"),
      body: await request.text(),
    });
    await answer(request);
    return Response.json({ ok: true }, { status: 202 });
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { heard, url, [Symbol.asyncDispose]: () => server.shutdown() };
}

function responseTo(sql: Sql, id: string) {
  return waitFor(`the response to request ${id}`, async () => {
    const [row] = await sql`select * from net._http_response where id = ${id}`;
    return row;
  });
}

Deno.test("http_post() sends JSON after the commit and keeps the answer", async () => {
  await using sql = await sharedSession();
  await using site = listener();
  const [request] = await sql`
    select net.http_post(url => ${site.url + "/a"}, body => '{"n": 1}', params => '{"q": "ü &"}',
      headers => '{"apikey": "k"}', timeout_milliseconds => 2000) as id`;
  const response = await responseTo(sql, request?.id);
  assert.deepEqual(site.heard, [
    { method: "POST", path: "/a?q=%C3%BC%20%26", type: "application/json", body: '{"n": 1}' },
  ]);
  assert.equal(response.status_code, 202);
  assert.equal(response.content, '{"ok":true}');
  assert.equal(response.timed_out, false);
});

Deno.test("http_get() and http_delete() send what they are named for", async () => {
  await using sql = await sharedSession();
  await using site = listener();
  const [request] = await sql`
    select net.http_get(${site.url + "/g"}) as got, net.http_delete(${site.url + "/d"}) as gone`;
  await responseTo(sql, request?.got);
  await responseTo(sql, request?.gone);
  const lines = site.heard.map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(lines.sort(), ["DELETE /d", "GET /g"]);
});

Deno.test("a request that is rolled back is never sent", async () => {
  await using sql = await sharedSession();
  await using site = listener();
  const undone = sql.begin(async (sql) => {
    await sql`select net.http_get(${site.url + "/undone"})`;
    throw new Error("changed my mind");
  });
  await assert.rejects(undone, /changed my mind/);
  const [request] = await sql`select net.http_get(${site.url + "/done"}) as id`;
  await responseTo(sql, request?.id);
  assert.deepEqual(site.heard.map(({ path }) => path), ["/done"]);
});

Deno.test("a request without a URL, or of another content type, is refused at once", async () => {
  await using sql = await sharedSession();
  await assert.rejects(sql`select net.http_post(url => null)`, { code: "23502" });
  const post = sql`
    select net.http_post('http://127.0.0.1:9',
      headers => '{"Content-Type": "application/json; charset=utf-8"}')`;
  await assert.rejects(post, /must be "application\/json"/);
});

Deno.test("a request that takes longer than its timeout is given up and not repeated", async () => {
  await using sql = await sharedSession();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  await using site = listener(() => released);
  const [request] = await sql`
    select net.http_get(${site.url}, timeout_milliseconds => 100) as id`;
  const response = await responseTo(sql, request?.id);
  release();
  assert.equal(response.timed_out, true);
  assert.equal(response.status_code, null);
  assert.match(response.error_msg, /Timeout of 100 ms/);
  assert.equal(site.heard.length, 1);
});

Deno.test("a server that is not there leaves an error, and a queue that is empty", async () => {
  await using sql = await sharedSession();
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = closed.addr;
  closed.close();
  const [request] = await sql`select net.http_get(${`http://127.0.0.1:${port}`}) as id`;
  const response = await responseTo(sql, request?.id);
  assert.equal(response.status_code, null);
  assert.equal(response.timed_out, false);
  assert.notEqual(response.error_msg, null);
  assert.deepEqual(
    [...await sql`select from net.http_request_queue where id = ${request?.id}`],
    [],
  );
});

Deno.test("a server killed while a request is under way: the worker lives and sends later ones", async () => {
  await using stack = await ownStack();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  await using site = listener(({ url }) => url.endsWith("/slow") ? released : Promise.resolve());
  const sql = postgres(stack.env.STRATA_CORE_DB_URL ?? "", { max: 1 });
  await sql`select net.http_get(${site.url + "/slow"})`;
  await waitFor("the slow request to arrive", () => site.heard.length === 1);
  await killServer("core", stack);
  release();
  await startServer("core", stack);
  const request = await waitFor("a new session", async () => {
    const queued = sql`select net.http_get(${site.url + "/back"}) as id`;
    return await queued.then(([row]) => row, () => undefined);
  });
  await responseTo(sql, request.id);
  assert.deepEqual(site.heard.map(({ path }) => path), ["/slow", "/back"]);
  await sql.end();
});

Deno.test("queue and responses are unlogged: a crash empties them", async () => {
  await using sql = await sharedSession();
  const tables = await sql`
    select relname from pg_class
     where relnamespace = 'net'::regnamespace and relkind = 'r' and relpersistence = 'u'`;
  assert.deepEqual(tables.map(({ relname }) => relname).sort(), [
    "_http_response",
    "http_request_queue",
  ]);
});
