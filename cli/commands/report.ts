import { type Command, Option } from "commander";
import { z } from "zod";
import { toPlain } from "../../supabase/functions/_shared/document.ts";
import { recommendations } from "../../supabase/functions/_shared/report_advice.ts";
import { reportDocument } from "../../supabase/functions/_shared/report_document.ts";
import { Report as Shape } from "../../supabase/functions/_shared/strata_reports.ts";
import { keyFetch, RedirectError } from "../../supabase/functions/_shared/safe_address.ts";
import { report as reportOf, tellReport } from "../../supabase/functions/_shared/strata_watch.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { Failure } from "../lib/errors.ts";
import { redirected } from "../lib/function.ts";
import type { OpenTier } from "../lib/session.ts";

const PATIENCE_MS = 60_000;

interface Options extends CommonOptions {
  month?: true;
  send?: true;
  sendToAdmin?: true;
}

const Delivered = z.object({
  deliveries: z.array(z.object({
    channel: z.string(),
    outcome: z.string(),
    says: z.string().optional(),
  })),
});

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
  const { deliveries } = await wake(tier);
  const failed = deliveries.filter(({ outcome }) => outcome !== "sent");
  const lines = deliveries.map(({ channel, outcome, says }) =>
    `${channel}: ${outcome}${says === undefined ? "" : `, ${says}`}`
  );
  return {
    document: { kind, to, sent_before: false, message, deliveries },
    text: lines.length === 0
      ? "It waits in the outbox: no channel takes it. `deno task strata status` says how each one is."
      : lines.join("\n"),
    ok: failed.length === 0,
  };
}

/** Has function notify deliver what waits. */
async function wake({ key, api }: OpenTier["tier"]): Promise<z.infer<typeof Delivered>> {
  const waits = "The report waits in the outbox; the next run of notify sends it.";
  if (api === undefined) throw new Failure(`${key} has no REST address in strata.yaml. ${waits}`);
  try {
    const response = await keyFetch()(`${api.url}/functions/v1/notify`, {
      method: "POST",
      headers: { apikey: api.key, "content-type": "application/json" },
      body: JSON.stringify({ wait: true }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (response.ok) return Delivered.parse(await response.json());
    await response.body?.cancel();
    throw new Failure(
      `Function notify of ${key} answered with status ${response.status}. ${waits}`,
      "Deploy the functions with `deno task deploy`; on the local stack run `deno task up`.",
    );
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (error instanceof RedirectError) throw redirected(key, error);
    throw new Failure(
      `Function notify of ${key} does not answer. ${waits}`,
      "Is the project up, and is its address in .env right?",
    );
  }
}
