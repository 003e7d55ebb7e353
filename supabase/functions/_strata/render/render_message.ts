/** What messages look like, whatever they are sent over. */
import { z } from "zod";
import type { Document } from "./document.ts";
import { alertLine, reportDocument } from "./report_document.ts";
import { AlertLine, type Message } from "../protocol/strata_outbox.ts";
import { Report } from "../protocol/strata_reports.ts";

const Alerts = z.object({ alerts: z.array(AlertLine), day: z.string().optional() });
const Clear = z.object({ resolved: z.string(), alerts: z.array(AlertLine).min(1) });
const Notice = z.object({ title: z.string(), text: z.string() });

/** A message as a document. A body that is not as expected is shown as it is: told badly is told. */
export function messageDocument(message: Message): Document {
  const { kind, body } = message;
  if (kind === "alert" || kind === "digest") {
    const read = Alerts.safeParse(body);
    if (read.success) return alertsDocument(kind, message.tier, read.data.alerts);
  }
  const clear = Clear.safeParse(body);
  if (kind === "clear" && clear.success) return clearDocument(clear.data);
  if (kind === "report") {
    const report = Report.safeParse(body);
    if (report.success) return reportDocument(report.data);
  }
  const notice = Notice.safeParse(body);
  if (kind === "notice" && notice.success) {
    return [{ paragraph: [{ bold: notice.data.title }, " ", notice.data.text] }];
  }
  return [{ heading: [message.key] }, { paragraph: [{ code: JSON.stringify(body) }] }];
}

/** What was critical and is over: "✅ core: size critical", "resolved: 456 → 38 MB in 8 min". */
function clearDocument({ resolved, alerts }: z.infer<typeof Clear>): Document {
  const about = alerts.map(({ kind, tier, subject }) =>
    `${tier}: ${kind.replaceAll("_", " ")}${subject === "" ? "" : `, ${subject}`}`
  ).join("; ");
  return [{ paragraph: ["✅ ", { bold: about }, `\n${resolved}`] }];
}

function alertsDocument(kind: string, tier: string, alerts: readonly AlertLine[]): Document {
  const title = `${alerts.length === 1 ? "One thing" : `${alerts.length} things`} to look at`;
  return [
    ...(kind === "digest" ? [{ heading: [`🟡 ${tier}: ${title}`] }] : []),
    ...alerts.flatMap((alert) => [{ paragraph: alertLine(alert) }]),
  ];
}
