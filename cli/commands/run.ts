/** What `sync` and `process` share: running the tiers' own procedures until nothing is left to do. */
import {
  clock,
  endPauses,
  type Move,
  moves as movesOf,
  type PlanRow,
  type Trouble,
  troubles as troublesOf,
} from "../../supabase/functions/_strata/protocol/strata.ts";
import { atWork } from "../tiers/turns.ts";
import type { Wrong } from "../tiers/watch.ts";
import type { Context, Report } from "../lib/command.ts";
import {
  count,
  duration,
  grouped,
  rows,
  size,
  some,
  sum,
  table,
  withRemedy,
} from "../lib/output.ts";
import { Progress } from "../lib/progress.ts";
import type { OpenTier, Session } from "../lib/session.ts";
import { wrongEverywhere, wrongText } from "../lib/wrong.ts";
import { keptText, planEverywhere } from "./plan.ts";

/** One pass of a procedure over one tier. */
export type Pass = (open: OpenTier) => Promise<void>;

/** Which due rows a command works on. */
export interface Scope {
  dataset: string | null;
  actions: PlanRow["action"][];
  label: string;
}

const WATCH_MS = 400;

/** How long others' runs may take, such as cron's, which have 50 s and finish their batch. */
const PATIENCE_MS = 90_000;

/**
 * Runs a pass on every tier, hottest first, until a round finds nothing due or brings nothing
 * forward: what one round brings to main, the next may bring to the archive. What another run is
 * at, such as cron's, is waited for: it is due still, and nobody else may move it meanwhile.
 */
export async function runUntilDone(context: Context, scope: Scope, pass: Pass): Promise<Report> {
  const { session } = context;
  const began = Date.now();
  const since = new Map(
    (await session.ask(({ sql }) => clock(sql))).map(({ tier, answer }) => [tier, answer]),
  );
  let plan = await planOf(context, scope); // first: it says when there is no such dataset
  const sizes = new Sizes(plan);
  await session.ask(({ sql }) => endPauses(sql, scope.dataset));
  let moves: Move[] = [];
  let waited = false;
  let busy: string[] = [];
  using progress = new Progress(scope.label, Number(stepsAhead(context, plan)), count);
  while (true) {
    const before = settled(moves);
    const expected = Number(before + stepsAhead(context, plan));
    await watched(
      () => round(session, pass),
      async () => progress.at(Number(settled(await glimpse(session, since))), expected),
    );
    moves = await movesSince(session, since);
    plan = await planOf(context, scope);
    sizes.learn(plan);
    if (dueIn(plan) === 0n) break;
    const stands = settled(moves) === before;
    busy = stands ? await othersAt(session, scope) : [];
    if (stands && (busy.length === 0 || waited)) break;
    if (stands) busy = await othersDone(session, scope);
    waited = stands;
  }
  const standing = await session.ask(({ sql }) => troublesOf(sql));
  const wrong = (await wrongEverywhere(session)).filter(isElse);
  return summary({
    moves,
    wrong,
    sizes,
    plan,
    busy: dueIn(plan) === 0n ? [] : busy,
    troubles: standing.flatMap(({ tier, answer }) => answer.map((t) => ({ tier, ...t }))),
    took: Date.now() - began,
    actions: scope.actions,
    complete: session.skipped.length === 0,
  });
}

/** What keeps rows where they are and is neither a link nor a dataset that stands still, which are told of anyway. */
function isElse({ kind, of_moves, severity }: Wrong): boolean {
  return of_moves && severity !== "info" &&
    !["link_down", "stands_still", "not_reachable"].includes(kind);
}

/** The datasets that others are moving. */
async function othersAt(session: Session, { dataset }: Scope): Promise<string[]> {
  const answers = await session.ask(({ sql }) => atWork(sql));
  const all = [...new Set(answers.flatMap(({ answer }) => answer))];
  return all.filter((one) => dataset === null || one === dataset);
}

/** Waits until nobody else moves anything; those who still do when it has taken too long. */
async function othersDone(session: Session, scope: Scope): Promise<string[]> {
  const deadline = Date.now() + PATIENCE_MS;
  let busy = await othersAt(session, scope);
  while (busy.length > 0 && Date.now() < deadline) {
    await new Promise((wake) => setTimeout(wake, WATCH_MS));
    busy = await othersAt(session, scope);
  }
  return busy;
}

async function round(session: Session, pass: Pass): Promise<void> {
  for (const open of [...session.open]) {
    try {
      await pass(open);
    } catch (error) {
      session.skip(open, error);
    }
  }
}

/** Runs work, and meanwhile looks at how far it is; a look that fails is nobody's concern. */
async function watched(work: () => Promise<void>, look: () => Promise<void>): Promise<void> {
  if (!Deno.stderr.isTerminal()) return await work();
  let looking: Promise<void> | undefined;
  const timer = setInterval(() => {
    looking ??= look().catch(() => {}).finally(() => looking = undefined);
  }, WATCH_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
    await looking;
  }
}

async function planOf(context: Context, scope: Scope): Promise<PlanRow[]> {
  const plan = await planEverywhere(context, scope.dataset);
  return plan.filter(({ action }) => scope.actions.includes(action));
}

const dueIn = (plan: readonly PlanRow[]) => sum(plan.map((row) => row.rows_now));

/** How many steps are ahead: a row that main will pass on at once takes two. */
function stepsAhead({ config }: Context, plan: readonly PlanRow[]): bigint {
  const isPassedOn = config.tiers.at(-1)?.key !== "main";
  return dueIn(plan) + (isPassedOn ? sum(plan.map((row) => row.past_next)) : 0n);
}

async function movesSince(session: Session, since: Map<string, string>): Promise<Move[]> {
  const answers = await session.ask(({ tier, sql }) =>
    movesOf(sql, { since: since.get(tier.key) ?? "infinity" })
  );
  return answers.flatMap(({ answer }) => answer);
}

/** As far as it can be seen just now; the pass goes on whether or not this succeeds. */
async function glimpse(session: Session, since: Map<string, string>): Promise<Move[]> {
  const seen = await Promise.all(
    session.open.map(({ tier, sql }) => movesOf(sql, { since: since.get(tier.key) ?? "infinity" })),
  );
  return seen.flat();
}

const settled = (moves: Move[]) => sum(moves.map((move) => move.rows_moved));

type TierTrouble = Trouble & { tier: string };

/** Why links or datasets of a tier stand still, until when, and what to do: each cause once. */
export function troublesText(troubles: readonly TierTrouble[]): string[] {
  const cause = ({ tier, sqlstate, remedy }: TierTrouble) => [tier, sqlstate, remedy].join("\n");
  return grouped(troubles, cause).map(({ first, all }) => {
    const { tier, sqlstate, remedy } = first;
    const next = all.map(({ next_try_at }) => next_try_at ?? "").sort()[0] ?? "";
    const again = next === "" ? "with the next run" : `on ${next.slice(0, 16)} UTC`;
    const about = all.length === 1
      ? first.about
      : some(all.map(({ about }) => about.replace(/^dataset /, "")));
    const says = some([...new Set(all.map(({ says }) => says))]);
    return withRemedy(`On ${tier}, ${about}: ${says} (${sqlstate}). Next try ${again}.`, remedy);
  });
}

/** How large a row of a dataset is on its tier's disk, as the plan has it: one measure for both. */
class Sizes {
  readonly #perRow = new Map<string, number>();

  constructor(plan: readonly PlanRow[]) {
    this.learn(plan);
  }

  /** Notes what a plan says of datasets that were not due before. */
  learn(plan: readonly PlanRow[]): void {
    for (const { tier, dataset, rows_now, bytes_now } of plan) {
      const key = `${tier}\n${dataset}`;
      if (this.#perRow.has(key) || Number(rows_now ?? 0) === 0) continue;
      this.#perRow.set(key, Number(bytes_now) / Number(rows_now));
    }
  }

  /** What rows of a dataset took on a tier; where they only passed through, what they took before. */
  of(tier: string, dataset: string, rows: bigint): bigint {
    const known = this.#perRow.get(`${tier}\n${dataset}`) ??
      [...this.#perRow].find(([key]) => key.endsWith(`\n${dataset}`))?.[1] ?? 0;
    return BigInt(Math.round(known * Number(rows)));
  }
}

interface Outcome {
  moves: Move[];
  sizes: Sizes;
  /** What is due, and what stays, when the run is over. */
  plan: PlanRow[];
  /** The datasets that others were still moving then. */
  busy: string[];
  troubles: TierTrouble[];
  wrong: Wrong[];
  took: number;
  actions: Scope["actions"];
  /** False: a tier was skipped. */
  complete: boolean;
}

/** What was moved, per dataset and way, and what was not. */
function summary(outcome: Outcome): Report {
  const { moves, sizes, plan, busy, troubles, wrong, took, actions, complete } = outcome;
  const due = dueIn(plan);
  const kept = keptText(plan);
  const ways = Map.groupBy(moves, (m) => `${m.dataset}\n${m.from_tier}\n${m.to_tier ?? "deleted"}`);
  const moved = [...ways].map(([way, batch]) => {
    const [dataset = "", from = "", to = ""] = way.split("\n");
    const rows = settled(batch);
    return { dataset, from, to, rows, bytes: sizes.of(from, dataset, rows) };
  }).filter((way) => way.rows > 0n).sort((a, b) => a.dataset < b.dataset ? -1 : 1);
  const drawn = table(
    ["dataset", "from", "to", ">rows", ">size, about"],
    moved.map((way) => [way.dataset, way.from, way.to, count(way.rows), size(way.bytes)]),
  );
  const lines = [
    moved.length === 0
      ? `Nothing was moved${actions.includes("delete") ? " or deleted" : ""}.`
      : `${drawn}\n\n${stepsText(moved)} in ${duration(took)}.`,
    ...troublesText(troubles),
    ...wrong.map(wrongText),
    ...(kept.length === 0 ? [] : [
      `Old enough, but they stay: ${
        kept.join(", ")
      }. \`deno task strata plan\` says of which dataset.`,
    ]),
    ...(due === 0n ? [] : [dueText(due, busy)]),
  ];
  return {
    document: {
      moved,
      rows: settled(moves),
      still_due: due,
      at_work: busy,
      held: sum(plan.map((row) => row.held)),
      set_aside: sum(plan.map((row) => row.set_aside)),
      referenced: sum(plan.map((row) => row.referenced)),
      troubles,
      wrong,
      milliseconds: took,
    },
    text: lines.join("\n"),
    ok: troubles.length === 0 && wrong.length === 0 && due === 0n && complete,
  };
}

function dueText(due: bigint, busy: string[]): string {
  return busy.length === 0
    ? `${rows(due)} still due: see \`deno task strata monitor sync\`.`
    : `${rows(due)} still due: another run is at ${some(busy)}, and goes on by itself.`;
}

/** A row on its way from core to the archive takes two steps, each proved. */
function stepsText(moved: { to: string; rows: bigint }[]): string {
  const [deleted, steps] = [true, false].map((last) =>
    sum(moved.filter(({ to }) => (to === "deleted") === last).map((way) => String(way.rows)))
  );
  return [
    ...(steps ? [`${rows(steps)} taken one tier down, each proved there before it left`] : []),
    ...(deleted ? [`${rows(deleted)} deleted at the age their policy says`] : []),
  ].join(", ");
}
