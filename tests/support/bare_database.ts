import postgres, { type Sql } from "postgres";
import type { Tier } from "../../local/settings.ts";
import { databaseUrl } from "./template.ts";

/** A database with nothing in it, as its owner has it before there is any Strata. */
export interface BareDatabase extends AsyncDisposable {
  name: string;
  url: string;
  sql: Sql;
  /** Another such connection pool; it closes with the database. */
  connect(options?: Parameters<typeof postgres>[1]): Sql;
  /** The address for another login. */
  urlAs(user: string, password: string): string;
}

/** Makes a database on a tier's server, and runs its owner's SQL in it. */
export async function bareDatabase(owners = "", tier: Tier = "core"): Promise<BareDatabase> {
  const name = `strata_test_${crypto.randomUUID().replaceAll("-", "")}`;
  const admin = postgres(await databaseUrl(tier, "postgres"), { max: 1, onnotice: () => {} });
  await admin`create database ${admin(name)}`;
  const url = await databaseUrl(tier, name);
  const sessions: Sql[] = [];
  const connect: BareDatabase["connect"] = (options) => {
    const session = postgres(url, {
      connection: { lock_timeout: 20_000 },
      max: 2,
      onnotice: () => {},
      ...options,
    });
    sessions.push(session);
    return session;
  };
  const sql = connect();
  if (owners !== "") {
    await sql.unsafe(`${owners.replace(/;?\s*$/, "")}; select pg_stat_force_next_flush()`);
  }
  return {
    name,
    url,
    sql,
    connect,
    urlAs(user, password) {
      const other = new URL(url);
      [other.username, other.password] = [user, password];
      return other.href;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(sessions.map((session) => session.end({ timeout: 1 })));
      await admin`drop database ${admin(name)} with (force)`;
      await admin.end();
    },
  };
}
