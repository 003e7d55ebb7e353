/** The monthly report: the last full month beside the one before it, and what was deleted. */
import { count, dollars, size } from "./amounts.ts";
import type { Block } from "./document.ts";
import type { Report } from "../protocol/strata_reports.ts";

/** Each tier's last month and the one before, and every deletion of the last one. */
export function monthBlocks({ tiers, month }: Report): Block[] {
  const rows: string[][] = [];
  const deleted: string[][] = [];
  for (const { tier, part } of tiers) {
    const at = part?.months?.findIndex((one) => one.month === month) ?? -1;
    const [last, before] = at < 0 ? [] : part?.months?.slice(at, at + 2) ?? [];
    if (last === undefined) continue;
    const compared = (now: string, then: string | undefined, show: (value: string) => string) =>
      then === undefined ? show(now) : `${show(now)} (${change(now, then)})`;
    rows.push([
      tier,
      compared(last.moved_rows, before?.moved_rows, count),
      compared(sum(last.deleted), before === undefined ? undefined : sum(before.deleted), count),
      last.billed_bytes === null
        ? "-"
        : compared(last.billed_bytes, before?.billed_bytes ?? undefined, size),
      dollars(last.usd),
    ]);
    deleted.push(
      ...Object.entries(last.deleted).map(([dataset, number]) => [dataset, tier, count(number)]),
    );
  }
  return [
    { heading: ["The month, and how it differs from the one before"] },
    { table: ["tier", "rows moved on", "rows deleted", "size at its end", "costs"], rows },
    { heading: [`Deleted in ${month}`] },
    deleted.length === 0
      ? { paragraph: ["Nothing."] }
      : { table: ["dataset", "on", "rows"], rows: deleted },
  ];
}

/** "+12 %", "-3 %", "new" or "as before". */
function change(now: string, then: string): string {
  if (now === then) return "as before";
  if (Number(then) === 0) return "new";
  const percent = Math.round((Number(now) / Number(then) - 1) * 100);
  return percent === 0 ? "±0 %" : `${percent > 0 ? "+" : ""}${percent} %`;
}

function sum(deleted: Record<string, string>): string {
  return String(Object.values(deleted).reduce((total, rows) => total + BigInt(rows), 0n));
}
