import postgres, { type Sql } from "postgres";
import { connectLocally } from "../../local/cluster.ts";
import type { Tier } from "../../local/settings.ts";
import { testCluster } from "./stack.ts";
import { databaseUrl, template } from "./template.ts";

/** A migrated database of one's own, dropped at the end of the enclosing `await using` block. */
export interface TestDatabase extends AsyncDisposable {
  tier: Tier;
  name: string;
  url: string;
  /** A connection as `postgres` on which an unqualified name fails, and so does a hang. */
  sql: Sql;
  /** Another such connection pool, for a second session; it closes with the database. */
  connect(options?: Parameters<typeof postgres>[1]): Sql;
  /** Stops Strata's clock, in this database only. */
  freezeClock(at: string): Promise<void>;
}

/** Makes a database on a tier's server. It belongs to no chain yet. */
export async function testDatabase(tier: Tier = "core"): Promise<TestDatabase> {
  return await copyDatabase(tier, await template());
}

/** Makes a database on a tier's server, as a copy of another one there. */
export async function copyDatabase(tier: Tier, template: string): Promise<TestDatabase> {
  const name = `strata_test_${crypto.randomUUID().replaceAll("-", "")}`;
  const admin = connectLocally(await testCluster(tier)); // quicker than to show a password
  await admin`
    create database ${admin(name)} owner postgres template ${admin(template)} strategy file_copy`;

  const url = await databaseUrl(tier, name);
  const sessions: Sql[] = [];
  const connect: TestDatabase["connect"] = (options) => {
    const session = postgres(url, {
      // a test thinks for as long as the machine takes, whatever the world it makes allows a session
      connection: { search_path: "pg_catalog", lock_timeout: 20_000, idle_session_timeout: 0 },
      max: 4,
      onnotice: () => {},
      ...options,
    });
    sessions.push(session);
    return session;
  };
  const sql = connect();
  return {
    tier,
    name,
    url,
    sql,
    connect,
    async freezeClock(at) {
      await sql.unsafe(`create or replace function strata.clock() returns timestamptz
        language sql stable set search_path = '' as $$ select '${at}'::timestamptz $$`);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(sessions.map((session) => session.end({ timeout: 1 })));
      await admin`drop database ${admin(name)} with (force)`;
      await admin.end();
    },
  };
}
