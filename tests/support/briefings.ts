import type { Sql } from "postgres";
import { testDatabase } from "./database.ts";
import { becomes } from "./watch.ts";

/** A Sunday, seven in the morning in UTC. */
export const SUNDAY = "2026-11-22T07:00:00Z";

/** A core that has an owner, at a time. */
export async function briefingCore(now = SUNDAY) {
  const db = await testDatabase("core");
  await becomes(db.sql, "core");
  await db.freezeClock(now);
  return db;
}

/** What open_briefing() answers. */
export interface Opened {
  day: string;
  state: string;
  lease: string | null;
  says: string | null;
  recording_id: string | null;
}

/** Takes today's briefing in hand. */
export async function openBriefing(sql: Sql, owner = "owner"): Promise<Opened> {
  const [row] = await sql<Opened[]>`
    select day::text, state, lease, says, recording_id from strata.open_briefing(${owner})`;
  if (row === undefined) throw new Error("open_briefing() answered nothing");
  return row;
}

/** Takes it in hand and says that it is about to be sent. */
export async function startDelivery(sql: Sql, affirmation?: string): Promise<string> {
  const { lease } = await openBriefing(sql);
  if (lease === null) throw new Error("somebody else has it");
  await sql`
    select strata.start_delivery(
      p_lease => ${lease}, p_says => 'Good morning.', p_language => 'en', p_channel => 'voice',
      p_characters => 13, p_affirmation_id => ${affirmation ?? null})`;
  return lease;
}

/** The state of every briefing in the log, oldest first. */
export async function briefingStates(sql: Sql): Promise<string[]> {
  const rows = await sql<{ says: string }[]>`
    select owner || ' ' || day || ' ' || state as says from strata.briefings order by day, owner`;
  return rows.map(({ says }) => says);
}
