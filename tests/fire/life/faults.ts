import { connectLocally } from "../../../local/cluster.ts";
import type { Driver } from "../../support/chain.ts";
import { killServer, startServer } from "../../support/servers.ts";
import { DIALLING } from "../../support/moves.ts";
import { canMount, giveRoom, smallDisk } from "../../support/small_disk.ts";
import { openLogins, testCluster } from "../../support/stack.ts";
import type { TestDatabase } from "../../support/database.ts";
import type { Seeded } from "./seeded.ts";
import { setUp, type Way, type World } from "./world.ts";

/** Something that goes wrong, and what makes it good again. */
export interface Fault {
  name: string;
  /** Whose worlds it can happen to; everybody's without. */
  drivers?: readonly Driver[];
  strike(world: World, random: Seeded): Promise<() => Promise<void>>;
}

const nothing = () => Promise.resolve();

const anyDatabase = ({ chain }: World, random: Seeded): TestDatabase =>
  random.pick([chain.core, chain.main, chain.archive]);

function anyWay({ ways }: World, random: Seeded): Way {
  const [first, ...others] = ways;
  if (first === undefined) throw new Error("a world without links");
  return random.pick([first, ...others]);
}

/** As its superuser, whose session no fault ends. */
async function asSuperuser(
  { tier, name }: TestDatabase,
  work: (sql: ReturnType<typeof connectLocally>) => Promise<unknown>,
): Promise<void> {
  const sql = connectLocally(await testCluster(tier), name);
  try {
    await sql`set default_transaction_read_only = off`; // another fault may have set it
    await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const endSessions = (database: TestDatabase) =>
  asSuperuser(database, (sql) =>
    sql`
    select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()`);

async function kill(tiers: readonly TestDatabase[]): Promise<void> {
  await Promise.all(tiers.map(({ tier }) => killServer(tier)));
  await Promise.all(tiers.map(({ tier }) => giveRoom(tier)));
  await Promise.all(tiers.map(({ tier }) => startServer(tier)));
}

/** Everything that is done to a world. The seed chooses which of them, when, and to whom. */
const FAULTS: readonly Fault[] = [
  {
    name: "a session is ended",
    async strike(world, random) {
      await asSuperuser(anyDatabase(world, random), (sql) =>
        sql`
        select pg_terminate_backend(pid) from (
          select pid from pg_stat_activity where datname = current_database()
             and backend_type = 'client backend' and pid <> pg_backend_pid()
           order by hashint4(pid # ${random.between(0, 1_000_000)}::integer) limit 1) as one`);
      return nothing;
    },
  },
  {
    name: "every session of a tier is ended",
    async strike(world, random) {
      await endSessions(anyDatabase(world, random));
      return nothing;
    },
  },
  {
    name: "a server dies",
    async strike(world, random) {
      await kill([anyDatabase(world, random)]);
      return nothing;
    },
  },
  {
    name: "every server dies at once",
    async strike({ chain }) {
      await kill(chain.databases);
      return nothing;
    },
  },
  {
    name: "a link is cut",
    strike(world, random) {
      anyWay(world, random).proxy.cut();
      return Promise.resolve(nothing);
    },
  },
  {
    name: "a link is half closed",
    strike(world, random) {
      const { proxy } = anyWay(world, random);
      proxy.halfClose();
      return Promise.resolve(() => Promise.resolve(proxy.cut()));
    },
  },
  {
    name: "a link stands still",
    strike(world, random) {
      const { proxy } = anyWay(world, random);
      proxy.stall(true);
      return Promise.resolve(() => Promise.resolve(proxy.stall(false)));
    },
  },
  {
    name: "a link stands still and is cut",
    strike(world, random) {
      const { proxy } = anyWay(world, random);
      proxy.stall(true);
      return Promise.resolve(() => {
        proxy.cut();
        return Promise.resolve(proxy.stall(false));
      });
    },
  },
  {
    name: "a neighbour cannot be dialled",
    strike(world, random) {
      const { proxy } = anyWay(world, random);
      proxy.refuse(true);
      proxy.cut();
      return Promise.resolve(() => Promise.resolve(proxy.refuse(false)));
    },
  },
  {
    name: "a tier is read-only",
    async strike(world, random) {
      const database = anyDatabase(world, random);
      await asSuperuser(
        database,
        (sql) => sql`alter database ${sql(database.name)} set default_transaction_read_only = on`,
      );
      await endSessions(database);
      return async () => {
        await asSuperuser(
          database,
          (sql) => sql`alter database ${sql(database.name)} reset default_transaction_read_only`,
        );
        await endSessions(database);
      };
    },
  },
  {
    name: "the functions die",
    drivers: ["relay"],
    async strike({ projects }) {
      await projects?.restart();
      return nothing;
    },
  },
  {
    name: "the key of a tier is changed",
    drivers: ["relay"],
    async strike(world, random) {
      await world.projects?.restart(anyDatabase(world, random));
      return async () => await world.projects?.restart();
    },
  },
  {
    name: "the password of a tier is changed",
    drivers: DIALLING,
    async strike(world, random) {
      const { to: driven } = anyWay(world, random);
      const old = world.password;
      await setPassword(driven, crypto.randomUUID());
      await asSuperuser(driven, (sql) =>
        sql`
        select pg_terminate_backend(pid) from pg_stat_activity where usename like 'strata\\_mover\\_%'`);
      return () => setPassword(driven, old);
    },
  },
  {
    name: "a column is added",
    async strike({ chain: { core } }, random) {
      const column = `extra_${random.between(1, 4)}`;
      await core.sql`alter table public.notes add column if not exists ${core.sql(column)} text`
        .catch(() => {}); // a busy table: this time there is no new column
      return nothing;
    },
  },
  {
    name: "a clock is wrong",
    async strike(world, random) {
      const database = anyDatabase(world, random);
      await setClock(database, random.between(-20, 20));
      return () => setClock(database, 0);
    },
  },
  {
    name: "setup runs again",
    async strike(world) {
      await setUp(world).catch(() => {}); // a dataset at its move says so, and setup is run once more
      return nothing;
    },
  },
  {
    name: "a tier is critical",
    async strike(world, random) {
      const database = random.pick([world.chain.core, world.chain.main]);
      world.drained = true;
      await asSuperuser(database, async (sql) => {
        await sql`select strata.set_tier(${database.tier}, p_warn_mb => 5, p_critical_mb => 6)`;
        await sql.unsafe("call strata.watch()"); // its next tick would open the drain
      });
      return () =>
        asSuperuser(database, async (sql) => {
          await sql`select strata.set_tier(${database.tier}, p_warn_mb => 400, p_critical_mb => 450)`;
          await sql.unsafe("call strata.watch()");
          await sql`select strata.stop_drain()`;
        });
    },
  },
  {
    name: "a disk is full",
    async strike({ chain }, random) {
      const database = random.pick([chain.main, chain.archive]);
      if (!await canMount()) return nothing;
      const disk = await smallDisk(database.tier, 1);
      await asSuperuser(database, (sql) =>
        sql`
        alter table public.notes set tablespace ${sql(disk.tablespace)}`)
        .catch(() => {}); // it holds more already: a full disk of another kind
      return async () => {
        await asSuperuser(database, (sql) =>
          sql`
          alter table if exists public.notes set tablespace pg_default`);
        await disk[Symbol.asyncDispose]();
      };
    },
  },
];

/** What can happen to a world. */
export function anyFault({ driver }: World, random: Seeded): Fault {
  const [first, ...others] = FAULTS.filter(({ drivers }) => drivers?.includes(driver) ?? true);
  if (first === undefined) throw new Error("nothing can go wrong");
  return random.pick([first, ...others]);
}

async function setPassword(database: TestDatabase, password: string): Promise<void> {
  await asSuperuser(database, (sql) => openLogins(sql, database.tier, password, 20));
}

async function setClock(database: TestDatabase, hours: number): Promise<void> {
  const time = hours === 0 ? "pg_catalog.now()" : `pg_catalog.now() + interval '${hours} hours'`;
  await asSuperuser(
    database,
    (sql) =>
      sql.unsafe(`create or replace function strata.clock() returns timestamptz
      language sql stable set search_path = '' as $$ select ${time} $$`),
  );
}
