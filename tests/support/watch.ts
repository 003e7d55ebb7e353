import type { Sql } from "postgres";

/** 1 MB as it is billed. */
export const MB = 1024 * 1024;

/** A database that is one tier of its own, with no neighbour. */
export async function becomes(sql: Sql, tier: string): Promise<void> {
  await sql`select strata.become(${tier}, true)`;
}

/** Makes a tier believe that so much is billed, whatever else the shared server holds. */
export async function pretendSize(sql: Sql, bytes: number): Promise<void> {
  await sql.unsafe(`create or replace function strata.billed_bytes() returns bigint
    language sql volatile set search_path = '' as $$ select ${Math.round(bytes)}::bigint $$`);
}

/** Writes samples down as watch() would have taken them. */
export async function addSamples(
  sql: Sql,
  samples: { at: string; bytes: number; level?: string }[],
): Promise<void> {
  const rows = samples.map(({ at, bytes, level = "ok" }) => ({
    taken_at: at,
    billed_bytes: Math.round(bytes),
    level,
  }));
  await sql`
    insert into strata.samples (taken_at, billed_bytes, level)
    select * from jsonb_to_recordset(${sql.json(rows)})
      as s (taken_at timestamptz, billed_bytes bigint, level text)`;
}

/** An alert as a person sees it. */
export interface Alert {
  kind: string;
  tier: string;
  subject: string;
  severity: string;
  says: string;
  seen_count: number;
}

/** The alerts that are open on a tier. */
export async function openAlerts(sql: Sql): Promise<Alert[]> {
  return [
    ...await sql<Alert[]>`
      select kind, tier, subject, severity, says, seen_count from strata.alerts
       where cleared_at is null order by kind, tier, subject`,
  ];
}

/** The kinds of the alerts that are open on a tier. */
export async function openKinds(sql: Sql): Promise<string[]> {
  return (await openAlerts(sql)).map(({ kind }) => kind);
}

/** A point in time some hours after another. */
export function after(start: string, hours: number): string {
  return new Date(Date.parse(start) + hours * 3_600_000).toISOString();
}
