import type { Command } from "commander";
import { process as processOf } from "../../supabase/functions/_strata/protocol/strata.ts";
import { command, type CommonOptions, type Io, perform } from "../lib/command.ts";
import { runUntilDone } from "./run.ts";

const BUDGET = "20 seconds";

/** `process`: the whole lifecycle, deletions included. */
export function process(io: Io): Command {
  return command("process", "run the whole lifecycle now: moves, deletions, upkeep", [
    "process    # what settles in it and is past its deletion age is deleted in the same run; see plan",
  ]).action((options: CommonOptions) =>
    perform(io, options, (context) =>
      runUntilDone(
        context,
        { dataset: null, actions: ["move", "delete"], label: "Processing" },
        ({ sql }) => processOf(sql, BUDGET),
      ))
  );
}
