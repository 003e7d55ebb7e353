import type { Sql } from "postgres";
import { testChain } from "../../tests/support/chain.ts";
import type { Curve, Point } from "./curves.ts";
import { looks, milliseconds } from "./times.ts";

const ROWS = 100;
const DUE_ROWS = 10;
/** How often a pass over all of them is measured: one over a thousand takes most of a minute. */
const LONG_PASSES = 1;
/** A transaction may lock only so many tables. */
const TABLES_AT_ONCE = 50;

/** Passes over different numbers of datasets, each a small table of which little is due. */
export async function alongDatasets(
  sizes: readonly number[],
  say: (line: string) => void,
): Promise<Curve> {
  const points: Point[] = [];
  for (const count of sizes) {
    say(`${count} datasets`);
    await using chain = await testChain({ tiers: ["core", "main"], driver: "push" });
    const { sql } = chain.core;
    for (let first = 1; first <= count; first += TABLES_AT_ONCE) {
      await createDatasets(sql, first, Math.min(first + TABLES_AT_ONCE - 1, count));
    }
    say("passes");
    const pass = () => sql.unsafe("call strata.move_due('100 seconds')");
    await addDue(sql, count); // the first pass tells main of them
    await pass();
    points.push({
      at: count,
      "10 rows due in each": await milliseconds(pass, () => addDue(sql, count), LONG_PASSES),
      "10 rows due in one": await milliseconds(pass, () => addDue(sql, 1)),
      "nothing due": await milliseconds(pass),
      ...await looks(sql),
    });
    await nothingLeft(sql);
  }
  return {
    title: "What a pass and a look cost, by the number of datasets",
    x: "datasets (100 rows each)",
    y: "milliseconds",
    points,
  };
}

async function createDatasets(sql: Sql, first: number, last: number): Promise<void> {
  await sql.unsafe(`
    do $$
    begin
      for n in ${first}..${last} loop
        execute format('create table public.t%s (
          id uuid primary key default gen_random_uuid(), created_at timestamptz not null, body text)', n);
        execute format('insert into public.t%s (created_at, body)
          select now(), ''young'' from generate_series(1, ${ROWS})', n);
        perform strata.manage(format('public.t%s', n), p_main_retention_days => 3650, p_delete_after_days => null);
      end loop;
    end $$`);
}

async function addDue(sql: Sql, count: number): Promise<void> {
  await sql.unsafe(`
    do $$
    begin
      for n in 1..${count} loop
        execute format('insert into public.t%s (created_at, body)
          select now() - interval ''100 days'', ''old'' from generate_series(1, ${DUE_ROWS})', n);
      end loop;
    end $$`);
}

async function nothingLeft(sql: Sql): Promise<void> {
  const [work] = await sql<{ left: string[] }[]>`select strata.datasets_with_work() as left`;
  if (work === undefined || work.left.length > 0) {
    throw new Error(`${work?.left.length} datasets have rows left`);
  }
}
