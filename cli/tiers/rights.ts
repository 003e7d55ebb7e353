/** What a login may do with a database, and whether a link works: asked before anything relies on it. */
import type { Db } from "../../supabase/functions/_strata/protocol/strata.ts";

/** What a login may do with a database. */
export interface Rights {
  login: string;
  database: string;
  /** Who owns what Strata has there; null: Strata is not set up there. */
  owner: string | null;
  /** Whether the login may do what that owner may. */
  owns: boolean;
  /** Whether it may set Strata up: make a schema, and the roles of the links. */
  creates: boolean;
}

/** Asks a database what this login may do with it. */
export async function rightsOf(sql: Db): Promise<Rights> {
  const [row] = await sql<Rights[]>`
    select r.rolname as login, current_database() as database,
           pg_catalog.pg_get_userbyid(n.nspowner) as owner,
           coalesce(pg_catalog.pg_has_role(n.nspowner, 'usage'), false) as owns,
           has_database_privilege(current_database(), 'create')
             and (r.rolsuper or r.rolcreaterole) as creates
      from pg_catalog.pg_roles as r
      left join pg_catalog.pg_namespace as n on n.nspname = 'strata'
     where r.rolname = current_user`;
  if (row === undefined) throw new Error("a database does not know who asks");
  return row;
}

/** Why a link cannot be dialled from a tier and what to do about it; undefined when it can. */
export async function linkTrouble(
  sql: Db,
  neighbour: string,
): Promise<{ says: string; remedy: string | null } | undefined> {
  const [row] = await sql<{ says: string | null; remedy: string | null }[]>`
    select t.says, strata.remedy(substring(t.says from '\\[([0-9A-Z]{5})\\]$')) as remedy
      from strata.try_link(p_neighbour => ${neighbour}) as t (says)`;
  return row?.says == null ? undefined : { says: row.says, remedy: row.remedy };
}
