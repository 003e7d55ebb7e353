/**
 * How a function listens. A handler is a table of methods, each a `route`:
 *
 *     return router(deps, {
 *       GET: route({ body: Nothing, query: Days, run: ({ query }) => preview(query.days) }),
 *       POST: route({
 *         body: Send, query: Nothing, previews: true,
 *         run: ({ body, dryRun }) => send(body, dryRun),
 *       }),
 *     });
 *
 * Before `run` is called: the method is one of the table's (405), the caller shows the secret key (401;
 * `access` says otherwise), the body is not too large (413), is JSON (415, 400) and is what the schema
 * says, no field more (400), and so is the query. `?dry_run=1` is known where `previews` says so.
 * `run` answers with a Response, or with a value that becomes JSON. What it throws is answered by its
 * status if it is an HttpError, and otherwise logged and answered by a 500 that tells nothing.
 */
import { z } from "zod";
import type { Authorize } from "./auth.ts";
import { HttpError, toHttpError } from "./errors.ts";
import type { Log } from "./log.ts";
import { joinBytes } from "./outbound.ts";

/** What becomes of a request. */
export type Handler = (request: Request) => Promise<Response>;

/** A method that a function may know. */
export type Method = "GET" | "POST" | "DELETE";

/** What has been checked and read by the time a route runs. */
export interface Call<Body, Query> {
  request: Request;
  body: Body;
  query: Query;
  /** Only say what would happen. */
  dryRun: boolean;
  /** The body as it came, for signatures. */
  bytes: Uint8Array;
}

/**
 * Who may use a route: holders of the secret key, anybody, or whoever the given check lets in, which
 * sees the body as it came (for signed webhooks).
 */
export type Access =
  | "secret"
  | "open"
  | ((request: Request, bytes: Uint8Array) => Promise<boolean>);

/** One method of a function. */
export interface RouteOptions<Body, Query> {
  access?: Access;
  /** A strict schema, or `Nothing`: the body must be empty or `{}` then. */
  body: z.ZodType<Body>;
  /** A strict schema of the query's texts, or `Nothing`. */
  query: z.ZodType<Query>;
  /** Whether `?dry_run=1` is known: on everything that sends or changes something. */
  previews?: boolean;
  maxBytes?: number;
  run(call: Call<Body, Query>): Promise<unknown>;
}

/** A route whose types are closed. */
export type Route = (request: Request, deps: RouterDeps) => Promise<Response>;

/** What listening needs. */
export interface RouterDeps {
  isAuthorized: Authorize;
  log: Log;
}

/** More than any body of ours; a function that takes more says so. */
const MAX_BYTES = 64 * 1024;
/** The schema of a body or a query that must be empty. */
export const Nothing = z.strictObject({});
const DryRun = z.enum(["0", "1", "false", "true"]);

/** Text from outside: not empty, not too long, and something Postgres can store. */
export function plainText(longest: number) {
  return z.string().min(1).max(longest)
    .refine((text) => text.isWellFormed() && !text.includes("\0"), "is no plain text");
}

/** Describes one method of a function. */
export function route<Body, Query>(options: RouteOptions<Body, Query>): Route {
  const { access = "secret", previews = false, maxBytes = MAX_BYTES } = options;
  return async (request, deps) => {
    if (access === "secret" && !await deps.isAuthorized(request)) throw unauthorized();
    const bytes = await readBytes(request, maxBytes);
    if (typeof access === "function" && !await access(request, bytes)) throw unauthorized();
    const { dryRun, rest } = splitQuery(new URL(request.url).searchParams, previews);
    const query = check(options.query, rest, "invalid_query");
    const body = check(options.body, readJson(request, bytes), "invalid_body");
    const answer = await options.run({ request, body, query, dryRun, bytes });
    return answer instanceof Response ? answer : Response.json(answer ?? {});
  };
}

/** Puts a function's methods together. HEAD is answered as GET is, without the body. */
export function router(deps: RouterDeps, methods: Partial<Record<Method, Route>>): Handler {
  const table = new Map<string, Route>(Object.entries(methods));
  const get = table.get("GET");
  if (get !== undefined) table.set("HEAD", get);
  return async (request) => {
    try {
      const found = table.get(request.method);
      if (found === undefined) {
        const allow = [...table.keys()].join(", ");
        throw new HttpError(405, "method_not_allowed", `Use ${allow}.`, { allow });
      }
      const response = await found(request, deps);
      return request.method === "HEAD" ? new Response(null, response) : response;
    } catch (error) {
      const answer = toHttpError(error);
      if (answer !== error) deps.log("failed", { method: request.method, error });
      return answer.toResponse();
    }
  };
}

function unauthorized(): HttpError {
  return new HttpError(
    401,
    "unauthorized",
    "Send a secret key (sb_secret_…) in the header apikey.",
  );
}

/** Reads no more than is allowed, whatever the header says the length is. */
async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  const tooLarge = () => {
    return new HttpError(413, "body_too_large", `The body may have ${limit} bytes at the most.`);
  };
  if (Number(request.headers.get("content-length") ?? 0) > limit) throw tooLarge();
  if (request.body === null) return new Uint8Array();
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request.body) {
    length += part.length;
    if (length > limit) throw tooLarge();
    parts.push(part);
  }
  return joinBytes(parts);
}

function readJson(request: Request, bytes: Uint8Array): unknown {
  if (bytes.length === 0) return {};
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new HttpError(415, "not_json", "Send the body as application/json.");
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new HttpError(400, "invalid_json", "The body is no JSON.");
  }
}

function splitQuery(params: URLSearchParams, previews: boolean) {
  const entries = [...params];
  const names = new Set(entries.map(([name]) => name));
  if (names.size < entries.length) {
    throw new HttpError(400, "invalid_query", "Give each parameter once.");
  }
  if (!previews || !names.has("dry_run")) {
    return { dryRun: false, rest: Object.fromEntries(entries) };
  }
  const dryRun = check(DryRun, params.get("dry_run"), "invalid_query");
  const rest = Object.fromEntries(entries.filter(([name]) => name !== "dry_run"));
  return { dryRun: dryRun === "1" || dryRun === "true", rest };
}

function check<T>(schema: z.ZodType<T>, value: unknown, code: string): T {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw new HttpError(400, code, z.prettifyError(read.error).slice(0, 1_000));
}
