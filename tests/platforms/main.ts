/**
 * `deno task test:platforms`: the demo and the tests of the engine on every version of PostgreSQL that
 * can be had, and on chains whose tiers differ. One chain after the other, each on servers of its own.
 */
import { Command } from "commander";
import { cleanUpOnSignal, ending } from "../../local/ending.ts";
import { requirePostgres } from "../../local/packages.ts";
import { REPOSITORY, StackError } from "../../local/settings.ts";
import { removeStack } from "../../local/stack.ts";

/** What core, main and archive run on; one number where it is the same. */
const CHAINS = ["15", "17", "18", "15,17,18", "18,17,15"];
const HOME = ".strata/platforms";
const TEST_PORT_BASE = Number(Deno.env.get("STRATA_TEST_PORT_BASE") ?? 58_130);
/** The tests' stacks take the ports before it. */
const PORT_BASE = TEST_PORT_BASE + 60;

/** What a chain's run came to. */
interface Outcome {
  chain: string;
  demo: boolean;
  passed: number;
  failed: number;
  seconds: number;
}

const program = new Command("test:platforms")
  .description("The demo and the tests of the engine, on PostgreSQL 15, 17, 18 and mixed chains.")
  .argument("[files...]", "these test files alone, or all below these folders")
  .option("--chains <list>", 'which, parted by spaces: "17 15,17,18"', CHAINS.join(" "))
  .option("--no-demo", "the tests alone")
  .option("--json", "end with one JSON object", false);

cleanUpOnSignal(cleanUp);
program.parse();
const { chains, demo: withDemo, json } = program.opts<
  { chains: string; demo: boolean; json: boolean }
>();
const say = (line: string) => json ? console.error(line) : console.log(line);
const outcomes: Outcome[] = [];
const missing: string[] = [];
try {
  for (const chain of chains.split(" ")) {
    const cannot = await cannotBeHad(chain);
    if (cannot === undefined) outcomes.push(await tryChain(chain));
    else missing.push(cannot);
  }
} finally {
  await cleanUp();
}
const sum = (pick: (one: Outcome) => number) => outcomes.map(pick).reduce((a, b) => a + b, 0);
const [passed, failed] = [sum((one) => one.passed), sum((one) => one.failed)];
for (const line of missing) say(`Left out: ${line}`);
if (json) {
  console.log(JSON.stringify({
    versions: [...new Set(outcomes.flatMap(({ chain }) => chain.split(",")))].sort(),
    chains: outcomes,
    passed,
    failed,
    seconds: Math.round(sum((one) => one.seconds)),
  }));
} else console.log(`${passed} passed, ${failed} failed`);
Deno.exit(failed === 0 && outcomes.length > 0 ? 0 : 1);

/** Why a chain is left out: a version of it is nowhere to be had. */
async function cannotBeHad(chain: string): Promise<string | undefined> {
  try {
    for (const major of new Set(chain.split(","))) await requirePostgres(Number(major), say);
    return undefined;
  } catch (error) {
    if (!(error instanceof StackError)) throw error;
    return `${chain}: ${error.message}`;
  }
}

async function tryChain(chain: string): Promise<Outcome> {
  say(`PostgreSQL ${chain}`);
  const began = performance.now();
  const demo = !withDemo || await succeeds("demo", chain, ["cli/demo/main.ts"]);
  await removeStack({ home: `${HOME}/stack`, portBase: PORT_BASE });
  const tests = await output(chain, ["local/test.ts", "--engine", "--pg", chain, ...program.args]);
  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(tests) ?? [];
  const counted = { passed: Number(passed ?? 0), failed: Number(failed ?? 1) };
  if (counted.failed > 0) say(tests.slice(Math.max(tests.search(/^FAILED \S+: /m), 0))); // told once more
  say(`PostgreSQL ${chain}: ${counted.passed} passed, ${counted.failed} failed`);
  return {
    chain,
    demo,
    passed: counted.passed + (demo && withDemo ? 1 : 0),
    failed: counted.failed + (demo ? 0 : 1),
    seconds: (performance.now() - began) / 1000,
  };
}

async function succeeds(name: string, chain: string, args: string[]): Promise<boolean> {
  const { success, said } = await run(chain, args);
  if (!success) say(`the ${name} failed on PostgreSQL ${chain}:\n${said}`);
  return success;
}

async function output(chain: string, args: string[]): Promise<string> {
  return (await run(chain, args)).said;
}

async function run(chain: string, args: string[]): Promise<{ success: boolean; said: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", ...args],
    cwd: REPOSITORY,
    env: {
      STRATA_PG: chain,
      STRATA_HOME: `${HOME}/stack`,
      STRATA_PORT_BASE: `${PORT_BASE}`,
      STRATA_TEST_HOME: `${HOME}/test`,
      STRATA_TEST_PORT_BASE: `${TEST_PORT_BASE}`,
      NO_COLOR: "1",
    },
    signal: ending,
  }).output();
  return { success, said: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

async function cleanUp(): Promise<void> {
  await removeStack({ home: `${HOME}/stack`, portBase: PORT_BASE });
}
