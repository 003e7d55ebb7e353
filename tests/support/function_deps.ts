/** Dependencies for the handler of an edge function under test: no server, no global, no waiting. */
import { secretKeyCheck } from "../../supabase/functions/_strata/http/auth.ts";
import { type PlatformEnv, secretKeys } from "../../supabase/functions/_strata/http/env.ts";
import { wakeCheck } from "../../supabase/functions/_strata/http/wake.ts";
import type { Rpc } from "../../supabase/functions/_strata/protocol/strata_rpc.ts";
import type { Deps } from "../../supabase/functions/_strata/http/wire.ts";

/** The platform's variables as a test has them; the key exists nowhere else. */
export const TEST_ENV: PlatformEnv = {
  SUPABASE_URL: "http://127.0.0.1:9",
  SUPABASE_SECRET_KEYS: { default: `sb_secret_${"t".repeat(32)}` },
};

/** What a test can see of what a handler did. */
export interface TestDeps<Env extends PlatformEnv> extends Deps<Env> {
  /** What was logged, oldest first. */
  logged: { event: string; fields: Readonly<Record<string, unknown>> }[];
  /** How long the handler slept, nap by nap; the clock went on, the test did not wait. */
  slept: number[];
  /** Waits for work that goes on in the background. */
  settle(): Promise<void>;
}

/**
 * Dependencies whose clock stands still unless the handler sleeps. What a test does not give must not
 * be called: `fetch` and `rpc` fail.
 */
export function testDeps<Env extends PlatformEnv>(
  given: { env: Env } & Partial<Deps<Env>>,
): TestDeps<Env> {
  let now = Date.parse("2026-11-22T12:00:00Z");
  const logged: TestDeps<Env>["logged"] = [];
  const slept: number[] = [];
  const work: Promise<unknown>[] = [];
  const unexpected = (what: string) => () => {
    throw new Error(`the handler called ${what}, which this test does not expect`);
  };
  const rpc: Rpc = unexpected("rpc");
  return {
    isAuthorized: secretKeyCheck(given.env),
    wakes: wakeCheck("function", given.env.STRATA_WAKE_SECRET, () => now),
    fetch: unexpected("fetch"),
    now: () => now,
    sleep(milliseconds) {
      slept.push(milliseconds);
      now += milliseconds;
      return Promise.resolve();
    },
    rpc,
    log: (event, fields = {}) => void logged.push({ event, fields }),
    background: (promise) => void work.push(promise),
    ...given,
    logged,
    slept,
    async settle() {
      await Promise.all(work);
    },
  };
}

/** A request to a function, with the secret key unless told otherwise. */
export function call(
  method: string,
  query = "",
  { body, headers = {}, env = TEST_ENV }: {
    body?: unknown;
    headers?: Record<string, string>;
    env?: PlatformEnv;
  } = {},
): Request {
  const key = Object.values(secretKeys(env))[0] ?? "";
  return new Request(`http://functions.test/function${query}`, {
    method,
    headers: { apikey: key, "content-type": "application/json", ...headers },
    body: body === undefined ? null : JSON.stringify(body),
  });
}
