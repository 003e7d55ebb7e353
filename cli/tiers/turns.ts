/** Who is at work on a tier. */
import type { Db } from "../../supabase/functions/_strata/protocol/strata.ts";

/** The datasets that any session is moving at this moment over a link that this tier drives. */
export async function atWork(sql: Db): Promise<string[]> {
  const rows = await sql<{ dataset: string }[]>`select w as dataset from strata.at_work() as w`;
  return rows.map(({ dataset }) => dataset);
}
