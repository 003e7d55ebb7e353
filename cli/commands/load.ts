import type { Command } from "commander";
import { load as loadFile, type LoadResult } from "../load/load.ts";
import {
  command,
  type CommonOptions,
  fileNamed,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { count, grouped, plural, rows, size, some } from "../lib/output.ts";
import { Progress } from "../lib/progress.ts";

interface LoadFlags extends CommonOptions {
  skipBad?: true;
}

/** `load <dataset> <file>`: rows of a CSV or JSON Lines file into core. */
export function load(io: Io): Command {
  return command("load", "load a .csv, .tsv or .jsonl file into a dataset on core", [
    "load journal_entries journal.jsonl",
    "load contacts contacts.csv --skip-bad",
  ])
    .argument("<dataset>", "the dataset")
    .argument(
      "<file>",
      "CSV (comma, semicolon or tab) with a header line, or JSON Lines; columns by name, others get defaults",
    )
    .option("--skip-bad", "keep the good lines of a file that has bad ones")
    .action((given: string, file: string, options: LoadFlags) =>
      perform(io, options, async ({ session }) => {
        const { sql } = session.require("core");
        const dataset = await session.named(given);
        const path = await fileNamed(file);
        using progress = new Progress("Loading", 0, size);
        const result = await loadFile(sql, {
          dataset,
          path,
          skipBad: options.skipBad === true,
          onProgress: (done, total) => progress.at(done, total),
        });
        return report(dataset, result);
      })
    );
}

/** What is said of a line without the values that are the line's own. */
function cause(says: string): string {
  return says.replaceAll(/\(.*?\)=\(.*\)|"[^"]*"|\d+/g, "…");
}

function report(dataset: string, { loaded, bad, badCount, kept, readToEnd }: LoadResult): Report {
  const unseen = badCount - bad.length;
  const lines = [
    ...grouped(bad, ({ says }) => cause(says)).map(({ first, rest, all }) =>
      rest.length === 0
        ? `line ${first.line}: ${first.says}`
        : `lines ${some(all.map(({ line }) => count(line)))}: ${first.says}, and alike`
    ),
    ...(unseen > 0
      ? [
        `… and ${plural(unseen, "more line")}${
          readToEnd ? "" : "; the rest of the file was not read"
        }`,
      ]
      : []),
    kept && loaded + badCount === 0
      ? "No rows found in the file."
      : kept
      ? `${rows(loaded)} loaded into ${dataset}.`
      : `Nothing of the file was kept. Mend it, or load the good lines with --skip-bad.`,
  ];
  return {
    document: { dataset, loaded, bad_lines: bad, bad_count: badCount, kept },
    text: lines.join("\n"),
    ok: badCount === 0 && loaded > 0,
  };
}
