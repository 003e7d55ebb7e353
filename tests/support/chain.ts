import type { Sql } from "postgres";
import { type Tier, TIERS } from "../../local/settings.ts";
import { type TestDatabase, testDatabase } from "./database.ts";
import { moverPassword } from "./stack.ts";

/** Who drives a link: the hotter side pushes, the colder one pulls, or an edge function relays. */
export type Driver = "push" | "pull" | "relay";

/** What a chain is made of. */
export interface ChainOptions {
  /** From hot to cold; neighbours are linked. */
  tiers?: readonly Tier[];
  driver?: Driver;
}

/** What a database must offer to stand in a chain. */
export interface Link {
  tier: Tier;
  url: string;
  sql: Sql;
}

/** One database per tier, each on its own server, linked in a chain. */
export interface Chain<Database extends Link> extends AsyncDisposable {
  databases: Database[];
  core: Database;
  main: Database;
  archive: Database;
}

/** A chain whose clock can be stopped on every tier. */
export interface TestChain extends Chain<TestDatabase> {
  freezeClock(at: string): Promise<void>;
}

/** Makes one database per tier, tells each which tier it is, and links neighbours. */
export async function testChain(
  { tiers = TIERS, driver = "push" }: ChainOptions = {},
): Promise<TestChain> {
  const databases = await Promise.all(tiers.map((tier) => testDatabase(tier)));
  const dispose = async () => {
    await Promise.all(databases.map((one) => one[Symbol.asyncDispose]()));
  };
  const chain = await formChain(databases, driver, await moverPassword(), dispose);
  return Object.assign(chain, {
    async freezeClock(at: string) {
      await Promise.all(databases.map(async (one) => {
        await one.freezeClock(at);
        // Passwords were made by the real clock, from which this one may be years away.
        await one.sql`update strata.keys set rotated_at = strata.clock() where name like 'link %'`;
      }));
    },
  });
}

/** Makes a chain of databases that exist, given from hot to cold; `dispose` ends it. */
export async function formChain<Database extends Link>(
  databases: Database[],
  driver: Driver,
  password: string,
  dispose: () => Promise<void>,
): Promise<Chain<Database>> {
  try {
    const last = databases.at(-1)?.tier;
    for (const { sql, tier } of databases) {
      await sql`select strata.become(p_tier => ${tier}, p_is_last => ${tier === last})`;
    }
    for (const [at, colder] of databases.slice(1).entries()) {
      const hotter = databases[at];
      if (hotter !== undefined) await join(hotter, colder, driver, password);
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  const find = (tier: Tier) => {
    const database = databases.find((one) => one.tier === tier);
    if (database === undefined) throw new Error(`this chain has no ${tier} tier`);
    return database;
  };
  return {
    databases,
    get core() {
      return find("core");
    },
    get main() {
      return find("main");
    },
    get archive() {
      return find("archive");
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** Tells both sides of a link about each other; the side that drives also learns the way. */
async function join(hotter: Link, colder: Link, driver: Driver, password: string): Promise<void> {
  if (driver === "relay") {
    await hotter.sql`select strata.join_tier(p_tier => ${colder.tier}, p_driver => 'relay')`;
    await colder.sql`select strata.join_tier(p_tier => ${hotter.tier}, p_driver => 'relay')`;
    return;
  }
  const [driving, driven] = driver === "push" ? [hotter, colder] : [colder, hotter];
  const { hostname, port, pathname } = new URL(driven.url);
  await driven.sql`select strata.join_tier(p_tier => ${driving.tier}, p_driver => ${driver})`;
  await driving.sql`
    select strata.join_tier(
      p_tier => ${driven.tier}, p_driver => ${driver}, p_host => ${hostname},
      p_port => ${Number(port)}, p_database => ${pathname.slice(1)},
      p_user => ${`strata_mover_${driving.tier}`}, p_password => ${password})`;
}
