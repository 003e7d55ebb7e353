/**
 * `deno task test`: format, lint and types, then every test on a stack of its own, kept in memory where
 * there is room, and gone afterwards whatever happens. Tests that kill its servers (tests/fire) run after
 * all others; those that wait for pg_cron have servers of their own, and run beside all that.
 * `--pg 17` or `--pg 15,17,18` decides what the tiers run on; `--engine` leaves out what no version of
 * PostgreSQL has a part in.
 */
import { parseArgs } from "node:util";
import { resolve } from "node:path";
import { removeOwnStacks } from "../tests/support/own_stack.ts";
import { TEST_STACK, testStack } from "../tests/support/stack.ts";
import { template } from "../tests/support/template.ts";
import { cleanUpOnSignal } from "./ending.ts";
import { kill } from "./processes.ts";
import { readMajors, REPOSITORY, StackError } from "./settings.ts";
import { removeStack } from "./stack.ts";
import { readReport, type Report, tellFailures } from "./test_report.ts";

/** A run that did not come as far as its tests. */
const BROKEN: Report = { passed: 0, failed: 1, failures: [] };

const children = new Set<Deno.ChildProcess>();
let isStopping = false;

cleanUpOnSignal(async () => {
  isStopping = true;
  for (const { pid } of children) kill(pid, "SIGKILL");
  await cleanUp();
});

async function deno(...args: string[]): Promise<boolean> {
  const env = { DENO_JOBS: "3" }; // two cores, and somebody always waits for something
  const child = new Deno.Command(Deno.execPath(), { args, cwd: REPOSITORY, env }).spawn();
  children.add(child);
  const { success } = await child.status;
  children.delete(child);
  if (isStopping) await new Promise(() => {}); // no further pass is begun; the signal ends this process
  return success;
}

/** Runs the tests of one pass; the runner's own report gives the numbers. */
async function runTests(name: string, ...args: string[]): Promise<Report> {
  const path = resolve(REPOSITORY, TEST_STACK.home, `${name}.xml`);
  await Deno.remove(path).catch(() => {});
  const flags = ["--allow-all", "--no-check", `--junit-path=${path}`]; // checked before, with all else
  const succeeded = await deno("test", ...flags, ...args);
  const report = await readReport(path);
  // A file that cannot be loaded is no failed test, yet nothing to be proud of.
  return succeeded || report.failed > 0 ? report : { ...report, failed: 1 };
}

/** What takes longest begins first, so that no core is idle at the end. */
const LONGEST = [
  "cli/setup",
  "voice/send",
  "deploy/functions",
  "notify/telegram",
  "audit/audit_runs",
]
  .map((name) => `tests/${name}_test.ts`);

let cleaning: Promise<void> | undefined;

/** Removes everything that tests have started. A signal and the end of the run may ask at once. */
function cleanUp(): Promise<void> {
  return cleaning ??= removeOwnStacks().then(() => removeStack(TEST_STACK));
}

/** Where each test file belongs, the longest first. */
interface Passes {
  /** On the shared servers, side by side. */
  shared: string[];
  /** They wait for minutes of a real pg_cron, each on servers of its own. */
  waiting: string[];
}

async function passes(): Promise<Passes> {
  const found: Passes = { shared: [...LONGEST], waiting: [] };
  for (const path of await testFiles("tests")) {
    if (path.startsWith("tests/fire/") || LONGEST.includes(path)) continue;
    const text = await Deno.readTextFile(`${REPOSITORY}/${path}`);
    const isShared = /\btest(Chain|Database|Cluster)\(/.test(text) || !/\bcronChain\(/.test(text);
    found[isShared ? "shared" : "waiting"].push(path);
  }
  return found;
}

/** Where a database does the work, and one version of it may do it in another way. */
const ENGINE = [
  "tests/answers/",
  "tests/audit/",
  "tests/catalogue_test.ts",
  "tests/conditions/",
  "tests/datasets/",
  "tests/drains/",
  "tests/forecast/",
  "tests/moves/",
  "tests/policies/",
  "tests/quotas/",
  "tests/relay/",
  "tests/tiers/",
  "tests/twins/",
  "tests/watch/",
];

async function testEngine(): Promise<Report[]> {
  await testStack({ say: (line) => console.log(line), inMemory: true });
  await template();
  const isEngine = (path: string) => ENGINE.some((one) => path.startsWith(one));
  const { shared } = await passes();
  return [await runTests("report", "--parallel", ...shared.filter(isEngine))];
}

async function testFiles(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${REPOSITORY}/${directory}`)) {
    const path = `${directory}/${name}`;
    if (isDirectory) found.push(...await testFiles(path));
    else if (name.endsWith("_test.ts")) found.push(path);
  }
  return found.sort();
}

async function runAll(): Promise<Report[]> {
  if (!engine && !await deno("task", "ok")) return [BROKEN];
  await removeOwnStacks(); // nothing of an earlier run may help or hinder
  await removeStack(TEST_STACK);
  if (engine) return await testEngine();
  await testStack({ say: (line) => console.log(line), inMemory: true });
  await template();
  const { shared, waiting } = await passes();
  const onSharedServers = async () => [
    await runTests("report", "--parallel", ...shared), // by name: beside a file, --ignore is not obeyed
    await runTests("report_fire", "tests/fire"),
  ];
  const all = [onSharedServers(), runTests("report_cron", "--parallel", ...waiting)];
  return (await Promise.all(all)).flat();
}

const { values: { pg, engine }, positionals } = parseArgs({
  args: Deno.args,
  options: { pg: { type: "string" }, engine: { type: "boolean", default: false } },
  allowPositionals: true,
});
if (pg !== undefined) Deno.env.set("STRATA_PG", pg); // for every process that is started from here

if (positionals[0] === "clean") { // after a run that was killed and could not do it itself
  await cleanUp();
  Deno.exit();
}

let reports = [BROKEN];
try {
  readMajors(pg ?? ""); // a mistake is told before anything is started
  reports = await runAll();
} catch (error) {
  console.error(error instanceof StackError ? `${error.message}\n${error.remedy}` : error);
} finally {
  await cleanUp();
}
const sum = (pick: (one: Report) => number) => reports.map(pick).reduce((a, b) => a + b, 0);
const failed = sum((one) => one.failed);
const failures = reports.flatMap((one) => one.failures);
if (failures.length > 0) console.log(`\n${tellFailures(failures)}`);
console.log(`\n${sum((one) => one.passed)} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);
