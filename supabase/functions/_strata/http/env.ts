/**
 * The environment of a function, checked once when it starts. The names are the platform's own:
 * hosted gives SUPABASE_SECRET_KEYS (a JSON object of named keys), a self-hosted instance may give
 * SUPABASE_SECRET_KEY. A function adds its own variables with `PlatformEnv.extend({ … })`.
 */
import { z } from "zod";
import { keyObjection } from "../outbound/safe_address.ts";

/** A secret API key. Legacy keys (JWTs) are none: they cannot be told apart from a user's token. */
const SecretKey = z.string().regex(/^sb_secret_\S+$/, "is no secret key (sb_secret_…)");

const NamedKeys = z.string()
  .transform((text, context) => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue({ code: "custom", message: "is no JSON" });
      return z.NEVER;
    }
  })
  .pipe(z.record(z.string(), SecretKey));

/** An address that is called with a key or a token, without a slash at its end. */
export const KeyAddress = z.url().superRefine((url, context) => {
  const message = keyObjection(url);
  if (message !== undefined) {
    context.addIssue({ code: "custom", message, params: { address: true } });
  }
}).transform((url) => url.replace(/\/+$/, ""));

/** What every function is given. An empty variable counts as one that is not there. */
export const PlatformEnv = z.object({
  SUPABASE_URL: z.url(),
  SUPABASE_SECRET_KEYS: NamedKeys.optional(),
  SUPABASE_SECRET_KEY: SecretKey.optional(),
  /** Whose signature wakes; without it nobody is woken, and the secret key still lets in. */
  STRATA_WAKE_SECRET: z.string().regex(/^[0-9a-f]{64}$/).optional(),
});

/** The checked environment that every function has at least. */
export type PlatformEnv = z.infer<typeof PlatformEnv>;

/** The environment does not do; the message names variables, never their values. */
export class EnvironmentError extends Error {
  /** Says which variables are missing or malformed. */
  constructor(readonly problems: readonly string[]) {
    super(problems.join("; "));
    this.name = "EnvironmentError";
  }
}

/** Reads what a function needs from its variables, or says everything that is wrong with them. */
export function readEnv<Env extends PlatformEnv>(
  schema: z.ZodType<Env>,
  variables: Readonly<Record<string, string | undefined>>,
): Env {
  const present = new Map(
    Object.entries(variables).filter(([, value]) => value !== undefined && value !== ""),
  );
  const read = schema.safeParse(Object.fromEntries(present));
  // Only variables are named: what zod says of a value may repeat it, but not what we say of an address.
  const ours = new Map(
    read.error?.issues.flatMap((issue) =>
      issue.code === "custom" && issue.params?.["address"] === true
        ? [[String(issue.path[0]), issue.message] as const]
        : []
    ),
  );
  const problems = read.success ? [] : read.error.issues.map(({ path: [name = ""] }) => {
    const says = ours.get(String(name));
    return `${String(name)} ${
      says ?? (present.has(String(name)) ? "is of the wrong form" : "is missing")
    }`;
  });
  if (read.success && Object.keys(secretKeys(read.data)).length === 0) {
    problems.push("SUPABASE_SECRET_KEYS is missing");
  }
  if (!read.success || problems.length > 0) throw new EnvironmentError([...new Set(problems)]);
  return read.data;
}

/** The secret keys by name: whoever shows one of them may call. */
export function secretKeys(env: PlatformEnv): Record<string, string> {
  if (env.SUPABASE_SECRET_KEYS !== undefined) return env.SUPABASE_SECRET_KEYS;
  return env.SUPABASE_SECRET_KEY === undefined ? {} : { default: env.SUPABASE_SECRET_KEY };
}

/** The secret key a function itself calls with: the one named default, else the first. */
export function ownKey(env: PlatformEnv): string {
  const keys = secretKeys(env);
  const key = keys["default"] ?? Object.values(keys)[0];
  if (key === undefined) throw new EnvironmentError(["SUPABASE_SECRET_KEYS is missing"]);
  return key;
}
