/** What deploying is: the commands a person would type, in their order, and how each is carried out. */
import { join, relative } from "@std/path";
import { sslmodeOf } from "../../supabase/functions/_strata/protocol/postgres_tls.ts";
import { wakeSecret } from "../tiers/wakes.ts";
import type { Config, Tier } from "../config/load.ts";
import { ROOT } from "../lib/command.ts";
import { asFailure, Failure } from "../lib/errors.ts";
import { isLocal } from "../lib/local.ts";
import { connect } from "../lib/session.ts";
import { exposedSchemas } from "./exposed.ts";
import { pushReleases } from "../lib/releases.ts";
import { PUSH, SupabaseFailed, supabaseHosted } from "../lib/supabase.ts";

/** One command of a deployment. */
export interface Step {
  says: string;
  /** As a person types it; passwords stand in variables. */
  command: string;
  run(): Promise<string>;
}

/** What a deployment depends on besides the configuration. */
export interface Given {
  /** supabase/functions/.env, when there is one. */
  secretsFile?: string | undefined;
  /** Variables for the CLI besides those of this process. */
  env?: Record<string, string>;
  /** Tells which schemas a project's REST API shows now. */
  exposed?: (tier: Tier) => Promise<string[]>;
}

/** Every step for every tier: migrations everywhere, the rest where Supabase hosts the project. */
export function deploySteps(config: Config, given: Given = {}): Step[] {
  return config.tiers.flatMap((tier) => [
    pushStep(tier, config.personal),
    ...(tier.provider === "supabase" ? hostedSteps(tier, given) : []),
  ]);
}

/** Carries one step out; what the CLI says when it fails never shows a password. */
export async function carryOut(step: Step): Promise<string> {
  try {
    return await step.run();
  } catch (error) {
    if (!(error instanceof SupabaseFailed)) {
      const { message, remedy } = asFailure(error);
      throw new Failure(`${step.says} failed: ${message}`, remedy);
    }
    throw new Failure(
      `${step.says} failed. The Supabase CLI said:\n${error.output.trim()}`,
      "Mend that, and deploy again: every step may be repeated.",
    );
  }
}

function pushStep(tier: Tier, personal: boolean): Step {
  return {
    says: `Pushing the migrations to ${tier.key}`,
    command: `${checked(tier)}supabase db push --remote="$${tier.dbUrlEnv}" ${PUSH.join(" ")}`,
    run: async () => (await pushReleases(tier.dbUrl, { trust: tier.trust, personal })).output,
  };
}

/** What the CLI must be told, typed by hand as well, so that it looks at who answers. */
function checked({ dbUrl, trust }: Tier): string {
  if (sslmodeOf(dbUrl, trust) !== "verify-full") return "";
  const ca = trust.caFile === undefined ? "" : ` PGSSLROOTCERT=${relative(ROOT, trust.caFile)}`;
  return `PGSSLMODE=verify-full${ca} `;
}

function hostedSteps(tier: Tier, given: Given): Step[] {
  const { secretsFile, env = {} } = given;
  const project = `--remote=${projectRef(tier)}`;
  const hosted = (says: string, command: string, args: string[], shown = args): Step => ({
    says: `${says} of ${tier.key}`,
    command: ["supabase", command, ...shown].join(" "),
    run: () => supabaseHosted(command, args, env),
  });
  const file = (path: string) => ["--env-file", path, project, "--yes"];
  return [
    exposeStep(tier, project, given),
    ...(secretsFile === undefined ? [] : [
      hosted(
        "Setting the functions' secrets",
        "secrets set",
        file(secretsFile),
        file("supabase/functions/.env"),
      ),
    ]),
    wakeStep(tier, project, env),
    hosted("Deploying the functions", "functions deploy", ["--use-api", project, "--yes"]),
  ];
}

/** Pushing the configuration replaces the project's list of schemas: so it is pushed with that list. */
function exposeStep(tier: Tier, project: string, given: Given): Step {
  const { env = {}, exposed = exposedSchemas } = given;
  return {
    says: `Exposing schema strata to the secret key of ${tier.key}`,
    command: `supabase config push ${project} --yes` +
      "  # with the schemas in [api] of supabase/config.toml that are exposed now, and strata",
    async run() {
      const schemas = [...new Set([...await exposed(tier), "strata"])];
      return await supabaseHosted("config push", [project, "--yes"], env, schemas);
    },
  };
}

/** The functions take wakes that are signed with what lies in the database's Vault, made now if it is missing. */
function wakeStep(tier: Tier, project: string, env: Record<string, string>): Step {
  const query = "select 'STRATA_WAKE_SECRET=' || strata.secret('wake_secret')";
  return {
    says: `Setting what wakes the functions of ${tier.key}`,
    command: `psql "$${tier.dbUrlEnv}" -Atc "${query}" > wake.env && ` +
      `supabase secrets set --env-file wake.env ${project} --yes`,
    async run() {
      const sql = connect(tier.dbUrl);
      const directory = await Deno.makeTempDir({ prefix: "strata-wake-" }); // nobody else may enter it
      try {
        const secret = await wakeSecret(sql);
        if (secret === undefined) return "There is no Vault: the database wakes nobody.";
        const file = join(directory, "wake.env");
        await Deno.writeTextFile(file, `STRATA_WAKE_SECRET=${secret}\n`, { mode: 0o600 });
        return await supabaseHosted("secrets set", ["--env-file", file, project, "--yes"], env);
      } finally {
        await sql.end({ timeout: 5 });
        await Deno.remove(directory, { recursive: true });
      }
    },
  };
}

/** A hosted project's reference is the first word of its address. */
function projectRef(tier: Tier): string {
  const ref = /^https:\/\/([a-z]{20})\.supabase\.co\/?$/.exec(tier.api?.url ?? "")?.[1];
  if (ref !== undefined) return ref;
  if (tier.api !== undefined && isLocal(tier.api.url)) {
    throw new Failure(
      `${tier.key} is on this machine, where nothing is deployed`,
      "`deno task up` serves the functions here; to deploy, write the addresses of your tiers into .env.",
      2,
    );
  }
  throw new Failure(
    `${tier.key} is a hosted project, but its url_env gives no address such as https://<ref>.supabase.co`,
    "Write the address of the project into .env, or set provider: self_hosted for this tier.",
    2,
  );
}
