/**
 * The bad-input table: what every function must refuse, each with its status and code. Use it once per
 * function, with one request of each method that is good:
 *
 *     badInput("strata-notify", {
 *       handler: () => createHandler(testDeps({ env: TEST_ENV })),
 *       good: [{ method: "GET" }, { method: "POST", body: { send: true } }],
 *       texts: [{ method: "POST", query: "?dry_run=1", body: (text) => ({ title: text }), status: 200 }],
 *     });
 *
 * Nothing in the table up to `texts` may reach the database or the network: a handler whose
 * dependencies fail when called shows that.
 */
import { assert, assertEquals } from "@std/assert";
import type { Handler } from "../../supabase/functions/_strata/http/http.ts";
import { call } from "./function_deps.ts";

/** SQL, markup and odd characters as they come from outside. */
export const HOSTILE_TEXTS: readonly string[] = [
  "'; drop table strata.moves; --",
  "$$); delete from strata.datasets; --",
  '" or 1=1 --',
  "<script>alert(1)</script><b>&amp;",
  "</pre><a href='javascript:alert(1)'>x</a>",
  "${process.env.PATH} {{7*7}} %s %n \\u0000",
  "\u202e\u0007\u001b[31m ﷽ 😀",
];

/** What only a database with another idea of text would take. */
export const UNSTORABLE_TEXTS: readonly string[] = ["a\0b", "\ud800"];

/** A request that is in order. */
export interface GoodRequest {
  method: string;
  query?: string;
  body?: Record<string, unknown>;
}

/** A text from outside: where it goes in, and what the answer to any such text is. */
export interface TextField {
  method: string;
  query?: string;
  body(text: string): Record<string, unknown>;
  status: number;
  code?: string;
}

/** What the table is drawn up from. */
export interface BadInput {
  handler(): Handler | Promise<Handler>;
  good: readonly GoodRequest[];
  texts?: readonly TextField[];
  /** What the largest body may have; one byte more is refused. */
  maxBytes?: number;
  /** Methods that need no key. */
  open?: readonly string[];
}

const LEGACY_KEY = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl";

/** Tests one function with everything that is wrong. */
export function badInput(name: string, table: BadInput): void {
  Deno.test(`${name}: every bad input has its status and its code`, async (t) => {
    const handler = await table.handler();
    for (const [what, request, status, code] of cases(table)) {
      await t.step(`${what}: ${status} ${code}`, async () => {
        await assertRefused(await handler(request), status, code);
      });
    }
    for (const { method, query, body, status, code } of table.texts ?? []) {
      for (const text of HOSTILE_TEXTS) {
        await t.step(`${method} with ${JSON.stringify(text)}: ${status}`, async () => {
          const response = await handler(call(method, query, { body: body(text) }));
          if (code !== undefined) return await assertRefused(response, status, code);
          assertEquals(response.status, status, await response.clone().text());
          assert(!/html/.test(response.headers.get("content-type") ?? ""), "markup came back");
          await response.body?.cancel();
        });
      }
      for (const text of UNSTORABLE_TEXTS) {
        await t.step(`${method} with ${JSON.stringify(text)}: 400`, async () => {
          const response = await handler(call(method, query, { body: body(text) }));
          await assertRefused(response, 400, "invalid_body");
        });
      }
    }
  });
}

type Case = [what: string, request: Request, status: number, code: string];

function cases({ good, open = [], maxBytes = 64 * 1024 }: BadInput): Case[] {
  const methods = good.map(({ method }) => method);
  const unknown = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    .filter((method) => !methods.includes(method));
  return [
    ...unknown.map((method): Case => [method, call(method), 405, "method_not_allowed"]),
    ...good.filter(({ method }) => !open.includes(method)).flatMap(keyCases),
    ...good.map(({ method, query = "", body }): Case => {
      const more = `${query}${query === "" ? "?" : "&"}colour=blue`;
      return [
        `${method} with an unknown parameter`,
        call(method, more, { body }),
        400,
        "invalid_query",
      ];
    }),
    ...good.filter(({ method }) => method !== "GET").flatMap((one) => bodyCases(one, maxBytes)),
  ];
}

function keyCases({ method, query, body }: GoodRequest): Case[] {
  const shown: [string, Record<string, string>][] = [
    ["no key", { apikey: "" }],
    ["a wrong key", { apikey: `sb_secret_${"w".repeat(32)}` }],
    ["a publishable key", { apikey: `sb_publishable_${"p".repeat(32)}` }],
    ["a legacy key", { apikey: LEGACY_KEY }],
    ["a legacy key as a token", { apikey: "", authorization: `Bearer ${LEGACY_KEY}` }],
    ["the right key as a token", {
      apikey: "",
      authorization: `Bearer ${call("GET").headers.get("apikey")}`,
    }],
  ];
  return shown.map(([what, headers]): Case => {
    return [`${method} with ${what}`, call(method, query, { body, headers }), 401, "unauthorized"];
  });
}

function bodyCases({ method, query, body = {} }: GoodRequest, maxBytes: number): Case[] {
  const raw = (text: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) => {
    const { url, headers: before } = call(method, query, { headers });
    return new Request(url, { method, headers: before, body: text });
  };
  const html = { "content-type": "text/html" };
  return [
    [`${method} with too large a body`, raw(" ".repeat(maxBytes + 1)), 413, "body_too_large"],
    [`${method} with broken JSON`, raw('{"a": '), 400, "invalid_json"],
    [
      `${method} with bytes that are no text`,
      raw(new Uint8Array([0xff, 0xfe])),
      400,
      "invalid_json",
    ],
    [`${method} with another type`, raw("<p>", html), 415, "not_json"],
    [`${method} with a list`, raw("[]"), 400, "invalid_body"],
    [`${method} with null`, raw("null"), 400, "invalid_body"],
    [
      `${method} with an unknown field`,
      call(method, query, { body: { ...body, surprise: 1 } }),
      400,
      "invalid_body",
    ],
  ];
}

/** Says that an answer is an error in our form, and that nothing of the inside is in it. */
export async function assertRefused(response: Response, status: number, code: string) {
  const text = await response.text();
  assertEquals(response.status, status, text);
  const { error, ...rest } = JSON.parse(text);
  assertEquals(rest, {});
  assertEquals(error.code, code);
  assertEquals(Object.keys(error).sort(), ["code", "message"]);
  assert(!/\bat .*\.ts:\d+|postgres|SQLSTATE|syntax error/i.test(error.message), error.message);
}
