/** Sessions of those who hold the login of a link, as an attacker would open them. */
import postgres, { type Sql } from "postgres";
import type { Tier } from "../../local/settings.ts";
import type { TestDatabase } from "../support/database.ts";
import { moverPassword } from "../support/stack.ts";

/** Opens a session on a tier with the login of a neighbour, whose password was taken, and closes it afterwards. */
export async function asNeighbour(
  { url }: TestDatabase,
  neighbour: Tier,
  attack: (sql: Sql) => Promise<void>,
): Promise<void> {
  const username = `strata_mover_${neighbour}`;
  const password = await moverPassword();
  const sql = postgres(url, { username, password, max: 1, onnotice: () => {} });
  try {
    await attack(sql);
  } finally {
    await sql.end();
  }
}

/** Calls of what only the hotter tier may have done here, and of what only the colder one may. */
export const ASKED: Record<"by the hotter" | "by the colder", string[]> = {
  "by the hotter": [
    "accept('{}', 'core')",
    "receive(gen_random_uuid(), 'notes', 'core', '{id}', '')",
    "prove(gen_random_uuid(), 'notes', '{id}', '{}', null)",
    "close_arrival(gen_random_uuid(), 'notes', 'core', '{}', '{}', '{}', '{}')",
    "open_arrivals('core')",
    "abandon_arrivals('{}')",
    "stock_months('notes')",
    "take_stock('notes', '2026-01', null)",
    "book_stock('notes', '2026-01')",
    "keys_here('notes', '{{1}}')",
    "look_for('notes', '{{1}}', now())",
  ],
  "by the colder": [
    "describe('notes')",
    "offer('notes')",
    "conflicts()",
    "end_conflicts('notes', '[]')",
    "claim('notes', 'main')",
    "note_told('notes', 1, 'x', '{id}')",
    "note_failure('notes', 'XX000', 'x')",
    "datasets_with_work()",
    "share_now('1 minute')",
    "not_open('{}')",
    "ledger_months('notes', '{moved}')",
    "keys_page('notes', null)",
    "note_forgotten('notes', '2026-01', 1)",
    "move_mark('notes')",
    "still_here('notes', '{{1}}', null)",
    "passed_page('notes')",
    "note_beyond('notes', '{{1}}', '{}')",
  ],
};
