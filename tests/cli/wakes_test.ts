import assert from "node:assert/strict";
import { testProject } from "../support/project.ts";
import { commandLine } from "./support.ts";

Deno.test("setup --validate says whether a tier's functions take what its database wakes them with", async () => {
  await using cli = await commandLine(["core", "main"]);
  const database = cli.databases.get("core");
  assert.ok(database !== undefined);
  await using project = testProject(database);
  cli.environment["STRATA_CORE_URL"] = project.url;
  cli.environment["STRATA_CORE_KEY"] = project.secretKey;
  assert.equal((await cli.strata("setup", "--init")).code, 0);
  const check = async () => {
    const { out } = await cli.strata("setup", "--validate", "--json");
    const checks: { tier: string; topic: string; ok: boolean; says: string; remedy: string }[] =
      JSON.parse(out).checks;
    return checks.filter(({ topic }) => topic === "waking functions");
  };
  const [refused, ...others] = await check();
  assert.deepEqual(others, []); // nobody answers for main
  assert.equal(refused?.tier, "core");
  assert.equal(refused?.ok, false);
  assert.match(refused?.says ?? "", /status 401/);
  assert.match(refused?.remedy ?? "", /deno task deploy/);

  await cli.sql("core")`select strata.set_secret('wake_secret', ${project.wakeSecret})`;
  const [taken] = await check();
  assert.deepEqual([taken?.ok, taken?.says], [true, "its functions take its wakes"]);
  const asked = await cli.sql("core")`select from strata.outside where name = 'keep_alive'`;
  assert.equal(asked.length, 1);
});

Deno.test("setup --init takes the secret keys of earlier setups out of Vault, and keeps the wake secrets", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.sql("core")`select strata.set_secret('secret_key', 'sb_secret_x')`;
  await cli.sql("main")`select strata.set_secret('core_secret_key', 'sb_secret_x')`;
  const secrets = async (tier: "core" | "main") => {
    const rows = await cli.sql(tier)<{ name: string; secret: string }[]>`
      select name, decrypted_secret as secret from vault.decrypted_secrets order by name`;
    return rows.map(({ name, secret }) => `${name}=${secret}`);
  };
  assert.equal((await cli.strata("setup", "--init")).code, 0);
  const first = [await secrets("core"), await secrets("main")];
  assert.deepEqual(first.flat().filter((one) => one.includes("secret_key")), []);
  assert.equal((await cli.strata("setup", "--init")).code, 0);
  assert.deepEqual([await secrets("core"), await secrets("main")], first);
});
