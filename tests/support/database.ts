import postgres, { type Sql } from "postgres";
import { type Tier, TIERS } from "../../local/settings.ts";
import { moverPassword } from "./stack.ts";
import { databaseUrl, template } from "./template.ts";

/** Who starts the moves of a link. */
export type Driver = "push" | "pull";

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

/** What a chain of test databases is made of. */
export interface ChainOptions {
  /** From hot to cold; neighbours are linked. */
  tiers?: readonly Tier[];
  driver?: Driver;
}

/** One database per tier, each on its own server, linked in a chain. */
export interface TestChain extends AsyncDisposable {
  databases: TestDatabase[];
  core: TestDatabase;
  main: TestDatabase;
  archive: TestDatabase;
  /** Stops Strata's clock on every tier. */
  freezeClock(at: string): Promise<void>;
}

/** Makes a database on a tier's server. It belongs to no chain yet. */
export async function testDatabase(tier: Tier = "core"): Promise<TestDatabase> {
  const name = `strata_test_${crypto.randomUUID().replaceAll("-", "")}`;
  const admin = postgres(await databaseUrl(tier, "postgres"), { max: 1 });
  await admin`create database ${admin(name)} template ${admin(await template())}`;

  const url = await databaseUrl(tier, name);
  const sessions: Sql[] = [];
  const connect: TestDatabase["connect"] = (options) => {
    const session = postgres(url, {
      connection: { search_path: "pg_catalog", lock_timeout: 2_000 },
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

/** Makes one database per tier, tells each which tier it is, and links neighbours. */
export async function testChain(
  { tiers = TIERS, driver = "push" }: ChainOptions = {},
): Promise<TestChain> {
  const databases = await Promise.all(tiers.map((tier) => testDatabase(tier)));
  const dispose = () => Promise.all(databases.map((one) => one[Symbol.asyncDispose]()));
  try {
    for (const { sql, tier } of databases) {
      await sql`select strata.become(p_tier => ${tier}, p_is_last => ${tier === tiers.at(-1)})`;
    }
    for (const [at, colder] of databases.slice(1).entries()) {
      const hotter = databases[at];
      if (hotter !== undefined) await link(hotter, colder, driver);
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  const one = (tier: Tier) => {
    const database = databases.find((each) => each.tier === tier);
    if (database === undefined) throw new Error(`this chain has no ${tier} tier`);
    return database;
  };
  return {
    databases,
    get core() {
      return one("core");
    },
    get main() {
      return one("main");
    },
    get archive() {
      return one("archive");
    },
    async freezeClock(at) {
      await Promise.all(databases.map((each) => each.freezeClock(at)));
    },
    async [Symbol.asyncDispose]() {
      await dispose();
    },
  };
}

/** Tells both sides of a link about each other; the side that drives also learns the way. */
async function link(hotter: TestDatabase, colder: TestDatabase, driver: Driver): Promise<void> {
  const [driving, driven] = driver === "push" ? [hotter, colder] : [colder, hotter];
  const { hostname, port } = new URL(driven.url);
  await driven.sql`select strata.join_tier(p_tier => ${driving.tier}, p_driver => ${driver})`;
  await driving.sql`
    select strata.join_tier(
      p_tier => ${driven.tier}, p_driver => ${driver}, p_host => ${hostname},
      p_port => ${Number(port)}, p_database => ${driven.name},
      p_password => ${await moverPassword()})`;
}
