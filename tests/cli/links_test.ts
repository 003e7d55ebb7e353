import { assert, assertEquals, assertFalse, assertMatch, assertNotEquals } from "@std/assert";
import postgres, { type Sql } from "postgres";
import { connectLocally } from "../../local/cluster.ts";
import type { Tier } from "../../local/settings.ts";
import { type OwnStack, ownStack } from "../support/own_stack.ts";
import { refusal } from "../support/refusal.ts";
import { strata } from "./support.ts";

const OWN = "a-password-of-the-owners-own\\with\tsigns";

interface Mapping {
  name: string;
  password: string;
}

/** With which login a tier dials another, and with which password. */
async function mapping(sql: Sql, neighbour: Tier): Promise<Mapping> {
  const [row] = await sql<Mapping[]>`
    select strata.link_option(${neighbour}, 'user') as name,
           strata.link_option(${neighbour}, 'password') as password`;
  if (row === undefined) throw new Error(`${neighbour} is not dialled`);
  return row;
}

/** Every server writes down each statement, with its parameters. */
async function logEverything({ clusters }: OwnStack): Promise<void> {
  for (const cluster of clusters) {
    const sql = connectLocally(cluster);
    for (const setting of ["log_statement = 'all'", "log_parameter_max_length_on_error = -1"]) {
      await sql.unsafe(`alter system set ${setting}`);
    }
    await sql`select pg_reload_conf()`;
    await sql.end();
  }
}

async function logs({ clusters }: OwnStack): Promise<string> {
  const texts = clusters.map(({ directory }) => Deno.readTextFile(`${directory}/log`));
  return (await Promise.all(texts)).join("\n");
}

/** Three tiers of its own, whose servers write everything down, and the passwords seen so far. */
class World {
  readonly passwords = new Set<string>();
  readonly main: Sql;
  readonly archive: Sql;

  constructor(readonly stack: OwnStack) {
    const open = (tier: string) =>
      postgres(stack.env[`STRATA_${tier}_DB_URL`] ?? "", { max: 1, onnotice: () => {} });
    [this.main, this.archive] = [open("MAIN"), open("ARCHIVE")];
  }

  setup(flag: string, environment = {}) {
    return strata(["setup", flag], { ...this.stack.env, ...environment });
  }

  async now(): Promise<Mapping[]> {
    const links = [await mapping(this.main, "core"), await mapping(this.archive, "main")];
    for (const { password } of links) this.passwords.add(password);
    return links;
  }

  async [Symbol.asyncDispose]() {
    await Promise.all([this.main.end(), this.archive.end()]);
    await this.stack[Symbol.asyncDispose]();
  }
}

const STEPS: Record<string, (world: World) => Promise<void>> = {
  "another one for each link": async (world) => {
    const { code, out, err } = await world.setup("--init", { STRATA_MOVER_PASSWORD: "of old" });
    assertEquals(code, 0, out + err);
    assertMatch(out, /main dials core with a new password/);
    assertMatch(out, /STRATA_MOVER_PASSWORD is not used any more/);
    const [first, second] = await world.now();
    assertMatch(first?.password ?? "", /^[\w-]{43}$/);
    assertNotEquals(first?.password, second?.password);
  },

  "which another setup leaves as it is, also after a rotation": async (world) => {
    const before = await world.now();
    assertFalse((await world.setup("--init")).out.includes("new password"));
    assertEquals(await world.now(), before);

    const { code, out } = await world.setup("--rotate");
    assertEquals(code, 0, out);
    assertEquals(
      out,
      "main dials core with a new password.\narchive dials main with a new password.",
    );
    const rotated = await world.now();
    assertEquals(rotated.map(({ name }) => name), [
      "strata_mover_main_2",
      "strata_mover_archive_2",
    ]);
    assertNotEquals(rotated[0]?.password, before[0]?.password);
    assertFalse((await world.setup("--init")).out.includes("new password"));
    assertEquals(await world.now(), rotated);
  },

  "and validate has no objection": async (world) => {
    const { stack } = world;
    const { out } = await strata(["setup", "--validate", "--json"], stack.env);
    const { checks } = JSON.parse(out);
    const wrong = checks.filter((check: { ok: boolean; topic: string }) =>
      !check.ok && /role|login|connections|temporary|link/.test(check.topic)
    );
    assertEquals(wrong, []);
    const topics = checks.map(({ tier, topic }: Record<string, string>) => `${tier} ${topic}`);
    for (const topic of ["login strata_mover_main_2", "connections of main", "other databases"]) {
      assert(topics.includes(`core ${topic}`), topic);
    }
  },

  "a password of the owner's own is taken when one is set": async (world) => {
    const { code, out } = await world.setup("--rotate", { STRATA_CORE_MOVER_PASSWORD: OWN });
    assertEquals(code, 0, out);
    assertEquals((await world.now())[0], { name: "strata_mover_main", password: OWN });
    const again = await world.setup("--init", { STRATA_CORE_MOVER_PASSWORD: OWN });
    assertFalse(again.out.includes("new password"));
  },

  "one that cannot be written is in no message either": async (world) => {
    const { stack, main } = world;
    const superuser = connectLocally(clusterOf(stack, "main"));
    await superuser.unsafe(`
      create function public.object() returns event_trigger language plpgsql as
        $$ begin raise 'not now'; end $$;
      create event trigger object on ddl_command_end when tag in ('ALTER USER MAPPING')
        execute function public.object()`);
    const renew = () => main`select strata.renew_password('core')`;
    assertMatch((await refusal(renew())).message, /cannot be written: not now$/);
    await superuser.unsafe(
      "create or replace function public.object() returns event_trigger " +
        "language plpgsql as $$ begin perform pg_sleep(60); end $$",
    );
    await main`set statement_timeout = '300ms'`;
    const { code, message } = await refusal(renew());
    assertEquals(code, "57014", message);
    await superuser`drop event trigger object`;
    await superuser.end();
  },

  "all of them are looked for": async (world) => {
    const { stack } = world;
    const text = await logs(stack);
    assert(text.includes("strata.renew_password"), "the servers wrote no statement down");
    assert(text.includes("cannot be written: not now"));
    assertFalse(/set password '|[( ]password '[^S]/.test(text), "a statement with a password");
    assertEquals([...world.passwords].filter((password) => text.includes(password)), []);
    const saved = await Deno.readTextFile(`${stack.stack.home}/env`);
    assertEquals([...world.passwords].filter((password) => saved.includes(password)), []);
  },
};

// Servers of its own: logins belong to a whole server.
Deno.test("setup gives each link a password, which is in no log and on no disk of ours", async (t) => {
  await using world = new World(await ownStack());
  await logEverything(world.stack);
  for (const [name, step] of Object.entries(STEPS)) await t.step(name, () => step(world));
});

function clusterOf({ clusters }: OwnStack, tier: Tier) {
  const cluster = clusters.find((one) => one.tier === tier);
  if (cluster === undefined) throw new Error(`the stack has no ${tier}`);
  return cluster;
}
