import type { Command } from "commander";
import { unmanage as letGo } from "../tiers/holds.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { confirmed } from "../lib/confirm.ts";
import { Failure } from "../lib/errors.ts";

interface Flags extends CommonOptions {
  yes?: true;
}

/** `unmanage <dataset>`: lets go of a table; its rows stay where they are. */
export function unmanage(io: Io): Command {
  return command("unmanage", "let go of a table on every tier; its rows stay where they are", [
    "unmanage orders",
    "unmanage orders --yes",
  ])
    .argument("<dataset>", "the dataset")
    .option("--yes", "do not ask")
    .action((dataset: string, options: Flags) =>
      perform(io, options, (context) => work(context, dataset, options.yes))
    );
}

async function work({ session, config }: Context, given: string, yes?: true): Promise<Report> {
  const dataset = await session.named(given);
  const managing = await session.managing(dataset);
  if (managing.length === 0) throw await session.noDataset(dataset);
  const names = managing.map(({ tier }) => tier.key);
  const isWanted = confirmed(
    `${dataset} is let go of on ${
      names.join(", ")
    }: no row moves or is deleted any more, and its holds ` +
      "are forgotten.",
    yes === true,
  );
  if (!isWanted) throw new Failure("Nothing was done");
  // The hottest first: what it still manages it would tell the colder ones of again.
  for (const { sql } of managing) await letGo(sql, dataset);
  const named = config.policies.some((policy) => policy.dataset === dataset);
  return {
    document: { dataset, tiers: names },
    text: `${dataset} is not managed any more on ${names.join(", ")}; its rows stay there.` +
      (named
        ? " The next `setup --init` adopts it again unless you take its policy out of the configuration."
        : ""),
    ok: session.isComplete,
  };
}
