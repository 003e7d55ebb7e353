import type { Command } from "commander";
import { type Quota, quota as quotaOf } from "../tiers/watch.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { count, size, table } from "../lib/output.ts";

/** `quota`: what the plan allows, what is used of it, and where that leads. */
export function quota(io: Io): Command {
  return command(
    "quota",
    "the limits of the plan: used, allowed, and expected by the month's end",
    [
      "quota",
      "quota --json",
    ],
  ).action((options: CommonOptions) => perform(io, options, report));
}

async function report({ session }: Context): Promise<Report> {
  const answers = await session.ask(({ sql }) => quotaOf(sql));
  const quotas = answers.flatMap(({ tier, answer }) => answer.map((one) => ({ tier, ...one })));
  return {
    document: { quotas },
    text: table(
      ["tier", "", ">used", ">limit", ">", ">expected", "source"],
      quotas.map((one) => [
        one.tier,
        one.name.replaceAll("_", " "),
        amount(one, one.used),
        one.limit === null ? "none" : amount(one, one.limit),
        one.limit === null ? "" : `${Math.floor(Number(one.used) / Number(one.limit) * 100)} %`,
        one.projection === null ? "-" : amount(one, one.projection),
        one.source,
      ]),
    ),
    ok: session.isComplete &&
      quotas.every(({ used, limit }) => limit === null || BigInt(used) < BigInt(limit)),
  };
}

function amount({ unit }: Quota, value: string): string {
  return unit === "bytes" ? size(value) : `${count(value)} ${unit}`;
}
