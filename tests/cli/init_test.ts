/** `init`: each address is tried as it is given, and what is written is only added to. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { run } from "../../cli/main.ts";
import { loadConfig } from "../../cli/config/load.ts";
import { serverObjection } from "../../cli/init/check.ts";
import type { Terminal } from "../../cli/lib/confirm.ts";
import { REPOSITORY } from "../../local/settings.ts";
import { SHOP } from "../advise/support.ts";
import { bareDatabase } from "../support/bare_database.ts";
import { testDatabase } from "../support/database.ts";
import { plainServer } from "../support/plain_server.ts";
import type { Ran } from "./support.ts";

const NOBODY: Terminal = { isTerminal: () => false, ask: () => null };

/** A terminal on which somebody answers in turn; what was asked is kept. */
function answering(...given: (string | null)[]) {
  const asked: string[] = [];
  const answer = (question: string) => {
    asked.push(question);
    return given.shift() ?? null;
  };
  return { asked, left: given, isTerminal: () => true, ask: answer, askSecret: answer };
}

/** A folder with the shipped configuration, in which init writes. */
async function folder() {
  const path = await Deno.makeTempDir({ prefix: "strata-init-" });
  await Deno.copyFile(`${REPOSITORY}/strata.yaml`, `${path}/strata.yaml`);
  const read = (name: string) => Deno.readTextFile(`${path}/${name}`).catch(() => undefined);
  return {
    path,
    env: () => read(".env"),
    yaml: () => read("strata.local.yaml"),
    async init(
      args: string[],
      terminal = NOBODY,
      environment: Record<string, string> = {},
    ): Promise<Ran> {
      const [out, err]: string[][] = [[], []];
      const files = ["--config", `${path}/strata.yaml`, "--dotenv", `${path}/.env`];
      const code = await run(["init", ...args, ...files], {
        environment,
        terminal,
        out: (text) => out?.push(text),
        err: (text) => err?.push(text),
      });
      return { code, out: out?.join("\n") ?? "", err: err?.join("\n") ?? "" };
    },
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

Deno.test("init by flags writes .env for nobody else and strata.local.yaml without a secret", async () => {
  await using core = await bareDatabase(SHOP);
  await using main = await bareDatabase("", "main");
  await using here = await folder();
  const { code, out, err } = await here.init(["--core", "CORE", "--main", main.url], NOBODY, {
    CORE: core.url,
  });
  assert.deepEqual([code, err], [0, ""]);
  assert.equal((await Deno.stat(`${here.path}/.env`)).mode, 0o100600);
  const env = await here.env() ?? "";
  assert.deepEqual(env.trim().split("\n"), [
    `STRATA_CORE_DB_URL=${core.url}`,
    `STRATA_MAIN_DB_URL=${main.url}`,
  ]);
  const yaml = await here.yaml() ?? "";
  for (const url of [core.url, main.url]) {
    assert.ok(!yaml.includes(new URL(url).password) && !out.includes(new URL(url).password));
  }
  const { database_tiers: tiers, lifecycle_policies: policies } = parse(yaml);
  assert.equal(tiers.archive, null);
  assert.deepEqual([tiers.main.url_env, tiers.main.key_env], [null, null]);
  assert.equal(policies.events.delete_after_days, "never");
  assert.match(out, /^✓ core {2}postgresql:.*: PostgreSQL .*postgres may set Strata up/m);
  assert.match(out, /deno task strata setup --init/);
  const config = await loadConfig(`${here.path}/strata.yaml`, {
    STRATA_CORE_DB_URL: core.url,
    STRATA_MAIN_DB_URL: main.url,
  });
  assert.deepEqual(config.tiers.map(({ key }) => key), ["core", "main"]);
  const again = await here.init([]); // all of it is known
  assert.deepEqual([again.code, await here.env(), await here.yaml()], [0, env, yaml]);
});

Deno.test("init never asks without a terminal, and names what is missing", async () => {
  await using here = await folder();
  const { code, err } = await here.init([]);
  assert.equal(code, 2);
  assert.match(
    err,
    /^There is no terminal to ask on, and something is missing: --core \(or STRATA_CORE_DB_URL\)/,
  );
  assert.match(err, /--main, --archive/);
  const unknown = await here.init(["--core", "NOWHERE"]);
  assert.match(unknown.err, /^There is no variable NOWHERE/);
  assert.deepEqual([await here.env(), await here.yaml()], [undefined, undefined]);
});

Deno.test("init asks for what is missing, shows no secret, and asks again when an address does not do", async () => {
  await using core = await bareDatabase(SHOP);
  await using main = await bareDatabase("", "main");
  await using here = await folder();
  const [wrong, bare] = [new URL(core.url), new URL(main.url)];
  wrong.password = "wrong";
  const password = decodeURIComponent(bare.password);
  bare.password = "";
  const terminal = answering(wrong.href, core.url, bare.href, password, "", "y");
  const { code, out, err } = await here.init([], terminal);
  assert.deepEqual([code, terminal.left], [0, []]);
  assert.deepEqual(terminal.asked.map((question) => /^[^:,]+/.exec(question)?.[0]), [
    "core",
    "core",
    "main",
    "main",
    "archive",
    "Write these policies into strata.local.yaml? [Y/n] ",
  ]);
  assert.match(err, /^core: the password is wrong\n→ Correct the password/m);
  assert.ok(!(out + err).includes(password));
  assert.match(await here.env() ?? "", new RegExp(`^STRATA_MAIN_DB_URL=${main.url}$`, "m"));
  assert.ok(parse(await here.yaml() ?? "").lifecycle_policies.events !== undefined);
  const given = await here.init([], answering(null), {
    STRATA_CORE_DB_URL: "postgresql://u@127.0.0.1:9/x",
  });
  assert.equal(given.code, 2); // the given one fails, and nobody answers
});

Deno.test("init replaces nothing that stands in .env or strata.local.yaml unless it is told to", async () => {
  await using core = await bareDatabase(SHOP);
  await using other = await bareDatabase();
  await using main = await bareDatabase("", "main");
  await using here = await folder();
  const before = `# mine\nOTHER='a b' # kept\nSTRATA_CORE_DB_URL=${other.url}\nSTRATA_CORE_KEY=x\n`;
  await Deno.writeTextFile(`${here.path}/.env`, before, { mode: 0o644 });
  await Deno.writeTextFile(
    `${here.path}/strata.local.yaml`,
    "# my own\nlifecycle_policies:\n  events: { core_retention_days: 7 } # a week\ndatabase_tiers:\n  main: null\n",
  );
  const args = ["--core", core.url, "--main", main.url];
  const refused = await here.init(args);
  assert.equal(refused.code, 2);
  assert.match(refused.err, /^\.env has another STRATA_CORE_DB_URL already\n→ Say --yes/);
  assert.equal(await here.env(), before);
  const no = await here.init(args, answering("", "", "n")); // no key, no archive, no
  assert.deepEqual([no.code, await here.env()], [2, before]);

  assert.equal((await here.init([...args, "--yes"])).code, 0);
  assert.equal(
    await here.env(),
    `# mine\nOTHER='a b' # kept\nSTRATA_CORE_DB_URL=${core.url}\nSTRATA_CORE_KEY=x\nSTRATA_MAIN_DB_URL=${main.url}\n`,
  );
  assert.equal((await Deno.stat(`${here.path}/.env`)).mode, 0o100600);
  const yaml = await here.yaml() ?? "";
  assert.match(yaml, /^# my own$/m);
  assert.match(yaml, /events: \{ core_retention_days: 7 \} # a week/);
  assert.ok(parse(yaml).database_tiers.main !== null);
});

const POOLER = "aws-0-eu-central-1.pooler.supabase.com";

/** What is given, and what is said to it. */
function refusals(core: string, crossed: string, nowhere: string, unencrypted: string) {
  return [
    [
      ["--core", `postgresql://postgres:geheim@${POOLER}:6543/postgres`],
      /names port 6543, the pooler's transaction mode.*\n→ Write port 5432 \(session mode\)/,
    ],
    [
      ["--core", `postgresql://postgres.abc:geheim@${POOLER}:5432/app`],
      /jobs run in database postgres alone/,
    ],
    [
      ["--core", `postgresql://postgres.abc@${POOLER}:5432/postgres`],
      /^The address of core has no password/,
    ],
    [
      [
        "--core",
        "postgresql://postgres:geheim@db.abcdefghijklmnopqrst.supabase.co:5432/postgres",
      ],
      /is reached over IPv6 only.*\n→ Take .*"Session pooler" \(port 5432\)/,
    ],
    [["--core", nowhere], /^core: there is no such database/],
    [["--core", crossed], /^core: that database is main, not core/],
    [["--core", unencrypted], /^core: it does not encrypt\n→ Turn ssl on.*--core-ca FILE/],
    [
      ["--core", "postgresql://u:geheim@h.example.org/db?sslmode=disable"],
      /leaves open who answers[^]*--core-insecure-because/,
    ],
    [
      ["--core", core, "--main", core.replace("127.0.0.1", "localhost")],
      /leads to the same database as that of core/,
    ],
  ] as const;
}

Deno.test("init refuses ways and databases by which nothing works, and says which one does", async () => {
  await using core = await bareDatabase();
  await using crossed = await testDatabase("main");
  await crossed.sql`select strata.become('main')`;
  await using plain = await plainServer("initdb");
  await using here = await folder();
  const nowhere = new URL(core.url);
  nowhere.pathname = "/nowhere";
  const unencrypted = new URL(plain.url);
  unencrypted.searchParams.set("sslmode", "verify-full");
  for (const [args, says] of refusals(core.url, crossed.url, nowhere.href, unencrypted.href)) {
    const { code, out, err } = await here.init([...args]);
    assert.match(err, says);
    assert.ok(code > 0);
    assert.doesNotMatch(out + err, /geheim/);
  }
  assert.deepEqual([await here.env(), await here.yaml()], [undefined, undefined]);
  const facts = {
    version: "14.9",
    version_num: 140009,
    encoding: "UTF8",
    standby: false,
    read_only: false,
    identity: "",
  };
  assert.match(
    serverObjection(facts)?.message ?? "",
    /^it is PostgreSQL 14\.9, and Strata needs 15 to 18$/,
  );
  assert.equal(serverObjection({ ...facts, version_num: 150000 }), undefined);
});

Deno.test("init with core alone asks for a tier to settle on; a key makes the REST address known", async () => {
  await using core = await bareDatabase("create table public.tasks (id int primary key)");
  await using main = await bareDatabase("", "main");
  await using here = await folder();
  const alone = await here.init(["--core", core.url, "--json"]);
  assert.equal(alone.code, 0, alone.err);
  const told = JSON.parse(alone.out);
  assert.match(told.next[0].says, /^Say where rows may settle/);
  assert.equal(parse(await here.yaml() ?? "").lifecycle_policies.tasks, null);
  const api = { STRATA_MAIN_URL: "http://127.0.0.1:9", STRATA_MAIN_KEY: "sb_secret_x#y z" };
  const second = await here.init(["--main", main.url, "--main-ca", "system"], NOBODY, api);
  assert.equal(second.code, 0, second.err + second.out);
  assert.match(await here.env() ?? "", /^STRATA_MAIN_KEY='sb_secret_x#y z'$/m);
  const { main: tier } = parse(await here.yaml() ?? "").database_tiers;
  assert.deepEqual([tier.ca, "url_env" in tier], ["system", false]);
});
