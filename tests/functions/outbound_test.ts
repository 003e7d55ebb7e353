import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  callOut,
  type OutboundCall,
  type OutboundDeps,
  OutboundError,
} from "../../supabase/functions/_strata/outbound/outbound.ts";

type Behaviour = (request: Request) => Response | Promise<Response>;

/** A server that answers each request as the next behaviour says, and the last one for ever. */
async function withServer(
  behaviours: Behaviour[],
  test: (
    call: (options?: Partial<OutboundCall>) => ReturnType<typeof callOut>,
    seen: Seen,
  ) => Promise<void>,
) {
  const seen: Seen = { requests: 0, slept: [] };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    await request.text();
    const behave = behaviours[Math.min(seen.requests++, behaviours.length - 1)];
    return await behave?.(request) ?? new Response("no behaviour", { status: 500 });
  });
  let now = 0;
  const deps: OutboundDeps = {
    fetch,
    now: () => now,
    sleep(milliseconds) {
      seen.slept.push(milliseconds);
      now += milliseconds;
      return Promise.resolve();
    },
  };
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const init = { method: "POST", body: "x" };
  await test(
    (options) => callOut(deps, { url, init, deadline: 60_000, repeatable: true, ...options }),
    seen,
  );
  await server.shutdown();
}

interface Seen {
  requests: number;
  slept: number[];
}

const ok = () => Response.json({ ok: true });
const status = (code: number, headers = {}) => () => new Response("{}", { status: code, headers });

/** Sends the head of an answer and the beginning of its body, and then nothing. */
const hang = () => {
  return new Response(new ReadableStream({ start: (out) => out.enqueue(new Uint8Array([123])) }));
};

/** Sends the beginning of an answer and breaks off. */
const breakOff = () => {
  return new Response(
    new ReadableStream({
      start(out) {
        out.enqueue(new Uint8Array([123]));
        setTimeout(() => out.error("gone"), 10);
      },
    }),
    { headers: { "content-length": "100" } },
  );
};

async function codeOf(outcome: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => outcome, OutboundError)).code;
}

Deno.test("callOut() waits as long as it is asked to after 429", async () => {
  await withServer([status(429, { "retry-after": "7" }), ok], async (call, seen) => {
    const answer = await call({ repeatable: false });
    assertEquals([answer.status, answer.json()], [200, { ok: true }]);
    assertEquals(seen, { requests: 2, slept: [7000] });
  });
});

Deno.test("callOut() finds the wait where the caller says it is", async () => {
  await withServer([status(429), ok], async (call, seen) => {
    await call({ retryAfterMs: (answer) => answer.status === 429 ? 3000 : undefined });
    assertEquals(seen.slept, [3000]);
  });
});

Deno.test("callOut() does not begin a wait that ends after the deadline", async () => {
  await withServer([status(429, { "retry-after": "90" })], async (call, seen) => {
    assertEquals((await call()).status, 429);
    assertEquals(seen, { requests: 1, slept: [] });
  });
});

Deno.test("callOut() tries again after 5xx with growing pauses, and gives the last answer back", async () => {
  await withServer([status(500)], async (call, seen) => {
    assertEquals((await call()).status, 500);
    assertEquals(seen, { requests: 3, slept: [500, 1000] });
  });
});

Deno.test("callOut() does not repeat what must not be done twice", async () => {
  await withServer([status(502), ok], async (call, seen) => {
    assertEquals((await call({ repeatable: false })).status, 502);
    assertEquals(seen.requests, 1);
  });
  await withServer([breakOff, ok], async (call, seen) => {
    assertEquals(await codeOf(call({ repeatable: false })), "network");
    assertEquals(seen.requests, 1);
  });
});

Deno.test("callOut() does not argue with 4xx", async () => {
  await withServer([status(403), ok], async (call, seen) => {
    assertEquals((await call()).status, 403);
    assertEquals(seen.requests, 1);
  });
});

Deno.test("callOut() tries again when an answer breaks off", async () => {
  await withServer([breakOff, ok], async (call, seen) => {
    assertEquals((await call()).status, 200);
    assertEquals(seen.requests, 2);
  });
});

Deno.test("callOut() gives up an answer that does not end", async () => {
  await withServer([hang], async (call) => {
    assertEquals(await codeOf(call({ timeoutMs: 60, attempts: 1 })), "timeout");
  });
});

Deno.test("callOut() gives up an answer that is too long", async () => {
  await withServer([() => new Response("x".repeat(2000))], async (call) => {
    assertEquals(await codeOf(call({ maxBytes: 1000 })), "too_large");
  });
});

Deno.test("callOut() follows no redirect: the secrets were meant for another", async () => {
  await withServer([status(302, { location: "http://127.0.0.1:9/" })], async (call) => {
    assertEquals(await codeOf(call({ attempts: 1 })), "network");
  });
});

Deno.test("callOut() names no address when nobody is there", async () => {
  const deps = { fetch, now: () => 0, sleep: () => Promise.resolve() };
  const url = "http://127.0.0.1:9/bot123:token/send";
  const failure = await assertRejects(
    () => callOut(deps, { url, deadline: 5000, repeatable: true, attempts: 1 }),
    OutboundError,
  );
  assertEquals(failure.code, "network");
  assert(!failure.message.includes("token"));
});
