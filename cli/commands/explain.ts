import type { Command } from "commander";
import {
  explain as explainOf,
  type Explanation,
} from "../../supabase/functions/_strata/protocol/strata.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { table } from "../lib/output.ts";

/** `explain <dataset> <key...>`: where one row is, why, and what happens to it when. */
export function explain(io: Io): Command {
  return command("explain", "where a row is, why it is still there, and what happens to it when", [
    "explain journal_entries 79aa17b5-0f5c-7b13-1810-311c302da3c0",
    "explain order_lines 2041 3    # a key of two columns",
  ])
    .argument("<dataset>", "the dataset")
    .argument("<key...>", "the row's primary key, one value for each of its columns")
    .action((dataset: string, key: string[], options: CommonOptions) =>
      perform(io, options, (context) => report(context, dataset, key))
    );
}

async function report(
  { session, config }: Context,
  given: string,
  key: string[],
): Promise<Report> {
  const dataset = await session.named(given);
  const managing = await session.managing(dataset);
  if (managing.length === 0) throw await session.noDataset(dataset);
  const answers = await session.ask(({ sql }) => explainOf(sql, dataset, key), managing);
  const from = config.tiers.findIndex(({ key }) => managing.some(({ tier }) => tier.key === key));
  const explanations = config.tiers.flatMap(({ key: tier }, at): Explanation[] => {
    const found = answers.find((one) => one.tier === tier);
    if (found !== undefined) return found.answer;
    if (session.skipped.some((skipped) => skipped.tier === tier)) {
      return [{ tier, topic: "where", says: `not known: ${tier} does not answer` }];
    }
    if (at < from) return []; // the dataset settles from a colder tier on
    const says = `not on ${tier}, which learns of ${dataset} with the first move`;
    return [{ tier, topic: "where", says }];
  });
  const isKnown = !explanations.some(({ says }) => says.startsWith("not known"));
  const isNowhere = isKnown && from === 0 && explanations.every(({ topic }) => topic === "where");
  const drawn = table(
    ["tier", "", `${dataset} ${key.join(" ")}`],
    explanations.map((line, index) => [
      explanations[index - 1]?.tier === line.tier ? "" : line.tier,
      line.topic,
      line.says,
    ]),
  );
  return {
    document: { dataset, key, explanations },
    text: isNowhere ? `${drawn}\n\nNo tier has this row: it was deleted, or never was.` : drawn,
    ok: isKnown,
  };
}
