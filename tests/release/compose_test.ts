import { assert, assertEquals } from "@std/assert";
import { compose, keepTables, releasePlan, replaceRoutines } from "../../cli/release/compose.ts";
import { releasesHere } from "../../cli/lib/releases.ts";
import { VERSION } from "../../supabase/functions/_strata/http/version.ts";
import { REPOSITORY } from "../../local/settings.ts";

Deno.test("supabase/migrations is what supabase/schemas makes: else deno task release", async () => {
  const plan = await releasePlan();
  for (const product of plan.releases) {
    const there = await Deno.readTextFile(`${REPOSITORY}/supabase/migrations/${product.file}`);
    assertEquals(there === await compose(plan, product), true, product.file);
  }
  const files = await Array.fromAsync(Deno.readDir(`${REPOSITORY}/supabase/migrations`));
  assertEquals(files.map(({ name }) => name).sort(), plan.releases.map(({ file }) => file).sort());
  assertEquals((await releasesHere()).map(({ version }) => version), [plan.version, plan.version]);
  assertEquals(VERSION, plan.version);
  assert(
    (await Deno.readTextFile(`${REPOSITORY}/CHANGELOG.md`)).includes(`\n## ${plan.version} (`),
  );
});

Deno.test("every folder of supabase/schemas is part of a release", async () => {
  const plan = await releasePlan();
  const folders = (await Array.fromAsync(Deno.readDir(`${REPOSITORY}/supabase/schemas`)))
    .filter(({ isDirectory, name }) => isDirectory && !["release", "upgrades"].includes(name))
    .map(({ name }) => name);
  assertEquals(folders.sort(), plan.releases.flatMap((product) => product.folders).sort());
});

Deno.test("what an upgrade keeps is made where it is missing, code is replaced", () => {
  assertEquals(
    keepTables(
      "create table strata.a (\n);\ncreate unique index a_idx on strata.a (b);\ncreate type strata.c as (d text);\n",
    ),
    "create table if not exists strata.a (\n);\ncreate unique index if not exists a_idx on strata.a (b);\n" +
      "do $type$\nbegin\n  if pg_catalog.to_regtype('strata.c') is null then\ncreate type strata.c as (d text);\n" +
      "  end if;\nend\n$type$;\n",
  );
  assertEquals(
    replaceRoutines(
      "create function strata.f()\n  create table t ();\ncreate trigger x\ncreate procedure strata.p()",
    ),
    "create or replace function strata.f()\n  create table t ();\ncreate or replace trigger x\ncreate or replace procedure strata.p()",
  );
});
