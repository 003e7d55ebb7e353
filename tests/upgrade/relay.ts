/** The relay function of today, as it is deployed, between two databases. */
import { createHandler, Env } from "../../supabase/functions/strata-relay/handler.ts";
import { call, TEST_ENV, testDeps } from "../support/function_deps.ts";
import type { MoveChain } from "../support/moves.ts";
import { testProject } from "../support/project.ts";

/** What today's relay function says of the link between two tiers. */
export async function relay({ core, main }: MoveChain): Promise<{ status: number; said: string }> {
  await using hot = testProject(core);
  await using cold = testProject(main);
  const env = Env.parse({
    ...TEST_ENV,
    SUPABASE_SECRET_KEYS: JSON.stringify(TEST_ENV.SUPABASE_SECRET_KEYS),
    STRATA_CORE_URL: hot.url,
    STRATA_CORE_KEY: hot.secretKey,
    STRATA_MAIN_URL: cold.url,
    STRATA_MAIN_KEY: cold.secretKey,
  });
  const deps = testDeps({ env, fetch: (input, init) => fetch(input, init) });
  const response = await createHandler(deps)(
    call("POST", "", { body: { from: "core", to: "main" } }),
  );
  const { error } = await response.json();
  return { status: response.status, said: error?.message ?? "" };
}
