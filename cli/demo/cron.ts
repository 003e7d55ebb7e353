/** Watching pg_cron do by itself, inside the tiers, what the demo did by calling it. */
import {
  type CronRun,
  cronRuns,
  keepGoing,
  loadRows,
  type Move,
  moves,
} from "../../supabase/functions/_strata/protocol/strata.ts";
import type { TierName } from "../config/schema.ts";
import type { Session } from "../lib/session.ts";

const LOOK_MS = 300;
const DATASET = "journal_entries";

/** What pg_cron was seen doing. */
export interface Seen {
  runs: (CronRun & { tier: TierName })[];
  /** The move that took the entry down, where pg_cron was in time. */
  move: Move | undefined;
}

/** Writes an entry dated two months back into core and waits, so many milliseconds at most, for pg_cron alone to settle it. */
export async function watchCron(
  session: Session,
  since: Map<TierName, string>,
  patience: number,
): Promise<Seen> {
  const { sql } = session.require("core");
  const entry = {
    created_at: new Date(Date.now() - 60 * 86_400_000),
    content: "Written into core just now, dated two months back. Nobody moved it by hand.",
    tags: ["demo"],
  };
  const bad = await loadRows(sql, DATASET, [JSON.stringify(entry)], false);
  if (bad[0] !== undefined) throw new Error(bad[0].says);
  await session.ask((tier) => keepGoing(tier.sql));

  const deadline = Date.now() + patience;
  while (true) {
    const recent = await moves(sql, { since: since.get("core") ?? "infinity" });
    const move = recent.find(({ dataset, state }) => dataset === DATASET && state === "closed");
    const runs = await seenRuns(session, since);
    const finished = runs.some(({ status }) => status === "succeeded");
    if ((move !== undefined && finished) || Date.now() > deadline) return { runs, move };
    await new Promise((wake) => setTimeout(wake, LOOK_MS));
  }
}

/** What pg_cron has run on each tier since then, or ever. */
export async function seenRuns(
  session: Session,
  since: Map<TierName, string>,
): Promise<Seen["runs"]> {
  const answers = await session.ask(({ tier, sql }) =>
    cronRuns(sql, since.get(tier.key) ?? "-infinity")
  );
  return answers.flatMap(({ tier, answer }) => answer.map((run) => ({ tier, ...run })));
}
