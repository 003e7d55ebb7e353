/** What a tier holds, asked before it is left out of the chain. */
import type { Db } from "./strata.ts";

/** How many rows the managed tables of a tier have, all together. */
export async function settledRows(sql: Db): Promise<bigint> {
  const tables = await sql<{ relation: string }[]>`
    select strata.relation(d) as relation from strata.datasets as d
     where to_regclass(strata.relation(d)) is not null`;
  let total = 0n;
  for (const { relation } of tables) {
    const [row] = await sql<{ rows: string }[]>`
      select count(*)::text as rows from ${sql.unsafe(relation)}`; // quoted by relation()
    total += BigInt(row?.rows ?? 0);
  }
  return total;
}

/** How many moves to a tier are open here. */
export async function openMovesTo(sql: Db, tier: string): Promise<number> {
  const [row] = await sql<{ moves: number }[]>`
    select count(*)::integer as moves from strata.moves
     where state <> 'closed' and to_tier = ${tier}`;
  return row?.moves ?? 0;
}
