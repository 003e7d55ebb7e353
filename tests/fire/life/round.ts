import postgres, { type Sql } from "postgres";
import { z } from "zod";
import type { Tier } from "../../../local/settings.ts";
import type { Link } from "../../support/chain.ts";
import { endPauses, isQuiet, runOnce } from "../../support/moves.ts";
import { waitFor } from "../../support/wait_for.ts";
import { anyFault } from "./faults.ts";
import type { Journal } from "./journal.ts";
import { type Seeded, seeded } from "./seeded.ts";
import { leftBehind, linksOf, lookEverywhere, type World } from "./world.ts";
import { Writer } from "./writers.ts";

/** What a round is allowed to take from its last fault to quiet. */
const RECOVERY_MS = 120_000;
const WRITERS = 3; // on core

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

const MOVE = "call strata.move_due('5 seconds')";
/** What pg_cron calls, as often as each is chosen. */
const JOBS: [string, number][] = [
  [MOVE, 12],
  ["call strata.go_on()", 2],
  ["call strata.delete_due('2 seconds')", 2],
  ["call strata.upkeep('2 seconds')", 1],
  ["call strata.watch()", 1],
  ["call strata.audit('2 seconds')", 2],
];

/** Errors that a fault explains: connections, shutdown, locks, read-only, no room, time-outs. */
const EXPECTED = /^(08|57|53|40|55P03|25006|28|58|XX|ST0|CONN|EPIPE|ECONN|ENOT|25P02|57014)/;

/** Moves rows on from a tier; throws what no fault explains. */
type Carry = (signal: AbortSignal) => Promise<void>;

/** What the function answers: all is well, the key is wrong, see its log, the link is down, its own tier is. */
const ANSWERS = [200, 401, 500, 502, 503];

/** The relay that carries rows on from a tier; none from the last one, or where rows are pushed or pulled. */
function relayFrom({ chain, projects }: World, tier: Tier): Carry | undefined {
  const link = linksOf(chain).find(({ hotter }) => hotter.tier === tier);
  if (projects === undefined || link === undefined) return undefined;
  return async (signal) => {
    const { status, body } = await projects.relay(link.hotter, link.colder, signal);
    if (status !== 0 && !ANSWERS.includes(status)) throw new Error(`${status} ${body}`);
  };
}

/** Runs jobs on a tier as pg_cron would, but again as soon as one has ended. */
class Jobs {
  readonly #sql: Sql;
  readonly #random: Seeded;
  readonly #carry: Carry | undefined;
  readonly #stop = new AbortController();
  readonly surprises: string[] = [];

  /** `carry`: what moves rows on from this tier, where that is not its own job. */
  constructor({ url, tier }: Link, random: Seeded, carry: Carry | undefined) {
    this.#carry = carry;
    const connection = { application_name: `jobs of ${tier}`, search_path: "pg_catalog" };
    this.#sql = postgres(url, { max: 1, connection, onnotice: () => {}, connect_timeout: 2 });
    this.#random = random;
  }

  async work(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const job = this.#random.weighted(JOBS);
      try {
        if (job === MOVE && this.#carry !== undefined) await this.#carry(this.#stop.signal);
        else await this.#sql.unsafe(job);
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
    this.#stop.abort();
    await this.#sql.end({ timeout: 5 });
  }
}

const Failure = z.object({
  event: z.literal("failed"),
  error: z.object({ code: z.string().optional() }),
});

/** What functions have logged of failures that no fault explains; a line may be cut off by their death. */
function unexplained(log: readonly string[]): string[] {
  return log.join("").split("\n").filter((line) => {
    const { success, data } = Failure.safeParse(parsed(line));
    if (!success || data.error.code === "") return false; // no failure, or nobody answered
    return !EXPECTED.test(data.error.code ?? "");
  }).map((line) => `functions: ${line.slice(0, 1000)}`);
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Lets a world live for a while under fire, then looks whether everything is where it belongs. */
export async function runRound(
  world: World,
  journal: Journal,
  { seed, faults }: { seed: number; faults: number },
): Promise<RoundResult> {
  const random = seeded(seed);
  for (const { sql } of world.chain.databases) { // flows never begin beside others, and somebody is always there
    await sql`
      update strata.settings set value = ${
      seed % 2 === 0 ? 25 : 100
    } where name = 'share_beside_others'`;
  }
  const log = world.projects?.log ?? [];
  const logged = log.length;
  const writers = Array.from(
    { length: WRITERS },
    (_, at) => new Writer(world.chain.core, journal, seeded(seed + 1000 + at), "dated"),
  );
  writers.push(new Writer(world.chain.main, journal, seeded(seed + 1000 + WRITERS), "ageless"));
  const jobs = world.chain.databases.map((one, at) =>
    new Jobs(one, seeded(seed + 2000 + at), relayFrom(world, one.tier))
  );
  const working = [
    ...writers.map((one, mine) => one.work({ of: writers.length, mine })),
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
  says.push(...unexplained(log.slice(logged)));
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
    const fault = anyFault(world, random);
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

/** One run over every link. A relay's lease is given back or has run out by then. */
async function carryAll(world: World): Promise<void> {
  const { projects, chain, driver } = world;
  if (projects === undefined) return await runOnce(Object.assign(chain, { driver }));
  for (const { hotter, colder } of linksOf(chain)) {
    await hotter.sql`update strata.leases set expires_at = '-infinity'`;
    const { status, body } = await projects.relay(hotter, colder);
    if (status !== 200) throw new Error(`${hotter.tier} to ${colder.tier}: ${status} ${body}`);
  }
}

/** What the last tier is still to delete: it waits until its policy has been confirmed anew. */
async function toDelete({ chain }: World): Promise<string[]> {
  const due = await chain.archive.sql<{ dataset: string; rows: string }[]>`
    select p.dataset, p.rows_now as rows from strata.datasets as d
     cross join lateral strata.plan_dataset(d) as p
     where to_regclass(strata.relation(d)) is not null and p.action = 'delete' and p.rows_now > 0`;
  return due.map(({ dataset, rows }) => `${rows} rows of ${dataset} are to be deleted`);
}

/** Runs the jobs until nothing is left to do; says what it was that never ended. */
async function becomesQuiet(world: World): Promise<string | undefined> {
  const chain = Object.assign(world.chain, { driver: world.driver });
  let last = "";
  try {
    await waitFor("quiet", async () => {
      try {
        await endPauses(chain); // time passes
        await carryAll(world);
        await chain.archive.sql`call strata.delete_due()`;
        const quiet = await Promise.all(chain.databases.map(({ sql }) => isQuiet(sql)));
        const left = [...await leftBehind(world), ...await toDelete(world)];
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
