/** Calls of a tier's edge functions, as supabase-js makes them. */
import { createClient } from "@supabase/supabase-js";
import { z } from "zod";
import { keyFetch, RedirectError } from "../../supabase/functions/_strata/outbound/safe_address.ts";
import type { Config } from "../config/load.ts";
import { Failure } from "./errors.ts";
import { isLocal } from "./local.ts";

const Refused = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
/** What a gateway says of a function it does not have. */
const Missing = z.object({ code: z.literal("NOT_FOUND") });

/** Posts to a function of core's project and returns its answer. */
export async function callFunction<Answer>(
  config: Config,
  name: string,
  body: Record<string, unknown>,
  schema: z.ZodType<Answer>,
): Promise<Answer> {
  const core = config.tiers.find(({ key }) => key === "core");
  if (core?.api === undefined) {
    throw new Failure(
      "core has no REST address",
      "Write url_env and key_env of core into strata.yaml, and both variables into .env.",
      2,
    );
  }
  const client = createClient(core.api.url, core.api.key, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    global: { fetch: keyFetch() },
  });
  const { data, error, response } = await client.functions.invoke(name, { body });
  if (error === null) {
    const read = schema.safeParse(data);
    if (read.success) return read.data;
    throw new Failure(`function ${name} answers something else than this command knows`, DEPLOY);
  }
  if (error.context instanceof RedirectError) throw redirected("core", error.context);
  if (response === undefined) {
    throw new Failure(
      `core's functions cannot be reached at ${core.api.url}`,
      isLocal(core.api.url)
        ? "Start them: `deno task up`."
        : "Check core's address in .env, and that its project is not paused.",
    );
  }
  throw refusal(name, response.status, await response.json().catch(() => undefined));
}

/** A project's address that points elsewhere gets no key. */
export function redirected(tier: string, error: RedirectError): Failure {
  return new Failure(
    `${tier}: ${error.message}`,
    `Write the address it redirects to as ${tier}'s REST address into .env, if that is the right one.`,
  );
}

const DEPLOY = "Deploy the functions as they are here: `deno task deploy`.";

function refusal(name: string, status: number, answer: unknown): Failure {
  const refused = Refused.safeParse(answer);
  if (refused.success) {
    const { code, message } = refused.data.error;
    const wronglyCalled = status === 400 || status === 404;
    const remedy = status === 401
      ? "Correct core's key in .env: it is the project's secret key."
      : "";
    return new Failure(message, remedy, wronglyCalled ? 2 : 1, code);
  }
  if (status === 404 || Missing.safeParse(answer).success) {
    return new Failure(`core has no function ${name}`, DEPLOY, 1, "NOT_FOUND");
  }
  return new Failure(`function ${name} answered with status ${status}`, "Look at its log.");
}
