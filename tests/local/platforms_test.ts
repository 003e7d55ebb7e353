import assert from "node:assert/strict";
import { findPostgres } from "../../local/packages.ts";
import { REPOSITORY } from "../../local/settings.ts";

const options = { ignore: await findPostgres(16) !== undefined };

Deno.test(
  "test:platforms --json ends with one object, also where a version cannot be had",
  options,
  async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "tests/platforms/main.ts", "--chains", "16 15,16,18", "--json"],
      cwd: REPOSITORY,
      env: { STRATA_PG: "", PATH: "/nowhere" }, // no apt: nothing is installed for this
    }).output();
    const [said, told] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert.deepEqual(JSON.parse(said ?? ""), {
      versions: [],
      chains: [],
      passed: 0,
      failed: 0,
      seconds: 0,
    });
    assert.match(told ?? "", /^Left out: 16: No PostgreSQL 16 was found\.$/m);
    assert.match(told ?? "", /^Left out: 15,16,18: /m);
    assert.equal(code, 1, "nothing was tried");
  },
);
