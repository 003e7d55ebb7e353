/** The certificates that the command makes, on real servers, dialled at an address that is not loopback. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connect } from "../../cli/lib/session.ts";
import { pushFiles } from "../../cli/lib/supabase.ts";
import { databaseTries, inSteps } from "../../cli/setup/reach.ts";
import { connectLocally } from "../../local/cluster.ts";
import { giveToServer } from "../../local/server_user.ts";
import { waitFor } from "../../local/wait_for.ts";
import { connectSql } from "../../supabase/functions/_strata/protocol/strata_sql_rpc.ts";
import { type CronChain, cronChain } from "../support/own_stack.ts";
import { middleman, outsideAddress } from "../support/man_in_the_middle.ts";
import { addNote, idsOn, manageNotes } from "../support/notes.ts";
import { refusal } from "../support/refusal.ts";
import { passwordOfLinks } from "../support/stack.ts";
import { commandLine } from "./support.ts";

/** Runs the command for tiers at some addresses; archive stays on this machine. */
async function make(directory: string, main: string) {
  await using cli = await commandLine(["core", "main"]);
  cli.environment["STRATA_MAIN_DB_URL"] = `postgresql://postgres:x@${main}:5432/postgres`;
  await cli.configure("", { core: "{ link: { driver: push } }" });
  return await cli.strata("certificates", "--out", directory);
}

async function contents(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name } of Deno.readDir(directory)) {
    found[name] = await Deno.readTextFile(`${directory}/${name}`);
  }
  return found;
}

Deno.test("certificates makes a CA and certificates, says what to do, and run again changes nothing", async () => {
  const directory = `${await Deno.makeTempDir()}/ca`;
  const first = await make(directory, "main.example.org");
  assertEquals(first.code, 0, first.err);
  assertMatch(first.out, /^Made in .*: supabase\.crt, ca\.key, ca\.crt, main\.key, main\.crt\.\n/);
  for (
    const line of [
      "ssl = on",
      "ssl_cert_file = 'main.crt'",
      "ssl_key_file = 'main.key'",
      `database_tiers.main.ca: ${directory}/ca.crt`,
      "on core's server, which dials main",
      "database_tiers.core.link.ca: /etc/strata/ca.crt",
    ]
  ) assert(first.out.includes(line), line);
  for (const name of ["ca.key", "main.key"]) {
    assertEquals((await Deno.stat(`${directory}/${name}`)).mode! & 0o777, 0o600);
  }
  const before = await contents(directory);
  const again = await make(directory, "main.example.org");
  assertMatch(again.out, /^There already, and left as they are: supabase\.crt, ca\.key/);
  assertEquals(await contents(directory), before);

  const moved = await make(directory, "10.0.0.9");
  assertEquals(moved.code, 1);
  assertMatch(moved.err, /main\.crt is not for 10\.0\.0\.9\n→ Remove it and its \.key/);
  await Deno.remove(`${directory}/main.key`);
  const half = await make(directory, "main.example.org");
  assertMatch(half.err, /has main\.crt but not main\.key\n→ Put the missing file back/);
  await Deno.remove(directory, { recursive: true });
});

/** Puts the certificate in, as the command says, and waits until the server shows it. */
async function install(chain: CronChain, directory: string): Promise<void> {
  const main = chain.stack.clusters.find(({ tier }) => tier === "main");
  for (const name of ["main.crt", "main.key"]) {
    const to = `${main?.directory}/data/${name}`;
    await Deno.copyFile(`${directory}/${name}`, to);
    await giveToServer(to);
  }
  await set(chain, { ssl_cert_file: "main.crt", ssl_key_file: "main.key" });
}

async function set({ stack }: CronChain, values: Record<string, string>): Promise<void> {
  const main = stack.clusters.find(({ tier }) => tier === "main");
  const path = `${main?.directory}/data/postgresql.conf`;
  const lines = Object.entries(values).map(([name, value]) => `${name} = '${value}'`);
  await Deno.writeTextFile(path, `\n${lines.join("\n")}\n`, { append: true });
  const url = stack.env["STRATA_MAIN_DB_URL"] ?? "";
  if (main === undefined) throw new Error(`no main at ${url}`);
  const admin = connectLocally(main);
  await admin`select pg_reload_conf()`;
  await admin.end();
  await waitFor("the server to have read its configuration", async () => {
    const sql = connect(url);
    const rows = await sql`select name, setting from pg_settings where name = any (${
      Object.keys(values)
    })`;
    await sql.end();
    return rows.every(({ name, setting }) => setting === values[name]);
  });
}

Deno.test("a tier with such a certificate is dialled at an address that is not loopback, and no other", async () => {
  await using chain = await cronChain({ tiers: ["core", "main"] });
  const directory = await Deno.makeTempDir({ prefix: "strata-ca-" });
  const host = outsideAddress();
  assertEquals((await make(directory, host)).code, 0);
  await Deno.chmod(directory, 0o755);
  await install(chain, directory);
  const { core, main } = chain;
  const real = new URL(main.url);
  await using way = await middleman("forwards", Number(real.port));
  const join = (ca: string) =>
    core
      .sql`select strata.join_tier('main', 'push', p_host => ${host}, p_port => ${way.port}, p_database => 'postgres',
      p_password => ${passwordOfLinks(chain.stack)}, p_ca => ${ca})`;
  await join(`${directory}/ca.crt`);
  await manageNotes(core.sql, { core_retention_days: 0 });
  await addNote(core.sql, 1, "2000-01-01");

  await core.sql`call strata.move_due()`;

  assertEquals([await idsOn(core.sql), await idsOn(main.sql)], [[], [1]]);
  assert(way.dialled > 0);
  const checks = await core.sql`
    select topic, ok, says from strata.validate() where topic ~ 'TLS|certificate' order by topic`;
  assertEquals([...checks], [
    { topic: "link main (push) TLS", ok: true, says: "encrypted with TLSv1.3" },
    { topic: "link main (push) certificate", ok: true, says: `checked (${directory}/ca.crt)` },
  ]);

  real.hostname = host;
  real.port = String(way.port);
  const trust = {
    ca: await Deno.readTextFile(`${directory}/ca.crt`),
    caFile: `${directory}/ca.crt`,
  };
  const sql = connect(real.href, trust);
  assertEquals((await sql`select tier from strata.self`)[0]?.tier, "main");
  await sql.end();
  await assertStepsBelieve(real.href, directory);
  assertMatch(await pushFiles(real.href, [], trust), /up to date/i);
  const relay = connectSql(real.href, trust);
  const answer = await relay.rpc("relay_hello").catch(({ code }) => code);
  assertEquals(answer, "ST006", "it answers that no relay drives this link");
  await relay.close();

  await assertRefusedOtherwise(chain, directory, join);
  await Deno.remove(directory, { recursive: true });
});

/** The steps of test-links go all the way with the CA, and end at TLS with another one. */
async function assertStepsBelieve(dbUrl: string, directory: string): Promise<void> {
  const steps = async (authority: string) => {
    const ca = await Deno.readTextFile(`${directory}/${authority}`);
    const door = { key: "main", dbUrl, dbUrlEnv: "STRATA_MAIN_DB_URL", trust: { ca } } as const;
    return await inSteps(databaseTries(door));
  };
  const believed = await steps("ca.crt");
  assertEquals(believed.map(({ step, ok }) => `${step} ${ok}`), [
    "name true",
    "port true",
    "TLS true",
    "login true",
    "right true",
  ]);
  assertEquals(
    believed[2]?.says,
    `TLSv1.3, its certificate is for ${outsideAddress()} and checked`,
  );
  const doubted = (await steps("supabase.crt")).at(-1);
  assertEquals([doubted?.step, doubted?.ok], ["TLS", false]);
  assertMatch(doubted?.says ?? "", /^its certificate cannot be believed: /);
}

/** Another CA, another name, an older TLS: each is seen, and the last one also where libpq was not told. */
async function assertRefusedOtherwise(
  chain: CronChain,
  directory: string,
  join: (ca: string) => PromiseLike<unknown>,
): Promise<void> {
  const { core } = chain;
  const host = outsideAddress();
  const dial = async () => (await refusal(core.sql`select strata.dial('main')`)).code;
  await core.sql`select strata.hang_up('main')`;
  await join(`${directory}/supabase.crt`); // somebody else's CA
  assertEquals(await dial(), "ST008");
  await join(`${directory}/ca.crt`);
  await core.sql`alter server strata_main options (set host ${
    core.sql.unsafe("'localhost'")
  }, add hostaddr ${core.sql.unsafe(`'${host}'`)})`;
  assertEquals(await dial(), "ST008"); // the name is not in the certificate
  await join(`${directory}/ca.crt`);
  await set(chain, { ssl_max_protocol_version: "TLSv1.2" });
  assertEquals(await dial(), "ST008");
  await core.sql`alter server strata_main options (drop ssl_min_protocol_version)`;
  assertMatch(
    (await refusal(core.sql`select strata.dial('main')`)).message,
    /^the line to main is encrypted with TLSv1\.2 only$/,
  );
}
