import type { Command } from "commander";
import {
  lastReclaim,
  planReclaims,
  queueReclaims,
  type Reclaim,
  reclaimNext,
  type ReclaimPlan,
  reclaims as reclaimsOf,
} from "../tiers/space.ts";
import { billedBytes } from "../tiers/watch.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { duration, size, sum, table } from "../lib/output.ts";
import type { OpenTier } from "../lib/session.ts";

const WAYS: Record<ReclaimPlan["method"], string> = {
  vacuum: "cut off at its end",
  reindex: "indexes made anew",
  pack: "packed, nobody waits",
  rewrite: "rewritten, locked meanwhile",
  copy: "emptied and refilled",
};

interface Options extends CommonOptions {
  dryRun?: true;
}

/** `reclaim`: gives freed space back to the disk, now. */
export function reclaim(io: Io): Command {
  return command("reclaim", "give freed space back to the disk now, so that the bill falls", [
    "reclaim --dry-run",
    "reclaim",
  ])
    .option("--dry-run", "only say what would be given back, and how")
    .action((options: Options) => perform(io, options, options.dryRun ? plan : work));
}

async function plan({ session }: Context): Promise<Report> {
  const answers = await session.ask(({ sql }) => planReclaims(sql, true));
  const planned = answers.flatMap(({ tier, answer }) => answer.map((one) => ({ tier, ...one })));
  return {
    document: { reclaims: planned },
    text: planned.length === 0 ? "There is nothing to give back." : table(
      ["tier", "table", ">size", ">to give back", "how"],
      planned.map((one) => [
        one.tier,
        one.dataset ?? one.relation,
        size(one.total_bytes),
        size(one.gain_bytes),
        WAYS[one.method],
      ]),
    ),
    ok: session.isComplete,
  };
}

async function work({ session, say }: Context): Promise<Report> {
  const answers = await session.ask(async ({ tier, sql }) => {
    const before = await billedBytes(sql);
    await queueReclaims(sql);
    const done = await reclaimTier({ tier, sql }, say);
    return { before, after: await billedBytes(sql), done };
  });
  const done = answers.flatMap(({ tier, answer }) => answer.done.map((one) => ({ tier, ...one })));
  const given = answers.map(({ tier, answer: { before, after } }) =>
    `${tier}: ${size(before)} before, ${size(after)} now.`
  );
  return {
    document: {
      reclaims: done,
      tiers: answers.map(({ tier, answer: { before, after } }) => ({
        tier,
        bytes_before: before,
        bytes_after: after,
      })),
    },
    text: done.length === 0 ? "There is nothing to give back." : given.join("\n"),
    ok: session.isComplete && done.every(({ state }) => state === "done"),
  };
}

/** Carries out what is planned on a tier, one table after the other, and tells of each. */
export async function reclaimTier(
  { tier, sql }: OpenTier,
  say: (line: string) => void,
): Promise<Reclaim[]> {
  const first = await lastReclaimBefore(sql);
  let told = first;
  while (await reclaimNext(sql)) {
    const fresh = (await reclaimsOf(sql, told)).filter(({ state }) => state !== "planned");
    for (const one of fresh) say(`${tier.key}: ${reclaimText(one)}`);
    told = fresh.at(-1)?.reclaim_id ?? told;
  }
  const all = await reclaimsOf(sql, first);
  return all.filter(({ state }) => state !== "planned" && state !== "running");
}

/** What is planned already belongs to this run. */
async function lastReclaimBefore(sql: OpenTier["sql"]): Promise<string> {
  const open = (await reclaimsOf(sql)).find(({ state }) => state === "planned");
  return open === undefined ? await lastReclaim(sql) : String(BigInt(open.reclaim_id) - 1n);
}

function reclaimText(one: Reclaim): string {
  if (one.state !== "done") return `${one.relation} ${one.state}: ${one.says ?? ""}`;
  const given = sum([one.bytes_before]) - sum([one.bytes_after]);
  const locked = one.locked_ms === null || one.locked_ms === "0"
    ? ""
    : `, locked for ${duration(Number(one.locked_ms))}`;
  return `${one.relation} gave back ${size(given)} (${WAYS[one.method]}${locked})`;
}
