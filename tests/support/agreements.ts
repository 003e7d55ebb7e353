/** What tests of restored tiers share. */
import type { TestDatabase } from "./database.ts";
import type { MoveChain } from "./moves.ts";
import { relaySlice } from "./relay.ts";

/** Lets two neighbours hear each other, as the watchdog or the relay does, and looks for alerts on both. */
export async function speak(
  { driver }: MoveChain,
  hotter: TestDatabase,
  colder: TestDatabase,
): Promise<void> {
  if (driver === "relay") await relaySlice(hotter, colder);
  else await (driver === "push" ? hotter : colder).sql`call strata.watchdog()`;
  for (const { sql } of [hotter, colder]) await sql`select strata.check_alerts()`;
}

/** Lets everybody hear everybody, often enough for a word to travel down the chain. */
export async function speakAll(chain: MoveChain): Promise<void> {
  for (const _ of [1, 2]) {
    for (const [at, colder] of chain.databases.slice(1).entries()) {
      const hotter = chain.databases[at];
      if (hotter !== undefined) await speak(chain, hotter, colder);
    }
  }
}

/** The alerts of these kinds that were found on a tier and are open, as "kind tier subject". */
export async function ownAlerts({ sql }: TestDatabase, ...kinds: string[]): Promise<string[]> {
  const rows = await sql<{ says: string }[]>`
    select concat_ws(' ', kind, severity, nullif(subject, '')) as says from strata.alerts
     where cleared_at is null and heard_from is null and kind = any (${kinds}) order by 1`;
  return rows.map(({ says }) => says);
}
