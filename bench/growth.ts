import type { TestChain } from "../tests/support/chain.ts";
import { lettersChain, seconds, writeLetters } from "./letters.ts";

/** What `bench growth` found. */
export interface GrowthResult {
  cases: { table_rows: number; moved_rows: number; seconds: number }[];
  /** A pass over the last table with nothing due. */
  idle_ms: number;
}

const MOVED_ROWS = 5000;
const PASSES = 7;

/**
 * Moves as many rows out of tables of different sizes, then asks for nothing. The tables take
 * turns, so that whatever else the machine is doing weighs on them alike.
 */
export async function benchGrowth(
  sizes: readonly number[],
  say: (line: string) => void,
): Promise<GrowthResult> {
  await using chains = new AsyncDisposableStack();
  const tables: { rows: number; chain: TestChain; passes: number[]; idle: number[] }[] = [];
  for (const rows of sizes) {
    say(`a table of ${rows.toLocaleString("en")} rows`);
    const chain = chains.use(await lettersChain("push"));
    await writeLetters(chain.core.sql, { rows, characters: 32, daysOld: 1 });
    tables.push({ rows, chain, passes: [], idle: [] });
  }
  for (let n = 1; n <= PASSES; n++) {
    say(`pass ${n} of ${PASSES}`);
    for (const { chain, passes, idle } of tables) {
      const { sql } = chain.core;
      await writeLetters(sql, { rows: MOVED_ROWS, characters: 32, daysOld: 100 });
      passes.push(await seconds(() => sql.unsafe("call strata.move_due()")));
      idle.push(await seconds(() => sql.unsafe("call strata.move_due()")));
    }
  }
  return {
    cases: tables.map(({ rows, passes }) => {
      return { table_rows: rows, moved_rows: MOVED_ROWS, seconds: median(passes) };
    }),
    idle_ms: 1000 * median(tables.at(-1)?.idle ?? []),
  };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}
