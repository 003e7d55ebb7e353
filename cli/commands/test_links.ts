import { Argument, type Command } from "commander";
import { tierOf } from "../../supabase/functions/_strata/protocol/strata.ts";
import { linkTrouble } from "../tiers/rights.ts";
import type { Config, Tier } from "../config/load.ts";
import { TIERS } from "../config/schema.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { Failure } from "../lib/errors.ts";
import { table, withRemedy } from "../lib/output.ts";
import { Session } from "../lib/session.ts";
import { asked, databaseTries, inSteps, type Step } from "../setup/reach.ts";
import { apiTries } from "../setup/reach_api.ts";

/** A step and the tier to which it leads. */
interface TierStep extends Step {
  tier: string;
}

/** `test-links`: the way to every tier, step by step; also before Strata is set up there. */
export function testLinks(io: Io): Command {
  return command("test-links", "try the way to every tier, step by step: what works, what to do", [
    "test-links            # every tier, and the lines between them",
    "test-links archive    # that tier, and the lines it is on",
    "test-links --json",
  ])
    .addArgument(new Argument("[tier...]", "which tiers (default: all)").choices([...TIERS]))
    .action((tiers: string[], options: CommonOptions) =>
      perform(io, options, (context) => report(context, tiers), withoutSession)
    );
}

/** The steps open what they need by themselves, one after another. */
const withoutSession = () => Promise.resolve(new Session([], []));

async function report({ config }: Context, named: string[]): Promise<Report> {
  const tiers = config.tiers.filter(({ key }) => named.length === 0 || named.includes(key));
  const missing = named.find((name) => !config.tiers.some(({ key }) => key === name));
  if (missing !== undefined) {
    throw new Failure(`The configuration has no ${missing}`, "Leave it out.", 2);
  }
  const found = await Promise.all(tiers.map((tier) => stepsTo(config, tier)));
  const links = await linkSteps(config, named);
  const steps = [...found.flat(), ...links];
  const failed = steps.filter(({ ok }) => ok === false);
  return {
    document: { steps, notes: config.notes },
    text: [
      table(["", "tier", "step", "found"], steps.map(row)),
      "",
      ...config.notes.map((note) => `${note}.`),
      failed.length === 0
        ? "Everything that was tried works."
        : `${count(failed.length)}; → says what to do.`,
    ].join("\n"),
    ok: failed.length === 0,
  };
}

const count = (failed: number) => failed === 1 ? "1 step fails" : `${failed} steps fail`;

function row({ tier, step, ok, says, remedy }: TierStep): string[] {
  const sign = ok === null ? "-" : ok ? "✓" : "✗";
  return [sign, tier, step, ok === false ? withRemedy(says, remedy ?? "") : says];
}

async function stepsTo(config: Config, tier: Tier): Promise<TierStep[]> {
  const relays = config.links.some(({ from, driver }) => from === tier.key && driver === "relay");
  const steps = await inSteps([
    ...databaseTries(tier),
    ...apiTries(tier, () => isSetUp(tier), relays),
  ]);
  return steps.map((step) => ({ tier: tier.key, ...step }));
}

const isSetUp = (tier: Tier) => asked(tier, async (sql) => await tierOf(sql) != null);

/** The lines between tiers, each dialled by the database that has to dial it. */
async function linkSteps(config: Config, named: string[]): Promise<TierStep[]> {
  const of = (key: string) => config.tiers.find((tier) => tier.key === key);
  const links = config.links.filter(({ from, to, driver }) =>
    driver !== "relay" && (named.length === 0 || named.includes(from) || named.includes(to))
  );
  const steps = await Promise.all(links.map(async ({ from, to, driver }) => {
    const [driving, dialled] = driver === "push" ? [of(from), to] : [of(to), from];
    if (driving === undefined || !await isSetUp(driving).catch(() => false)) return [];
    const tried = await inSteps([["link", async () => {
      const trouble = await asked(driving, (sql) => linkTrouble(sql, dialled));
      if (trouble === undefined) return `dials ${dialled} (${driver})`;
      throw new Failure(
        `cannot dial ${dialled} (${driver}): ${trouble.says}`,
        trouble.remedy ?? "",
      );
    }]]);
    return tried.map((step) => ({ tier: driving.key, ...step }));
  }));
  return steps.flat();
}
