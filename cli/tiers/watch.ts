/**
 * What the tiers know of their sizes and limits, and what is wrong: the other half of strata.ts, with
 * the same habits: whole numbers of Postgres (`bigint`) stay text, points in time are its text too.
 */
import type { Db } from "../../supabase/functions/_strata/protocol/strata.ts";

/** What the platform bills for this tier, in bytes. */
export async function billedBytes(sql: Db): Promise<string> {
  const [row] = await sql<{ bytes: string }[]>`select strata.billed_bytes() as bytes`;
  return row?.bytes ?? "0";
}

/** A table and the room it takes. */
export interface TableSize {
  relation: string;
  dataset: string | null;
  bytes: string;
  row_estimate: string | null;
}

/** The largest tables of this tier. */
export async function tableSizes(sql: Db, limit: number): Promise<TableSize[]> {
  return await sql<TableSize[]>`select * from strata.table_sizes(p_limit => ${limit})`;
}

/** Something that takes room on a tier's server. */
export interface Part {
  part: string;
  kind: string;
  bytes: string;
  rows_estimate: string | null;
  dead_rows: string | null;
  reclaimable_bytes: string | null;
  billed: boolean;
  says: string | null;
}

/** Who fills a tier's server, largest first; the billed parts add up to the bill. */
export async function whoFills(sql: Db, limit: number): Promise<Part[]> {
  return [...await sql<Part[]>`select * from strata.who_fills(p_limit => ${limit})`];
}

/** When a tier reaches one of its thresholds at its present pace; null: not foretold. */
export interface Forecast {
  tier: string;
  threshold: "warning" | "critical" | "full";
  threshold_bytes: string;
  bytes: string | null;
  per_day: string | null;
  per_day_low: string | null;
  per_day_high: string | null;
  reached_at: string | null;
  earliest_at: string | null;
  latest_at: string | null;
  says: string;
}

/** When this tier will be at warning, critical and full. */
export async function forecast(sql: Db): Promise<Forecast[]> {
  return [
    ...await sql<Forecast[]>`
      select tier, threshold, threshold_bytes, bytes, per_day, per_day_low, per_day_high,
             reached_at::text, earliest_at::text, latest_at::text, says
        from strata.forecast()`,
  ];
}

/** A limit of the plan and what is used of it. */
export interface Quota {
  name: string;
  used: string;
  limit: string | null;
  unit: string;
  period: "now" | "month";
  projection: string | null;
  source: string;
}

/** The limits this tier has, each with what is used and where that leads. */
export async function quota(sql: Db): Promise<Quota[]> {
  return [
    ...await sql<Quota[]>`
      select name, used, allowed as limit, unit, period, projection, source from strata.quota()`,
  ];
}

/** Something a person should know. */
export interface Alert {
  kind: string;
  tier: string;
  subject: string;
  severity: "info" | "warning" | "critical";
  says: string;
  remedy: string | null;
  heard_from: string | null;
  first_seen_at: string;
  last_seen_at: string;
  seen_count: number;
  cleared_at: string | null;
}

/** The alerts of a tier, its own and those it has heard of: open, or also cleared since a time. */
export async function alerts(sql: Db, clearedSince?: string): Promise<Alert[]> {
  return [
    ...await sql<Alert[]>`
      select kind, tier, subject, severity, says, remedy, heard_from, first_seen_at::text,
             last_seen_at::text, seen_count, cleared_at::text
        from strata.alerts
       where cleared_at is null or cleared_at >= ${clearedSince ?? null}::timestamptz
       order by cleared_at is not null, first_seen_at desc, alert_id desc`,
  ];
}

/** Something that is wrong at this moment. */
export interface Wrong {
  kind: string;
  tier: string;
  subject: string;
  severity: "info" | "warning" | "critical";
  says: string;
  remedy: string | null;
  since: string;
  heard_from: string | null;
  /** Rows stay where they are because of it. */
  of_moves: boolean;
}

/** Everything that is wrong as a tier knows it, the gravest first; the one place that decides it. */
export async function whatIsWrong(sql: Db): Promise<Wrong[]> {
  return [
    ...await sql<Wrong[]>`
      select kind, tier, subject, severity, says, remedy, since::text, heard_from, of_moves
        from strata.what_is_wrong()`,
  ];
}

/** Has a tier look at everything as it is now, the neighbours that it dials included. */
export async function look(sql: Db): Promise<void> {
  await sql`call strata.look()`;
}

/** Looks at every condition for alerts anew; returns how many are open. */
export async function checkAlerts(sql: Db): Promise<number> {
  const [row] = await sql<{ open: number }[]>`select strata.check_alerts() as open`;
  return row?.open ?? 0;
}

/** A way to a person: unknown, off, stopped or on, and why. */
export interface ChannelState {
  channel: string;
  state: "unknown" | "off" | "stopped" | "on";
  says: string;
}

/** How a tier tells people what they should know. */
export async function channelStates(sql: Db): Promise<ChannelState[]> {
  return [...await sql<ChannelState[]>`select channel, state, says from strata.channel_states()`];
}

/** How everything is, as seen from this tier: see strata_reports.ts for its shape. */
export async function report(sql: Db, kind: "day" | "month"): Promise<unknown> {
  const [row] = await sql<{ report: unknown }[]>`select strata.report(p_kind => ${kind}) as report`;
  return row?.report;
}

/** Puts the report somebody asks for into the outbox; null: that of this day or month was sent. */
export async function tellReport(
  sql: Db,
  kind: "day" | "month",
  audience: "owner" | "admin",
): Promise<string | null> {
  const [row] = await sql<{ message: string | null }[]>`
    select strata.tell_report(
      p_kind => ${kind}, p_audience => ${audience}, p_asked => true) as message`;
  return row?.message ?? null;
}
