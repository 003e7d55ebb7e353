import type { Sql } from "postgres";
import { connectLocally } from "../local/cluster.ts";
import { testChain } from "../tests/support/chain.ts";
import type { Driver, TestChain } from "../tests/support/chain.ts";
import { testCluster } from "../tests/support/stack.ts";

/** So many rows go into one insert: hosted Postgres ends a statement after two minutes. */
const ROWS_AT_ONCE = 250_000;
const CHARACTERS_AT_ONCE = 200_000_000;

/** Characters of noise in a row of about 60 bytes, of 470 bytes, and of 20 KB, its header included. */
export const ROW_CHARACTERS = { narrow: 7, letter: 416, wide: 20_000 };

/** How wide the rows of a measurement are. */
export type RowWidth = keyof typeof ROW_CHARACTERS;

/** What fills a table. */
export interface Letters {
  rows: number;
  /** Characters of noise in each; 416 make a row of about 470 bytes. */
  characters: number;
  daysOld: number;
  /** SQL of a row's key by its number `n`, where rows have to be found again. */
  id?: string;
  /** The first row's number. */
  first?: number;
}

/** Two tiers on servers of their own and one managed table, `public.letters`, on core. */
export async function lettersChain(driver: Driver): Promise<TestChain> {
  const chain = await testChain({ tiers: ["core", "main"], driver });
  await createLetters(chain.core.sql);
  await chain.core.sql`
    select strata.manage('public.letters', p_main_retention_days => 3650, p_delete_after_days => null)`;
  return chain;
}

/** The table everything is measured with: a uuid key and one age index. */
export async function createLetters(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create table public.letters (
      id uuid primary key,
      created_at timestamptz not null,
      body text not null
    );
    create index letters_created_at on public.letters (created_at);
    grant select, insert, update, delete on public.letters to service_role;`);
}

/** Adds rows, each a millisecond younger than the one before, and leaves them as settled as old data is. */
export async function writeLetters(
  sql: Sql,
  { rows, characters, daysOld, id = "gen_random_uuid()", first = 1 }: Letters,
): Promise<void> {
  const atOnce = Math.min(ROWS_AT_ONCE, Math.ceil(CHARACTERS_AT_ONCE / characters));
  for (let next = first; next < first + rows; next += atOnce) {
    const last = Math.min(next + atOnce, first + rows) - 1;
    await sql.unsafe(
      `insert into public.letters (id, created_at, body)
       select ${id}, now() - make_interval(days => $1::integer) + n * interval '1 ms',
              (select left(string_agg(md5(n::text || part), ''), $2::integer)
                 from generate_series(1, ceil($2::integer / 32.0)::integer) as part)
         from generate_series($3::integer, $4::integer) as n`,
      [daysOld, characters, next, last],
    );
  }
  await sql.unsafe("vacuum (analyze) public.letters");
  await checkpoint();
}

/** Writing down what filling the table left behind is not part of moving it. */
export async function checkpoint(): Promise<void> {
  for (const tier of ["core", "main"] as const) {
    const server = connectLocally(await testCluster(tier));
    await server`checkpoint`;
    await server.end();
  }
}

/** How many rows a tier holds. */
export async function countLetters(sql: Sql): Promise<number> {
  const [row] = await sql<{ n: number }[]>`select count(*)::integer as n from public.letters`;
  return row?.n ?? 0;
}

/** Runs something and returns the seconds it took. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
