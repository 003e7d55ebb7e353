import type { Command } from "commander";
import { checks } from "../setup/checks.ts";
import { checksText } from "../setup/checks_text.ts";
import { noTableText } from "../setup/names.ts";
import type { Config } from "../config/load.ts";
import { init, type InitOutcome } from "../setup/init.ts";
import { rotateLinks } from "../setup/links.ts";
import { sample } from "../setup/sample.ts";
import { releases } from "../tiers/releases.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { Failure } from "../lib/errors.ts";
import { isLocal } from "../lib/local.ts";
import { count, grouped, noun, plural, rows, some, sum, table, withRemedy } from "../lib/output.ts";
import { openStrata, openTiers, type Session } from "../lib/session.ts";

interface SetupFlags extends CommonOptions {
  init?: true;
  sampleData?: true;
  rotate?: true;
  validate?: true;
  all?: true;
  verbose?: true;
  personal?: true;
}

/** `setup`: makes the tiers what the configuration says, and checks that they are. */
export function setup(io: Io): Command {
  const made = command("setup", "make the tiers what the configuration says, and check them", [
    "setup --all           # everything, on a fresh stack of this machine",
    "setup --init          # after a change of strata.yaml; mends a link that is refused",
    "setup --rotate        # new passwords for every link",
    "setup --validate --json",
  ])
    .option("--init", "push migrations, declare tiers and links, adopt the datasets")
    .option("--personal", "with --init: the companion too, a personal system and a spoken briefing")
    .option("--sample-data", "load three years of an invented life into core, on this machine only")
    .option("--rotate", "give every link a new password; nothing is refused meanwhile")
    .option("--validate", "check every promise that can be checked; exit code 1 if one is broken")
    .option("--verbose", "with --validate: every check, also those that hold")
    .option("--all", "--init, --sample-data and --validate, where core is on this machine")
    .action(async (flags: SetupFlags) => {
      const parts = [
        ...(flags.init || flags.all
          ? [flags.personal || flags.sampleData || flags.all ? personalInit : initReport]
          : []),
        ...(flags.sampleData || flags.all ? [sampleReport] : []),
        ...(flags.rotate ? [rotateReport] : []),
        ...(flags.validate || flags.all
          ? [(context: Context) => validateReport(context, flags.verbose === true)]
          : []),
      ];
      if (parts.length === 0) return made.outputHelp();
      await perform(
        io,
        flags,
        (context) => inTurn(context, parts),
        (config) => open(config, parts),
      );
    });
  return made;
}

type Part = (context: Context) => Promise<Report>;

/** Nobody wants an invented life among his own rows, so that is refused before anything is done. */
async function open(config: Config, parts: Part[]): Promise<Session> {
  const core = config.tiers.find(({ key }) => key === "core");
  if (parts.includes(sampleReport) && core !== undefined && !isLocal(core.dbUrl)) {
    throw new Failure(
      "core is not on this machine, and sample data is only loaded into one that is",
      "Leave --sample-data out; instead of --all, run `deno task strata setup --init --validate`. " +
        "`deno task demo` shows the sample on a stack of its own.",
      2,
    );
  }
  const isSetUp = parts[0] === sampleReport || parts[0] === rotateReport;
  return await (isSetUp ? openStrata : openTiers)(config);
}

async function inTurn(
  context: Context,
  parts: Part[],
): Promise<Report> {
  const reports: Report[] = [];
  for (const part of parts) reports.push(await part(context));
  return {
    document: Object.assign({}, ...reports.map(({ document }) => document)),
    text: reports.map(({ text }) => text).join("\n\n"),
    ok: reports.every(({ ok }) => ok !== false),
  };
}

/** With the companion, which the sample data is for. */
function personalInit(context: Context): Promise<Report> {
  return initReport({ ...context, config: { ...context.config, personal: true } });
}

async function initReport(context: Context): Promise<Report> {
  const outcome = await init(context);
  return {
    document: { init: outcome },
    text: initText(outcome),
    ok: outcome.refused.length + outcome.missing.length === 0 &&
      context.session.skipped.length === 0,
  };
}

function initText({ tiers, links, managed, others, missing, refused }: InitOutcome): string {
  if (tiers.length === 0) return "No tier was set up.";
  return [
    ...tiers.map(({ tier, says }) => `${tier} is set up: ${says}.`),
    ...links.map(({ says }) => `${says}.`),
    managedText(managed, others),
    ...missing.map(noTableText),
    ...grouped(refused, ({ remedy }) => remedy).map(({ first, rest }) =>
      withRemedy(
        [first, ...rest].map((r) => `${r.dataset} is refused: ${r.says}`).join("\n"),
        first.remedy,
      )
    ),
  ].join("\n");
}

/** All that are managed, and which of them the configuration does not name. */
function managedText(managed: string[], others: string[]): string {
  const all = managed.length + others.length;
  const says = `${plural(all, "dataset")} ${noun(all, "is", "are")} managed`;
  if (others.length === 0) return `${says}.`;
  return `${says}; ${some(others)} ${
    noun(others.length, "has", "have")
  } no policy in the configuration.`;
}

async function sampleReport(context: Context): Promise<Report> {
  const { sql } = context.session.require("core");
  const hasCompanion = (await releases(sql)).some(({ product }) => product === "companion");
  if (hasCompanion) return await loadReport(context);
  const brought = await personalInit(context); // its tables are what the sample fills
  if (brought.ok === false) return brought;
  const { document, text } = await loadReport(context);
  return { document: { ...brought.document, ...document }, text: `${brought.text}\n\n${text}` };
}

async function loadReport(context: Context): Promise<Report> {
  const loaded = await sample(context);
  if (loaded.outcome === "already_loaded") {
    return { document: { sample: loaded }, text: "The sample data is there already." };
  }
  const perDataset = [...loaded.rows].map(([dataset, n]) => ({ dataset, rows: n }));
  const total = sum(perDataset.map(({ rows }) => String(rows)));
  return {
    document: { sample: { outcome: "loaded", rows: total, datasets: perDataset } },
    text: [
      table(["dataset", ">rows"], perDataset.map(({ dataset, rows }) => [dataset, count(rows)])),
      `${rows(total)} of sample data are in core.`,
    ].join("\n"),
  };
}

async function rotateReport(context: Context): Promise<Report> {
  const rotated = await rotateLinks(context);
  return {
    document: { rotated },
    text: rotated.length === 0
      ? "No link was rotated."
      : rotated.map(({ ok, says, remedy }) => ok ? `${says}.` : withRemedy(says, remedy ?? ""))
        .join(
          "\n",
        ),
    ok: rotated.every(({ ok }) => ok) && context.session.skipped.length === 0,
  };
}

async function validateReport(context: Context, verbose: boolean): Promise<Report> {
  const found = await checks(context);
  return {
    document: { checks: found },
    text: checksText(found, verbose),
    ok: found.every(({ ok }) => ok),
  };
}
