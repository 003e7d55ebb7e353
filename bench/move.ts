import { format as size } from "@std/fmt/bytes";
import type { RowWidth } from "./letters.ts";
import { byRelay, byRelayOverPostgres } from "./relay.ts";
import { byRest } from "./rest.ts";
import {
  better,
  byCopy,
  byForeignTable,
  byPull,
  byPush,
  type Load,
  measure,
  type Measured,
} from "./ways.ts";

/** What `bench move` found. */
export interface MoveResult {
  rows: number;
  row: RowWidth;
  bytes: number;
  limit_seconds: number;
  fdw_seconds: number;
  rest_rows_per_second: number;
  push_seconds: number;
  pull_seconds: number;
  relay_seconds: number;
  relay_postgres_seconds: number;
  push_ratio: number;
  pull_ratio: number;
  relay_ratio: number;
  relay_postgres_ratio: number;
  /** Bytes of write-ahead log for each byte moved, by way. */
  wal_core: Record<Way, number>;
  wal_main: Record<Way, number>;
  /** Bytes of text that cross for each byte moved, and what a key's entry takes in main's index. */
  text: number;
  key_bytes: number;
}

const WAYS = {
  limit: { says: "copy binary, then delete", driver: "push", mover: byCopy },
  fdw: { says: "insert into a foreign table, then delete", driver: "push", mover: byForeignTable },
  push: { says: "Strata, pushed by core", driver: "push", mover: byPush },
  pull: { says: "Strata, pulled by main", driver: "pull", mover: byPull },
  relay: { says: "Strata, carried over HTTP", driver: "relay", mover: byRelay },
  relay_postgres: {
    says: "Strata, carried over Postgres",
    driver: "relay",
    mover: byRelayOverPostgres,
  },
} as const;

type Way = keyof typeof WAYS;
const NAMES = [
  "limit",
  "fdw",
  "push",
  "pull",
  "relay",
  "relay_postgres",
] as const satisfies Way[];

const REST_ROWS = 1000;

/** How many rows are moved unless told otherwise: wide ones as many bytes as the others. */
export const USUAL_ROWS: Record<RowWidth, number> = {
  narrow: 300_000,
  letter: 300_000,
  wide: 7_000,
};

/** Moves the same rows from core to main in every way, each time between two new databases. */
export async function benchMove(
  load: Load,
  rounds: number,
  say: (line: string) => void,
): Promise<MoveResult> {
  const best = new Map<Way, Measured>();
  for (let round = 1; round <= rounds; round++) {
    for (const name of NAMES) {
      const { says, driver, mover } = WAYS[name];
      say(`round ${round} of ${rounds}: ${says}`);
      best.set(name, better(best.get(name), await measure(driver, load, mover)));
    }
  }
  say("row by row over REST");
  const rest = await measure("push", { ...load, rows: REST_ROWS }, byRest);
  const of = (name: Way) => {
    const measured = best.get(name);
    if (measured === undefined) throw new Error("nothing was measured: --rounds is less than 1");
    return measured;
  };
  const each = (pick: (measured: Measured) => number): Record<Way, number> => ({
    limit: pick(of("limit")),
    fdw: pick(of("fdw")),
    push: pick(of("push")),
    pull: pick(of("pull")),
    relay: pick(of("relay")),
    relay_postgres: pick(of("relay_postgres")),
  });
  const took = each((measured) => measured.seconds);
  return {
    rows: load.rows,
    row: load.row,
    bytes: of("limit").bytes,
    limit_seconds: took.limit,
    fdw_seconds: took.fdw,
    rest_rows_per_second: REST_ROWS / rest.seconds,
    push_seconds: took.push,
    pull_seconds: took.pull,
    relay_seconds: took.relay,
    relay_postgres_seconds: took.relay_postgres,
    push_ratio: took.push / took.limit,
    pull_ratio: took.pull / took.limit,
    relay_ratio: took.relay / took.limit,
    relay_postgres_ratio: took.relay_postgres / took.limit,
    wal_core: each((measured) => measured.wal_core),
    wal_main: each((measured) => measured.wal_main),
    text: of("push").text,
    key_bytes: of("push").key_bytes,
  };
}

/** The measured ways for people to read. */
export function moveTable(result: MoveResult): string {
  const { rows, bytes, limit_seconds: limit, wal_core, wal_main } = result;
  const line = (name: string, took: number, way?: Way) =>
    [
      name.padEnd(24),
      `${took.toFixed(1)} s`.padStart(9),
      `${Math.round(rows / took).toLocaleString("en")} rows/s`.padStart(17),
      `${size(bytes / took)}/s`.padStart(13),
      `${(took / limit).toFixed(1)} × the limit`.padStart(20),
      way === undefined ? "" : `${wal_core[way].toFixed(2)} and ${wal_main[way].toFixed(2)}`
        .padStart(17),
    ].join("");
  return [
    `${rows.toLocaleString("en")} rows, ${size(bytes)}; last: bytes of WAL for each byte, ` +
    "on core and on main",
    line("copy | copy, delete", limit, "limit"),
    line("foreign table, delete", result.fdw_seconds, "fdw"),
    line("REST, as 1,000 rows go", rows / result.rest_rows_per_second),
    line("Strata, push", result.push_seconds, "push"),
    line("Strata, pull", result.pull_seconds, "pull"),
    line("Strata, relay, HTTP", result.relay_seconds, "relay"),
    line("Strata, relay, Postgres", result.relay_postgres_seconds, "relay_postgres"),
  ].join("\n");
}
