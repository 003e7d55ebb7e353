import assert from "node:assert/strict";
import { waitFor } from "../support/wait_for.ts";
import { commandLine, strata } from "./support.ts";

const COMMANDS = [
  "setup",
  "status",
  "plan",
  "explain",
  "sync",
  "process",
  "monitor",
  "forecast",
  "quota",
  "alerts",
  "manage",
  "load",
];

Deno.test("run() shows every command's help with examples", async () => {
  const { code, out } = await strata(["--help"]);
  assert.equal(code, 0);
  for (const command of COMMANDS) {
    assert.match(out, new RegExp(`^  ${command} `, "m"));
    const help = await strata([command, "--help"]);
    assert.equal(help.code, 0);
    assert.match(help.out, /--json/);
    assert.match(help.out, new RegExp(`Examples:\n  \\$ deno task strata (${command}|plan)`));
  }
});

Deno.test("run() answers a wrong call with a sentence and code 2", async () => {
  for (
    const [args, says] of [
      [["plam"], /unknown command 'plam'\n\(Did you mean plan\?\)/],
      [["plan", "--jsn"], /unknown option '--jsn'/],
      [["explain", "tasks"], /missing required argument 'key'/],
      [["monitor", "weather"], /Allowed choices are sizes, sync, lifecycle/],
      [["manage", "t", "--core", "soon"], /Write a number of days, or never/],
      [["manage", "t", "--due-when", " "], /Write a condition, or none/],
      [["manage", "t", "--core", "100001"], /Write a number of days, or never; at most 100000/],
      [
        ["manage", "t", "--size-limit-kb", "0"],
        /Write a number of KB from 1 to 999999999, or none/,
      ],
      [["voice", "history", "--limit", "soon"], /Write a number of days from 1 to 100/],
      [["voice", "preview", "--limit", "3"], /^--limit goes with voice history\n→ Leave it out/],
      [["voice", "send", "--all", "--owner", "anna"], /'--all' cannot be used with .* '--owner/],
      [
        ["report", "--send", "--send-to-admin"],
        /'--send-to-admin' cannot be used with .* '--send'/,
      ],
      [["status", "--config", "/"], /^\/ is a folder\n→ Name the file in it\.$/],
    ] as const
  ) {
    const { code, err } = await strata([...args]);
    assert.equal(code, 2, args.join(" "));
    assert.match(err, says);
  }
});

Deno.test("run() answers a wrong call with one JSON document under --json", async () => {
  const { code, out, err } = await strata(["plan", "--json", "--wrong"]);
  assert.equal(code, 2);
  assert.equal(err, "");
  assert.match(JSON.parse(out).error.says, /unknown option '--wrong'/);
});

Deno.test("run() reports a faulty configuration with code 2 and changes nothing", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.configure("lifecycle_policies: { tasks: { core_retention_days: soon, colour: red } }");
  const { code, err } = await cli.strata("setup", "--init");
  assert.equal(code, 2);
  assert.match(err, /has 2 problems:/);
  assert.match(err, /lifecycle_policies\.tasks\.colour /);
  assert.match(err, /lifecycle_policies\.tasks\.core_retention_days /);
  assert.deepEqual([...await cli.sql("core")`select tier from strata.self`], []);
});

Deno.test("run() says that no tier is set up yet, and how that is done", async () => {
  await using cli = await commandLine(["core", "main"]);
  const { code, err } = await cli.strata("plan");
  assert.equal(code, 1);
  assert.match(err, /core: Strata is not set up there/);
  assert.match(err, /setup --init/);
});

Deno.test("run() never shows a stack trace", async () => {
  const { code, err } = await strata(["plan", "--config", "/nowhere/strata.yaml"]);
  assert.equal(code, 2);
  assert.equal(err, "There is no configuration at /nowhere/strata.yaml\n→ Name one with --config.");
});

Deno.test("sync waits for the run that is at a dataset already, and moves what that one left", async () => {
  await using cli = await commandLine(["core", "main"]);
  await cli.strata("setup", "--init");
  const core = cli.sql("core");
  await core`create table public.orders (id int primary key, created_at timestamptz)`;
  await cli.strata("manage", "public.orders", "--core", "0");
  await core`insert into public.orders values (1, '2026-01-01')`;
  assert.equal((await cli.strata("sync")).code, 0);
  await core`insert into public.orders values (2, '2026-01-01')`;
  const cron = await cli.sql("main").reserve(); // main dials core, as the shipped configuration has it
  await cron`select strata.begin_turn('strata move/core/orders')`;
  const syncing = cli.strata("sync", "--json");
  await waitFor("sync to ask who is at work", async () => {
    const [asked] = await cli.sql("main")`
      select from pg_stat_activity
       where datname = current_database() and query like '%strata.at_work()%' and pid <> pg_backend_pid()`;
    return asked !== undefined;
  });
  await cron`select strata.begin_turn(null)`;
  cron.release();
  const { code, out } = await syncing;
  const { rows, still_due, at_work } = JSON.parse(out);
  assert.deepEqual([code, rows, still_due, at_work], [0, "1", "0", []]);
});
