import { setTimeout as delay } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import {
  type Status,
  status as statusOf,
} from "../../supabase/functions/_strata/protocol/strata.ts";
import { billedBytes, type ChannelState, channelStates, type Wrong } from "../tiers/watch.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { count, plural, sum, table, withRemedy } from "../lib/output.ts";
import { VERSION } from "../../supabase/functions/_strata/http/version.ts";
import { drainText } from "../../supabase/functions/_strata/render/report_document.ts";
import { light, percent, roomOf } from "./monitor.ts";
import { LIGHTS, lookEverywhere } from "../lib/wrong.ts";
import { planEverywhere } from "./plan.ts";

const EVERY_SECONDS = 5;
/** Of so many jobs the names are of use; `setup --validate` has them all. */
const NAMED = 3;

/** `status`: one line for each tier. */
export function status(io: Io): Command {
  return command("status", "every tier in one line: reachable, how full, what is due", [
    "status",
    "status --watch 10    # again and again, until you press Ctrl+C",
    "status --json",
  ])
    .option("--watch [seconds]", "show it again and again (default: every 5 seconds)", seconds)
    .action(async (options: CommonOptions & { watch?: true | number }) => {
      await perform(io, options, report);
      while (options.watch !== undefined) {
        await delay((options.watch === true ? EVERY_SECONDS : options.watch) * 1000);
        if (Deno.stdout.isTerminal() && !options.json) console.clear();
        await perform(io, options, report);
      }
    });
}

function seconds(value: string): number {
  if (!/^[1-9]\d{0,4}$/.test(value)) {
    throw new InvalidArgumentError("Write a number of seconds, such as 5.");
  }
  return Number(value);
}

async function report(context: Context): Promise<Report> {
  const { session, config } = context;
  const wrong = await lookEverywhere(session);
  const tiers = await session.ask(async ({ tier, sql }) => ({
    ...roomOf(tier, await billedBytes(sql)),
    status: await statusOf(sql),
    channels: await channelStates(sql),
  }));
  const plan = await planEverywhere(context, null);
  const due = (key: string, action: string) =>
    sum(plan.filter((row) => row.tier === key && row.action === action).map((row) => row.rows_now));
  const lines = config.tiers.map(({ key, name }) => {
    const answer = tiers.find(({ tier }) => tier === key)?.answer;
    return answer === undefined ? [`⚪ ${key}`, name, "not reachable", "", ""] : [
      `${light(answer)} ${key}`,
      name,
      percent(answer),
      count(due(key, "move")),
      count(due(key, "delete")),
    ];
  });
  return {
    document: {
      tiers: tiers.map(({ tier, answer }) => ({
        tier,
        ...answer,
        due_to_move: due(tier, "move"),
        due_to_delete: due(tier, "delete"),
      })),
      wrong,
    },
    text: [
      table(["tier", "", "used", ">due to move", ">due to delete"], lines),
      ...releaseLines(tiers.map(({ tier, answer }) => ({ tier, release: answer.status.version }))),
      ...tiers.flatMap(({ tier, answer }) => drainLines(tier, answer.status)),
      ...tiers.flatMap(({ tier, answer }) => pausedLines(tier, answer.status)),
      ...tiers.flatMap(({ tier, answer }) => insecureLines(tier, answer.status)),
      ...channelLines(tiers[0]?.answer.channels ?? []),
      ...wrongLines(wrong),
    ].join("\n"),
    ok: session.skipped.length === 0 && wrong.every(({ severity }) => severity === "info"),
  };
}

/** Which tiers have another release than this copy of Strata. */
function releaseLines(tiers: readonly { tier: string; release: string | undefined }[]): string[] {
  const others = tiers.filter(({ release }) => release !== VERSION);
  if (others.length === 0) return [];
  const named = others.map(({ tier, release }) => `${tier} has Strata ${release ?? "0.0"}`).join(
    ", ",
  );
  return ["", withRemedy(`${named}; this copy is ${VERSION}.`, "deno task strata setup --init")];
}

/** A drain under way, and what it waits for. */
function drainLines(tier: string, { drain }: Status): string[] {
  return drain === null ? [] : ["", `${tier} is ${drainText(drain)}.`];
}

/** Which jobs of a tier do not run because somebody paused them. */
function pausedLines(tier: string, { paused_jobs }: Status): string[] {
  if (paused_jobs.length === 0) return [];
  const named = paused_jobs.length <= NAMED
    ? paused_jobs.join(", ")
    : plural(paused_jobs.length, "job");
  return [
    "",
    withRemedy(
      `Paused on ${tier}: ${named}.`,
      "To go on, there: update strata.schedules set active = true;",
    ),
  ];
}

/** Which links are dialled without checking who answers, by decision. */
function insecureLines(tier: string, { links }: Status): string[] {
  return links.filter(({ insecure_because }) => insecure_because !== null).flatMap((link) => [
    "",
    `${tier} dials ${link.neighbour} with sslmode ${link.sslmode}, because: ${link.insecure_because}`,
  ]);
}

/** How the hottest tier tells people what they should know. */
function channelLines(channels: ChannelState[]): string[] {
  const lights = { unknown: "⚪", off: "⚪", stopped: "🔴", on: "🟢" };
  const lines = channels.map(({ channel, state, says }) => [`${lights[state]} ${channel}`, says]);
  return lines.length === 0 ? [] : ["", table(["told over", ""], lines)];
}

/** What is wrong, a line each; `alerts` says what to do. */
function wrongLines(wrong: Wrong[]): string[] {
  const lines = wrong.filter(({ severity }) => severity !== "info").map((one) =>
    `${LIGHTS[one.severity]} ${one.tier}: ${one.says}`
  );
  return lines.length === 0
    ? []
    : ["", ...lines, "→ What to do about it says: deno task strata alerts"];
}
