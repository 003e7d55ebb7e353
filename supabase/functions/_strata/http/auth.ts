/** Who may call: whoever shows one of the project's secret keys in the header `apikey`. */
import { verifyAuth } from "@supabase/server/core";
import "jose"; // pinned: see wire.ts
import { type PlatformEnv, secretKeys } from "./env.ts";

/** Says whether a request may come in. */
export type Authorize = (request: Request) => Promise<boolean>;

/**
 * Checks the secret key in constant time. The gateway's own check (`verify_jwt`) is off for all
 * functions: it lets anybody in who holds the publishable key, and a self-hosted gateway has none.
 * A key in the Authorization header, a legacy key and a user's token are all refused.
 */
export function secretKeyCheck(env: PlatformEnv): Authorize {
  const keys = {
    url: env.SUPABASE_URL,
    secretKeys: secretKeys(env),
    publishableKeys: {},
    jwks: null,
  };
  return async (request) => {
    const { error } = await verifyAuth(request, { auth: "secret:*", env: keys });
    return error === null;
  };
}
