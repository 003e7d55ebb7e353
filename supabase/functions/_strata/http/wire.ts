/**
 * What every function gets from the world, and the only place that reads it from globals.
 * A function is two files. index.ts wires, with these two names of handler.ts:
 *
 *     export default { fetch: wire("strata-report", Env, createHandler) };
 *
 * handler.ts behaves: it exports `Env` (PlatformEnv, or PlatformEnv.extend({ … })) and
 * `createHandler(deps: Deps<Env>)`, which returns a `router(deps, { … })` (http.ts). A test calls
 * `createHandler` with dependencies of its own (tests/support/function_deps.ts): no server is started
 * and no global touched. A function also has its entry in supabase/config.toml with
 * `verify_jwt = false` and `import_map = "../../import_map.json"`, and imports by relative path or by a
 * name of the import map: what it does not import so is not deployed. (The CLI finds imports with a
 * regular expression, also in comments: write none down there.)
 *
 * The platform knows no lock file: it resolves anew what packages ask for by a range. What is imported
 * here with its exact version is taken for their ranges, too, so whatever of such packages is loaded is
 * imported beside the package that needs it (tests/deploy/pinned_test.ts says what is missing).
 */
import type { z } from "zod";
import { type Authorize, secretKeyCheck } from "./auth.ts";
import { EnvironmentError, ownKey, type PlatformEnv, readEnv, secretKeys } from "./env.ts";
import { HttpError } from "./errors.ts";
import type { Handler } from "./http.ts";
import { createLog, type Log } from "./log.ts";
import type { OutboundDeps } from "../outbound/outbound.ts";
import { connectRpc, type Rpc } from "../protocol/strata_rpc.ts";
import { type WakeCheck, wakeCheck } from "./wake.ts";

/** Everything a function may use of the world. */
export interface Deps<Env extends PlatformEnv = PlatformEnv> extends OutboundDeps {
  env: Env;
  isAuthorized: Authorize;
  wakes: WakeCheck;
  /** The database of the project the function belongs to. */
  rpc: Rpc;
  log: Log;
  /** Goes on with work after the answer, where the runtime allows it; a failure is logged. */
  background(work: Promise<unknown>): void;
}

/** Builds a function's handler from the variables it is started with. */
export function wire<Env extends PlatformEnv>(
  name: string,
  schema: z.ZodType<Env>,
  createHandler: (deps: Deps<Env>) => Handler,
  variables: Readonly<Record<string, string | undefined>> = Deno.env.toObject(),
): Handler {
  try {
    return createHandler(realDeps(name, readEnv(schema, variables)));
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    createLog(name, [])("misconfigured", { problems: error.problems });
    const answer = new HttpError(
      500,
      "misconfigured",
      "The function lacks settings; its log says which.",
    );
    return () => Promise.resolve(answer.toResponse());
  }
}

/** The world as it is. */
export function realDeps<Env extends PlatformEnv>(name: string, env: Env): Deps<Env> {
  const log = createLog(name, secretsOf(env));
  return {
    env,
    isAuthorized: secretKeyCheck(env),
    wakes: wakeCheck(name, env.STRATA_WAKE_SECRET, () => Date.now()),
    fetch: (input, init) => fetch(input, init),
    now: () => Date.now(),
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    rpc: connectRpc(env.SUPABASE_URL, ownKey(env)),
    log,
    background: (work) => goOn(work.catch((error) => log("background_failed", { error }))),
  };
}

/** Addresses are no secrets, save for what they may hold; everything else in an environment may be. */
function secretsOf(env: PlatformEnv): string[] {
  const texts = Object.entries(env).flatMap(([name, value]) => {
    if (typeof value !== "string" || name === "SUPABASE_URL") return [];
    return [value];
  });
  return [...texts, ...Object.values(secretKeys(env))];
}

/** The edge runtime ends a worker that has answered unless it is told to wait. */
function goOn(work: Promise<unknown>): void {
  const runtime: unknown = Reflect.get(globalThis, "EdgeRuntime");
  if (typeof runtime !== "object" || runtime === null) return;
  const waitUntil: unknown = Reflect.get(runtime, "waitUntil");
  if (typeof waitUntil === "function") waitUntil.call(runtime, work);
}
