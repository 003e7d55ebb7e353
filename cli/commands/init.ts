import { basename, join } from "@std/path";
import type { Command } from "commander";
import { advice } from "../advise/advice.ts";
import { policiesYaml, type Proposals, proposals } from "../advise/policies.ts";
import { Reader } from "../advise/reader.ts";
import { next, type Step } from "../advise/steps.ts";
import { ConfigFailure, type Environment, loadConfig } from "../config/load.ts";
import { type TierName, TIERS } from "../config/schema.ts";
import { type Answer, answers, type TierFlags } from "../init/answers.ts";
import { differing, readEnvFile, writeEnvFile } from "../init/env_file.ts";
import { mergedYaml } from "../init/local_yaml.ts";
import {
  command,
  type CommonOptions,
  DEFAULT_CONFIG,
  fileNamed,
  type Io,
  type Report,
  ROOT,
  show,
} from "../lib/command.ts";
import { TERMINAL, type Terminal } from "../lib/confirm.ts";
import { asFailure, Failure } from "../lib/errors.ts";
import { some } from "../lib/output.ts";

const MB = 1024 * 1024;
/** What the free plan holds. */
const FREE_MB = 500;

type InitFlags = CommonOptions & {
  dotenv?: string;
  policies: boolean;
  yes?: true;
} & Record<string, unknown>;

/** `init`: asks where the tiers are, tries each, and writes `.env` and `strata.local.yaml`. */
export function init(io: Io): Command {
  const made = command(
    "init",
    "say where the tiers are: each is tried, then .env and strata.local.yaml are written",
    [
      "init                                # asks for what is not known; what is typed is not shown",
      "init --core CORE_URL --main MAIN_URL   # the variables that hold the addresses",
      "init --archive ARCHIVE_URL --archive-ca ca.crt --yes",
    ],
  );
  for (const tier of TIERS) {
    made
      .option(`--${tier} <address>`, `${tier}'s database: its address, or a variable that holds it`)
      .option(
        `--${tier}-url <url>`,
        `${tier}'s REST address; its key is STRATA_${tier.toUpperCase()}_KEY`,
      )
      .option(`--${tier}-ca <file>`, `the CA of ${tier}'s certificate, or system`)
      .option(
        `--${tier}-insecure-because <reason>`,
        `why ${tier}'s address may name less than verify-full`,
      );
  }
  return made
    .option("--dotenv <file>", "where passwords are kept (default: .env)")
    .option("--no-policies", "propose no policies")
    .option("--yes", "replace what .env says otherwise; ask nothing but what is missing")
    .action((flags: InitFlags) => begin(io, flags));
}

/** What is worked with, once the flags are read. */
interface Work {
  io: Io;
  terminal: Terminal;
  environment: Environment;
  envFile: string;
  config: string;
  flags: InitFlags;
  say(text: string): void;
}

async function begin(io: Io, flags: InitFlags): Promise<void> {
  const envFile = flags.dotenv === undefined ? join(ROOT, ".env") : await fileNamed(flags.dotenv);
  const work: Work = {
    io,
    flags,
    envFile,
    terminal: io.terminal ?? TERMINAL,
    // What the local stack wrote for itself is no wish of its owner's.
    environment: { ...await readEnvFile(envFile), ...(io.environment ?? Deno.env.toObject()) },
    config: flags.config === undefined ? DEFAULT_CONFIG : await fileNamed(flags.config),
    say: flags.json || flags.quiet ? () => {} : io.out,
  };
  const found = await answers({
    ...work,
    complain: io.err,
    flags: Object.fromEntries(TIERS.map((tier) => [tier, flagsOf(flags, tier)])) as Record<
      TierName,
      TierFlags
    >,
  });
  const values = valuesOf(found);
  await refuseToReplace(work, values);
  const proposed = await propose(work, found);
  show(io, flags, await write(work, found, values, proposed));
}

function flagsOf(flags: InitFlags, tier: TierName): TierFlags {
  const text = (name: string) => {
    const value = flags[name];
    return typeof value === "string" ? value : undefined;
  };
  return {
    address: text(tier),
    api: text(`${tier}Url`),
    ca: text(`${tier}Ca`),
    insecureBecause: text(`${tier}InsecureBecause`),
  };
}

/** What is a secret, or beside one, and so belongs into .env. */
function valuesOf(found: readonly Answer[]): Record<string, string> {
  return Object.fromEntries(found.flatMap(({ tier, url, api }) => {
    const name = `STRATA_${tier.toUpperCase()}`;
    return [
      [`${name}_DB_URL`, url],
      ...(api === undefined ? [] : [[`${name}_URL`, api.url], [`${name}_KEY`, api.key]]),
    ];
  }));
}

/** No value is replaced that nobody said is to be. */
async function refuseToReplace(
  { envFile, flags, terminal }: Work,
  values: Record<string, string>,
): Promise<void> {
  const others = await differing(envFile, values);
  if (others.length === 0 || flags.yes) return;
  const says = `${basename(envFile)} has another ${some(others, 9)} already`;
  if (terminal.isTerminal()) {
    if (/^y(es)?$/i.test(terminal.ask(`${says}. Replace? [y/N] `) ?? "")) return;
    throw new Failure(`${says}, and was left as it is`, "", 2);
  }
  throw new Failure(says, "Say --yes to replace it. Nothing was written.", 2);
}

/** What came of looking at core: policies, and what to do next. */
interface Proposed {
  proposals: Proposals | undefined;
  yaml: string;
  next: Step[];
  note: string | undefined;
}

async function propose(
  { flags, terminal, say }: Work,
  found: readonly Answer[],
): Promise<Proposed> {
  const core = found.find(({ tier }) => tier === "core");
  const none: Proposed = { proposals: undefined, yaml: "", next: [], note: undefined };
  if (core === undefined) return none;
  try {
    await using reader = await Reader.open(core.url, core.trust);
    const advised = await advice(reader, FREE_MB * MB);
    const made = proposals(advised);
    const steps = next(advised, made).filter(({ run }) => !run.includes("deno task strata init"));
    const yaml = policiesYaml(made);
    const isAny = made.policies.length + made.namesakes.length > 0;
    if (!flags.policies || !isAny) return { ...none, next: steps };
    if (terminal.isTerminal() && !flags.yes) {
      say(`\n${yaml}\n`);
      const answer = terminal.ask("Write these policies into strata.local.yaml? [Y/n] ") ?? "";
      if (/^n/i.test(answer)) return { ...none, next: steps };
    }
    return { proposals: made, yaml, next: steps, note: undefined };
  } catch (error) {
    const failure = asFailure(error);
    if (failure.code === "" && failure !== error) throw error; // a fault of this program
    return { ...none, note: `No policies are proposed: ${failure.message}.` };
  }
}

async function write(
  { envFile, config, environment, flags }: Work,
  found: readonly Answer[],
  values: Record<string, string>,
  { proposals: made, yaml, next: steps, note }: Proposed,
): Promise<Report> {
  const local = config.replace(/(\.ya?ml)?$/, ".local$1");
  const tiers = new Map(found.map(({ tier, url, api, trust, flags }) => [tier, {
    url,
    hasApi: api !== undefined,
    ca: flags.ca === undefined ? undefined : trust.caFile ?? flags.ca,
    insecureBecause: flags.insecureBecause,
  }]));
  const merged = mergedYaml(await textOf(local), tiers, made, flags.yes);
  await writeEnvFile(envFile, values);
  await Deno.writeTextFile(local, merged);
  const isChain = found.length > 1;
  const problems = isChain ? await problemsOf(config, { ...environment, ...values }) : [];
  const notes = [...found.flatMap(({ notes }) => notes), ...(note === undefined ? [] : [note])];
  const plan = isChain ? steps : [{
    says:
      "Say where rows may settle: a Supabase of your own, any PostgreSQL 15 to 18, another free project:",
    run: ["deno task strata init --main MAIN_URL"],
  }];
  return {
    document: {
      tiers: found.map(({ tier, says }) => ({ tier, says })),
      written: [envFile, local],
      policies: yaml,
      problems,
      notes,
      next: plan,
    },
    text: [
      ...(flags.json || flags.quiet ? found.map(({ tier, says }) => `✓ ${tier}  ${says}`) : []),
      `✓ ${basename(envFile)} is written: nobody else on this machine may read it.`,
      `✓ ${basename(local)} is written${made === undefined ? "" : `, with ${policiesText(made)}`}.`,
      ...notes,
      ...problems.map((says) => `✗ ${says}`),
      "",
      "What comes next",
      ...plan.flatMap((
        { says, run },
        at,
      ) => [`  ${at + 1}. ${says}`, ...run.map((line) => `       ${line}`)]),
    ].join("\n"),
    ok: problems.length === 0,
  };
}

const policiesText = ({ policies }: Proposals) =>
  `a policy for ${
    policies.length === 0 ? "no table" : some(policies.map(({ dataset }) => dataset), 5)
  }`;

/** What the other commands would object to. */
async function problemsOf(config: string, environment: Environment): Promise<string[]> {
  try {
    await loadConfig(config, environment);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigFailure)) throw error;
    return error.problems.map(({ path, says }) => `${path} ${says}`);
  }
}

async function textOf(path: string): Promise<string> {
  return await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
}
