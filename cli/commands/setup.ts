import type { Command } from "commander";
import { checks, type TierCheck } from "../setup/checks.ts";
import type { Config } from "../config/load.ts";
import { init, type InitOutcome } from "../setup/init.ts";
import { rotateLinks } from "../setup/links.ts";
import { sample } from "../setup/sample.ts";
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
import { count, rows, sum, table, withRemedy } from "../lib/output.ts";
import { openStrata, openTiers, type Session } from "../lib/session.ts";

interface SetupFlags extends CommonOptions {
  init?: true;
  sampleData?: true;
  rotate?: true;
  validate?: true;
  all?: true;
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
    .option("--sample-data", "load three years of an invented life into core, on this machine only")
    .option("--rotate", "give every link a new password; nothing is refused meanwhile")
    .option("--validate", "check every promise that can be checked; exit code 1 if one is broken")
    .option("--all", "--init, --sample-data and --validate, where core is on this machine")
    .action(async (flags: SetupFlags) => {
      const parts = [
        ...(flags.init || flags.all ? [initReport] : []),
        ...(flags.sampleData || flags.all ? [sampleReport] : []),
        ...(flags.rotate ? [rotateReport] : []),
        ...(flags.validate || flags.all ? [validateReport] : []),
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

async function initReport(context: Context): Promise<Report> {
  const outcome = await init(context);
  return {
    document: { init: outcome },
    text: initText(outcome),
    ok: outcome.refused.length === 0 && context.session.skipped.length === 0,
  };
}

function initText({ tiers, links, managed, missing, refused }: InitOutcome): string {
  if (tiers.length === 0) return "No tier was set up.";
  return [
    ...tiers.map(({ tier, says }) => `${tier} is set up: ${says}.`),
    ...links.map(({ says }) => `${says}.`),
    `${managed.length} datasets are managed.`,
    ...(missing.length === 0 ? [] : [`Without a table on core: ${missing.join(", ")}.`]),
    ...refused.map((r) => withRemedy(`${r.dataset} is refused: ${r.says}`, r.remedy)),
  ].join("\n");
}

async function sampleReport(context: Context): Promise<Report> {
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

async function validateReport(context: Context): Promise<Report> {
  const found = await checks(context);
  const wrong = found.filter(({ ok }) => !ok);
  return {
    document: { checks: found },
    text: [
      table(
        ["", "tier", "check", "found"],
        withoutSound(found).map(({ tier, ok, topic, says, remedy }) => [
          ok ? "✓" : "✗",
          tier,
          topic,
          ok ? says : withRemedy(says, remedy ?? ""),
        ]),
      ),
      "",
      wrong.length === 0
        ? `All ${found.length} checks hold.`
        : `${wrong.length} of ${found.length} checks do not hold; → says what to do.`,
    ].join("\n"),
    ok: wrong.length === 0,
  };
}

/** A line for each sound dataset of each tier would bury the others: they are counted instead. */
function withoutSound(found: TierCheck[]): TierCheck[] {
  const sound = found.filter(({ ok, topic }) => ok && topic.startsWith("dataset "));
  const counts = Map.groupBy(sound, ({ tier }) => tier);
  return [
    ...found.filter((check) => !sound.includes(check)),
    ...[...counts].map(([tier, checks]) => ({
      tier,
      ok: true,
      topic: "datasets",
      says: `${checks.length} without an objection`,
      remedy: null,
    })),
  ];
}
