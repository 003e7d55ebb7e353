import type { Sql } from "postgres";
import { countLetters, lettersChain, ROW_CHARACTERS, seconds, writeLetters } from "../letters.ts";
import type { Curve, Point } from "./curves.ts";

/** Settles backlogs of different lengths; what counts is the time for each row. */
export async function alongBacklog(
  sizes: readonly number[],
  say: (line: string) => void,
): Promise<Curve> {
  const points: Point[] = [];
  for (const rows of sizes) {
    say(`${rows.toLocaleString("en")} rows are due`);
    await using chain = await lettersChain("push");
    const { sql } = chain.core;
    await writeLetters(sql, { rows, characters: ROW_CHARACTERS.letter, daysOld: 100 });
    const took = await seconds(async () => {
      while (await countLetters(sql) > 0) await sql.unsafe("call strata.move_due()");
    });
    points.push({
      at: rows,
      "on average": 1e6 * took / rows,
      ...await tenths(sql),
    });
  }
  return {
    title: "What a row costs, by the length of the backlog",
    x: "rows due at once (470 bytes each)",
    y: "microseconds a row",
    points,
  };
}

/** From the log: whether the last rows of a backlog take longer than the first. */
async function tenths(sql: Sql): Promise<Record<"first tenth" | "last tenth", number>> {
  const moves = await sql<{ rows: number; purged: number }[]>`
    select rows_moved::integer as rows, extract(epoch from purged_at)::float8 as purged
      from strata.moves order by purged_at`;
  const count = Math.max(Math.floor(moves.length / 10), 1);
  const cost = (part: typeof moves[number][]) => {
    const [first, last] = [part[0], part.at(-1)];
    const rows = part.slice(1).reduce((sum, move) => sum + move.rows, 0);
    return 1e6 * ((last?.purged ?? NaN) - (first?.purged ?? NaN)) / rows;
  };
  return {
    "first tenth": cost(moves.slice(0, count + 1)),
    "last tenth": cost(moves.slice(-count - 1)),
  };
}
