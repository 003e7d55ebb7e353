/**
 * `deno task test`: format, lint and types while the servers are made, then every test on a stack of its
 * own, kept in memory where there is room, and gone afterwards whatever happens. Beside those that share its
 * servers run first those that wait for pg_cron, each on servers of its own, and then those that kill
 * servers (tests/fire), one after the other on a copy of the stack.
 * `--pg 17` or `--pg 15,17,18` decides what the tiers run on; `--engine` leaves out what no version of
 * PostgreSQL has a part in.
 */
import { parseArgs } from "node:util";
import { resolve } from "node:path";
import { copyStack } from "../tests/support/copied_stack.ts";
import { removeOwnStacks } from "../tests/support/own_stack.ts";
import { TEST_STACK, testStack } from "../tests/support/stack.ts";
import { template } from "../tests/support/template.ts";
import { cleanUpOnSignal } from "./ending.ts";
import { findPostgres } from "./packages.ts";
import { kill } from "./processes.ts";
import { readMajors, REPOSITORY, StackError, TIERS } from "./settings.ts";
import { down, removeStack, up } from "./stack.ts";
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

/** The servers that tests kill: those that all others share would take these with them. */
const FIRE_STACK = { home: `${TEST_STACK.home}/fire`, portBase: TEST_STACK.portBase + 20 };

type Env = Record<string, string>;

async function deno(args: string[], env: Env = {}): Promise<boolean> {
  // two cores, and somebody always waits for something
  const jobs = { DENO_JOBS: Deno.env.get("DENO_JOBS") ?? "3" };
  const options = { args, cwd: REPOSITORY, env: { ...jobs, ...env } };
  const child = new Deno.Command(Deno.execPath(), options).spawn();
  children.add(child);
  const { success } = await child.status;
  children.delete(child);
  if (isStopping) await new Promise(() => {}); // no further pass is begun; the signal ends this process
  return success;
}

/** Runs the tests of one pass; the runner's own report gives the numbers. */
async function runTests(name: string, args: string[], env: Env = {}): Promise<Report> {
  const path = resolve(REPOSITORY, TEST_STACK.home, `${name}.xml`);
  await Deno.remove(path).catch(() => {});
  const flags = ["--allow-all", "--no-check", `--junit-path=${path}`]; // checked before, with all else
  const succeeded = await deno(["test", ...flags, ...args], env);
  const report = await readReport(path);
  // A file that cannot be loaded is no failed test, yet nothing to be proud of.
  return succeeded || report.failed > 0 ? report : { ...report, failed: 1 };
}

/** What takes longest begins first, so that no core is idle at the end. */
const LONGEST = [
  "drains/cron",
  "drains/read_only",
  "cron",
  "notify/end_to_end",
  "voice/end_to_end",
  "agreements/restored",
  "moves/settings",
  "remedies/remedies",
  "moves/refused_row",
  "attack/link_password",
  "moves/refusing_tier",
  "audit/audit",
  "moves/straggler",
  "clocks/clock",
  "moves/retract",
  "moves/odd_tables",
  "moves/refused_delete",
  "cli/setup",
  "deploy/functions",
  "attack/publishable_key",
]
  .map((name) => `tests/${name}_test.ts`);

let cleaning: Promise<void> | undefined;

/** Removes everything that tests have started. A signal and the end of the run may ask at once. */
function cleanUp(): Promise<void> {
  return cleaning ??= removeEverything();
}

async function removeEverything(): Promise<void> {
  await removeOwnStacks();
  await removeStack(FIRE_STACK);
  await Deno.remove(resolve(REPOSITORY, FIRE_STACK.home), { recursive: true }).catch(() => {});
  await removeStack(TEST_STACK);
}

/** Where each test file belongs, the longest first. */
interface Passes {
  /** On the shared servers, side by side. */
  shared: string[];
  /** They wait for minutes of a real pg_cron, each on servers of its own. */
  waiting: string[];
}

async function passes(): Promise<Passes> {
  const found: Passes = { shared: [], waiting: [] };
  const all = await testFiles("tests");
  for (const path of new Set([...LONGEST.filter((one) => all.includes(one)), ...all])) {
    if (path.startsWith("tests/fire/")) continue;
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
  await makeStack();
  const isEngine = (path: string) => ENGINE.some((one) => path.startsWith(one));
  const { shared } = await passes();
  return [await runTests("report", ["--parallel", ...shared.filter(isEngine)])];
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

async function makeStack(): Promise<void> {
  await testStack({ say: (line) => console.log(line), inMemory: true });
  await tellVersions();
  await template();
}

/** Makes what is shared, and from it what is killed: a copy is quicker than another one. */
async function makeStacks(): Promise<void> {
  await makeStack();
  await down(TEST_STACK);
  await copyStack(TEST_STACK, FIRE_STACK, true);
  await Promise.all([TEST_STACK, FIRE_STACK].map((where) => up({ ...where, disposable: true })));
}

/** Hosted projects run on 17, so that the log says whether anything here did. */
async function tellVersions(): Promise<void> {
  const { servers } = await testStack();
  const majors = [...new Set(TIERS.map((tier) => servers[tier].major))].join(", ");
  if (majors === "17") return console.log("The tests run on PostgreSQL 17, as hosted projects do.");
  const here = await findPostgres(17) !== undefined;
  console.log(
    `The tests run on PostgreSQL ${majors}, and not on 17, which is ` +
      (here ? "here: `deno task test --pg 17 --engine`." : "not on this machine."),
  );
}

async function runAll(): Promise<Report[]> {
  await removeEverything(); // nothing of an earlier run may help or hinder
  if (engine) return await testEngine();
  const [isOk] = await Promise.all([deno(["task", "ok"]), makeStacks()]);
  if (!isOk) return [BROKEN];
  const { shared, waiting } = await passes();
  const onTheirOwn = async () => [
    await runTests("report_cron", ["--parallel", ...waiting]),
    await runTests("report_fire", ["tests/fire"], {
      STRATA_TEST_HOME: FIRE_STACK.home,
      STRATA_TEST_PORT_BASE: `${FIRE_STACK.portBase}`,
    }),
  ];
  // by name: beside a file, --ignore is not obeyed
  const onSharedServers = async () => [await runTests("report", ["--parallel", ...shared])];
  return (await Promise.all([onSharedServers(), onTheirOwn()])).flat();
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
