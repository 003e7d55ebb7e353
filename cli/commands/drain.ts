import { Argument, type Command } from "commander";
import { moveDue } from "../../supabase/functions/_strata/protocol/strata.ts";
import {
  type Drain,
  drain as drainOf,
  drainedRows,
  type DrainPlan,
  openDrain,
  planDrain,
  seeToSpace,
} from "../tiers/space.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { Failure } from "../lib/errors.ts";
import { size, table } from "../lib/output.ts";
import type { OpenTier } from "../lib/session.ts";
import type { TierName } from "../config/schema.ts";
import { reclaimTier } from "./reclaim.ts";

const BUDGET = "20 seconds";
/** After so many passes in which nothing was brought forward, something is in the way. */
const PATIENCE = 5;

interface Options extends CommonOptions {
  dryRun?: true;
}

/** `drain [tier]`: moves rows ahead of their policy until a tier is well below its warning. */
export function drain(io: Io): Command {
  return command(
    "drain",
    "move the oldest rows on ahead of their policy, until a tier is well below its warning",
    ["drain --dry-run", "drain", "drain main"],
  )
    .addArgument(new Argument("[tier]", "which tier").choices(["core", "main"]).default("core"))
    .option("--dry-run", "only say what would be moved")
    .action((tier: TierName, options: Options) =>
      perform(io, options, async (context) => {
        const open = context.session.require(tier);
        return options.dryRun
          ? planReport(open, await planDrain(open.sql))
          : await run(context, open);
      })
    );
}

function planReport({ tier }: OpenTier, plan: DrainPlan): Report {
  const isBelow = BigInt(plan.billed_bytes) <= BigInt(plan.target_bytes);
  const head = isBelow
    ? `${tier.key}: ${size(plan.billed_bytes)}, below the ${size(plan.target_bytes)} a drain is for`
    : `${tier.key}: ${size(plan.billed_bytes)}, to become ${size(plan.target_bytes)}`;
  const shares = plan.shares.filter(({ until }) => until !== null);
  const lines = plan.need_bytes === "0"
    ? [
      isBelow
        ? `${head}: nothing to do.`
        : `${head}. Giving back what is free already is enough: see \`deno task strata reclaim\`.`,
    ]
    : [
      `${head}: ${
        size(plan.reclaimable_bytes)
      } are free already, rows would have to make room for ` +
      `${size(plan.need_bytes)}.`,
      shares.length === 0 ? "Nothing here may move." : table(
        ["dataset", ">would move, about", ">could move", "not younger than"],
        shares.map((one) => [
          one.dataset,
          size(one.share_bytes),
          size(one.movable_bytes),
          one.until ?? "",
        ]),
      ),
    ];
  const obstacle = plan.need_bytes === "0" ? null : plan.obstacle;
  return {
    document: { tier: tier.key, ...plan },
    text: [...lines, ...(obstacle === null ? [] : [`But ${obstacle}.`])].join("\n"),
    ok: obstacle === null,
  };
}

/** What strata-continue does in its minutes, without waiting for them. */
async function run({ session, say }: Context, open: OpenTier): Promise<Report> {
  const { tier, sql } = open;
  const id = await openDrain(sql);
  let before: Drain | undefined;
  for (let idle = 0; idle < PATIENCE;) {
    await seeToSpace(sql);
    const now = await drainOf(sql, id);
    if (now === undefined || !["moving", "reclaiming"].includes(now.state)) break;
    const done = now.state === "reclaiming"
      ? (await reclaimTier(open, say)).length
      : await movePass(session.open, sql, id);
    idle = done > 0 || now.state !== before?.state || now.round !== before.round ? 0 : idle + 1;
    before = now;
  }
  const drain = await drainOf(sql, id);
  if (drain === undefined) throw new Failure(`The drain of ${tier.key} is gone from its log`);
  const { obstacle } = await planDrain(sql);
  return {
    document: { tier: tier.key, ...drain, obstacle },
    text: `${tier.key}: ${drain.state}${drain.says === null ? "" : `: ${drain.says}`}${
      drain.state === "moving" && obstacle !== null ? `: ${obstacle}` : ""
    }`,
    ok: drain.state === "done",
  };
}

/** One pass over all tiers: whoever dials moves. Returns how many rows the drain has moved in it. */
async function movePass(tiers: OpenTier[], sql: OpenTier["sql"], id: string): Promise<number> {
  const before = await drainedRows(sql, id);
  for (const one of tiers) await moveDue(one.sql, BUDGET, null);
  return Number(await drainedRows(sql, id) - before);
}
