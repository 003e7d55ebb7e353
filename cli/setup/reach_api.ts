/** The way to a tier's REST API and edge functions, as `curl` would try it. */
import { keyFetch, RedirectError } from "../../supabase/functions/_strata/outbound/safe_address.ts";
import { isRecord } from "../config/problems.ts";
import type { Tier } from "../config/load.ts";
import { asFailure, Failure } from "../lib/errors.ts";
import { redirected } from "../lib/function.ts";
import { nameOf, NotTried, portOf, type Try } from "./reach.ts";

const PATIENCE_MS = 8_000;

/** What an address answers, as far as it is JSON. */
interface Answer {
  status: number;
  body: Record<string, unknown>;
}

/** The steps to what stands in front of a tier's database; `relays`: the functions are needed. */
export function apiTries(tier: Tier, isSetUp: () => Promise<boolean>, relays: boolean): Try[] {
  const { api, key } = tier;
  if (api === undefined) {
    if (!relays) {
      return [["REST", () => Promise.resolve(new NotTried("it has no url_env and key_env"))]];
    }
    return [["REST", () =>
      Promise.reject(
        new Failure(
          `${key} has no REST address, and its link is carried by the function relay`,
          `Give ${key} a url_env and a key_env in strata.yaml.`,
        ),
      )]];
  }
  return [
    [
      "REST",
      async () => restSays(tier, await calls(tier, api, "/rest/v1/rpc/health"), await isSetUp()),
    ],
    [
      "functions",
      async () =>
        functionsSay(
          tier,
          await calls(tier, api, "/functions/v1/strata-health"),
          await isSetUp(),
          relays,
        ),
    ],
  ];
}

/** Calls an address with the tier's key: with POST the function of the database, with GET the edge's. */
async function calls(tier: Tier, api: { url: string; key: string }, path: string): Promise<Answer> {
  const url = new URL(`${api.url.replace(/\/+$/, "")}${path}`);
  const isRest = path.startsWith("/rest/");
  try {
    const response = await keyFetch()(url, {
      method: isRest ? "POST" : "GET",
      signal: AbortSignal.timeout(PATIENCE_MS),
      headers: {
        apikey: api.key,
        ...(isRest
          ? {
            authorization: `Bearer ${api.key}`,
            "content-type": "application/json",
            "content-profile": "strata",
          }
          : {}),
      },
      ...(isRest ? { body: "{}" } : {}),
    });
    const body: unknown = await response.json().catch(() => undefined);
    return { status: response.status, body: isRecord(body) ? body : {} };
  } catch (error) {
    if (error instanceof RedirectError) throw redirected(tier.key, error);
    await reachable(url);
    throw new Failure(
      `${url.origin} does not answer as ${url.protocol}// must: ${reasonOf(error)}`,
      "Correct its REST address in .env, or what stands in front of it (its gateway, its certificate).",
    );
  }
}

/** Says which step of the way failed, if it was one of the first two. */
async function reachable(url: URL): Promise<void> {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(url.port === "" ? url.protocol === "https:" ? 443 : 80 : url.port);
  try {
    await nameOf(host);
    await portOf(host, port);
  } catch (error) {
    const { message, code } = asFailure(error);
    throw new Failure(
      `${url.origin}: ${message}`,
      "Start what serves it (the local stack: `deno task up`; a hosted project may be paused), or " +
        "correct the REST address in .env.",
      1,
      code,
    );
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `no answer within ${PATIENCE_MS / 1000} s`;
  return error.message.split("): ").at(-1) ?? error.message;
}

function restSays(tier: Tier, { status, body }: Answer, isSetUp: boolean): string {
  const { key, api } = tier;
  const code = String(body["code"] ?? "");
  if (status === 401 || status === 403 || code === "42501") throw refused(key);
  if (status === 200) {
    if (body["tier"] === key) return `${api?.url} answers as ${key}, and takes the key`;
    throw new Failure(
      `that is the REST API of ${body["tier"] ?? "a database that is no tier"}, not of ${key}`,
      `Correct the REST address of ${key} in .env.`,
    );
  }
  const isMissing = status === 404 || status === 406;
  if (isMissing && !isSetUp) return `${api?.url} answers; Strata is not set up behind it yet`;
  if (code === "PGRST106") {
    throw new Failure(
      "it does not expose schema strata",
      tier.provider === "supabase"
        ? "Run `deno task deploy`, or add strata under Settings > API > Exposed schemas."
        : "Set PGRST_DB_SCHEMAS=public,storage,graphql_public,strata there and start the rest container anew.",
    );
  }
  if (isMissing) {
    throw new Failure(
      "it does not know Strata's functions: it has not read the schema anew, or serves another database",
      "Run `notify pgrst, 'reload schema'` on that database, or correct the REST address in .env.",
    );
  }
  throw new Failure(
    `it answers with status ${status}${code === "" ? "" : ` (${code})`}`,
    status >= 500
      ? "Is its database up? Look at the log of its REST API."
      : "Look at the log of its REST API.",
  );
}

function functionsSay(
  { key, provider }: Tier,
  { status, body }: Answer,
  isSetUp: boolean,
  relays: boolean,
): string | NotTried {
  if (status === 401 || status === 403) throw refused(key);
  const down = Array.isArray(body["down"]) ? body["down"].map(String) : [];
  const says = typeof body["status"] === "string" ? body["status"] : undefined;
  if (says !== undefined && !isSetUp) return "health answers; Strata is not set up behind it yet";
  if (says !== undefined) return `health answers: ${[says, ...down].join("; ")}`;
  const remedy = provider === "supabase"
    ? "Run `deno task deploy`."
    : "Run `deno task deploy --copy-to …/docker/volumes/functions` on its machine.";
  if (status === 404) {
    if (!relays) return new NotTried("none of ours are there, and rows settle without them");
    throw new Failure("the function relay is not there, and its link is carried by it", remedy);
  }
  throw new Failure(`function health answers with status ${status}`, "Look at the function's log.");
}

const refused = (tier: string) =>
  new Failure(
    "it refuses the key",
    `Correct ${tier}'s key in .env: it is the project's secret key, not the one for the public.`,
  );
