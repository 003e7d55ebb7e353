/**
 * `deno task test`: format, lint and types while the servers are made, then every test on a stack of its
 * own, kept in memory where there is room, and gone afterwards whatever happens. Beside those that share its
 * servers run first those that wait for pg_cron, each on servers of its own, and then those that kill
 * servers (tests/fire), one after the other on a copy of the stack.
 * `--pg 17` or `--pg 15,17,18` decides what the tiers run on; `--engine` leaves out what no version of
 * PostgreSQL has a part in, or what is not named after it. Without `--pg`, what differs most between versions runs on 17 as well, which
 * hosted projects have, where that can be had soon.
 */
import { parseArgs } from "node:util";
import { resolve } from "node:path";
import { copyStack } from "../tests/support/copied_stack.ts";
import { removeOwnStacks } from "../tests/support/own_stack.ts";
import { TEST_STACK, testStack } from "../tests/support/stack.ts";
import { template } from "../tests/support/template.ts";
import { cleanUpOnSignal } from "./ending.ts";
import type { Postgres } from "./packages.ts";
import { kill } from "./processes.ts";
import { CommandFailed } from "./server_user.ts";
import { readMajors, REPOSITORY, StackError, TIERS } from "./settings.ts";
import { down, removeStack, up } from "./stack.ts";
import { readReport, type Report, tellFailures } from "./test_report.ts";
import { versionInTime } from "./version_in_time.ts";

/** A run that did not come as far as its tests. */
const BROKEN: Report = { passed: 0, failed: 1, failures: [] };

const children = new Set<Deno.ChildProcess>();
let isStopping = false;

cleanUpOnSignal(async () => {
  isStopping = true;
  for (const { pid } of children) kill(pid, "SIGKILL");
  await cleanUp();
});

const HOSTED_MAJOR = 17;
/** A third stack, on that version. */
const HOSTED_STACK = {
  home: `${TEST_STACK.home}/hosted`,
  portBase: TEST_STACK.portBase + 40,
  majors: readMajors(`${HOSTED_MAJOR}`),
};

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
  await removeOwnStacks(HOSTED_STACK);
  for (const beside of [FIRE_STACK, HOSTED_STACK]) {
    await removeStack(beside);
    await Deno.remove(resolve(REPOSITORY, beside.home), { recursive: true }).catch(() => {});
  }
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

/** Where no version of PostgreSQL has a part: what else there is may go another way on each. */
const WITHOUT_ENGINE = [
  ...["bench", "cli", "deploy", "deploy_notice", "docs", "functions", "local", "notify", "voice"]
    .map((topic) => `tests/${topic}/`),
  "tests/docs_test.ts",
  "tests/repository_test.ts",
];
/** Yet these do. */
const OF_THE_ENGINE = ["tests/cli/plain_test.ts", "tests/local/hosted_test.ts"];

/** What differs most between versions, in few minutes: values, statements, catalogues, the way to a neighbour. */
const ESSENTIAL = [
  ...[
    "builtin_types",
    "foreign_keys",
    "keys",
    "kinds",
    "parts",
    "triggers",
    "unread_values",
    "values",
  ]
    .map((name) => `tests/moves/${name}_test.ts`),
  "tests/audit/audit_test.ts",
  "tests/catalogue_test.ts",
  "tests/datasets/",
  "tests/drains/read_only_test.ts",
  "tests/lint_test.ts",
  "tests/local/refusals_test.ts",
  "tests/tiers/silent_neighbour_test.ts",
  "tests/twins/",
  "tests/watch/sizes_test.ts",
];

const isOf = (list: readonly string[]) => (path: string) =>
  list.some((one) => path.startsWith(one));

async function testEngine(): Promise<Report[]> {
  await makeStack();
  const isEngine = (path: string) =>
    positionals.length > 0
      ? isOf(positionals)(path)
      : isOf(OF_THE_ENGINE)(path) || !isOf(WITHOUT_ENGINE)(path);
  const { shared, waiting } = await passes();
  const chosen = Object.entries({ report: shared, report_cron: waiting })
    .map(([name, files]) => ({ name, files: files.filter(isEngine) }))
    .filter(({ files }) => files.length > 0);
  return await Promise.all(
    chosen.map(({ name, files }) => runTests(name, ["--parallel", ...files])),
  );
}

/** Said at the end, where it is found. */
const remarks: string[] = [];

/** The essential tests on the version that hosted projects have; that it cannot be had is no fault. */
async function testHostedVersion(wanted: Promise<Postgres | string>): Promise<Report[]> {
  const found = await wanted;
  const why = typeof found === "string" ? found : await makeHostedStack();
  if (why !== undefined) {
    remarks.push(`No test ran on PostgreSQL ${HOSTED_MAJOR}, as hosted projects have it: ${why}.`);
    return [];
  }
  const { shared, waiting } = await passes();
  const files = [...waiting, ...shared].filter(isOf(ESSENTIAL));
  const report = await runTests("report_hosted", ["--parallel", ...files], {
    STRATA_PG: `${HOSTED_MAJOR}`,
    STRATA_TEST_HOME: HOSTED_STACK.home,
    STRATA_TEST_PORT_BASE: `${HOSTED_STACK.portBase}`,
  });
  const { passed, failed } = report;
  remarks.push(`Of these on PostgreSQL ${HOSTED_MAJOR}: ${passed} passed, ${failed} failed.`);
  return [report];
}

/** Why there is no such stack; undefined when it is up. */
async function makeHostedStack(): Promise<string | undefined> {
  try {
    await up({ ...HOSTED_STACK, disposable: true, inMemory: true });
    return undefined;
  } catch (error) {
    if (error instanceof StackError || error instanceof CommandFailed) return error.message;
    throw error; // our own SQL, say, does not run there
  }
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

async function tellVersions(): Promise<void> {
  console.log(`The tests run on PostgreSQL ${(await majorsOf()).join(", ")}.`);
}

async function majorsOf(): Promise<number[]> {
  const { servers } = await testStack();
  return [...new Set(TIERS.map((tier) => servers[tier].major))];
}

async function runAll(): Promise<Report[]> {
  await removeEverything(); // nothing of an earlier run may help or hinder
  if (engine) return await testEngine();
  const hosted = pg === undefined ? versionInTime(HOSTED_MAJOR) : undefined;
  const [isOk] = await Promise.all([deno(["task", "ok"]), makeStacks()]);
  if (!isOk) return [BROKEN];
  const { shared, waiting } = await passes();
  const isOther = hosted !== undefined && !(await majorsOf()).includes(HOSTED_MAJOR);
  const onTheirOwn = async () => [
    await runTests("report_cron", ["--parallel", ...waiting]),
    await runTests("report_fire", ["tests/fire"], {
      STRATA_TEST_HOME: FIRE_STACK.home,
      STRATA_TEST_PORT_BASE: `${FIRE_STACK.portBase}`,
    }),
    ...isOther ? await testHostedVersion(hosted) : [],
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
if (remarks.length > 0) console.log(`\n${remarks.join("\n")}`);
console.log(`\n${sum((one) => one.passed)} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);
