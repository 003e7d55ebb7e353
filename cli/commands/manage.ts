import { type Command, InvalidArgumentError, Option } from "commander";
import { manage as manageTable } from "../../supabase/functions/_shared/strata.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";

interface ManageFlags extends CommonOptions {
  dataset?: string;
  age?: string;
  core?: number;
  main?: number;
  delete?: number;
  dueWhen?: string;
  sizeLimitKb?: number;
  deleteTriggers?: "fire" | "skip";
}

/** `manage <table>`: adopts a table of core, or changes its policy. */
export function manage(io: Io): Command {
  return command(
    "manage",
    "adopt a table, or change its policy; what no option says is as in strata.yaml",
    [
      "manage public.orders --age placed_at --core 60 --main 730 --delete never",
      "manage tickets --due-when \"state = 'closed'\" --delete-triggers skip",
    ],
  )
    .argument("<table>", "the table, with its schema unless that is public")
    .option("--dataset <name>", "the dataset's name (default: the table's)")
    .option("--age <column>", "the column that tells a row's age")
    .option("--core <days>", "leaves core at this age", days)
    .option("--main <days>", "leaves main at this age", days)
    .option("--delete <days>", "is deleted at this age, or never", days)
    .option("--due-when <condition>", "SQL condition over the row that must hold as well")
    .option("--size-limit-kb <kb>", "larger rows do not stay on main", kilobytes)
    .addOption(
      new Option("--delete-triggers <decision>", "may a move fire the table's delete triggers?")
        .choices(["fire", "skip"]),
    )
    .action((name: string, options: ManageFlags) =>
      perform(io, options, (context) => adopt(context, name, options))
    );
}

/** What a flag does not say is from the table's policy in the configuration, or else its default. */
async function adopt(context: Context, name: string, flags: ManageFlags): Promise<Report> {
  const { config, session } = context;
  const table = name.includes(".") ? name : `public.${name}`;
  const known = config.policies.find((policy) => policy.table === table);
  const policy = known ?? config.defaults;
  const dataset = flags.dataset ?? known?.dataset ?? table.replace(/^public\./, "");
  const chosen = {
    ...policy,
    dataset,
    table,
    ageColumn: flags.age ?? policy.ageColumn,
    coreRetentionDays: flags.core ?? policy.coreRetentionDays,
    mainRetentionDays: flags.main ?? policy.mainRetentionDays,
    deleteAfterDays: flags.delete ?? policy.deleteAfterDays,
    dueWhen: flags.dueWhen ?? policy.dueWhen,
    sizeLimitKb: flags.sizeLimitKb ?? policy.sizeLimitKb,
    deleteTriggers: flags.deleteTriggers ?? policy.deleteTriggers,
  };
  const named = await manageTable(session.require("core").sql, chosen);
  return {
    document: { dataset: named, policy: chosen },
    text: `${named} is managed: ${policyText(chosen)}`,
  };
}

function policyText(policy: {
  coreRetentionDays: number;
  mainRetentionDays: number;
  deleteAfterDays: number;
}): string {
  const at = (age: number) => age === -1 ? "never" : `at ${age} days`;
  return `it leaves core ${at(policy.coreRetentionDays)}, main ${at(policy.mainRetentionDays)}, ` +
    `and is deleted ${at(policy.deleteAfterDays)}.`;
}

function days(value: string): number {
  if (value === "never") return -1;
  if (!/^\d{1,6}$/.test(value)) throw new InvalidArgumentError("Write a number of days, or never.");
  return Number(value);
}

function kilobytes(value: string): number {
  if (!/^[1-9]\d{0,8}$/.test(value)) throw new InvalidArgumentError("Write a number of KB.");
  return Number(value);
}
