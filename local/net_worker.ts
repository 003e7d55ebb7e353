/**
 * Sends what the pg_net stand-in (sql/net.sql) has queued, for all tiers of a stack, as pg_net's
 * background worker does: up to 200 requests are taken out of the queue, sent together, and their
 * answers written, all in one transaction; nothing is tried twice; answers are kept for 6 hours.
 * Started by `up` with (tier, port, directory) per tier; lives through restarts of the servers.
 */
import type { TransactionSql } from "postgres";
import { z } from "zod";
import { type Cluster, connectLocally, SUPERUSER } from "./cluster.ts";
import { TIERS } from "./settings.ts";

const BATCH_SIZE = 200;

const Arguments = z.array(
  z.tuple([z.enum(TIERS), z.coerce.number(), z.string()])
    .transform(([tier, port, directory]) => ({ tier, port, directory })),
);

interface Request {
  id: string;
  method: string;
  url: string;
  headers: Record<string, string> | null;
  body: Uint8Array<ArrayBuffer> | null;
  timeout_milliseconds: number;
}

interface Answer {
  id: string;
  status_code: number | null;
  content_type: string | null;
  headers: Record<string, string> | null;
  content: string | null;
  timed_out: boolean;
  error_msg: string | null;
}

/** Serves one tier for ever. postgres.js listens again by itself when the server comes back. */
async function serve(cluster: Cluster): Promise<void> {
  let wake = () => {};
  let woken = true; // requests may have been queued while nobody listened
  const ring = () => {
    woken = true;
    wake();
  };
  const bell = connectLocally(cluster, "postgres", SUPERUSER, "pg_net worker (stand-in)");
  await retryUntilDone(() => bell.listen("net", ring, ring));
  while (true) {
    if (!woken) await new Promise<void>((resolve) => wake = resolve);
    woken = false;
    await retryUntilDone(() => drain(cluster));
  }
}

/** On a connection of its own: one that was lost amid a transaction is no use afterwards. */
async function drain(cluster: Cluster): Promise<void> {
  const sql = connectLocally(cluster);
  try {
    let sent = BATCH_SIZE;
    while (sent === BATCH_SIZE) sent = await sql.begin(sendBatch);
  } finally {
    await sql.end({ timeout: 0 });
  }
}

async function sendBatch(sql: TransactionSql): Promise<number> {
  await sql`delete from net._http_response where created < now() - interval '6 hours'`;
  const requests = await sql<Request[]>`
    delete from net.http_request_queue
     where id in (select id from net.http_request_queue order by id limit ${BATCH_SIZE})
    returning *`;
  const answers = await Promise.all(requests.map(send));
  if (answers.length > 0) await sql`insert into net._http_response ${sql([...answers])}`;
  return answers.length;
}

async function send(request: Request): Promise<Answer> {
  const limit = request.timeout_milliseconds;
  const nothing = { status_code: null, content_type: null, headers: null, content: null };
  try {
    const response = await fetch(request.url, {
      method: request.method,
      headers: request.headers ?? {},
      body: request.body,
      redirect: "manual",
      signal: AbortSignal.timeout(limit),
    });
    return {
      id: request.id,
      status_code: response.status,
      content_type: response.headers.get("content-type"),
      headers: Object.fromEntries(response.headers),
      content: await response.text(),
      timed_out: false,
      error_msg: null,
    };
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") {
      const error_msg = `Timeout of ${limit} ms reached. Total time: ${limit} ms`;
      return { id: request.id, ...nothing, timed_out: true, error_msg };
    }
    const error_msg = error instanceof Error ? error.message : String(error);
    return { id: request.id, ...nothing, timed_out: false, error_msg };
  }
}

/** A server that is down comes back; a batch that was cut off is still in the queue. */
async function retryUntilDone<T>(attempt: () => Promise<T>): Promise<T> {
  while (true) {
    try {
      return await attempt();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

// When a server goes away during a transaction, postgres.js rejects the transaction (and we try
// again), but what the transaction still does then fails in a timer, where nobody can catch it.
globalThis.addEventListener("error", (event) => {
  if (event.error instanceof TypeError && event.message.includes("reading 'write'")) {
    event.preventDefault();
  }
});

const triples = Array.from(
  { length: Deno.args.length / 3 },
  (_, at) => Deno.args.slice(at * 3, at * 3 + 3),
);
await Promise.all(Arguments.parse(triples).map(serve));
