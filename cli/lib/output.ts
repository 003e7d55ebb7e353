/** How results look to people: tables without frames, sizes as they are billed, numbers to read. */
import Table from "cli-table3";

import { count } from "../../supabase/functions/_strata/render/amounts.ts";

export {
  count,
  noun,
  plural,
  rows,
  size,
} from "../../supabase/functions/_strata/render/amounts.ts";

const BARE = {
  "top": "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  "bottom": "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  "left": "",
  "left-mid": "",
  "mid": "",
  "mid-mid": "",
  "right": "",
  "right-mid": "",
  "middle": "  ",
};

/** A column's title; with a leading `>` its values stand on the right. */
export type Column = string;

/** Rows under titles, one line each unless a cell holds line breaks. */
export function table(columns: Column[], rows: (string | number)[][]): string {
  const drawn = new Table({
    head: columns.map((column) => column.replace(/^>/, "")),
    colAligns: columns.map((column) => column.startsWith(">") ? "right" : "left"),
    chars: BARE,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  drawn.push(...rows);
  return drawn.toString().split("\n").map((line) => line.trimEnd()).join("\n");
}

/** Seconds to read: 850 ms, 12.3 s, 2 min 5 s. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** The sum of whole numbers that may be beyond a double. */
export function sum(values: Iterable<bigint | string | null>): bigint {
  let total = 0n;
  for (const value of values) total += BigInt(value ?? 0);
  return total;
}

/** One JSON document; whole numbers beyond a double are text. */
export function json(document: unknown): string {
  return JSON.stringify(
    document,
    (_key, value) => typeof value === "bigint" ? value.toString() : value,
    2,
  );
}

/** What is wrong, and below it what to do about it. */
export function withRemedy(says: string, remedy: string): string {
  return remedy === "" ? says : `${says}\n→ ${remedy}`;
}

/** What has the same key, together: the first of each, and the rest. */
export function grouped<T>(
  all: readonly T[],
  key: (one: T) => string,
): { first: T; rest: T[]; all: T[] }[] {
  return [...Map.groupBy(all, key).values()].flatMap((group) => {
    const [first, ...rest] = group;
    return first === undefined ? [] : [{ first, rest, all: group }];
  });
}

/** "a, b and c", and of many "a, b, c and 14 more". */
export function some(names: readonly string[], most = 3): string {
  const shown = names.length <= most + 1 ? names : names.slice(0, most);
  const more = names.length - shown.length;
  const last = more > 0 ? `${count(more)} more` : shown.at(-1) ?? "";
  const before = more > 0 ? shown : shown.slice(0, -1);
  return before.length === 0 ? last : `${before.join(", ")} and ${last}`;
}
