/**
 * The report of a tier over REST. Every section of another tier's part is read on its own: one that is
 * of an older or newer form, or has failed there, is left out, and the rest of the report stands.
 */
import { z } from "zod";
import { AlertLine } from "./strata_outbox.ts";
import type { Rpc } from "./strata_rpc.ts";

/** The drain that is open; an older tier says nothing of it. */
const Drain = z.object({
  state: z.string(),
  round: z.number(),
  need_bytes: z.string(),
  freed_bytes: z.string(),
  waits_for: z.string().nullable(),
});

const Size = z.object({
  billed_bytes: z.string(),
  capacity_mb: z.number(),
  warn_mb: z.number(),
  critical_mb: z.number(),
  level: z.enum(["ok", "warning", "critical"]),
  reclaimable_bytes: z.string(),
  drain: Drain.nullable().optional().catch(undefined),
  fills: z.array(z.object({ part: z.string(), kind: z.string(), bytes: z.string() })).nullable(),
});

const Moves = z.object({
  total: z.number(),
  successful: z.number(),
  failed: z.number(),
  rows: z.string(),
  bytes: z.string(),
  deleted_rows: z.string(),
  failed_steps: z.number(),
  last_failure: z.string().nullable(),
  set_aside: z.number(),
});

const Due = z.array(z.object({
  dataset: z.string(),
  action: z.enum(["move", "delete"]),
  /** Null: nobody knows. */
  rows: z.string().nullable(),
  at_least: z.boolean().nullable(),
  trouble: z.string().nullable(),
  waiting_since: z.string().nullable(),
}));

const Limits = z.object({
  quota: z.array(z.object({
    name: z.string(),
    used: z.string(),
    allowed: z.string(),
    unit: z.string(),
    projection: z.string().nullable(),
  })),
  forecast: z.array(z.object({
    threshold: z.string(),
    reached_at: z.string().nullable(),
    says: z.string(),
  })),
});

const Costs = z.object({
  usd_24h: z.string(),
  usd_month: z.string(),
  kinds: z.record(z.string(), z.string()),
});

const Months = z.array(z.object({
  month: z.string(),
  moved_rows: z.string(),
  moved_bytes: z.string(),
  deleted: z.record(z.string(), z.string()),
  billed_bytes: z.string().nullable(),
  usd: z.string(),
}));

/** A section, or nothing when it failed on its tier or cannot be read here. */
const section = <T>(schema: z.ZodType<T>) => schema.optional().catch(undefined);

const Sections = z.object({
  size: section(Size),
  moves: section(Moves),
  due: section(Due),
  limits: section(Limits),
  costs: section(Costs),
  months: section(Months),
});
const Failed = z.object({ failed: z.string() });

const Part = z.record(z.string(), z.unknown()).transform((said) => {
  const failed = Object.entries(said).flatMap(([name, section]): [string, string][] => {
    const { data } = Failed.safeParse(section);
    return data === undefined ? [] : [[name, data.failed]];
  });
  /** Why sections failed on their tier, by name; absent when none did. */
  const why: { failed?: Record<string, string> } = failed.length === 0
    ? {}
    : { failed: Object.fromEntries(failed) };
  return { ...Sections.parse(said), ...why };
});
/** What a tier said of itself. */
export type Part = z.infer<typeof Part>;

/** How everything is, as seen from one tier. */
export const Report = z.object({
  kind: z.enum(["day", "month"]),
  tier: z.string(),
  made_at: z.string(),
  /** The last full month. */
  month: z.string(),
  tiers: z.array(z.object({
    tier: z.string(),
    here: z.boolean(),
    made_at: z.string().nullable(),
    /** What is to be said when the part is old or missing. */
    says: z.string().nullable(),
    part: Part.nullable().catch(null),
  })),
  alerts: z.array(AlertLine),
  channels: z.array(z.object({ channel: z.string(), state: z.string(), says: z.string() })),
});
/** How everything is, as seen from one tier. */
export type Report = z.infer<typeof Report>;

/** The kinds of report. */
export type ReportKind = Report["kind"];

/** The report as of now. */
export async function readReport(rpc: Rpc, kind: ReportKind): Promise<Report> {
  return Report.parse(await rpc("report", { p_kind: kind }));
}

/** Puts the report somebody asks for into the outbox; null: that of this day or month was sent. */
export async function tellReport(
  rpc: Rpc,
  kind: ReportKind,
  audience: "owner" | "admin",
): Promise<string | null> {
  return z.string().nullable().parse(
    await rpc("tell_report", { p_kind: kind, p_audience: audience, p_asked: true }),
  );
}
