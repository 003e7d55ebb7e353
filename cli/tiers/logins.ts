/** The logins and passwords of links. A clear password is no parameter: a server may log those. */
import type { Sql } from "postgres";
import type { Db } from "../../supabase/functions/_strata/protocol/strata.ts";

/** Makes what a neighbour needs to dial this tier; passwords stay as they are. */
export async function makeLogins(sql: Db, neighbour: string, limit: number): Promise<void> {
  await sql`select strata.make_logins(
    p_neighbour => ${neighbour}, p_connection_limit => ${limit})`;
}

/** Lets a neighbour in, with a password of which only the verifier is known here. */
export async function setMoverLogin(
  sql: Db,
  neighbour: string,
  verifier: string,
  limit: number,
): Promise<void> {
  await sql`select strata.set_mover_login(
    p_neighbour => ${neighbour}, p_verifier => ${verifier}, p_connection_limit => ${limit})`;
}

/** Why a link cannot be dialled; null when it can. */
export async function tryLink(sql: Db, neighbour: string): Promise<string | null> {
  const [row] = await sql<{ says: string | null }[]>`
    select strata.try_link(p_neighbour => ${neighbour}) as says`;
  return row?.says ?? null;
}

/** Gives a link this tier dials a password, made there unless one is given; returns its verifier. */
export async function renewPassword(
  sql: Sql,
  neighbour: string,
  password: string | undefined,
): Promise<string> {
  return await sql.begin(async (sql) => {
    await sql`create temporary table strata_password (password text) on commit drop`;
    if (password !== undefined) {
      const sheet = await sql`copy pg_temp.strata_password from stdin`.writable();
      await new Promise<void>((resolve, reject) => {
        sheet.on("error", reject).on("finish", resolve).end(`${escaped(password)}\n`);
      });
    }
    const [row] = await sql<{ verifier: string }[]>`
      select strata.renew_password(p_neighbour => ${neighbour},
        p_password => (select password from pg_temp.strata_password)) as verifier`;
    return row?.verifier ?? "";
  });
}

/** A text as a line of COPY. */
const escaped = (text: string) =>
  text.replace(/[\\\t\n\r]/g, (c) => ({ "\\": "\\\\", "\t": "\\t", "\n": "\\n" })[c] ?? "\\r");

/** Ends the sessions of a neighbour's logins, but for one login; null where the owner may not. */
export async function endSessions(
  sql: Db,
  neighbour: string,
  but: string | null,
): Promise<number | null> {
  const [row] = await sql<{ ended: number | null }[]>`
    select strata.end_sessions(p_neighbour => ${neighbour}, p_but => ${but}) as ended`;
  return row?.ended ?? null;
}

/** The login with which this tier dials a neighbour, as that tier knows it. */
export async function loginOf(sql: Db, neighbour: string): Promise<string | null> {
  const [row] = await sql<{ login: string | null }[]>`
    select split_part(strata.link_option(${neighbour}, 'user'), '.', 1) as login`;
  return row?.login ?? null;
}

/** Rotates the password of one link; says why it could not, or null. Two statements, two commits. */
export async function rotateLink(sql: Db, neighbour: string): Promise<string | null> {
  for (const isOver of [false, true]) {
    const [row] = await sql<{ why: string | null }[]>`
      select strata.try_rotation(p_neighbour => ${neighbour}, p_is_over => ${isOver}) as why`;
    if (row?.why != null) return row.why;
  }
  return null;
}

/** Notes a key in use by its name; a mark tells another one. */
export async function seeKey(sql: Sql, name: string, mark: string | null): Promise<void> {
  await sql`select strata.see_key(p_name => ${name}, p_mark => ${mark})`;
}
