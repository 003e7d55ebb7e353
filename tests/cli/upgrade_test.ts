import { assertEquals, assertMatch } from "@std/assert";
import { versionHere } from "../../cli/lib/releases.ts";
import { commandLine } from "./support.ts";

Deno.test("upgrade gives every tier the release that is here, the coldest first, and says what it did", async () => {
  await using cli = await commandLine(["core", "main"]);
  const set = await cli.strata("setup", "--init");
  assertEquals(set.code, 0, set.out + set.err);
  const nothing = await cli.strata("upgrade");
  assertEquals(
    [nothing.code, /nothing was done/.test(nothing.out)],
    [0, true],
    nothing.out + nothing.err,
  );

  for (const tier of ["core", "main"] as const) {
    await cli.sql(
      tier,
    )`update strata.releases set version = '0.0.1', digest = 'older' where product = 'strata'`;
  }
  const to = await versionHere();
  const done = await cli.strata("upgrade", "--json");
  assertEquals(done.code, 0, done.out + done.err);
  const { upgraded } = JSON.parse(done.out);
  assertEquals(upgraded, [{ tier: "main", from: "0.0.1", to }, {
    tier: "core",
    from: "0.0.1",
    to,
  }]);
  for (const tier of ["core", "main"] as const) {
    assertEquals([...await cli.sql(tier)`select strata.version() as version`], [{ version: to }]);
  }
});

Deno.test("a tier that is newer than what is here is left as it is, and said", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.strata("setup", "--init");
  await cli.sql("main")`update strata.releases set version = '99.0.0' where product = 'strata'`;
  const { code, err } = await cli.strata("upgrade");
  assertEquals(code, 1);
  assertMatch(
    err,
    /main is skipped: it has Strata 99\.0\.0, which is newer than .*\n→ Update this copy of Strata/,
  );
});
