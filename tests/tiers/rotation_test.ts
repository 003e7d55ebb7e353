import { assert, assertEquals, assertFalse } from "@std/assert";
import postgres, { type Sql } from "postgres";
import { type CronChain, cronChain } from "../support/own_stack.ts";
import { refusal } from "../support/refusal.ts";
import { passwordOfLinks } from "../support/stack.ts";
import { waitFor } from "../support/wait_for.ts";

interface Login {
  name: string;
  password: string;
}

/** With which login the driving tier dials, and whether it gets in. */
async function used(main: Sql): Promise<Login> {
  const [row] = await main<(Login & { trouble: string | null })[]>`
    select strata.link_option('core', 'user') as name, strata.try_link('core') as trouble,
           strata.link_option('core', 'password') as password`;
  if (row === undefined) throw new Error("the link has no login");
  assertEquals(row.trouble, null);
  return { name: row.name, password: row.password };
}

/** Whether a login opens core with a password. */
async function opens({ core }: CronChain, { name, password }: Login): Promise<boolean> {
  const sql = postgres(core.url, { username: name, password, max: 1 });
  try {
    await sql`select`;
    return true;
  } catch (error) {
    if (error instanceof postgres.PostgresError && error.code === "28P01") return false;
    throw error;
  } finally {
    await sql.end();
  }
}

/** Runs statements in a session of their own, which is then killed. */
async function killedAfter({ main }: CronChain, ...statements: string[]): Promise<void> {
  const sql = postgres(main.url, { max: 1, onnotice: () => {} });
  const [session] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
  for (const statement of statements) await sql.unsafe(statement);
  await main.sql`select pg_terminate_backend(${session?.pid ?? 0}, 10000)`;
  await sql.end({ timeout: 1 });
}

const age = (sql: Sql, days: number) =>
  sql`select strata.note_key('link core', now() - make_interval(days => ${days}))`;

interface World {
  chain: CronChain;
  core: Sql;
  main: Sql;
  /** The login and password the link began with, and those it has now. */
  first: Login;
  now: Login;
}

const STEPS: Record<string, (world: World) => Promise<void>> = {
  "killed before it is committed here, the old login works": async (world) => {
    const { chain, main, first } = world;
    await killedAfter(chain, "begin", "select strata.rotate_link('core')");
    assertEquals(await used(main), first);
  },

  "killed after the commit, the new login works, and the old one still does": async (world) => {
    const { chain, main, first } = world;
    await killedAfter(chain, "select strata.rotate_link('core')");
    world.now = await used(main);
    assertEquals(world.now.name, "strata_mover_main_2");
    assert(await opens(chain, first));
  },

  "a rotation that nobody came back from is an alert on the tier that is dialled": async (
    world,
  ) => {
    const { chain, core, main, first } = world;
    await core`update strata.rotations set began_at = began_at - interval '2 hours'`;
    await core`select strata.check_alerts()`;
    const alerts = () =>
      core`
      select subject from strata.alerts where kind = 'login_changed' and cleared_at is null`;
    assertEquals([...await alerts()], [{ subject: "main" }]);
    await main`call strata.rotate_links(true)`; // what its remedy, setup --rotate, comes to
    await core`select strata.check_alerts()`;
    assertEquals([...await alerts()], []);
    const third = await used(main);
    assertEquals(third.name, "strata_mover_main");
    assertEquals([await opens(chain, first), await opens(chain, world.now)], [false, false]);
    world.now = third;
  },

  "a young password is left alone, an old one rotated, and its age noted": async (world) => {
    const { chain, main } = world;
    await main`select strata.note_link_key('core')`;
    await age(main, 89);
    await main`call strata.rotate_links()`;
    assertEquals(await used(main), world.now);
    await age(main, 91);
    await main`call strata.rotate_links()`;
    const [{ name, password }, [key]] = [
      await used(main),
      await main`
      select rotated_at > now() - interval '1 minute' as is_new, max_age_days from strata.keys`,
    ];
    assertEquals(name, "strata_mover_main_2");
    assertFalse(await opens(chain, world.now));
    assertEquals({ ...key }, { is_new: true, max_age_days: 97 });
    world.now = { name, password };
  },

  "a link that is down keeps its password, and why it was not rotated is logged": async (world) => {
    const { core, main } = world;
    await core.unsafe("alter role strata_mover_main_2 nologin");
    const [row] = await main`call strata.rotate_links(true)`;
    assertEquals(row?.p_failed.length, 1);
    const [logged] = await main`select code, says from strata.failures where link = 'core'`;
    assertEquals(logged?.code, "28P01");
    assert(logged?.says.startsWith("the password cannot be rotated: core cannot be reached"));
    await core.unsafe("alter role strata_mover_main_2 login");
    assertEquals(await used(main), world.now);
  },

  "nobody who dials meanwhile is refused": async (world) => {
    const { chain, main } = world;
    let over = false;
    const dials = [0, 0];
    const dialling = dials.map(async (_, who) => {
      const sql = postgres(chain.main.url, { max: 1, onnotice: () => {} });
      const said = new Set<string | null>();
      while (!over) {
        said.add((await sql`select strata.try_link('core') as trouble`)[0]?.trouble);
        dials[who] = (dials[who] ?? 0) + 1;
      }
      await sql.end();
      return [...said];
    });
    for (let round = 0; round < 10; round++) {
      const before = [...dials];
      await main`call strata.rotate_links(true)`;
      // A login is in use for one rotation more; nobody dials for as long as it takes to make two.
      await waitFor(
        "both to dial again",
        () => dials.every((count, who) => count > 1 + (before[who] ?? 0)),
        { everyMs: 5 },
      );
    }
    over = true;
    assertEquals(await Promise.all(dialling), [[null], [null]]);
  },

  "two rotations at once: one does nothing": async (world) => {
    const { chain, main } = world;
    const other = postgres(chain.main.url, { max: 1, onnotice: () => {} });
    await other`select strata.begin_turn('strata/rotate')`;
    const before = await used(main);
    const [row] = await main`call strata.rotate_links(true)`;
    assertEquals(row?.p_failed, ["another rotation is under way"]);
    assertEquals(await used(main), before);
    await other.end();
    await waitFor(
      "the other session to be gone",
      async () => (await main`select from pg_locks where locktype = 'advisory'`).length === 0,
    );
  },

  "only a neighbour's own login may ask for it": async (world) => {
    const { core } = world;
    for (const asked of ["retire_login()", "rotate_login('x')"]) {
      const { code } = await refusal(core.unsafe(`select strata.${asked}`));
      assertEquals(code, "42501");
    }
  },
};

// Servers of its own: logins belong to a whole server.
Deno.test("a link's password is rotated over two logins", async (t) => {
  await using chain = await cronChain({ tiers: ["core", "main"], driver: "pull" });
  const first = { name: "strata_mover_main", password: passwordOfLinks(chain.stack) };
  const world = { chain, core: chain.core.sql, main: chain.main.sql, first, now: first };
  assertEquals(await used(world.main), first);
  for (const [name, step] of Object.entries(STEPS)) await t.step(name, () => step(world));
});
