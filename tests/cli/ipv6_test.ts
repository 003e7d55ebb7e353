/** Every command that takes an address takes one of IPv6: tiers and their REST APIs are at [::1] alone. */
import assert from "node:assert/strict";
import { run } from "../../cli/main.ts";
import { REPOSITORY, type Tier } from "../../local/settings.ts";
import { testProject } from "../support/project.ts";
import { openProxy, type Proxy } from "../fire/life/proxy.ts";
import { hasIpv6 } from "../support/ipv6.ts";
import { type CommandLine, commandLine, strata } from "./support.ts";

/** Tiers whose every address is one of IPv6. */
async function overIpv6(driver: string): Promise<CommandLine> {
  const cli = await commandLine(["core", "main"]);
  const held: (Proxy | AsyncDisposable)[] = [];
  const over = (address: string) => {
    const url = new URL(address);
    const proxy = openProxy({ hostname: url.hostname, port: Number(url.port) }, "::1");
    held.push(proxy);
    url.hostname = "[::1]";
    url.port = `${proxy.port}`;
    return url.href;
  };
  for (const [tier, database] of cli.databases) {
    const project = testProject(database);
    held.push(project);
    const name = `STRATA_${tier.toUpperCase()}`;
    cli.environment[`${name}_DB_URL`] = over(database.url);
    cli.environment[`${name}_URL`] = over(project.url);
    cli.environment[`${name}_KEY`] = project.secretKey;
  }
  await cli.configure("", { core: `{ pool_size: 30, link: { driver: ${driver} } }` });
  return {
    ...cli,
    async [Symbol.asyncDispose]() {
      for (const one of held.reverse()) await one[Symbol.asyncDispose]();
      await cli[Symbol.asyncDispose]();
    },
  };
}

const addressOf = (cli: CommandLine, tier: Tier) =>
  cli.environment[`STRATA_${tier.toUpperCase()}_DB_URL`] ?? "";

const options = { ignore: !hasIpv6() };

for (const driver of ["push", "pull", "relay"]) {
  Deno.test(
    `tiers at IPv6 addresses are set up, linked and asked (${driver})`,
    options,
    async () => {
      await using cli = await overIpv6(driver);
      const sets = await cli.strata("setup", "--init");
      assert.equal(sets.code, 0, sets.out + sets.err);
      for (const tier of ["core", "main"]) {
        const { out } = await cli.strata("test-links", tier, "--json");
        const own = JSON.parse(out).steps.filter((one: Record<string, unknown>) => {
          return one["tier"] === tier && one["ok"] === false;
        });
        assert.deepEqual(own, []);
      }
      const { out } = await cli.strata("doctor", "--hosted", "--json");
      const [name, port] = JSON.parse(out).assumptions;
      assert.deepEqual([name.ok, name.says, port.ok], [true, "::1 is an address", true]);
      if (driver === "relay") return;
      const [driving, driven] = driver === "push" ? ["core", "main"] : ["main", "core"];
      const server = await cli.sql(driving as Tier)`
      select srvoptions::text[] as options from pg_foreign_server where srvname = ${`strata_${driven}`}`;
      assert.ok(server[0]?.["options"].includes("host=::1"), String(server[0]?.["options"]));
      await cli.sql("core").unsafe(
        `create table public.notes (id int primary key, created_at timestamptz);
      insert into public.notes values (1, '2020-01-01');
      select strata.manage('public.notes', p_delete_after_days => null)`,
      );
      const sync = await cli.strata("sync", "--json");
      assert.equal(JSON.parse(sync.out).rows, "1", sync.out + sync.err);
    },
  );
}

Deno.test(
  "advise and init take the address of a database at an IPv6 address",
  options,
  async () => {
    await using cli = await overIpv6("pull");
    const asked = await strata(["advise", "--db-url", addressOf(cli, "core"), "--json"]);
    assert.deepEqual([asked.code, asked.err], [0, ""]);

    const folder = await Deno.makeTempDir({ prefix: "strata-ipv6-" });
    await Deno.copyFile(`${REPOSITORY}/strata.yaml`, `${folder}/strata.yaml`);
    const [out, err]: [string[], string[]] = [[], []];
    const code = await run([
      ...["init", "--core", "CORE", "--main", "MAIN"],
      ...["--config", `${folder}/strata.yaml`, "--dotenv", `${folder}/.env`],
    ], {
      environment: { CORE: addressOf(cli, "core"), MAIN: addressOf(cli, "main") },
      terminal: { isTerminal: () => false, ask: () => null },
      out: (text) => out.push(text),
      err: (text) => err.push(text),
    });
    assert.equal(code, 0, [...out, ...err].join("\n"));
    const written = await Deno.readTextFile(`${folder}/.env`);
    assert.match(written, /^STRATA_MAIN_DB_URL=.*@\[::1\]:\d+\//m);
    await Deno.remove(folder, { recursive: true });
  },
);
