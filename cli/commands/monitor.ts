import { Argument, type Command } from "commander";
import type { Tier } from "../config/load.ts";
import {
  datasets as datasetsOf,
  moves as movesOf,
  type SetAside,
  setAside as setAsideOf,
  troubles as troublesOf,
} from "../../supabase/functions/_strata/protocol/strata.ts";
import { billedBytes, type Part, tableSizes, whoFills } from "../tiers/watch.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { count, grouped, noun, plural, size, some, sum, table, withRemedy } from "../lib/output.ts";
import { planEverywhere } from "./plan.ts";
import { troublesText } from "./run.ts";

const VIEWS = { sizes, sync, lifecycle };
const LARGEST = 8;
const RECENT = 20;

/** `monitor sizes|sync|lifecycle`: looks, changes nothing. */
export function monitor(io: Io): Command {
  return command("monitor", "look closer: sizes (and who fills them), sync (moves) or lifecycle", [
    "monitor sizes",
    "monitor sync",
    "monitor lifecycle --json",
    "monitor sizes sync lifecycle",
  ])
    .addArgument(new Argument("<view...>", "what to look at").choices(Object.keys(VIEWS)))
    .action((views: (keyof typeof VIEWS)[], options: CommonOptions) =>
      perform(io, options, async (context) => {
        const reports: Report[] = [];
        for (const view of new Set(views)) reports.push(await VIEWS[view](context));
        return {
          document: Object.assign({}, ...reports.map(({ document }) => document)),
          text: reports.map(({ text }) => text).join("\n\n"),
          ok: reports.every(({ ok }) => ok !== false),
        };
      })
    );
}

/** How full a tier is, by the number that is billed. */
export interface Room {
  bytes: string;
  capacity_mb: number;
  warn_mb: number;
  critical_mb: number;
  level: "ok" | "warning" | "critical";
}

/** Compares what is billed with a tier's capacity and thresholds. */
export function roomOf(tier: Tier, bytes: string): Room {
  const mb = Number(BigInt(bytes) / 1024n) / 1024;
  return {
    bytes,
    capacity_mb: tier.capacityMb,
    warn_mb: tier.warnMb,
    critical_mb: tier.criticalMb,
    level: mb > tier.criticalMb ? "critical" : mb > tier.warnMb ? "warning" : "ok",
  };
}

/** A level at a glance. */
export function light(room: Room): string {
  return { ok: "🟢", warning: "🟡", critical: "🔴" }[room.level];
}

/** "31 MB of 500 MB (6 %)". */
export function percent(room: Room): string {
  const capacity = room.capacity_mb * 1024 * 1024;
  const part = (Number(room.bytes) / capacity * 100).toFixed(1);
  return `${size(room.bytes)} of ${count(room.capacity_mb)} MB (${part} %)`;
}

async function sizes({ session }: Context): Promise<Report> {
  const tiers = await session.ask(async ({ tier, sql }) => ({
    ...roomOf(tier, await billedBytes(sql)),
    tables: await tableSizes(sql, LARGEST),
    fills: await whoFills(sql, LARGEST),
  }));
  const text = tiers.map(({ tier, answer }) =>
    `${light(answer)} ${tier}: ${percent(answer)}\n${partsText(answer.fills)}`
  ).join("\n\n");
  return {
    document: { tiers: tiers.map(({ tier, answer }) => ({ tier, ...answer })) },
    text,
    ok: session.isComplete && tiers.every(({ answer }) => answer.level !== "critical"),
  };
}

function partsText(parts: Part[]): string {
  return table(
    ["  filled by", "", ">size", ">rows, about", ">could be given back"],
    parts.map((part) => [
      `  ${part.part}`,
      part.billed ? part.kind : `${part.kind}, not billed`,
      size(part.bytes),
      part.rows_estimate === null ? "-" : count(part.rows_estimate),
      Number(part.reclaimable_bytes ?? 0) < 1_000_000 ? "-" : size(part.reclaimable_bytes ?? 0),
    ]),
  );
}

async function sync({ session }: Context): Promise<Report> {
  const answers = await session.ask(async ({ sql }) => ({
    moves: await movesOf(sql, { limit: RECENT }),
    setAside: await setAsideOf(sql, RECENT),
    troubles: await troublesOf(sql),
  }));
  const moves = answers.flatMap(({ answer }) => answer.moves)
    .sort((a, b) => a.started_at < b.started_at ? 1 : -1).slice(0, RECENT);
  const aside = answers.flatMap(({ tier, answer }) =>
    answer.setAside.map((row) => ({ tier, ...row }))
  );
  const troubles = answers.flatMap(({ tier, answer }) =>
    answer.troubles.map((trouble) => ({ tier, ...trouble }))
  );
  const parts = [
    moves.length === 0 ? "No move yet." : table(
      ["began", "dataset", "from", "to", ">rows", ">carried", "state"],
      moves.map((m) => [
        m.started_at.slice(0, 19),
        m.dataset,
        m.from_tier,
        m.to_tier ?? "deleted",
        count(m.rows_moved ?? m.rows_claimed),
        size(m.bytes ?? "0"),
        m.finished_at === null ? `${m.state}, open` : "done",
      ]),
    ),
    ...troublesText(troubles).map((text) => `\n${text}`),
    ...(aside.length === 0
      ? []
      : ["\nSet aside, and tried again with growing pauses:", ...asideLines(aside)]),
  ];
  return {
    document: { moves, troubles, set_aside: aside },
    text: parts.join("\n"),
    ok: session.isComplete && troubles.length === 0 && aside.length === 0,
  };
}

/** Rows of one dataset that failed alike have one cause: they are told together. */
function asideLines(aside: readonly (SetAside & { tier: string })[]): string[] {
  const alike = ({ tier, dataset, sqlstate, remedy }: SetAside & { tier: string }) =>
    [tier, dataset, sqlstate, remedy].join("\n");
  return grouped(aside, alike).map(({ first, all }) =>
    withRemedy(
      `${first.tier}, ${first.dataset}, ${plural(all.length, "row")} (${
        some(all.map(({ key }) => key.join(" ")))
      }): ${first.says} (${first.sqlstate})`,
      first.remedy,
    )
  );
}

async function lifecycle(context: Context): Promise<Report> {
  const answers = await context.session.ask(({ sql }) => datasetsOf(sql));
  const plan = await planEverywhere(context, null);
  const known = new Map(
    answers.toReversed().flatMap(({ answer }) => answer.map((dataset) => [dataset.name, dataset])),
  );
  const datasets = [...known.values()].sort((a, b) => a.name < b.name ? -1 : 1).map((dataset) => {
    const due = (action: string) =>
      sum(
        plan.filter((row) => row.dataset === dataset.name && row.action === action)
          .map((row) => row.rows_now),
      );
    return { ...dataset, due_to_move: due("move"), due_to_delete: due("delete") };
  });
  const age = (days: number | null) => days === null ? "never" : String(days);
  const drawn = table(
    ["dataset", ">core", ">main", ">delete", ">due to move", ">to delete", "only when"],
    datasets.map((d) => [
      d.name,
      age(d.core_retention_days),
      age(d.main_retention_days),
      age(d.delete_after_days),
      count(d.due_to_move),
      count(d.due_to_delete),
      [d.due_when ?? "", d.size_limit_kb === null ? "" : `over ${d.size_limit_kb} KB: archive`]
        .filter((part) => part !== "").join("; "),
    ]),
  );
  const troubled = grouped(
    datasets.filter(({ trouble }) => trouble !== null),
    ({ remedy }) => remedy ?? "",
  ).map(({ all, first }) => {
    const [names, why] = [all.map(({ name }) => name), all.map(({ trouble }) => trouble ?? "")];
    const says = `${some(names)} ${noun(all.length, "stands", "stand")} still: ${
      some([...new Set(why)])
    }`;
    return withRemedy(says, first.remedy ?? "");
  });
  return {
    document: { datasets },
    text: [drawn, ...troubled].join("\n\n"),
    ok: context.session.isComplete && troubled.length === 0,
  };
}
