import type { Sql } from "postgres";
import { createHandler, type Env } from "../../supabase/functions/strata-notify/handler.ts";
import { call, TEST_ENV, type TestDeps, testDeps } from "./function_deps.ts";
import { rpcTo } from "./rpc.ts";
import type { TelegramServer } from "./telegram.ts";

/** The function over a test database: its handler, and what it did. */
export interface NotifyUnderTest {
  deps: TestDeps<Env>;
  /** Delivers what is due; the outcomes by key. */
  deliver(): Promise<{ key: string; channel: string; outcome: string; says?: string }[]>;
  request(method: string, query?: string, body?: unknown): Promise<Response>;
}

/** The variables with which the function finds a Telegram stand-in. */
export function telegramEnv({ url, token }: TelegramServer): Partial<Env> {
  return { TELEGRAM_BOT_TOKEN: token, TELEGRAM_CHAT_ID: "4711", TELEGRAM_API_ROOT: url };
}

/** Builds the function; its naps take no time, and no call of it lasts longer than a second. */
export function notifyOver(sql: Sql, env: Partial<Env>, patienceMs = 1_000): NotifyUnderTest {
  const impatient: typeof fetch = (input, init) => {
    const signals = [AbortSignal.timeout(patienceMs), ...(init?.signal ? [init.signal] : [])];
    return fetch(input, { ...init, signal: AbortSignal.any(signals) });
  };
  const deps = testDeps<Env>({
    env: { ...TEST_ENV, ...env },
    rpc: rpcTo(sql),
    fetch: impatient,
  });
  const handler = createHandler(deps);
  const request = (method: string, query = "", body?: unknown) =>
    handler(call(method, query, { body }));
  return {
    deps,
    request,
    async deliver() {
      const response = await request("POST", "", { wait: true });
      const { deliveries } = await response.json();
      return deliveries;
    },
  };
}
