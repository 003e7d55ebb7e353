import { assert, assertEquals, assertMatch } from "@std/assert";
import { type CommandLine, commandLine } from "./support.ts";

/** Three tiers, and a row that has settled on main. */
async function settled(): Promise<CommandLine> {
  const cli = await commandLine();
  const { code, err } = await cli.strata("setup", "--init");
  assertEquals(code, 0, err);
  await cli.sql("core")`insert into public.journal_entries (created_at, content)
    values (now() - interval '30 days', 'last month')`;
  await cli.strata("sync", "--dataset", "journal_entries");
  return cli;
}

async function neighbours(cli: CommandLine): Promise<string[]> {
  const rows = await cli.sql("core")<{ neighbour: string }[]>`
    select neighbour from strata.links`;
  return rows.map(({ neighbour }) => neighbour);
}

Deno.test("setup refuses to leave a tier out on which rows have settled", async () => {
  await using cli = await settled();
  await cli.configure("", { main: "null" });
  const refused = await cli.strata("setup", "--init");
  assertEquals(refused.code, 2);
  assertMatch(refused.err, /main is left out .* it holds 1 row of datasets/);
  assertMatch(refused.err, /→ Put main back .*leave_tier\('main'\);` on core and archive first/);
  assertEquals(await neighbours(cli), ["main"]);

  for (const tier of ["core", "archive"] as const) {
    await cli.sql(tier)`select strata.leave_tier('main')`;
  }
  const done = await cli.strata("setup", "--init");
  assertEquals(done.code, 0, done.out + done.err);
  assertEquals(await neighbours(cli), ["archive"]);
});

Deno.test("setup refuses to leave a tier out that cannot be asked", async () => {
  await using cli = await settled();
  await cli.configure("", { main: "null" });
  cli.environment["STRATA_MAIN_DB_URL"] = "postgresql://postgres:x@127.0.0.1:9/postgres";
  const { code, err } = await cli.strata("setup", "--init");
  assertEquals(code, 2);
  assertMatch(err, /main is left out .* cannot be known: nothing answers there/);
  assertEquals(await neighbours(cli), ["main"]);
});

Deno.test("setup refuses to leave a tier out while a move to it is open", async () => {
  await using cli = await settled();
  await cli.sql("core")`insert into public.journal_entries (created_at, content)
    values (now() - interval '30 days', 'claimed')`;
  await cli.sql("core")`select strata.claim('journal_entries', 'main')`;
  await cli.configure("", { main: "null" });
  const { code, err } = await cli.strata("setup", "--init");
  assertEquals(code, 2);
  assertMatch(err, /main is left out of the configuration, but a move to it is open/);
});

Deno.test("setup leaves a tier out on which nothing has settled", async () => {
  await using cli = await settled();
  await cli.configure("", { archive: "null" });
  const { code, out, err } = await cli.strata("setup", "--init");
  assertEquals(code, 0, out + err);
  const links = await cli.sql("main")`select from strata.links where neighbour = 'archive'`;
  assert(links.length === 0);
});
