import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { connect } from "../../cli/lib/session.ts";
import { openDrain } from "../../cli/tiers/space.ts";
import type { Driver } from "../support/chain.ts";
import { manage } from "../support/notes.ts";
import { type CronChain, cronChain } from "../support/own_stack.ts";
import { Core, EVERY_WAY, stopsCron, type Way } from "../support/read_only.ts";
import { rpcTo } from "../support/rpc.ts";
import { billedMb, makeLetters } from "../support/space.ts";
import { waitFor } from "../support/wait_for.ts";

const KEEP = { core_retention_days: null, main_retention_days: null, delete_after_days: null };

/** Everything that is so for one driver: a core that is critical, with rows that may leave. */
interface World {
  driver: Driver;
  chain: CronChain;
  core: Core;
  sql: Sql;
}

async function world(driver: Driver): Promise<World & AsyncDisposable> {
  const chain = await cronChain({ tiers: ["core", "main"], driver });
  const core = new Core(chain);
  const { sql } = chain.core;
  await makeLetters(sql, 2_000);
  await manage(sql, "public.letters", KEEP);
  // who comes to help is said by each test
  for (const tier of chain.databases) {
    await tier.sql`update strata.schedules set active = false where active`;
  }
  return {
    driver,
    chain,
    core,
    sql,
    async [Symbol.asyncDispose]() {
      await core.close();
      await chain[Symbol.asyncDispose]();
    },
  };
}

/** Makes the present size critical, or far from it. */
async function setCritical(sql: Sql, critical: boolean): Promise<void> {
  const mb = Math.floor(await billedMb(sql)) + (critical ? -1 : 200);
  await sql`select strata.set_tier('core', p_capacity_mb => ${mb + 200}, p_warn_mb => ${mb - 1},
                                   p_critical_mb => ${mb})`;
  await sql`select strata.take_sample()`;
}

const open = (sql: Sql) => sql`select strata.open_drain('critical')`;
const begin = async (sql: Sql) => {
  await open(sql);
  await sql`select strata.begin_round(d) from strata.drains as d where d.ended_at is null`;
};
const endMoving = async (sql: Sql) => {
  await begin(sql);
  await sql`select strata.end_moving(d) from strata.drains as d where d.ended_at is null`;
};
const end = async (sql: Sql, state: string) => {
  await open(sql);
  await sql`
    select strata.end_drain(d, ${state}, 'as this test says') from strata.drains as d
     where d.ended_at is null`;
};

/** The next drain may begin by itself. */
const dayLater = (sql: Sql) =>
  sql`update strata.drains set ended_at = ended_at - interval '1 day' where ended_at is not null`;

/** Every state of a drain, and how core gets there; it is critical by then. */
const STATES: Record<string, { isOpen: boolean; reach: (sql: Sql) => Promise<unknown> }> = {
  "none": { isOpen: false, reach: () => Promise.resolve() },
  "just opened": { isOpen: true, reach: open },
  "moving": { isOpen: true, reach: begin },
  "waiting for room": { isOpen: true, reach: endMoving },
  "giving back": {
    isOpen: true,
    async reach(sql) {
      await endMoving(sql);
      await waitFor("nobody to see the rows that left", async () => {
        const [row] = await sql<{ says: string }[]>`
          select strata.wait_for_room(d) as says from strata.drains as d where d.ended_at is null`;
        return row?.says === "again";
      });
    },
  },
  "done": {
    isOpen: false,
    async reach(sql) {
      await setCritical(sql, false);
      await end(sql, "done");
      await setCritical(sql, true);
    },
  },
  "exhausted": { isOpen: false, reach: (sql) => end(sql, "exhausted").then(() => dayLater(sql)) },
  "stopped": {
    isOpen: false,
    async reach(sql) {
      await open(sql);
      await sql`select strata.stop_drain()`;
      await dayLater(sql);
    },
  },
};

interface Rescuer {
  /** Whether it can come at all. */
  comes: (driver: Driver, way: Way, isOpen: boolean) => boolean;
  rescue: (world: World, isOpen: boolean) => Promise<unknown>;
}

/** What `drain` begins with. */
async function commandLine({ core }: World): Promise<void> {
  const sql = connect(core.url);
  await openDrain(sql);
  await sql.end();
}

const RESCUERS: Record<string, Rescuer> = {
  "core's own job": {
    // pg_cron lives under a setting of our role, and where it began while a drain was open
    comes: (_, way, isOpen) => !stopsCron(way) || isOpen,
    rescue: ({ core }, isOpen) =>
      core.inFreshSession((sql) =>
        isOpen ? sql`call strata.see_to_space('0 seconds')` : sql`call strata.watch()`
      ),
  },
  "main's heartbeat": {
    comes: (driver) => driver !== "push",
    rescue: ({ driver, chain: { main }, core }) =>
      driver === "pull" ? main.sql`call strata.watchdog()` : core.inFreshSession(async (sql) => {
        const [said] = await main.sql`select strata.heartbeat()::text as heartbeat`;
        await rpcTo(sql)("relay_hear", { p_from: "main", p_heartbeat: said?.["heartbeat"] });
      }),
  },
  "the command line": {
    comes: () => true,
    rescue: commandLine,
  },
};

/** Core as it was before any drain. */
async function anew({ core, sql }: World): Promise<void> {
  await core.turnBack();
  await sql`delete from strata.reclaims`;
  await sql`delete from strata.drains`;
  await setCritical(sql, true);
}

/**
 * What core's server says does not depend on who drives the link: with each driver a state meets another
 * third of the ways, and with STRATA_TEST_EVERYTHING=1 all of them, which takes minutes more.
 */
function isTaken(driver: Driver, cell: number): boolean {
  return Deno.env.get("STRATA_TEST_EVERYTHING") === "1" ||
    cell % 3 === ["push", "pull", "relay"].indexOf(driver);
}

for (const driver of ["push", "pull", "relay"] as const) {
  Deno.test(`a core that turns read-only is helped, whatever its drain is at: ${driver}`, async (t) => {
    await using here = await world(driver);
    for (const [rescuer, { comes, rescue }] of Object.entries(RESCUERS)) {
      for (const [at, [state, { isOpen, reach }]] of Object.entries(STATES).entries()) {
        const ways = EVERY_WAY.filter((way, nth) => {
          return comes(driver, way, isOpen) && isTaken(driver, at + nth);
        });
        for (const way of ways) {
          await t.step(`${state}; ${way} says read-only; ${rescuer} comes`, async () => {
            await anew(here);
            await reach(here.sql);
            await here.core.turnReadOnly(way);
            await rescue(here, isOpen);
            assert.deepEqual(await here.core.isWritable(), { cron: true, ours: true });
            const [drain] = await here
              .sql`select was_read_only from strata.drains where ended_at is null`;
            assert.notEqual(drain, undefined, "no drain is open");
          });
        }
      }
    }
    for (const [rescuer, { comes, rescue }] of Object.entries(RESCUERS)) {
      for (const way of EVERY_WAY.filter((way) => stopsCron(way) && comes(driver, way, false))) {
        await t.step(`pg_cron, which ${way} has stopped, lives again by ${rescuer}`, async () => {
          await anew(here);
          await here.core.turnReadOnly(way);
          await here.core.restart();
          await here.core.cronIsDead();
          await rescue(here, false);
          await here.core.cronLives();
        });
      }
    }
    await t.step(
      "pg_cron lives on where the server turns read-only while a drain is open",
      async () => {
        await anew(here);
        await open(here.sql);
        await here.core.turnReadOnly("the server");
        await here.core.restart();
        await here.core.cronLives();
      },
    );
  });
}

/** What each setting says: of the database, of our role in it, of our role everywhere. */
async function settings(sql: Sql) {
  const [row] = await sql`
    select strata.database_default() as database, strata.role_default(true) as here,
           strata.role_default(false) as role`;
  return { ...row };
}

const SAID: Partial<Record<Way, Record<string, boolean>>> = {
  "the database": { database: true },
  "the role": { role: true },
  "the role here": { here: true },
};
const NOTHING = { database: null, here: null, role: null };

Deno.test("how a core is left when its drain has ended", async (t) => {
  await using here = await world("push");
  const { core, sql } = here;
  const finish = (state: string) =>
    core.inFreshSession(async (fresh) => {
      await fresh`set default_transaction_read_only = off`;
      await end(fresh, state);
    });
  const look = () => core.inFreshSession((fresh) => fresh`call strata.see_to_space('0 seconds')`);
  for (const way of EVERY_WAY) {
    for (const isBefore of [true, false]) {
      const when = isBefore ? "before" : "while";
      await t.step(`${way} said read-only ${when} it was open; it is still critical`, async () => {
        await anew(here);
        if (!isBefore) await open(sql);
        await core.turnReadOnly(way);
        await commandLine(here);
        await finish("exhausted");
        assert.deepEqual(await settings(sql), { ...NOTHING, ...SAID[way] });
        assert.equal((await core.isWritable()).ours, false);
      });
      await t.step(`${way} said read-only ${when} it was open; it is small again`, async () => {
        await anew(here);
        if (!isBefore) await open(sql);
        await core.turnReadOnly(way);
        await commandLine(here);
        await core.inFreshSession(async (fresh) => {
          await fresh`set default_transaction_read_only = off`;
          await setCritical(fresh, false);
        });
        await finish("done");
        await look();
        await look();
        assert.deepEqual(await core.isWritable(), { cron: true, ours: true });
        const [drain] = await sql<{ says: string }[]>`select says from strata.drains`;
        assert.equal(drain?.says, "as this test says; new sessions may write again");
      });
    }
  }
  await t.step("nobody said read-only: nothing is left behind", async () => {
    await anew(here);
    await open(sql);
    assert.deepEqual(await settings(sql), { ...NOTHING, database: false });
    await end(sql, "exhausted");
    assert.deepEqual(await settings(sql), NOTHING);
    await setCritical(sql, false);
    await core.turnReadOnly("the database");
    await look();
    await here.chain.main.sql`call strata.watchdog()`;
    assert.equal(
      (await core.isWritable()).ours,
      false,
      "it is small, and read-only by somebody's wish",
    );
  });
});
