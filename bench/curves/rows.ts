import type { Sql } from "postgres";
import { lettersChain, ROW_CHARACTERS, writeLetters } from "../letters.ts";
import type { Curve, Point } from "./curves.ts";
import { looks, milliseconds } from "./times.ts";

const MOVED_ROWS = 5000;
const ROWS_AT_ONCE = 2_000_000;

/** Passes over tables of different sizes out of which as many rows are due. */
export async function alongRows(
  sizes: readonly number[],
  say: (line: string) => void,
): Promise<Curve> {
  const points: Point[] = [];
  for (const rows of sizes) {
    say(`a table of ${rows.toLocaleString("en")} rows`);
    await using chain = await lettersChain("push");
    const { sql } = chain.core;
    await fill(sql, rows);
    say("passes");
    const pass = () => sql.unsafe("call strata.move_due()");
    const due = { rows: MOVED_ROWS, characters: ROW_CHARACTERS.narrow, daysOld: 100 };
    await pass();
    points.push({
      at: rows,
      "a pass with 5,000 rows": await milliseconds(pass, () => writeLetters(sql, due)),
      "a pass with nothing due": await milliseconds(pass),
      ...await looks(sql),
    });
  }
  return {
    title: "What a pass and a look cost, by the size of the table",
    x: "rows in the table (60 bytes each)",
    y: "milliseconds",
    points,
  };
}

/** Young rows, written before the indexes: millions of random keys take long one by one. */
async function fill(sql: Sql, rows: number): Promise<void> {
  await sql.unsafe(`
    alter table public.letters drop constraint letters_pkey;
    drop index public.letters_created_at;`);
  for (let first = 0; first < rows; first += ROWS_AT_ONCE) {
    await sql`
      insert into public.letters (id, created_at, body)
      select gen_random_uuid(), now() - interval '1 day' + n * interval '1 ms', left(md5(n::text), 7)
        from generate_series(${first + 1}::integer, ${
      Math.min(first + ROWS_AT_ONCE, rows)
    }::integer) as n`;
  }
  await sql.unsafe("alter table public.letters add primary key (id)");
  await sql.unsafe("create index letters_created_at on public.letters (created_at)");
  await sql.unsafe("vacuum (analyze) public.letters");
}
