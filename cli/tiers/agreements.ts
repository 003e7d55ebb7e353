/** What two neighbours believe of each other, for setup: the calls of chapter agreements. */
import type { Db } from "../../supabase/functions/_strata/protocol/strata.ts";

/** `describe()` for a colder tier that is to accept it; the hotter one remembers what was told. */
export async function offer(sql: Db, dataset: string): Promise<string> {
  const [row] = await sql<{ description: string }[]>`
    select strata.offer(p_dataset => ${dataset})::text as description`;
  return row?.description ?? "{}";
}

/** Lets two neighbours compare what either believes of the other: clocks, and policies told and accepted. */
export async function exchangeAgreements(
  hotter: { sql: Db; tier: string },
  colder: { sql: Db; tier: string },
): Promise<void> {
  const [said] = await hotter.sql<{ text: string }[]>`
    select strata.agreed(p_neighbour => ${colder.tier})::text as text`;
  const [answer] = await colder.sql<{ text: string }[]>`
    select strata.exchange_agreements(
      p_from => ${hotter.tier}, p_said => ${said?.text ?? "{}"}::text::jsonb)::text as text`;
  await hotter.sql`
    select strata.exchange_agreements(
      p_from => ${colder.tier}, p_said => ${answer?.text ?? "{}"}::text::jsonb)`;
}
