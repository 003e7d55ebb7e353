import assert from "node:assert/strict";
import { connectLocally } from "../../local/cluster.ts";
import { REPOSITORY } from "../../local/settings.ts";
import { ownStack } from "../support/own_stack.ts";
import { plainServer } from "../support/plain_server.ts";
import { killServer, startServer } from "../support/servers.ts";
import { type CommandLine, commandLine } from "./support.ts";

interface Found {
  topic: string;
  ok: boolean | null;
  says: string;
}

async function doctor(cli: CommandLine): Promise<{ code: number; found: Found[] }> {
  const { code, out, err } = await cli.strata("doctor", "--hosted", "--json");
  assert.equal(err, "");
  return { code, found: JSON.parse(out).assumptions };
}

const failing = (found: Found[]) =>
  found.filter(({ ok }) => ok === false).map(({ topic }) => topic);

Deno.test("doctor --hosted asks a project and changes nothing, so a read-only one answers as well", async () => {
  await using cli = await commandLine(["core", "main"]);
  const sql = cli.sql("core");
  const well = await doctor(cli);
  const cron = ["pg_cron", "history of jobs"]; // lives in database postgres alone
  assert.deepEqual(failing(well.found).filter((topic) => !cron.includes(topic)), []);

  await sql.unsafe(
    `alter database ${cli.databases.get("core")?.name} set default_transaction_read_only = on`,
  );
  const full = await doctor(cli);
  assert.equal(full.code, 1);
  assert.deepEqual(failing(full.found).filter((topic) => !cron.includes(topic)), ["writable"]);
  assert.equal(full.found.find(({ topic }) => topic === "read-only can be lifted")?.ok, true);

  const page = await Deno.readTextFile(`${REPOSITORY}/docs/design/platform.md`);
  for (const { topic } of well.found) assert.match(page, new RegExp(`^\\| ${topic} +\\|`, "m"));
});

Deno.test("doctor --hosted tells a pg_cron that keeps no history, or schedules by another clock", async () => {
  await using stack = await ownStack();
  const core = stack.clusters.find(({ tier }) => tier === "core");
  assert.ok(core !== undefined);
  await using cli = await commandLine(["core", "main"]);
  cli.environment["STRATA_CORE_DB_URL"] = stack.env["STRATA_CORE_DB_URL"] ?? "";
  const of = async (topic: string) => {
    return (await doctor(cli)).found.find((one) => one.topic === topic);
  };
  const topics = ["history of jobs", "clock of pg_cron", "silent neighbours"];
  for (const topic of topics) assert.equal((await of(topic))?.ok, true, topic);

  const sql = connectLocally(core);
  await sql.unsafe("alter system set cron.log_run = off");
  const [zone] = await sql`select from pg_settings where name = 'cron.timezone'`; // from 1.5 on
  if (zone !== undefined) await sql.unsafe("alter system set cron.timezone = 'Asia/Kathmandu'");
  await sql.end();
  await killServer("core", stack);
  await startServer("core", stack);
  assert.equal((await of("history of jobs"))?.ok, false);
  assert.equal((await of("clock of pg_cron"))?.ok, zone === undefined);
});

Deno.test("doctor --hosted says what a plain PostgreSQL has not", async () => {
  await using plain = await plainServer("initdb");
  await using cli = await commandLine(["core", "main"]);
  cli.environment["STRATA_CORE_DB_URL"] = plain.url;
  const { code, found } = await doctor(cli);
  assert.equal(code, 1);
  assert.deepEqual(failing(found), [
    "no superuser",
    "roles of the API",
    "schema extensions",
    "pg_cron",
    "pg_net",
    "worker of pg_net",
    "Vault",
  ]);
  const { out } = await cli.strata("doctor", "--hosted");
  assert.match(out, /^✗ +pg_net +pg_net is not an extension here$/m);
  assert.match(out, /^- +servers may be made +postgres_fdw is not created yet$/m);
  assert.match(out, /7 of \d+ assumptions do not hold on core/);
});
