/** What messages look like, whatever they are sent over. */
import { z } from "zod";
import type { Document, Line } from "./document.ts";
import { AlertLine, type Message } from "./strata_outbox.ts";

const Alerts = z.object({ alerts: z.array(AlertLine), day: z.string().optional() });
const Notice = z.object({ title: z.string(), text: z.string() });

/** 🔴, 🟡 or 🔵: how much it matters. */
export const LIGHTS = { critical: "🔴", warning: "🟡", info: "🔵" } as const;

/** A message as a document. A body that is not as expected is shown as it is: told badly is told. */
export function messageDocument(message: Message): Document {
  const { kind, body } = message;
  if (kind === "alert" || kind === "digest") {
    const read = Alerts.safeParse(body);
    if (read.success) return alertsDocument(kind, message.tier, read.data.alerts);
  }
  const notice = Notice.safeParse(body);
  if (kind === "notice" && notice.success) {
    return [{ paragraph: [{ bold: notice.data.title }, " ", notice.data.text] }];
  }
  return [{ heading: [message.key] }, { paragraph: [{ code: JSON.stringify(body) }] }];
}

function alertsDocument(kind: string, tier: string, alerts: readonly AlertLine[]): Document {
  const title = `${alerts.length === 1 ? "One thing" : `${alerts.length} things`} to look at`;
  return [
    ...(kind === "digest" ? [{ heading: [`🟡 ${tier}: ${title}`] }] : []),
    ...alerts.flatMap((alert) => [{ paragraph: alertLine(alert) }]),
  ];
}

/** One alert: what, since when, and what to do about it. */
export function alertLine(alert: AlertLine): Line {
  const { kind, tier, subject, severity, says, remedy, since } = alert;
  return [
    `${LIGHTS[severity]} `,
    { bold: `${tier}: ${kind.replaceAll("_", " ")}${subject === "" ? "" : `, ${subject}`}` },
    ` (since ${minute(since)})\n${says}`,
    ...(remedy === null ? [] : [`\n→ ${remedy}`]),
  ];
}

/** A point in time to the minute, in UTC. */
export function minute(at: string): string {
  const time = new Date(at);
  return Number.isNaN(time.getTime())
    ? at
    : `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
