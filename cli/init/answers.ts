/** What init has to know of each tier: by flag, from the environment, or asked on the terminal. */
import {
  lacksPassword,
  projectOf,
  readAddress,
  type TrustFlags,
  withPassword,
} from "../advise/address.ts";
import { isVariable } from "../advise/door.ts";
import type { Environment } from "../config/load.ts";
import { type TierName, TIERS } from "../config/schema.ts";
import type { Terminal } from "../lib/confirm.ts";
import { asFailure, Failure } from "../lib/errors.ts";
import { withRemedy } from "../lib/output.ts";
import { check, type Checked } from "./check.ts";

/** What was said of a tier on the command line. */
export interface TierFlags extends TrustFlags {
  address?: string | undefined;
  api?: string | undefined;
}

/** A tier that was tried, with what else is known of it. */
export interface Answer extends Checked {
  api: { url: string; key: string } | undefined;
  flags: TierFlags;
}

/** Who can be asked, where what is said goes, and what is known already. */
export interface Asking {
  terminal: Terminal;
  environment: Environment;
  flags: Readonly<Record<TierName, TierFlags>>;
  say(text: string): void;
  /** Where what is wrong goes. */
  complain(text: string): void;
}

const WHAT: Record<TierName, string> = {
  core: "core, the database that is to stay small",
  main: "main, where rows settle (Enter: none)",
  archive: "archive, where they settle at last (Enter: none)",
};

/** The tiers that were given, each tried; a {@link Failure} that names every flag that is missing. */
export async function answers(asking: Asking): Promise<Answer[]> {
  const isAsked = asking.terminal.isTerminal();
  const given = (tier: TierName) => addressGiven(asking, tier);
  if (!isAsked && given("core") === undefined) {
    throw new Failure(
      "There is no terminal to ask on, and something is missing: --core (or STRATA_CORE_DB_URL)",
      "Give --core; and --main, --archive or both, where rows are to settle. " +
        "Each is an address, or the name of a variable that holds it.",
      2,
    );
  }
  const found: Answer[] = [];
  const failures: Failure[] = [];
  for (const tier of TIERS) {
    try {
      const answer = await answerOf(asking, tier, given(tier), found);
      if (answer === undefined) continue;
      asking.say(`✓ ${tier}  ${answer.says}`);
      found.push(answer);
    } catch (error) {
      const failure = asFailure(error);
      if (failure !== error || isAsked) throw error; // a fault of this program, or somebody gave up
      failures.push(failure);
    }
  }
  if (failures.length === 0) return found;
  throw new Failure(
    failures.map(({ message, remedy }) => withRemedy(message, remedy)).join("\n"),
    "Nothing was written.",
    failures.every(({ exitCode }) => exitCode === 2) ? 2 : 1,
  );
}

/** Of a flag, a variable that it names, or the variable of the tier. */
function addressGiven({ flags, environment }: Asking, tier: TierName): string | undefined {
  const flag = flags[tier].address;
  if (flag === undefined) return blankAsNone(environment[`STRATA_${tier.toUpperCase()}_DB_URL`]);
  if (!isVariable(flag)) return flag;
  const value = blankAsNone(environment[flag]);
  if (value !== undefined) return value;
  throw new Failure(`There is no variable ${flag}`, `--${tier} names it. Nothing was written.`, 2);
}

const blankAsNone = (value: string | undefined) =>
  value === undefined || value.trim() === "" ? undefined : value;

/** Asks again until an address does, where somebody is there to be asked. */
async function answerOf(
  asking: Asking,
  tier: TierName,
  given: string | undefined,
  before: readonly Answer[],
): Promise<Answer | undefined> {
  const { terminal, complain } = asking;
  const isAsked = terminal.isTerminal();
  let address = given;
  for (;;) {
    if (address === undefined) {
      if (!isAsked) return undefined;
      address = blankAsNone(secret(terminal, `${WHAT[tier]}: its connection string (not shown): `));
      if (address === undefined && tier !== "core") return undefined;
      if (address === undefined) {
        throw new Failure("Without core there is nothing to begin with", "", 2);
      }
    }
    try {
      const checked = await check(tier, withItsPassword(asking, tier, address), asking.flags[tier]);
      refuseSame(checked, before);
      return { ...checked, api: apiOf(asking, checked), flags: asking.flags[tier] };
    } catch (error) {
      const failure = asFailure(error);
      if (!isAsked || failure !== error) throw error;
      complain(withRemedy(failure.message, failure.remedy));
      address = undefined;
    }
  }
}

function withItsPassword({ terminal }: Asking, tier: TierName, given: string): string {
  const address = readAddress(given, `The address of ${tier}`);
  if (!lacksPassword(address) || !terminal.isTerminal()) return address;
  const password = secret(terminal, `${tier}: its password (not shown; Enter: none): `);
  return blankAsNone(password) === undefined ? address : withPassword(address, password);
}

function refuseSame({ tier, identity }: Checked, before: readonly Answer[]): void {
  const same = before.find((other) => other.identity === identity);
  if (same === undefined) return;
  throw new Failure(
    `The address of ${tier} leads to the same database as that of ${same.tier}`,
    "Each tier is a database of its own.",
    2,
  );
}

/** The REST address and its key: optional, and only of use together. */
function apiOf({ flags, environment, terminal }: Asking, { tier, url }: Checked) {
  const name = `STRATA_${tier.toUpperCase()}`;
  const project = projectOf(url);
  const address = flags[tier].api ?? blankAsNone(environment[`${name}_URL`]) ??
    (project === undefined ? undefined : `https://${project}.supabase.co`);
  if (address === undefined) return undefined;
  const known = blankAsNone(environment[`${name}_KEY`]);
  const key = known ??
    (terminal.isTerminal()
      ? blankAsNone(
        secret(
          terminal,
          `${tier}: its secret API key, for edge functions (not shown; Enter: none): `,
        ),
      )
      : undefined);
  return key === undefined ? undefined : { url: address, key };
}

function secret(terminal: Terminal, question: string): string {
  return (terminal.askSecret ?? terminal.ask)(question) ?? "";
}
