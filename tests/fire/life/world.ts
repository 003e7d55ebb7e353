import type { Sql } from "postgres";
import { type Driver, type TestChain, testChain } from "../../support/chain.ts";
import type { TestDatabase } from "../../support/database.ts";
import { moverPassword } from "../../support/stack.ts";
import type { Found } from "./journal.ts";
import { openProjects, type Projects } from "./projects.ts";
import { openProxy, type Proxy } from "./proxy.ts";
import { ROW_TEXT, SIZE_LIMIT_KB, TABLE } from "./writers.ts";

/** A way to a tier that rows take, and what stands in it: Postgres, or HTTP where a relay drives. */
export interface Way {
  to: TestDatabase;
  proxy: Proxy;
}

/** Three tiers with a table that lives on them, and a proxy in every link. */
export interface World extends AsyncDisposable {
  chain: TestChain;
  driver: Driver;
  ways: Way[];
  /** What stands in front of the databases where a relay drives. */
  projects?: Projects;
  /** The password in use on the links; faults change it. */
  password: string;
  /** Whether a tier was ever so full that rows had to leave it ahead of their policy. */
  drained: boolean;
}

/** Makes a world whose links go through proxies. */
export async function makeWorld(driver: Driver): Promise<World> {
  const chain = await testChain({ driver });
  const projects = driver === "relay" ? await openProjects(chain.databases) : undefined;
  const ways = projects?.ways ?? dialled(driver, chain.databases).map((to) => {
    const { hostname, port } = new URL(to.url);
    return { to, proxy: openProxy({ hostname, port: Number(port) }) };
  });
  const world: World = {
    chain,
    driver,
    ways,
    ...projects === undefined ? {} : { projects },
    password: await moverPassword(),
    drained: false,
    async [Symbol.asyncDispose]() {
      await projects?.[Symbol.asyncDispose]();
      await Promise.all(ways.map(({ proxy }) => proxy[Symbol.asyncDispose]()));
      await chain[Symbol.asyncDispose]();
    },
  };
  await chain.core.sql.unsafe(TABLE);
  const batchRows = driver === "relay" ? 40 : 8; // many small batches, but a call over HTTP takes its time
  for (const { sql } of chain.databases) {
    await sql`
      update strata.settings set value = case name when 'batch_rows' then ${batchRows} else 5 end
       where name in ('batch_rows', 'flow_batches')`;
  }
  await setUp(world);
  return world;
}

/** The tiers that a neighbour dials. */
function dialled(driver: Driver, databases: TestDatabase[]): TestDatabase[] {
  return driver === "push" ? databases.slice(1) : databases.slice(0, -1);
}

/** The links of a chain, hottest first. */
export function linksOf(
  { databases }: TestChain,
): { hotter: TestDatabase; colder: TestDatabase }[] {
  return databases.slice(1).map((colder, at) => {
    const hotter = databases[at];
    if (hotter === undefined) throw new Error("a chain without a beginning");
    return { hotter, colder };
  });
}

/** What setup does, as often as one likes. */
export async function setUp(world: World): Promise<void> {
  const { chain, driver } = world;
  const last = chain.databases.at(-1)?.tier;
  for (const { sql, tier } of chain.databases) {
    await sql`select strata.become(p_tier => ${tier}, p_is_last => ${tier === last})`;
  }
  for (const { hotter, colder } of linksOf(chain)) {
    if (driver === "push") await join(world, hotter, colder);
    else if (driver === "pull") await join(world, colder, hotter);
    else {
      await hotter.sql`select strata.join_tier(p_tier => ${colder.tier}, p_driver => 'relay')`;
      await colder.sql`select strata.join_tier(p_tier => ${hotter.tier}, p_driver => 'relay')`;
    }
  }
  await chain.core.sql`select strata.manage('public.notes', p_size_limit_kb => ${SIZE_LIMIT_KB})`;
}

async function join(world: World, driving: TestDatabase, driven: TestDatabase): Promise<void> {
  const { driver, password } = world;
  const port = world.ways.find(({ to }) => to === driven)?.proxy.port ?? 0;
  await driven.sql`select strata.join_tier(p_tier => ${driving.tier}, p_driver => ${driver})`;
  await driving.sql`
    select strata.join_tier(
      p_tier => ${driven.tier}, p_driver => ${driver}, p_host => '127.0.0.1',
      p_port => ${port}, p_database => ${driven.name}, p_password => ${password})`;
}

/** Every row on every tier. */
export async function lookEverywhere({ chain }: World): Promise<Map<number, Found[]>> {
  const found = new Map<number, Found[]>();
  for (const { sql, tier } of chain.databases) {
    if (!await hasTable(sql)) continue;
    const rows = await sql<{ id: number; text: string }[]>`
      select id::integer as id, ${sql.unsafe(ROW_TEXT)} as text from public.notes`;
    for (const { id, text } of rows) found.set(id, [...found.get(id) ?? [], { tier, text }]);
  }
  return found;
}

async function hasTable(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ there: boolean }[]>`
    select to_regclass('public.notes') is not null as there`;
  return row?.there ?? false;
}

/** What nobody should leave behind, in words; nothing when there is nothing. */
export async function leftBehind({ chain }: World): Promise<string[]> {
  const all = await Promise.all(chain.databases.map(async ({ sql, tier }) => {
    const rows = await sql<{ what: string }[]>`
      select 'an open move' as what from strata.moves where state <> 'closed'
      union all select 'a manifest' from strata.manifests
      union all select 'a lease' from strata.leases
      union all select 'an open arrival' from strata.arrivals where closed_at is null
      union all select 'a row set aside: ' || says from strata.set_aside
      union all select 'trouble: ' || trouble from strata.datasets where trouble is not null
      union all select 'a session of the mover: ' || left(query, 60) from pg_stat_activity
                 where usename like 'strata\\_mover\\_%' and datname = current_database()
      union all select 'an advisory lock' from pg_locks where locktype = 'advisory'
                   and database = (select oid from pg_database where datname = current_database())
      union all select 'a prepared transaction' from pg_prepared_xacts where database = current_database()
      union all select 'a temporary table' from pg_class where relpersistence = 't'`;
    return rows.map(({ what }) => `${tier}: ${what}`);
  }));
  return all.flat();
}
