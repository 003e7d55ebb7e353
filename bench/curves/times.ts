import type { Sql } from "postgres";
import { seconds } from "../letters.ts";

/** How often each thing is done; the median counts. */
const TIMES = 5;

/** The middle one of some values. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** The median time of something that is done again and again, in milliseconds. */
export async function milliseconds(
  work: () => Promise<unknown>,
  prepare: () => Promise<unknown> = async () => {},
  times: number = TIMES,
): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n < times; n++) {
    await prepare();
    took.push(1000 * await seconds(work));
  }
  return median(took);
}

/** What it costs to watch, to plan and to report on a tier. */
export async function looks(sql: Sql): Promise<Record<"watch" | "plan" | "report", number>> {
  return {
    watch: await milliseconds(() => sql.unsafe("call strata.watch()")),
    plan: await milliseconds(() => sql.unsafe("select * from strata.plan()")),
    report: await milliseconds(() => sql.unsafe("select strata.report_part()")),
  };
}
