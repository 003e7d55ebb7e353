import assert from "node:assert/strict";
import { manageNotes } from "../support/notes.ts";
import { type PlainServer, plainServer } from "../support/plain_server.ts";
import { type CommandLine, commandLine } from "./support.ts";

type Plain = Partial<Record<"main" | "archive", PlainServer>>;

/** A chain in which some of the tiers are a PostgreSQL that nobody has prepared. */
async function chainWith(servers: Plain, driver = "pull"): Promise<CommandLine> {
  const cli = await commandLine();
  const settings: Record<string, string> = {
    core: `{ pool_size: 30, link: { driver: ${driver} } }`,
  };
  for (const [tier, { url }] of Object.entries(servers)) {
    const name = `STRATA_${tier.toUpperCase()}`;
    cli.environment[`${name}_DB_URL`] = url;
    delete cli.environment[`${name}_MOVER_PASSWORD`];
    settings[tier] = "{ pool_size: 5, provider: postgres, url_env: null, key_env: null }";
  }
  await cli.configure("", settings);
  return cli;
}

/** What `validate` has to object to on the colder tiers. */
async function wrong(cli: CommandLine): Promise<string[]> {
  const { checks } = JSON.parse((await cli.strata("setup", "--validate", "--json")).out);
  return checks.filter((check: Record<string, unknown>) => check["tier"] !== "core" && !check["ok"])
    .map(({ tier, topic, says }: Record<string, string>) => `${tier}, ${topic}: ${says}`);
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

Deno.test("an archive that is no more than initdb leaves it takes rows", async () => {
  await using archive = await plainServer("initdb");
  await using cli = await chainWith({ archive });
  await archive.sql`create extension dblink`; // its owner's, in schema public
  const refused = await cli.strata("setup", "--init");
  assert.equal(refused.code, 1);
  const [, remedy = ""] = /what moves it: (.*;)/.exec(refused.err) ?? [];
  await archive.sql.unsafe(remedy);

  const { code, out, err } = await cli.strata("setup", "--init");
  assert.equal(code, 0, out + err);
  assert.match(out, /archive is set up: this database is archive; it has no pg_cron/);
  await settleAndAudit(cli);
  assert.equal((await archive.sql`select from public.notes`).length, 10);
  assert.deepEqual(await wrong(cli), []);
});

const PG_NET = `
  create schema net;
  create function net.http_post(url text, body jsonb default '{}', params jsonb default '{}',
    headers jsonb default '{}', timeout_milliseconds integer default 5000) returns bigint return 1`;
const NOT_LOADED =
  `do $$ begin raise exception 'pg_net is not in shared_preload_libraries'; end $$`;

Deno.test("main and archive may be what apt leaves; pg_net is made where it can be had", async () => {
  await using main = await plainServer("apt", PG_NET);
  await using archive = await plainServer("apt", NOT_LOADED);
  await using cli = await chainWith({ main, archive }, "push");
  const { code, out, err } = await cli.strata("setup", "--init");
  assert.equal(code, 0, out + err);
  await settleAndAudit(cli);
  const nets = [main, archive].map(({ sql }) =>
    sql`select from pg_extension where extname = 'pg_net'`
  );
  assert.deepEqual((await Promise.all(nets)).map(({ length }) => length), [1, 0]);
  assert.deepEqual(await wrong(cli), []);
});
