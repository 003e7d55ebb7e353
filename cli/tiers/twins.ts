/** What a colder tier has of a dataset that the tier before it describes. */
import type { Db } from "../../supabase/functions/_strata/protocol/strata.ts";

/** A twin: not there yet, there and then gone, or there with what is wrong with it. */
export type Twin =
  | { state: "unknown" }
  | { state: "gone"; table: string }
  | { state: "there"; objections: Objection[] };

/** Why a twin cannot take the described rows, and what to do about it. */
export interface Objection {
  says: string;
  remedy: string;
}

/** How the twin of a described dataset is here. */
export async function twinOf(sql: Db, description: string): Promise<Twin> {
  const [known] = await sql<{ relation: string; is_there: boolean }[]>`
    select strata.relation(d) as relation, to_regclass(strata.relation(d)) is not null as is_there
      from strata.datasets as d where d.name = ${description}::text::jsonb ->> 'name'`;
  if (known === undefined) return { state: "unknown" };
  if (!known.is_there) return { state: "gone", table: known.relation };
  const rows = await sql<Objection[]>`
    select o.says, strata.remedy(o.code, d.name) as remedy
      from (select ${description}::text::jsonb as described) as i
      join strata.datasets as d on d.name = i.described ->> 'name'
     cross join lateral strata.twin_objections(
       p_description => i.described, p_accepted => d.accepted,
       p_relation => strata.relation(d)::regclass) as o`;
  return { state: "there", objections: rows.map((row) => ({ ...row })) };
}
