import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { withoutStrata, withStrata } from "../../cli/project/config_toml.ts";
import { nextVersion } from "../../cli/project/project.ts";
import { REPOSITORY } from "../../local/settings.ts";
import { type Application, application } from "../support/application.ts";
import { strata } from "./support.ts";

const FUNCTIONS = ["strata-health"];

async function guest(command: string, shop: Application, ...flags: string[]) {
  return await strata([command, shop.path, "--yes", ...flags]);
}

const LISTS: Record<string, [string, string]> = {
  "with a comment": [
    '[api]\nschemas = ["public"] # ours\n',
    '[api]\nschemas = ["public", "strata"] # ours\n',
  ],
  "over several lines, with comments and a last comma": [
    '[api]\nschemas = [\n  "public", # a ] here\n  "shop",\n]\nmax_rows = 1000\n',
    '[api]\nschemas = [\n  "public", # a ] here\n  "shop", "strata",\n]\nmax_rows = 1000\n',
  ],
  "in single quotes, without blanks": [
    "[api]\n  schemas=['public']\n",
    "[api]\n  schemas=['public', \"strata\"]\n",
  ],
  "empty": ["[api]\nschemas = []\n", '[api]\nschemas = ["strata"]\n'],
  "after one of another section": [
    '[remotes.x.api]\nschemas = ["other"]\n\n[api]\nschemas = ["public"]\n',
    '[remotes.x.api]\nschemas = ["other"]\n\n[api]\nschemas = ["public", "strata"]\n',
  ],
};

for (const [kind, [before, exposed]] of Object.entries(LISTS)) {
  Deno.test(`config.toml's list of schemas ${kind} gets one more, and is as it was when Strata goes`, () => {
    for (const end of ["\n", "\r\n"]) {
      const own = before.replaceAll("\n", end);
      const changed = withStrata(own, FUNCTIONS);
      assert(changed.startsWith(exposed.replaceAll("\n", end)), changed);
      assertEquals(withStrata(changed, FUNCTIONS), changed);
      assertEquals(withStrata(changed, []), own);
      assertEquals(withoutStrata(changed), own);
    }
  });
}

Deno.test("a config.toml without [api] gets that section; one with api as a key is refused; a section like ours too", () => {
  assertMatch(
    withStrata('project_id = "x"\n', FUNCTIONS),
    /^project_id = "x"\n\n\[api\]\nschemas = \["public", "graphql_public", "strata"\]\n\n# >>> strata/,
  );
  assertThrows(() => withStrata('api.schemas = ["public"]\n', FUNCTIONS), Error, "api as a key");
  assertThrows(
    () => withStrata('[functions."strata-health"]\nverify_jwt = true\n', FUNCTIONS),
    Error,
    "not from Strata",
  );
});

Deno.test("a migration is numbered after the newest, whatever its number looks like", () => {
  for (
    const [newest, next] of [
      ["20271231235959_a.sql", "20280101000000"],
      ["2027_a.sql", "20280000000000"],
      ["20271231_a.sql", "20271232000000"],
      ["20270101000000123_a.sql", "20270101000001"],
      ["20279999999999_a.sql", "20280000000000"],
    ] as const
  ) {
    const names = ["0001_first.sql", newest, "notes.sql"];
    assertEquals(nextVersion(names), next);
    assertEquals([...names, `${next}_strata.sql`].sort().at(-2), `${next}_strata.sql`);
  }
  assertMatch(nextVersion(["20250101_a.sql", "seed.sql"]), /^20[2-9]\d{11}$/);
});

Deno.test("remove touches nothing of the owner's that has a name like Strata's", async () => {
  await using shop = await application();
  await shop.write(
    "migrations/20250301000000_strata.sql",
    "create table public.strata (id bigint);",
  );
  await shop.write("functions/strata-report/index.ts", "Deno.serve(() => new Response());\n");
  const added = await guest("add", shop, "--functions", "strata-health");
  assertEquals(added.code, 0, added.err);
  const taken = await guest("add", shop, "--functions", "strata-health,strata-report");
  assertMatch(taken.err, /functions of its own named strata-report/);

  const removed = await guest("remove", shop);
  assertEquals(removed.code, 0, removed.err);
  assertEquals(
    await shop.read("migrations/20250301000000_strata.sql"),
    "create table public.strata (id bigint);",
  );
  assertEquals(await shop.files("functions"), ["_shared", "checkout", "strata-report"]);
});

Deno.test("a function that is no longer wanted goes; an add that was killed half-way goes on", async () => {
  await using shop = await application();
  await guest("add", shop, "--functions", "strata-health,strata-report");
  await guest("add", shop, "--functions", "strata-health");
  assertEquals(await shop.files("functions"), ["_shared", "_strata", "checkout", "strata-health"]);
  await Deno.remove(`${shop.path}/supabase/functions/strata-health`, { recursive: true });
  const again = await guest("add", shop);
  assertEquals(again.code, 0, again.err);
  assert((await shop.files("functions")).includes("strata-health"));
});

Deno.test("a config.toml that is a link stays one", async () => {
  await using shop = await application();
  const [link, shared] = [`${shop.path}/supabase/config.toml`, `${shop.path}/shared.toml`];
  await Deno.rename(link, shared);
  await Deno.symlink(shared, link);
  await guest("add", shop, "--functions", "strata-health");
  assert((await Deno.lstat(link)).isSymlink);
  assertMatch(await Deno.readTextFile(shared), /# >>> strata/);
});

Deno.test("a copy of Strata itself is no application", async () => {
  for (const command of ["add", "remove"]) {
    const { code, err } = await strata([command, REPOSITORY, "--dry-run"]);
    assertEquals(code, 2);
    assertMatch(err, /is a copy of Strata itself/);
  }
});

Deno.test("where the owner's own migrations call Strata, its file stays for databases that are made anew", async () => {
  await using shop = await application();
  await guest("add", shop);
  const release = (await shop.files("migrations")).find((name) => name.endsWith("_strata.sql"));
  await shop.write("migrations/20290101000000_jobs.sql", "select strata.become('core');");
  await guest("remove", shop);
  assertMatch(await shop.read(`migrations/${release}`), /^-- digest /m);
  assertMatch((await shop.files("migrations")).at(-1) ?? "", /^2029.*_strata_removed\.sql$/);
  assertMatch((await guest("remove", shop)).out, /nothing of Strata/);

  await guest("add", shop);
  assertMatch((await shop.files("migrations")).at(-1) ?? "", /^2029.*_strata\.sql$/);
  assertMatch((await guest("add", shop)).out, /nothing was done/);
});
