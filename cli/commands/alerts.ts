import type { Command } from "commander";
import { clock } from "../../supabase/functions/_shared/strata.ts";
import {
  type Alert,
  alerts as alertsOf,
  checkAlerts,
} from "../../supabase/functions/_shared/strata_watch.ts";
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

const LIGHTS = { info: "🔵", warning: "🟡", critical: "🔴" };
const DAY_MS = 86_400_000;

interface Options extends CommonOptions {
  all?: true;
  check?: true;
  send?: true;
}

/** `alerts`: what is wrong, on any tier. */
export function alerts(io: Io): Command {
  return command("alerts", "what is wrong on any tier, since when, and what to do about it", [
    "alerts",
    "alerts --check    # look again now instead of showing what was found last",
    "alerts --send     # look again, and have what is critical and was not told yet sent now",
    "alerts --all --json",
  ])
    .option("--all", "also what was cleared in the last seven days")
    .option("--check", "look at every condition again first")
    .option("--send", "look again, and have function notify deliver what waits")
    .action((options: Options) =>
      perform(
        io,
        options,
        (context) => options.send ? send(context, options) : report(context, options),
      )
    );
}

/** Critical alerts are sent by cron within five minutes: this is for those who will not wait. */
async function send(context: Context, options: Options): Promise<Report> {
  const found = await report(context, { ...options, check: true });
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

async function report({ session }: Context, { all, check }: Options): Promise<Report> {
  const answers = await session.ask(async ({ sql }) => {
    if (check) await checkAlerts(sql);
    const week = all
      ? new Date(Date.parse(await clock(sql)) - 7 * DAY_MS).toISOString()
      : undefined;
    return await alertsOf(sql, week);
  });
  const found = once(answers.flatMap(({ answer }) => answer));
  const open = found.filter(({ cleared_at }) => cleared_at === null);
  return {
    document: { alerts: found },
    text: found.length === 0 ? "Nothing is wrong." : found.map(alertText).join("\n\n"),
    ok: open.every(({ severity }) => severity === "info"),
  };
}

/** What a hotter tier has heard of is told by the tier it comes from, when that one answers. */
function once(alerts: Alert[]): Alert[] {
  const isOf = (one: Alert) => (other: Alert) =>
    one !== other && other.heard_from === null && other.cleared_at === null &&
    other.kind === one.kind && other.tier === one.tier && other.subject === one.subject;
  return alerts.filter((one) => one.heard_from === null || !alerts.some(isOf(one)));
}

function alertText(alert: Alert): string {
  const { kind, tier, subject, severity, says, remedy, cleared_at } = alert;
  const sign = cleared_at === null ? LIGHTS[severity] : "⚪";
  const since = `since ${alert.first_seen_at.slice(0, 16)}`;
  const until = cleared_at === null ? "" : ` until ${cleared_at.slice(0, 16)}`;
  return [
    `${sign} ${tier}: ${kind.replaceAll("_", " ")}${
      subject === "" ? "" : `, ${subject}`
    } (${since}${until})`,
    `   ${says}`,
    ...(remedy === null ? [] : [`   → ${remedy}`]),
  ].join("\n");
}
