import type { Command } from "commander";
import { moveDue } from "../../supabase/functions/_strata/protocol/strata.ts";
import { command, type CommonOptions, type Io, perform } from "../lib/command.ts";
import { runUntilDone } from "./run.ts";

/** Long enough to work in, short enough for a pass to be stopped and taken up again. */
const BUDGET = "20 seconds";

/** `sync`: moves what is due now. */
export function sync(io: Io): Command {
  return command("sync", "move what is due now, instead of waiting for the schedule", [
    "sync",
    "sync --dataset journal_entries",
  ])
    .option("--dataset <name>", "only this dataset")
    .action((options: CommonOptions & { dataset?: string }) => {
      return perform(io, options, async (context) => {
        const dataset = options.dataset === undefined
          ? null
          : await context.session.named(options.dataset);
        return await runUntilDone(
          context,
          { dataset, actions: ["move"], label: "Settling" },
          ({ sql }) => moveDue(sql, BUDGET, dataset),
        );
      });
    });
}
