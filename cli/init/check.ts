/** Whether an address leads to a database that can be a tier; asked as soon as it is given. */
import type { TierTrust } from "../config/security.ts";
import type { TierName } from "../config/schema.ts";
import {
  hostedBy,
  isTransactionMode,
  lacksPassword,
  readAddress,
  refuseNamelessProject,
  SESSION_POOLER,
  shownAddress,
  type TrustFlags,
  trustOfFlags,
  whyNot,
} from "../advise/address.ts";
import { asFailure, Failure } from "../lib/errors.ts";
import { asked, databaseTries } from "../setup/reach.ts";

/** An address that was tried. */
export interface Checked {
  tier: TierName;
  url: string;
  trust: TierTrust;
  /** What was found there, without the password. */
  says: string;
  /** What is no reason to refuse it. */
  notes: string[];
  /** The same for every address of the same database. */
  identity: string;
}

/** What is asked of a server before it is taken. */
export interface ServerFacts {
  version: string;
  version_num: number;
  encoding: string;
  standby: boolean;
  read_only: boolean;
  identity: string;
}

/** Reads an address, refuses what can be seen of it, and tries the way to the database. */
export async function check(tier: TierName, given: string, flags: TrustFlags): Promise<Checked> {
  const variable = `STRATA_${tier.toUpperCase()}_DB_URL`;
  const url = readAddress(given, `The address of ${tier}`);
  refuseWays(tier, url);
  const trust = await trustOfFlags(url, flags, `The address of ${tier}`).catch((error) => {
    const { message, remedy } = asFailure(error);
    throw new Failure(message, remedy.replace("--insecure", `--${tier}-insecure`), 2);
  });
  const door = { key: tier, dbUrl: url, dbUrlEnv: variable, trust };
  const found: string[] = [];
  for (const [step, work] of databaseTries(door)) {
    try {
      const says = await work();
      if (typeof says === "string") found.push(says);
    } catch (error) {
      throw told(tier, step, whyNot(error, url));
    }
  }
  const facts = await asked(door, factsOf).catch((error) => {
    throw told(tier, "server", whyNot(error, url));
  });
  const objection = serverObjection(facts);
  if (objection !== undefined) throw told(tier, "server", objection);
  return {
    tier,
    url,
    trust,
    says: `${shownAddress(url)}: PostgreSQL ${facts.version}; ${found.at(-1) ?? "it answers"}`,
    notes: facts.read_only
      ? [
        `${tier} is read-only: \`deno task strata advise\` says what to do first, and in which order.`,
      ]
      : [],
    identity: facts.identity,
  };
}

function told(tier: TierName, step: string, { message, remedy, code }: Failure): Failure {
  const trusting = step === "TLS" ? `${remedy} A CA of your own: --${tier}-ca FILE.` : remedy;
  return new Failure(`${tier}: ${message}`, trusting, 1, code);
}

/** Ways by which nothing of Strata works, or only now and then. */
function refuseWays(tier: TierName, url: string): void {
  const hosted = hostedBy(url);
  if (isTransactionMode(url)) {
    throw new Failure(
      `The address of ${tier} names port 6543, the pooler's transaction mode, which loses session settings`,
      "Write port 5432 (session mode) instead of 6543.",
      2,
    );
  }
  refuseNamelessProject(url, `The address of ${tier}`);
  if (hosted !== undefined && new URL(url).pathname !== "/postgres") {
    throw new Failure(
      `The address of ${tier} names database ${
        decodeURIComponent(new URL(url).pathname.slice(1))
      }; ` +
        "on Supabase, jobs run in database postgres alone",
      `End it with /postgres: take ${SESSION_POOLER}.`,
      2,
    );
  }
  if (hosted !== undefined && lacksPassword(url)) {
    throw new Failure(
      `The address of ${tier} has no password`,
      "Write the database's password where the dashboard shows [YOUR-PASSWORD].",
      2,
    );
  }
}

async function factsOf(sql: Parameters<Parameters<typeof asked>[1]>[0]): Promise<ServerFacts> {
  const [facts] = await sql<ServerFacts[]>`
    select current_setting('server_version') as version,
           current_setting('server_version_num')::integer as version_num,
           current_setting('server_encoding') as encoding, pg_is_in_recovery() as standby,
           current_setting('default_transaction_read_only') = 'on' as read_only,
           format('%s %s', (select c.system_identifier from pg_control_system() as c),
                  (select d.oid from pg_database as d where d.datname = current_database())) as identity`;
  if (facts === undefined) throw new Failure("it does not say what it is");
  return facts;
}

/** Why a server cannot be a tier. */
export function serverObjection(
  { version, version_num, encoding, standby }: ServerFacts,
): Failure | undefined {
  if (version_num < 150000) {
    return new Failure(
      `it is PostgreSQL ${version}, and Strata needs 15 to 18`,
      "Upgrade it first (on Supabase: Settings > Infrastructure).",
    );
  }
  if (standby) return new Failure("it is a standby, which takes no writes", "Give its primary.");
  if (encoding !== "UTF8") {
    return new Failure(`its encoding is ${encoding}`, "Give a database in UTF8.");
  }
  return undefined;
}
