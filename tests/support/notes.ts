import type { Sql } from "postgres";
import type { Chain, Link } from "./chain.ts";

/** The policy of a dataset, as `strata.manage()` names it; what is left out is not named there. */
export interface Policy {
  age_column?: string;
  core_retention_days?: number | null;
  main_retention_days?: number | null;
  delete_after_days?: number | null;
  due_when?: string | null;
  size_limit_kb?: number | null;
  delete_triggers?: string;
  dataset?: string;
}

/** Adopts a table and returns the dataset's name. */
export async function manage(sql: Sql, relation: string, policy: Policy = {}): Promise<string> {
  const given = Object.entries(policy).filter(([, value]) => value !== undefined);
  const names = given.map(([name], at) => `, p_${name} => $${at + 2}`).join("");
  const [row] = await sql.unsafe<{ name: string }[]>(
    `select strata.manage($1::regclass${names}) as name`,
    [relation, ...given.map(([, value]) => value ?? null)],
  );
  return row?.name ?? "";
}

/** Makes table `public.notes` (id, created_at, body) and adopts it. */
export async function manageNotes(sql: Sql, policy: Policy = {}): Promise<void> {
  await createNotes(sql);
  await manage(sql, "public.notes", policy);
}

/** Makes table `public.notes`, which nobody manages yet. */
export async function createNotes(sql: Sql): Promise<void> {
  await sql`create table public.notes (id integer primary key, created_at timestamptz, body text)`;
}

/** Writes a note of a given age; its body is of no interest unless it is given. */
export async function addNote(sql: Sql, id: number, created_at: string | null, body = "") {
  await sql`
    insert into public.notes (id, created_at, body)
    values (${id}, ${created_at}::text::timestamptz, ${body})`;
}

/** The ids of a table's rows on one tier; none where the table does not exist. */
export async function idsOn(sql: Sql, table = "public.notes"): Promise<number[]> {
  const [there] = await sql`select to_regclass(${table}) is not null as there`;
  if (there?.there !== true) return [];
  const rows = await sql.unsafe<{ id: number }[]>(`select id from ${table} order by id`);
  return rows.map(({ id }) => id);
}

/** Runs the mover once on every tier, hot to cold, as cron would. */
export async function settle(chain: Chain<Link>): Promise<void> {
  for (const { sql } of chain.databases) await sql`call strata.move_due()`;
}

/** Why a dataset stands still on a tier: SQLSTATE, sentence, remedy; undefined when it does not. */
export async function troubleOf(sql: Sql, dataset = "notes") {
  const [trouble] = await sql<{ code: string; says: string; remedy: string }[]>`
    select trouble_sqlstate as code, trouble as says, remedy
      from strata.datasets where name = ${dataset} and trouble is not null`;
  return trouble;
}
