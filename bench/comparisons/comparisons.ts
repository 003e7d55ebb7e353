/** `bench comparisons`: the same rows by everything people move tables with, in one run. */
import { byRest } from "../rest.ts";
import { byCopy, byForeignTable, byPull, byPush, measure, type Mover } from "../ways.ts";
import type { Driver } from "../../tests/support/chain.ts";
import { byPtArchiver } from "./mariadb.ts";
import { byDump, byPgcopydb, requireProgram } from "./tools.ts";

/** One way, and what it took; or why it could not be measured. */
export interface Compared {
  way: string;
  seconds: number | null;
  ratio: number | null;
  skipped?: string;
}

/** What `bench comparisons` found. */
export interface ComparisonsResult {
  rows: number;
  bytes: number;
  ways: Compared[];
}

const REST_ROWS = 1000;

/** Moves the same rows in every way, each time between two new databases. */
export async function benchComparisons(
  rows: number,
  say: (line: string) => void,
): Promise<ComparisonsResult> {
  const load = { row: "letter", rows } as const;
  const ways: Compared[] = [];
  let limit: number | undefined;
  let bytes = 0;
  const note = (way: string, seconds: number) => {
    limit ??= seconds;
    ways.push({ way, seconds, ratio: seconds / limit });
  };
  const take = async (way: string, mover: Mover, driver: Driver = "push") => {
    say(way);
    const measured = await measure(driver, load, mover);
    bytes = measured.bytes;
    note(way, measured.seconds);
  };
  const skip = (way: string, skipped: string) =>
    ways.push({ way, seconds: null, ratio: null, skipped });

  await take("copy | copy, delete (the limit)", byCopy);
  await take("pg_dump | psql, delete", byDump);
  const problem = await requireProgram("pgcopydb", ["pgcopydb"], say);
  if (problem === undefined) await take("pgcopydb copy table-data, delete", byPgcopydb);
  else skip("pgcopydb copy table-data, delete", problem);
  await take("insert into a foreign table, delete", byForeignTable);
  await take("Strata, push", byPush);
  await take("Strata, pull", byPull, "pull");

  say("pt-archiver on MariaDB");
  const archived = await byPtArchiver(rows, say);
  if ("skipped" in archived) skip("pt-archiver on MariaDB", archived.skipped);
  else note("pt-archiver on MariaDB", archived.seconds);

  say("row by row over REST");
  const rest = await measure("push", { ...load, rows: REST_ROWS }, byRest);
  note(`row by row over REST, as ${REST_ROWS} go`, rest.seconds * rows / REST_ROWS);
  return { rows, bytes, ways };
}

/** What was found, for people to read. */
export function comparisonsTable({ rows, ways }: ComparisonsResult): string {
  const lines = ways.map(({ way, seconds, ratio, skipped }) =>
    way.padEnd(38) +
    (seconds === null || ratio === null
      ? `skipped: ${skipped}`
      : `${seconds.toFixed(2)} s`.padStart(11) +
        `${Math.round(rows / seconds).toLocaleString("en")} rows/s`.padStart(18) +
        `${ratio.toFixed(1)} × the limit`.padStart(22))
  );
  return [`${rows.toLocaleString("en")} rows of about 470 bytes`, ...lines].join("\n");
}
