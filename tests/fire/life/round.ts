import postgres, { type Sql } from "postgres";
import type { Link } from "../../support/chain.ts";
import { endPauses, isQuiet, runOnce } from "../../support/moves.ts";
import { waitFor } from "../../support/wait_for.ts";
import { FAULTS } from "./faults.ts";
import type { Journal } from "./journal.ts";
import { type Seeded, seeded } from "./seeded.ts";
import { leftBehind, lookEverywhere, type World } from "./world.ts";
import { Writer } from "./writers.ts";

/** What a round is allowed to take from its last fault to quiet. */
const RECOVERY_MS = 120_000;
const WRITERS = 3;

/** What came of a round. */
export interface RoundResult {
  faults: string[];
  lost: number;
  duplicated: number;
  resurrected: number;
  /** 1 when it never became quiet, left something behind, or put rows in the wrong tier. */
  stuck: number;
  recoverySeconds: number;
  /** Rows that were found. */
  rows: number;
  says: string[];
}

/** What pg_cron calls, as often as each is chosen. */
const JOBS: [string, number][] = [
  ["call strata.move_due('5 seconds')", 12],
  ["call strata.go_on()", 2],
  ["call strata.delete_due('2 seconds')", 2],
  ["call strata.upkeep('2 seconds')", 1],
  ["call strata.watch()", 1],
  ["call strata.audit('2 seconds')", 2],
];

/** Errors that a fault explains: connections, shutdown, locks, read-only, no room, time-outs. */
const EXPECTED = /^(08|57|53|40|55P03|25006|28|58|XX|ST0|CONN|EPIPE|ECONN|ENOT|25P02|57014)/;

/** Runs jobs on a tier as pg_cron would, but again as soon as one has ended. */
class Jobs {
  readonly #sql: Sql;
  readonly #random: Seeded;
  #stops = false;
  readonly surprises: string[] = [];

  constructor({ url, tier }: Link, random: Seeded) {
    const connection = { application_name: `jobs of ${tier}`, search_path: "pg_catalog" };
    this.#sql = postgres(url, { max: 1, connection, onnotice: () => {}, connect_timeout: 2 });
    this.#random = random;
  }

  async work(): Promise<void> {
    while (!this.#stops) {
      const job = this.#random.weighted(JOBS);
      try {
        await this.#sql.unsafe(job);
      } catch (error) {
        const { code = "", message = "" } = error instanceof Error
          ? { code: "code" in error ? String(error.code) : "", message: error.message }
          : {};
        if (!EXPECTED.test(code)) this.surprises.push(`${job}: ${code} ${message}`);
      }
      await new Promise((wake) => setTimeout(wake, this.#random.between(0, 40)));
    }
  }

  async stop(): Promise<void> {
    this.#stops = true;
    await this.#sql.end({ timeout: 5 });
  }
}

/** Lets a world live for a while under fire, then looks whether everything is where it belongs. */
export async function runRound(
  world: World,
  journal: Journal,
  { seed, faults }: { seed: number; faults: number },
): Promise<RoundResult> {
  const random = seeded(seed);
  const writers = Array.from(
    { length: WRITERS },
    (_, at) => new Writer(world.chain.core, journal, seeded(seed + 1000 + at)),
  );
  const jobs = world.chain.databases.map((one, at) => new Jobs(one, seeded(seed + 2000 + at)));
  const working = [
    ...writers.map((one, mine) => one.work({ of: WRITERS, mine })),
    ...jobs.map((one) => one.work()),
  ];
  const names = await strikeAll(world, random, faults);
  const healed = performance.now();
  await Promise.all([...writers, ...jobs].map((one) => one.stop()));
  await Promise.all(working);

  const says = [...writers, ...jobs].flatMap(({ surprises }) => surprises);
  const quiet = await becomesQuiet(world);
  const recoverySeconds = (performance.now() - healed) / 1000;
  const found = await lookEverywhere(world);
  const verdict = journal.judge(found, { colderToo: world.drained });
  const stuck = quiet !== undefined || verdict.misplaced > 0 || says.length > 0 ? 1 : 0;
  return {
    faults: names,
    lost: verdict.lost,
    duplicated: verdict.duplicated,
    resurrected: verdict.resurrected,
    stuck,
    recoverySeconds,
    rows: found.size,
    says: [...says, ...verdict.says, ...quiet === undefined ? [] : [quiet]],
  };
}

/** One fault after the other, each for a moment, now and then two at a time. */
async function strikeAll(world: World, random: Seeded, count: number): Promise<string[]> {
  const names: string[] = [];
  let wounds: (() => Promise<void>)[] = [];
  const heal = async () => {
    for (const one of wounds.reverse()) await insist(one);
    wounds = [];
  };
  for (let struck = 0; struck < count; struck++) {
    await livesOn(random.between(100, 600));
    const fault = random.pick(FAULTS);
    names.push(fault.name);
    wounds.push(await fault.strike(world, random));
    if (random.next() < 0.7) {
      await livesOn(random.between(100, 800));
      await heal();
    }
  }
  await livesOn(300);
  await heal();
  return names;
}

/** What makes good again must happen, whatever else is wrong at that moment. */
async function insist(work: () => Promise<void>): Promise<void> {
  let reason: unknown;
  await waitFor("a fault to be made good", async () => {
    try {
      await work();
      return true;
    } catch (error) {
      reason = error;
      return false;
    }
  }).catch((error) => {
    throw new Error(`${error.message}: ${reason}`);
  });
}

/** Nothing is waited for here: the world lives this long before the next thing happens to it. */
function livesOn(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}

/** Runs the jobs until nothing is left to do; says what it was that never ended. */
async function becomesQuiet(world: World): Promise<string | undefined> {
  const chain = Object.assign(world.chain, { driver: world.driver });
  let last = "";
  try {
    await waitFor("quiet", async () => {
      try {
        await endPauses(chain); // time passes
        await runOnce(chain);
        await chain.archive.sql`call strata.delete_due()`;
        const quiet = await Promise.all(chain.databases.map(({ sql }) => isQuiet(sql)));
        const left = await leftBehind(world);
        last = left.join("; ");
        return quiet.every(Boolean) && left.length === 0;
      } catch (error) { // a pool that finds its connection dead says so once
        last = error instanceof Error ? error.message : String(error);
        return false;
      }
    }, { timeoutMs: RECOVERY_MS, everyMs: 20 });
    return undefined;
  } catch {
    return `it never became quiet: ${last}`;
  }
}
