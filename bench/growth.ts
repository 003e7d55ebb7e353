import { lettersChain, seconds, writeLetters } from "./letters.ts";

/** What `bench growth` found. */
export interface GrowthResult {
  cases: { table_rows: number; moved_rows: number; seconds: number }[];
  idle_ms: number;
}

const MOVED_ROWS = 5000;
const PASSES = 5;

/** Moves as many rows out of tables of different sizes; then asks the largest for nothing. */
export async function benchGrowth(
  sizes: readonly number[],
  say: (line: string) => void,
): Promise<GrowthResult> {
  const result: GrowthResult = { cases: [], idle_ms: 0 };
  for (const rows of sizes) {
    say(`a table of ${rows.toLocaleString("en")} rows`);
    await using chain = await lettersChain("push");
    const { sql } = chain.core;
    const pass = () => seconds(() => sql.unsafe("call strata.move_due()"));
    await writeLetters(sql, { rows, characters: 32, daysOld: 1 });

    const passes: number[] = [];
    for (let n = 0; n < PASSES; n++) {
      await writeLetters(sql, { rows: MOVED_ROWS, characters: 32, daysOld: 100 });
      passes.push(await pass());
    }
    const idle: number[] = [];
    for (let n = 0; n < PASSES; n++) idle.push(await pass());
    result.cases.push({ table_rows: rows, moved_rows: MOVED_ROWS, seconds: median(passes) });
    result.idle_ms = median(idle) * 1000;
  }
  return result;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}
