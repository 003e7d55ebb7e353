/** What a report says, in words; forms are documents' affair. */
import { count, dollars, minute, percent, plural, rows, size } from "./amounts.ts";
import type { Block, Document, Line } from "./document.ts";
import { monthBlocks } from "./report_months.ts";
import { recommendations } from "./report_advice.ts";
import type { AlertLine } from "../protocol/strata_outbox.ts";
import type { Part, Report } from "../protocol/strata_reports.ts";

/** 🔴, 🟡 or 🔵: how much it matters. */
export const LIGHTS = { critical: "🔴", warning: "🟡", info: "🔵" } as const;
const LEVELS = { critical: "🔴", warning: "🟡", ok: "🟢" } as const;
/** What is listed of anything; the rest is a number. */
const LONGEST_LIST = 10;

/** The report as a document. */
export function reportDocument(report: Report): Document {
  const { kind, tier, made_at, month } = report;
  const title = kind === "day" ? `Strata, ${made_at.slice(0, 10)}` : `Strata in ${month}`;
  return [
    { heading: [title] },
    { paragraph: [`As ${tier} sees it on ${minute(made_at)}.`] },
    ...(kind === "month" ? monthBlocks(report) : []),
    ...alertBlocks(report.alerts),
    ...report.tiers.flatMap(tierBlocks),
    ...adviceBlocks(report),
  ];
}

function alertBlocks(alerts: readonly AlertLine[]): Block[] {
  if (alerts.length === 0) {
    return [{ heading: ["Alerts"] }, { paragraph: ["🟢 Nothing is wrong."] }];
  }
  return [
    { heading: [`Alerts: ${alerts.length} open`] },
    ...alerts.slice(0, LONGEST_LIST).map((alert) => ({ paragraph: alertLine(alert) })),
    ...more(alerts.length, "deno task strata alerts"),
  ];
}

/** One alert: what, since when, and what to do about it. */
export function alertLine(alert: AlertLine): Line {
  const { kind, tier, subject, severity, says, remedy, since } = alert;
  return [
    `${LIGHTS[severity]} `,
    { bold: `${tier}: ${kind.replaceAll("_", " ")}${subject === "" ? "" : `, ${subject}`}` },
    ` (since ${minute(since)})\n${says}`,
    ...(remedy === null ? [] : [`\n→ ${remedy}`]),
  ];
}

function tierBlocks({ tier, part, says, here, made_at }: Report["tiers"][number]): Block[] {
  const old = says === null ? [] : [{ paragraph: [`⚪ ${says}`] }];
  if (part === null) return [{ heading: [tier] }, ...old];
  const asOf = here || made_at === null || says !== null ? "" : `, as of ${minute(made_at)}`;
  return [
    { heading: [`${tier}${asOf}`] },
    ...old,
    ...sizeBlocks(part),
    { list: [...moveLines(part), ...dueLines(part), ...limitLines(part), ...costLines(part)] },
    ...missingBlocks(tier, part),
  ];
}

function missingBlocks(tier: string, part: Part): Block[] {
  const { size, moves, due, limits, costs, months, failed = {} } = part;
  const missing = Object.entries({ size, moves, due, limits, costs, months })
    .filter(([, found]) => found === undefined)
    .map(([name]) => failed[name] === undefined ? name : `${name} (${failed[name]})`);
  if (missing.length === 0) return [];
  return [{ paragraph: [`⚪ ${tier} could not say anything about: ${missing.join(", ")}`] }];
}

function sizeBlocks({ size: room }: Part): Block[] {
  if (room === undefined) return [];
  const { billed_bytes, capacity_mb, level, fills, reclaimable_bytes, drain } = room;
  const capacity = String(capacity_mb * 1024 * 1024);
  const used = `${size(billed_bytes)} of ${count(capacity_mb)} MB (${
    percent(billed_bytes, capacity)
  })`;
  const back = Number(reclaimable_bytes) >= 1024 * 1024
    ? `, ${size(reclaimable_bytes)} of it could be given back`
    : "";
  const draining = drain === null || drain === undefined ? "" : `\n${drainText(drain)}`;
  const filled = (fills ?? []).map(({ part, kind, bytes }) => [`${part} (${kind})`, size(bytes)]);
  return [
    { paragraph: [`${LEVELS[level]} `, { bold: used }, back + draining] },
    ...(filled.length === 0 ? [] : [{ table: ["filled by", "size"], rows: filled }]),
  ];
}

/** "draining: 40 of 128 MB freed, waiting for main", for a drain that is open. */
export function drainText(drain: {
  state: string;
  round: number;
  need_bytes: string;
  freed_bytes: string;
  waits_for: string | null;
}): string {
  const waits = drain.waits_for === null ? "" : `, waiting for ${drain.waits_for}`;
  if (drain.round === 0) return `draining${waits}`;
  if (drain.state === "reclaiming") return `draining: giving freed space back to the disk${waits}`;
  return `draining: ${part(drain.freed_bytes, drain.need_bytes)} freed${waits}`;
}

/** "40 of 128 MB": one unit where both have the same. */
function part(done: string, all: string): string {
  const [[number = "", unit], [, whole]] = [size(done).split(" "), size(all).split(" ")];
  return unit === whole ? `${number} of ${size(all)}` : `${size(done)} of ${size(all)}`;
}

function moveLines({ moves }: Part): Line[] {
  if (moves === undefined) return [];
  const { total, successful, failed, failed_steps, last_failure, set_aside } = moves;
  return [
    [
      `moves of the last 24 hours: ${count(total)}, ${count(successful)} successful, `,
      `${count(failed)} failed; ${rows(moves.rows)}, ${size(moves.bytes)} carried`,
    ],
    [`deleted in the last 24 hours: ${rows(moves.deleted_rows)}`],
    ...(failed_steps === 0
      ? []
      : [[`${plural(failed_steps, "step")} failed, the last: ${last_failure ?? "unknown"}`]]),
    ...(set_aside === 0 ? [] : [[`${rows(set_aside)} set aside`]]),
  ];
}

function dueLines({ due }: Part): Line[] {
  if (due === undefined) return [];
  if (due.length === 0) return [["nothing is due"]];
  const lines = due.slice(0, LONGEST_LIST).map((one): Line => {
    const { dataset, action, rows: due, at_least, trouble, waiting_since } = one;
    const number = due === null ? "unknown" : at_least ? `${count(due)} or more rows` : rows(due);
    const since = waiting_since === null ? "" : `, waiting since ${minute(waiting_since)}`;
    return [
      `due to ${action}: `,
      { bold: dataset },
      `, ${number}${since}${trouble === null ? "" : `: ${trouble}`}`,
    ];
  });
  const rest = due.length - lines.length;
  return rest > 0 ? [...lines, [`and ${plural(rest, "more dataset")}`]] : lines;
}

function limitLines({ limits }: Part): Line[] {
  if (limits === undefined) return [];
  const quota = limits.quota.filter(({ name }) => name !== "database_size").map((one): Line => {
    const { name, used, allowed, unit, projection } = one;
    const shown = (value: string) => unit === "bytes" ? size(value) : count(value);
    const ahead = projection === null ? "" : `, ${shown(projection)} expected`;
    return [
      `${name.replaceAll("_", " ")}: ${shown(used)} of ${shown(allowed)} this month `,
      `(${percent(used, allowed)})${ahead}`,
    ];
  });
  const full = limits.forecast.find(({ threshold }) => threshold === "full");
  return full === undefined ? quota : [...quota, [`full: ${full.says}`]];
}

function costLines({ costs }: Part): Line[] {
  if (costs === undefined || Number(costs.usd_month) + Number(costs.usd_24h) === 0) return [];
  const kinds = Object.entries(costs.kinds).map(([kind, usd]) => `${kind} ${dollars(usd)}`);
  const of = kinds.length === 0 ? "" : ` (${kinds.join(", ")})`;
  return [[
    `costs: ${dollars(costs.usd_24h)} in 24 hours, ${dollars(costs.usd_month)} this month${of}`,
  ]];
}

function adviceBlocks(report: Report): Block[] {
  const advice = recommendations(report);
  if (advice.length === 0) return [];
  return [
    { heading: ["What to do"] },
    { list: advice.map(({ says, command }): Line => [`${says}: `, { code: command }]) },
  ];
}

function more(length: number, command: string): Block[] {
  if (length <= LONGEST_LIST) return [];
  return [{ paragraph: [`and ${length - LONGEST_LIST} more: `, { code: command }] }];
}
