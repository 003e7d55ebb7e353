import type { Command } from "commander";
import { clock } from "../../supabase/functions/_strata/protocol/strata.ts";
import { type Alert, alerts as alertsOf } from "../tiers/watch.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { allSent, deliveriesText, deliverNow } from "../lib/deliver.ts";
import { Failure } from "../lib/errors.ts";
import { lookEverywhere, once, wrongText } from "../lib/wrong.ts";

const DAY_MS = 86_400_000;

interface Options extends CommonOptions {
  all?: true;
  check?: true;
  send?: true;
}

/** `alerts`: what is wrong now, on any tier. */
export function alerts(io: Io): Command {
  return command("alerts", "what is wrong now on any tier, since when, and what to do about it", [
    "alerts",
    "alerts --send     # have what is critical and was not told yet sent now",
    "alerts --all --json",
  ])
    .option("--all", "also what was cleared in the last seven days")
    .option("--check", "has no effect any more: every tier looks again each time")
    .option("--send", "have function notify deliver what waits")
    .action((options: Options) =>
      perform(
        io,
        options,
        (context) => options.send ? send(context, options.all) : report(context, options.all),
      )
    );
}

/** Critical alerts are sent by cron within five minutes: this is for those who will not wait. */
async function send(context: Context, all?: true): Promise<Report> {
  const found = await report(context, all);
  const [hottest] = context.session.open;
  if (hottest === undefined) throw new Failure("No tier answers.");
  const deliveries = await deliverNow(hottest.tier, "What is to be told waits in the outbox.");
  const none =
    "Nothing was sent: nothing waits that is due before the daily report, or no channel " +
    "is configured (`deno task strata status`).";
  return {
    document: { ...found.document, deliveries },
    text: `${found.text}\n\n${deliveriesText(deliveries, none)}`,
    ok: found.ok !== false && allSent(deliveries),
  };
}

async function report({ session }: Context, all?: true): Promise<Report> {
  const open = (await lookEverywhere(session)).map((wrong) => ({ ...wrong, cleared_at: null }));
  const cleared = all ? await clearedLately(session) : [];
  return {
    document: { alerts: [...open, ...cleared] },
    text: open.length + cleared.length === 0
      ? "Nothing is wrong."
      : [...open.map(wrongText), ...cleared.map(clearedText)].join("\n\n"),
    ok: open.every(({ severity }) => severity === "info"),
  };
}

async function clearedLately(session: Context["session"]): Promise<Alert[]> {
  const answers = await session.ask(async ({ sql }) =>
    await alertsOf(sql, new Date(Date.parse(await clock(sql)) - 7 * DAY_MS).toISOString())
  );
  const found = answers.flatMap(({ answer }) => answer);
  return once(found.filter(({ cleared_at }) => cleared_at !== null));
}

function clearedText(alert: Alert): string {
  const { kind, tier, subject, says, first_seen_at, cleared_at } = alert;
  const about = subject === "" ? "" : `, ${subject}`;
  const until = (cleared_at ?? "").slice(0, 16);
  return `⚪ ${tier}: ${kind.replaceAll("_", " ")}${about} ` +
    `(since ${first_seen_at.slice(0, 16)} until ${until})\n   ${says}`;
}
