import assert from "node:assert/strict";
import { manageNotes } from "../support/notes.ts";
import { type Given, type PlainServer, plainServer } from "../support/plain_server.ts";
import { type CommandLine, commandLine } from "./support.ts";

type Plain = Partial<Record<"main" | "archive", PlainServer>>;

/** A chain in which some of the tiers are a PostgreSQL that nobody has prepared. */
async function chainWith(servers: Plain, driver = "pull"): Promise<CommandLine> {
  const cli = await commandLine();
  const settings: Record<string, string> = { core: `{ pool_size: 30, link: { driver: ${driver} } }` };
  for (const [tier, { url }] of Object.entries(servers)) {
    const name = `STRATA_${tier.toUpperCase()}`;
    cli.environment[`${name}_DB_URL`] = url;
    delete cli.environment[`${name}_MOVER_PASSWORD`];
    settings[tier] = "{ pool_size: 5, provider: postgres, url_env: null, key_env: null }";
  }
  await cli.configure("", settings);
  return cli;
}

/** What `validate` has to object to on a tier. */
async function wrong(cli: CommandLine, tier: string): Promise<string[]> {
  const { checks } = JSON.parse((await cli.strata("setup", "--validate", "--json")).out);
  return checks.filter((check: Record<string, unknown>) => check["tier"] === tier && !check["ok"])
    .map(({ topic, says }: Record<string, string>) => `${topic}: ${says}`);
}

async function settleAndAudit(cli: CommandLine): Promise<void> {
  const core = cli.sql("core");
  await manageNotes(core);
  await core`insert into public.notes select id, now() - interval '3 years', 'note' from generate_series(1, 10) as id`;
  const sync = await cli.strata("sync", "--json");
  assert.equal(sync.code, 0, sync.out + sync.err);
  assert.equal(JSON.parse(sync.out).rows, "20");
  const audit = await cli.strata("audit");
  assert.equal(audit.code, 0, audit.out + audit.err);
  assert.match(audit.out, /^notes +archive +1 +10 +0 /m);
}

for (const given of ["initdb", "apt"] as Given[]) {
  Deno.test(`an archive that is no more than ${given} leaves it takes rows`, async () => {
    await using archive = await plainServer(given);
    await using cli = await chainWith({ archive });
    const { code, out, err } = await cli.strata("setup", "--init");
    assert.equal(code, 0, out + err);
    assert.match(out, /archive is set up: this database is archive; it has no pg_cron/);
    await settleAndAudit(cli);
    assert.equal((await archive.sql`select from public.notes`).length, 10);
    assert.deepEqual(await wrong(cli, "archive"), []);
    assert.deepEqual(await wrong(cli, "main"), []);
  });
}

Deno.test("main may be a plain PostgreSQL as well, whichever end dials", async () => {
  await using main = await plainServer("apt");
  await using archive = await plainServer("apt");
  await using cli = await chainWith({ main, archive }, "push");
  const { code, out, err } = await cli.strata("setup", "--init");
  assert.equal(code, 0, out + err);
  await settleAndAudit(cli);
  for (const tier of ["main", "archive"]) assert.deepEqual(await wrong(cli, tier), []);
});
