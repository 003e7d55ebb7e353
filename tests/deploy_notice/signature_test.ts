import { assertMatch } from "@std/assert";
import { createHandler } from "../../supabase/functions/strata-deploy-notice/handler.ts";
import { TEST_ENV, testDeps } from "../support/function_deps.ts";

const SECRET = "a secret of sixteen or more".replaceAll(" ", "-");
const SIGNATURE = `sha256=${"0".repeat(64)}`;

/** What is said to a caller with such headers, by a function with or without a secret. */
async function said(headers: Record<string, string>, env = { DEPLOY_WEBHOOK_SECRET: SECRET }) {
  const handler = createHandler(testDeps({ env: { ...TEST_ENV, ...env } as never }));
  const response = await handler(
    new Request("http://functions.test/deploy-notice", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: "{}",
    }),
  );
  return (await response.json()).error.message;
}

Deno.test("deploy-notice says whether a signature is missing or wrong", async () => {
  assertMatch(await said({}), /^Sign the body with DEPLOY_WEBHOOK_SECRET/);
  const wrong = await said({ "x-hub-signature-256": SIGNATURE });
  assertMatch(wrong, /^The signature is not that of this body/);
});
