/** Databases and roles with settings under which nothing may change. */
import postgres from "postgres";
import { connectLocally } from "../../local/cluster.ts";
import type { TestChain } from "./chain.ts";
import { testCluster } from "./stack.ts";

/** Settings by name, each an SQL value. */
export type Settings = Record<string, string>;

/** Gives every database of a chain settings, and its roles in it; all sessions begin anew under them. */
export async function useSettings(
  { databases }: TestChain,
  database: Settings,
  role: Settings = {},
): Promise<void> {
  for (const { name, tier } of databases) {
    const admin = connectLocally(await testCluster(tier));
    const at = (who: string, settings: Settings) =>
      Object.entries(settings).map(([setting, value]) => `alter ${who} set ${setting} to ${value}`);
    const roles = await admin<{ rolname: string }[]>`
      select rolname from pg_roles
       where rolname in ('postgres', 'authenticator', 'service_role') or pg_has_role(rolname, 'strata_mover', 'member')
         and rolcanlogin and not rolsuper`;
    const statements = [
      ...at(`database "${name}"`, database),
      ...roles.flatMap(({ rolname }) => at(`role "${rolname}" in database "${name}"`, role)),
    ];
    for (const statement of statements) await admin.unsafe(statement);
    await admin`
      select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${name} and pid <> pg_backend_pid()`;
    await admin.end();
  }
  for (const { sql } of databases) await knowsThatItWasEnded(sql);
}

async function knowsThatItWasEnded(sql: postgres.Sql): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    try {
      await Promise.all(Array.from({ length: 8 }, () => sql`select 1`));
      return;
    } catch (error) {
      if (!(error instanceof postgres.PostgresError) && !(error instanceof Error)) throw error;
    }
  }
  throw new Error("the database stays away");
}
