import { type Command, InvalidArgumentError, Option } from "commander";
import * as holds from "../tiers/holds.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { Failure } from "../lib/errors.ts";
import { plural, table } from "../lib/output.ts";
import type { OpenTier, Session } from "../lib/session.ts";

interface HoldFlags extends CommonOptions {
  where?: string;
  reason?: string;
  until?: string;
  prevents: holds.Prevents;
  list?: true;
}

/** `hold <dataset> [key...]`: keeps rows where they are, whatever their policy says. */
export function hold(io: Io): Command {
  return command(
    "hold",
    "keep rows where they are, whatever their policy says; or list the holds",
    [
      "hold --list",
      'hold tasks 79aa17b5-0f5c-7b13-1810-311c302da3c0 --reason "a court asked"',
      'hold tasks --where "project_id is null" --reason "sorting these out first" --prevents move',
    ],
  )
    .argument("[dataset]", "the dataset")
    .argument("[key...]", "one row's primary key; or say --where")
    .option("--where <condition>", "every row that meets this SQL condition")
    .option("--reason <text>", "why, for those who find the rows still there")
    .option(
      "--until <time>",
      "until when, such as 2027-01-31 (default: until it is released)",
      time,
    )
    .addOption(
      new Option("--prevents <what>", "what the rows are kept from")
        .choices(["move", "delete", "both"]).default("both"),
    )
    .option("--list", "the holds there are")
    .action((dataset: string | undefined, key: string[], options: HoldFlags) =>
      perform(
        io,
        options,
        (context) => options.list ? list(context, dataset) : keep(context, dataset, key, options),
      )
    );
}

async function keep(
  { session }: Context,
  given: string | undefined,
  key: string[],
  { where, reason, until, prevents }: HoldFlags,
): Promise<Report> {
  if (given === undefined) throw new Failure("Which dataset?", "Name it, or say --list.", 2);
  if ((key.length > 0) === (where !== undefined)) {
    throw new Failure("Which rows?", "Give one row's key, or --where with a condition.", 2);
  }
  if (reason === undefined) throw new Failure("Why?", "Say it with --reason.", 2);
  const dataset = await session.named(given);
  const [hottest] = await session.managing(dataset);
  if (hottest === undefined) throw await session.noDataset(dataset);
  const id = await holds.hold(hottest.sql, { dataset, key, where, reason, until, prevents });
  const tier = hottest.tier.key;
  return {
    document: { dataset, hold: id, made_on: tier },
    text: `Held, here on ${tier} at once and on colder tiers with the next run. To end it: ` +
      `deno task strata release ${id}`,
    ok: true,
  };
}

async function list({ session }: Context, given: string | undefined): Promise<Report> {
  const dataset = given === undefined ? undefined : await session.named(given);
  const open = (await openHolds(session)).filter((one) =>
    dataset === undefined || one.dataset === dataset
  );
  return {
    document: { holds: open },
    text: open.length === 0 ? "Nothing is held." : table(
      ["hold", "dataset", "rows", "kept from", "since", "until", "made on", "reason"],
      open.map((one) => [
        one.hold_id,
        one.dataset,
        one.key?.join(" ") ?? `where ${one.condition}`,
        one.prevents === "both"
          ? "moving and deleting"
          : one.prevents === "move"
          ? "moving"
          : "deleting",
        one.made_at.slice(0, 10),
        one.hold_until?.slice(0, 10) ?? "-",
        one.made_on,
        one.reason,
      ]),
    ),
    ok: session.isComplete,
  };
}

/** Each hold once; where it was made it is known first that it is over. */
async function openHolds(session: Session): Promise<holds.Hold[]> {
  const answers = await session.ask(({ sql }) => holds.holds(sql));
  const found = new Map<string, holds.Hold>();
  for (const { tier, answer } of answers) {
    for (const one of answer) {
      const isSaidThere = one.made_on === tier || !answers.some(({ tier }) => tier === one.made_on);
      if (isSaidThere && !found.has(one.hold_id)) found.set(one.hold_id, one);
    }
  }
  return [...found.values()];
}

/** `release <hold>`: ends a hold where it was made. */
export function release(io: Io): Command {
  return command("release", "end a hold, on the tier where it was made", [
    "release 5f0c3c1e-3f0e-4f43-9c5a-0d8a5c2f7b11    # hold --list and explain say which",
  ])
    .argument("<hold>", "the hold's id", uuid)
    .action((id: string, options: CommonOptions) =>
      perform(io, options, (context) => end(context, id))
    );
}

async function end({ session }: Context, id: string): Promise<Report> {
  const found = (await openHolds(session)).find(({ hold_id }) => hold_id === id);
  if (found === undefined) {
    throw new Failure(`There is no open hold ${id}`, "`deno task strata hold --list` has them.", 2);
  }
  const made = session.open.find(({ tier }) => tier.key === found.made_on);
  if (made === undefined) throw notHere(session.open, found);
  const ended = await holds.release(made.sql, id);
  return {
    document: { hold: id, dataset: found.dataset, released: ended },
    text: `The hold on ${found.dataset} is over, on ${found.made_on} at once and on colder tiers ` +
      "with the next run.",
    ok: ended,
  };
}

function notHere(open: readonly OpenTier[], { made_on }: holds.Hold): Failure {
  return new Failure(
    `That hold was made on ${made_on}, which does not answer`,
    `Try again when it does (${plural(open.length, "tier")} answered).`,
  );
}

function time(value: string): string {
  if (Number.isNaN(Date.parse(value))) {
    throw new InvalidArgumentError("Write a day or a time, such as 2027-01-31.");
  }
  return value;
}

function uuid(value: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)) {
    throw new InvalidArgumentError("Write the hold's id, as `hold --list` has it.");
  }
  return value.toLowerCase();
}
