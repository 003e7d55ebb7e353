import { type Command, InvalidArgumentError, Option } from "commander";
import { policiesAt } from "../setup/policies.ts";
import {
  type DatasetPolicy,
  manage as manageTable,
  policyOf,
  writingAdvice,
} from "../tiers/policies.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { isSameTable } from "../lib/table_name.ts";
import { Failure } from "../lib/errors.ts";

/** The greatest age a policy may name. */
const MOST_DAYS = 100_000;

interface ManageFlags extends CommonOptions {
  dataset?: string;
  age?: string;
  core?: number;
  main?: number;
  delete?: number;
  dueWhen?: string;
  sizeLimitKb?: number | "none";
  deleteTriggers?: "fire" | "skip";
}

/** `manage <table>`: adopts a table of core, or changes its policy. */
export function manage(io: Io): Command {
  return command(
    "manage",
    "adopt a table, or change its policy; what no option says stays, for a new one as in strata.yaml",
    [
      "manage public.orders --age placed_at --core 60 --main 730 --delete never",
      "manage orders --core 90    # and nothing else",
      "manage tickets --due-when \"state = 'closed'\" --delete-triggers skip",
    ],
  )
    .argument("<table>", "the table, with its schema unless that is public")
    .option("--dataset <name>", "the dataset's name (default: the table's)")
    .option("--age <column>", "the column that tells a row's age (a new table: created_at)")
    .option("--core <days>", "leaves core at this age, or never (a new table: 30)", days)
    .option("--main <days>", "leaves main at this age, or never (a new table: 365)", days)
    .option(
      "--delete <days>",
      "is deleted at this age, or never (a new table: 2555, seven years)",
      days,
    )
    .option(
      "--due-when <condition>",
      "SQL condition over the row that must hold as well, or none",
      condition,
    )
    .option(
      "--size-limit-kb <kb>",
      "larger rows do not stay on main, or none (a new table: 100)",
      kilobytes,
    )
    .addOption(
      new Option("--delete-triggers <decision>", "may a move fire the table's delete triggers?")
        .choices(["fire", "skip"]),
    )
    .action((name: string, options: ManageFlags) =>
      perform(io, options, (context) => adopt(context, name, options))
    );
}

/**
 * What no flag says stays as it is. A table that is not managed yet has it from its policy in the
 * configuration, or else from the default one.
 */
async function adopt(context: Context, name: string, flags: ManageFlags): Promise<Report> {
  const { config, session } = context;
  const { sql } = session.require("core");
  const table = name.includes(".") ? name : `public.${name}`;
  const { dataset: _, ...defaults } = config.defaults;
  const before: Partial<DatasetPolicy> = await policyOf(sql, table) === undefined
    ? (await policiesAt(sql, config.policies))
      .find((policy) => isSameTable(policy.table, table)) ?? defaults
    : {};
  const dataset = await manageTable(sql, {
    dataset: flags.dataset ?? before.dataset,
    table,
    ageColumn: flags.age ?? before.ageColumn,
    coreRetentionDays: flags.core ?? before.coreRetentionDays,
    mainRetentionDays: flags.main ?? before.mainRetentionDays,
    deleteAfterDays: flags.delete ?? before.deleteAfterDays,
    dueWhen: orNone(flags.dueWhen, before.dueWhen),
    sizeLimitKb: orNone(flags.sizeLimitKb, before.sizeLimitKb),
    deleteTriggers: flags.deleteTriggers ?? before.deleteTriggers,
  });
  const policy = await policyOf(sql, table);
  if (policy === undefined) throw new Failure(`${dataset} was let go of meanwhile`);
  const advice = await writingAdvice(sql, dataset);
  return {
    document: { dataset, policy, advice },
    text: [
      `${dataset} is managed: ${policyText(policy)}`,
      ...advice.map((says) => `Mind: ${says} (docs/guide/writing.md).`),
    ].join("\n"),
  };
}

function policyText(policy: DatasetPolicy): string {
  const at = (age: number) => age === -1 ? "never" : `at ${age} days`;
  return `it leaves core ${at(policy.coreRetentionDays)}, main ${at(policy.mainRetentionDays)}, ` +
    `and is deleted ${at(policy.deleteAfterDays)}.`;
}

/** What a flag says that may also say none, which is null in a policy. */
function orNone<T>(flag: T | "none" | undefined, before: T | null | undefined) {
  return flag === "none" ? null : flag ?? before;
}

function days(value: string): number {
  if (value === "never") return -1;
  if (!/^\d+$/.test(value) || Number(value) > MOST_DAYS) {
    throw new InvalidArgumentError(`Write a number of days, or never; at most ${MOST_DAYS}.`);
  }
  return Number(value);
}

function condition(value: string): string {
  if (value.trim() === "") throw new InvalidArgumentError("Write a condition, or none.");
  return value;
}

function kilobytes(value: string): number | "none" {
  if (value === "none") return value;
  if (!/^[1-9]\d{0,8}$/.test(value)) {
    throw new InvalidArgumentError("Write a number of KB from 1 to 999999999, or none.");
  }
  return Number(value);
}
