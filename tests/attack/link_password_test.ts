import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import postgres, { type Sql } from "postgres";
import { scramVerifier } from "../../cli/lib/scram.ts";
import { connectLocally } from "../../local/cluster.ts";
import type { Tier } from "../../local/settings.ts";
import { strata } from "../cli/support.ts";
import { type OwnStack, ownStack } from "../support/own_stack.ts";
import { refusal } from "../support/refusal.ts";
import { waitFor } from "../support/wait_for.ts";

const LOGIN = "strata_mover_main";
/** What the shipped configuration lets a neighbour hold on core. */
const POOL = 10;

/** Three tiers as `setup` makes them, of which main dials core; and what the owner of the tiers does. */
class World {
  readonly #owner = new Map<Tier, Sql>();
  #sessions: Sql[] = [];
  /** The password of the link from main to core, as it was at first. */
  stolen = "";

  constructor(readonly stack: OwnStack) {}

  url(tier: Tier): string {
    return this.stack.env[`STRATA_${tier.toUpperCase()}_DB_URL`] ?? "";
  }

  sql(tier: Tier): Sql {
    const sql = this.#owner.get(tier) ??
      postgres(this.url(tier), { max: 1, onnotice: () => {} });
    this.#owner.set(tier, sql);
    return sql;
  }

  /** A session of whoever has a password. */
  as(username: string, password: string, tier: Tier = "core"): Sql {
    const sql = postgres(this.url(tier), { username, password, max: 1, onnotice: () => {} });
    this.#sessions.push(sql);
    return sql;
  }

  async password(tier: Tier, neighbour: Tier): Promise<string> {
    const sql = this.sql(tier);
    const [row] = await sql`select strata.link_option(${neighbour}, 'password') as password`;
    return row?.password;
  }

  async setup(...flags: string[]): Promise<string> {
    const { code, out, err } = await strata(["setup", ...flags], this.stack.env);
    assertEquals(code, 0, out + err);
    return out;
  }

  /** Does what an alert says, to the letter. */
  async follow(remedy: string): Promise<void> {
    const commands = [...remedy.matchAll(/`(?:deno task strata )?(setup --[a-z]+)`/g)];
    assertNotEquals(commands.length, 0, remedy);
    for (const [, command] of commands) await this.setup(...(command ?? "").split(" ").slice(1));
  }

  /** The open alerts of a kind on a tier, asked for anew: subject and remedy. */
  async alerts(tier: Tier, kind: string): Promise<{ subject: string; remedy: string }[]> {
    const sql = this.sql(tier);
    await sql`select strata.check_alerts()`;
    return [
      ...await sql<{ subject: string; remedy: string }[]>`
      select subject, remedy from strata.alerts
       where kind = ${kind} and cleared_at is null and heard_from is null order by subject`,
    ];
  }

  /** Has main look at core, and note what comes of it. */
  async lookAtCore(): Promise<void> {
    const sql = this.sql("main");
    await sql`select strata.end_pauses(null)`;
    await sql`call strata.move_due()`;
  }

  /** Ends the sessions that as() has opened, and sees them gone. */
  async hangUp(): Promise<void> {
    await Promise.all(this.#sessions.map((sql) => sql.end({ timeout: 1 })));
    this.#sessions = [];
    await waitFor("the sessions of links to end", async () => {
      const open = await this.sql("core")`
        select from pg_stat_activity where usename like 'strata\\_mover\\_%'`;
      return open.length === 0;
    });
  }

  async [Symbol.asyncDispose]() {
    await Promise.all(
      [...this.#sessions, ...this.#owner.values()].map((sql) => sql.end({ timeout: 1 })),
    );
    await this.stack[Symbol.asyncDispose]();
  }
}

const FORBIDDEN = [
  "create temporary table mine (id integer)",
  "create schema mine",
  "create table public.mine (id integer)",
  "create function public.mine() returns integer language sql as 'select 1'",
  "create function strata.mine() returns integer language sql as 'select 1'",
  "set role postgres",
  "set session authorization postgres",
  "set role service_role",
  "set role strata_mover_main_2",
  "alter role strata_mover_main connection limit 100",
  "alter role strata_mover_main_2 password 'mine'",
  "grant strata_mover to service_role",
  "select * from strata.links",
  "select * from public.tasks",
  "select * from pg_catalog.pg_authid",
  "select umoptions from pg_catalog.pg_user_mapping",
  "select strata.become('core')",
  "select strata.set_mover_login('main', null, 1)",
  "select strata.random_password()",
  "select strata.clock()",
  "select pg_catalog.lo_import('/etc/passwd')",
  "select pg_catalog.pg_read_file('/etc/passwd')",
  "copy (select 1) to program 'true'",
  "create publication mine",
];

type Attacks = Record<string, (world: World) => Promise<void>>;

const ENTERING: Attacks = {
  "comes in by it, so the steps below look where it is": async (world) => {
    const holder = world.as(LOGIN, world.stolen);
    const [row] = await holder`select strata.hello() ->> 'tier' as tier`;
    assertEquals(row?.tier, "core");
  },

  "cannot come in by another link's login, nor by the second of this one": async (world) => {
    const others: [string, Tier][] = [
      ["strata_mover_archive", "main"],
      [`${LOGIN}_2`, "core"],
      ["strata_mover", "core"],
      ["postgres", "core"],
    ];
    for (const [login, tier] of others) {
      const { code } = await refusal(world.as(login, world.stolen, tier)`select`);
      assertEquals([login, code], [login, "28P01"]);
    }
    assertNotEquals(await world.password("archive", "main"), world.stolen);
  },
};

const GOING_ON: Attacks = {
  "may call what strata_mover is granted, and not one function more": async (world) => {
    const holder = world.as(LOGIN, world.stolen);
    const rows = await world.sql("core")<{ name: string; granted: boolean }[]>`
      select p.oid::regprocedure::text as name, coalesce(p.proacl::text like '%strata_mover=%', false) as granted
        from pg_proc as p where p.pronamespace = 'strata'::regnamespace`;
    for (const { name, granted } of rows) {
      const [may] = await holder`select has_function_privilege(${name}, 'execute') as may`;
      assertEquals([name, may?.may], [name, granted]);
    }
  },

  "makes no large objects, once a superuser has done what validate says": async (world) => {
    const [check] = await world.sql("core")`
      select ok, says from strata.validate() where topic = 'large objects'`;
    const statement = /superuser: (revoke .*)$/.exec(check?.says)?.[1] ?? "";
    const superuser = connectLocally(clusterOf(world.stack, "core"));
    await superuser.unsafe(statement);
    await superuser.end();
    for (const makes of ["lo_creat(-1)", "lo_create(0)", "lo_from_bytea(0, 'x')"]) {
      const { code } = await refusal(world.as(LOGIN, world.stolen).unsafe(`select ${makes}`));
      assertEquals(code, "42501");
    }
  },

  "changes it: noticed, and mended by the remedy": async (world) => {
    const holder = world.as(LOGIN, world.stolen);
    await holder.unsafe(`alter role ${LOGIN} password '${await scramVerifier("mine now")}'`);
    await world.lookAtCore();
    const [alert] = await world.alerts("main", "link_down");
    assertEquals(alert?.subject, "core");
    await world.follow(alert?.remedy ?? "");

    await world.lookAtCore();
    assertEquals(await world.alerts("main", "link_down"), []);
    assertEquals((await refusal(world.as(LOGIN, "mine now")`select`)).code, "28P01");
    assertEquals((await refusal(world.as(LOGIN, world.stolen)`select`)).code, "28P01");
    const sessions = await world.sql("core")`select from pg_stat_activity where usename = ${LOGIN}`;
    assertEquals(sessions.length, 0); // the one from before as well
  },

  "gives the login settings of its own: noticed, and taken away by the remedy": async (world) => {
    const known = await world.password("main", "core");
    const holder = world.as(LOGIN, known);
    await holder.unsafe(`alter role ${LOGIN} set application_name = 'not strata'`);
    await holder.unsafe(`alter role ${LOGIN} in database postgres set work_mem = '1GB'`);
    const checks = () =>
      world.sql("core")<{ topic: string; remedy: string }[]>`
      select topic, remedy from strata.validate() where not ok and topic like 'login %'`;
    const [check] = await checks();
    assertEquals(check?.topic, `login ${LOGIN} settings`);
    const [alert] = await world.alerts("core", "login_changed");
    assertEquals(alert?.remedy, check?.remedy);
    await world.follow(alert?.remedy ?? "");
    assertEquals([...await checks()], []);
    assertEquals(await world.alerts("core", "login_changed"), []);
    assertEquals((await refusal(world.as(LOGIN, known)`select`)).code, "28P01");
  },

  "opens the second login with a password of his own: noticed, and mended": async (world) => {
    const [row] = await world.sql("main")`select strata.link_option('core', 'user') as login`;
    const holder = world.as(row?.login, await world.password("main", "core"));
    const [opened] = await holder`
      select strata.rotate_login(${await scramVerifier("mine too")}) as login`;
    const other = opened?.login as string;
    await world.as(other, "mine too")`select`;
    assertEquals(await world.alerts("core", "login_changed"), []); // it may be the neighbour
    await world.sql("core")`update strata.rotations set began_at = began_at - interval '1 hour'`;
    const [alert] = await world.alerts("core", "login_changed");
    await world.follow(alert?.remedy ?? "");
    assertEquals(await world.alerts("core", "login_changed"), []);
    assertEquals((await refusal(world.as(other, "mine too")`select`)).code, "28P01");
  },

  "uses up all its connections: an alert of its own, and mended": async (world) => {
    const [row] = await world.sql("main")`select strata.link_option('core', 'user') as login`;
    const password = await world.password("main", "core");
    const crowd = Array.from({ length: POOL }, () => world.as(row?.login, password));
    for (const one of crowd) await one`select`;
    await world.lookAtCore();
    assertEquals(await world.alerts("main", "link_down"), []);
    const [[there], [here]] = [
      await world.alerts("main", "link_crowded"),
      await world.alerts("core", "link_crowded"),
    ];
    assertEquals([there?.subject, here?.subject], ["core", "main"]);
    assertEquals(there?.remedy, here?.remedy);
    await world.follow(there?.remedy ?? "");
    await world.lookAtCore();
    for (const tier of ["main", "core"] as const) {
      assertEquals(await world.alerts(tier, "link_crowded"), []);
    }
    assertEquals((await refusal(world.as(row?.login, password)`select`)).code, "28P01");
  },

  "and nothing is wrong in the end": async (world) => {
    await waitFor("main to reach core", async () => {
      const [row] = await world.sql("main")`select strata.try_link('core') as trouble`;
      return row?.trouble === null;
    });
    const found = await world.sql("core")`
      select topic, says from strata.validate() where not ok and topic !~ '^job '`;
    assertEquals([...found], []);
    assertMatch(await world.setup("--init"), /main dials core \(pull\)/);
    assert(!(await world.setup("--init")).includes("new password"));
  },
};

const forbidden = (statement: string) => async (world: World) => {
  const { code, message } = await refusal(world.as(LOGIN, world.stolen).unsafe(statement));
  assertEquals(code, "42501", message);
};

Deno.test("whoever has the password of a link", async (t) => {
  await using world = new World(await ownStack(undefined, { content: "migrated" }));
  await world.setup("--init");
  world.stolen = await world.password("main", "core");
  const attacks = {
    ...ENTERING,
    ...Object.fromEntries(FORBIDDEN.map((sql) => [`cannot: ${sql}`, forbidden(sql)])),
    ...GOING_ON,
  };
  for (const [name, attack] of Object.entries(attacks)) {
    await t.step(name, () => attack(world).finally(() => world.hangUp()));
  }
});

function clusterOf({ clusters }: OwnStack, tier: Tier) {
  const cluster = clusters.find((one) => one.tier === tier);
  if (cluster === undefined) throw new Error(`the stack has no ${tier}`);
  return cluster;
}
