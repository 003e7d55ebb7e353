import { run } from "../../cli/main.ts";
import { REPOSITORY, type Tier, TIERS } from "../../local/settings.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { moverPassword } from "../support/stack.ts";

/** What one command line has come to. */
export interface Ran {
  code: number;
  out: string;
  err: string;
}

/** A command line over databases of one's own: nothing is set up there but the migrations. */
export interface CommandLine extends AsyncDisposable {
  databases: Map<Tier, TestDatabase>;
  environment: Record<string, string>;
  /** Runs a command with the configuration of this test. */
  strata(...args: string[]): Promise<Ran>;
  /** Lays something over the shipped configuration, as strata.local.yaml does. */
  configure(yaml: string, settings?: Partial<Record<Tier, string>>): Promise<void>;
  sql(tier: Tier): TestDatabase["sql"];
}

/** Makes one database per tier and a configuration that leads to them. */
export async function commandLine(tiers: readonly Tier[] = TIERS): Promise<CommandLine> {
  const made = await Promise.all(tiers.map((tier) => testDatabase(tier)));
  const databases = new Map(made.map((database) => [database.tier, database]));
  const directory = await Deno.makeTempDir({ prefix: "strata-cli-" });
  await Deno.copyFile(`${REPOSITORY}/strata.yaml`, `${directory}/strata.yaml`);
  const environment = environmentOf(made, await moverPassword());
  const configure: CommandLine["configure"] = (yaml, settings = {}) =>
    Deno.writeTextFile(`${directory}/strata.local.yaml`, `${tierLines(tiers, settings)}${yaml}\n`);
  await configure("");
  return {
    databases,
    environment,
    configure,
    strata: (...args) => strata([...args, "--config", `${directory}/strata.yaml`], environment),
    sql(tier) {
      const database = databases.get(tier);
      if (database === undefined) throw new Error(`this test has no ${tier}`);
      return database.sql;
    },
    async [Symbol.asyncDispose]() {
      await Deno.remove(directory, { recursive: true });
      await Promise.all(made.map((database) => database[Symbol.asyncDispose]()));
    },
  };
}

/** Runs a command line and returns what it wrote. */
export async function strata(
  args: string[],
  environment: Record<string, string> = {},
): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await run(args, {
    environment,
    out: (text) => out.push(text),
    err: (text) => err.push(text),
  });
  return { code, out: out.join("\n"), err: err.join("\n") };
}

function environmentOf(databases: TestDatabase[], password: string): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const { tier, url } of databases) {
    const name = `STRATA_${tier.toUpperCase()}`;
    environment[`${name}_DB_URL`] = url;
    environment[`${name}_MOVER_PASSWORD`] = password; // the logins are shared with other tests
    environment[`${name}_URL`] = "http://127.0.0.1:9";
    environment[`${name}_KEY`] = "sb_secret_of_a_test";
  }
  return environment;
}

/** Tiers a test has not are taken out; the mover's limit counts on the whole server, which is shared. */
function tierLines(tiers: readonly Tier[], settings: Partial<Record<Tier, string>>): string {
  const lines = TIERS.map((tier) =>
    `  ${tier}: ${tiers.includes(tier) ? settings[tier] ?? "{ pool_size: 30 }" : "null"}`
  );
  return `database_tiers:\n${lines.join("\n")}\n`;
}
