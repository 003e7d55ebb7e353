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
 * `access` says otherwise), the body is not too large (413), comes in time (408), is JSON (415, 400) and
 * is what the schema says, no field more (400), and so is the query. Who may not call is told so before
 * the body is read, as far as the headers tell. `?dry_run=1` is known where `previews` says so. Where
 * there is a `wake`, the project's database may call as well (wake.ts), and does that and nothing else.
 * `run` answers with a Response, or with a value that becomes JSON. What it throws is answered by its
 * status if it is an HttpError, and otherwise logged and answered by a 500 that tells nothing.
 */
import { z } from "zod";
import type { Authorize } from "./auth.ts";
import { HttpError, toHttpError } from "./errors.ts";
import type { Log } from "./log.ts";
import { describeIssues } from "./issues.ts";
import { readBody, requireJson } from "./read_body.ts";
import { WAKE_HEADER, type WakeCheck } from "./wake.ts";

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

/** Whoever signs the body may call: webhooks. */
export interface Signed {
  /** Whether the headers hold something that may be a signature: what can be told before the body is read. */
  mayBe(request: Request): boolean;
  isGenuine(request: Request, bytes: Uint8Array): Promise<boolean>;
  /** What to do, for whom it does not let in. */
  says: string;
  /** The same for who has signed, but not this body or not with this secret. */
  wrong?: string;
}

/** Who may use a route: holders of the secret key, anybody, or whoever signs. */
export type Access = "secret" | "open" | Signed;

/** What a route does when it is woken, with the body of the wake. */
export type Wake = (body: unknown) => Promise<unknown>;

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
  /** Look for work that is due, and do it: what `woken` makes. */
  wake?: Wake;
  run(call: Call<Body, Query>): Promise<unknown>;
}

/** A route whose types are closed. */
export type Route = (request: Request, deps: RouterDeps) => Promise<Response>;

/** What listening needs. */
export interface RouterDeps {
  isAuthorized: Authorize;
  wakes: WakeCheck;
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

/** What a route does when it is woken; `body` is a strict schema of what the database sends. */
export function woken<Body>(
  body: z.ZodType<Body>,
  run: (body: Body) => Promise<unknown>,
): Wake {
  return (value) => run(check(body, value, "invalid_body"));
}

/** Describes one method of a function. */
export function route<Body, Query>(options: RouteOptions<Body, Query>): Route {
  const { previews = false, maxBytes = MAX_BYTES, wake } = options;
  return async (request, deps) => {
    const isWake = wake !== undefined && request.headers.has(WAKE_HEADER);
    const access = isWake ? byWake(deps.wakes) : options.access ?? "secret";
    const bytes = await admit(request, deps, access, maxBytes);
    const params = new URL(request.url).searchParams;
    const { dryRun, rest } = splitQuery(params, previews && !isWake);
    if (isWake) {
      check(Nothing, rest, "invalid_query");
      return toResponse(await wake(readJson(request, bytes)));
    }
    const query = check(options.query, rest, "invalid_query");
    const body = check(options.body, readJson(request, bytes), "invalid_body");
    return toResponse(await options.run({ request, body, query, dryRun, bytes }));
  };
}

/** Reads the body of whoever may call; the others are refused as early as it can be told. */
async function admit(
  request: Request,
  { isAuthorized }: RouterDeps,
  access: Access,
  maxBytes: number,
): Promise<Uint8Array> {
  if (access === "secret" && !await isAuthorized(request)) {
    throw unauthorized("Send a secret key (sb_secret_…) in the header apikey.");
  }
  if (typeof access === "string") return await readBody(request, maxBytes);
  if (!access.mayBe(request)) throw unauthorized(access.says);
  requireJson(request);
  const bytes = await readBody(request, maxBytes);
  if (!await access.isGenuine(request, bytes)) throw unauthorized(access.wrong ?? access.says);
  return bytes;
}

function byWake(wakes: WakeCheck): Signed {
  const says = `This is no wake of the last five minutes for this function, signed with its ` +
    `project's STRATA_WAKE_SECRET: setup --validate says whether both know the same one.`;
  return { ...wakes, says };
}

function toResponse(answer: unknown): Response {
  return answer instanceof Response ? answer : Response.json(answer ?? {});
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

function unauthorized(says: string): HttpError {
  return new HttpError(401, "unauthorized", says);
}

function readJson(request: Request, bytes: Uint8Array): unknown {
  if (bytes.length === 0) return {};
  requireJson(request);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new HttpError(
      400,
      "invalid_json",
      'The body is not JSON. Send one object, with its names in double quotes: {"name": "value"}.',
    );
  }
}

function splitQuery(params: URLSearchParams, previews: boolean) {
  const entries = [...params];
  const names = new Set(entries.map(([name]) => name));
  if (names.size < entries.length) {
    throw new HttpError(400, "invalid_query", "A parameter is there twice. Give each one once.");
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
  throw new HttpError(400, code, describeIssues(read.error));
}
