import { type Command, Option } from "commander";
import { toPlain } from "../../supabase/functions/_strata/render/document.ts";
import { recommendations } from "../../supabase/functions/_strata/render/report_advice.ts";
import { reportDocument } from "../../supabase/functions/_strata/render/report_document.ts";
import { Report as Shape } from "../../supabase/functions/_strata/protocol/strata_reports.ts";
import { report as reportOf, tellReport } from "../tiers/watch.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { Failure } from "../lib/errors.ts";
import { allSent, deliveriesText, deliverNow } from "../lib/deliver.ts";
import type { OpenTier } from "../lib/session.ts";

interface Options extends CommonOptions {
  month?: true;
  send?: true;
  sendToAdmin?: true;
}

/** `report`: how everything is, shown or sent. */
export function report(io: Io): Command {
  return command("report", "how everything is: sizes, moves, what is due, costs, alerts, advice", [
    "report",
    "report --send             # what cron sends at 09:00 UTC, now; once a day",
    "report --month            # the last month beside the one before it, and what was deleted",
    "report --send-to-admin    # that one, to the admin's chat; once a month",
    "report --json",
  ])
    .option("--month", "compare the last month with the one before it")
    .option("--send", "send it to the owner over every channel, unless today's was sent")
    .addOption(
      new Option("--send-to-admin", "send the monthly one to the admin, unless it was sent")
        .conflicts("send"),
    )
    .action((options: Options) => perform(io, options, (context) => work(context, options)));
}

async function work({ session }: Context, options: Options): Promise<Report> {
  const [hottest] = session.open; // it knows of the colder ones what they last said
  if (hottest === undefined) throw new Failure("No tier answers.");
  if (options.send || options.sendToAdmin) return await send(hottest, options);
  const read = Shape.parse(await reportOf(hottest.sql, options.month ? "month" : "day"));
  return {
    document: { ...read, recommendations: recommendations(read) },
    text: toPlain(reportDocument(read)),
    ok: read.alerts.every(({ severity }) => severity === "info"),
  };
}

async function send({ tier, sql }: OpenTier, options: Options): Promise<Report> {
  const [kind, to] = options.sendToAdmin
    ? ["month", "admin"] as const
    : [options.month ? "month" : "day", "owner"] as const;
  const message = await tellReport(sql, kind, to);
  if (message === null) {
    return { document: { kind, to, sent_before: true }, text: "It was sent before; not again." };
  }
  const deliveries = await deliverNow(
    tier,
    "The report waits in the outbox; the next run of notify sends it.",
  );
  return {
    document: { kind, to, sent_before: false, message, deliveries },
    text: deliveriesText(
      deliveries,
      "It waits in the outbox: no channel takes it. `deno task strata status` says how each one is.",
    ),
    ok: allSent(deliveries),
  };
}
