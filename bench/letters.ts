import type { Sql } from "postgres";
import { connectLocally } from "../local/cluster.ts";
import { testChain } from "../tests/support/chain.ts";
import type { Driver, TestChain } from "../tests/support/chain.ts";
import { testCluster } from "../tests/support/stack.ts";

/** So many rows go into one insert: hosted Postgres ends a statement after two minutes. */
const ROWS_AT_ONCE = 250_000;

/** What fills a table. */
export interface Letters {
  rows: number;
  /** Characters of noise in each; 400 make a row of about 470 bytes. */
  characters: number;
  daysOld: number;
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
export async function writeLetters(sql: Sql, letters: Letters): Promise<void> {
  for (let first = 0; first < letters.rows; first += ROWS_AT_ONCE) {
    const rows = Math.min(ROWS_AT_ONCE, letters.rows - first);
    await sql`
      insert into public.letters (id, created_at, body)
      select gen_random_uuid(),
             now() - make_interval(days => ${letters.daysOld}) + n * interval '1 ms',
             (select string_agg(md5(n::text || part), '')
                from generate_series(1, ceil(${letters.characters} / 32.0)::integer) as part)
        from generate_series(${first + 1}::integer, ${first + rows}::integer) as n`;
  }
  await sql.unsafe("vacuum (analyze) public.letters");
  await checkpoint();
}

/** Writing down what filling the table left behind is not part of moving it. */
async function checkpoint(): Promise<void> {
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
