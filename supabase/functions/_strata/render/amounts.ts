/** Sizes, numbers and points in time as people read them. */

/** A whole number, as Postgres or a program writes it. */
export type Whole = string | number | bigint;

/** A size in the units of the bill: 1 MB is 1024 * 1024 bytes. */
export function size(bytes: Whole): string {
  let value = Number(bytes); // shown with three digits, so a double is exact enough
  for (const unit of ["B", "KB", "MB", "GB"]) {
    if (Math.abs(value) < 1024) {
      const whole = unit === "B" || Math.abs(value) >= 10;
      return `${whole ? Math.round(value) : value.toFixed(1)} ${unit}`;
    }
    value /= 1024;
  }
  return `${value.toFixed(1)} TB`;
}

/** A whole number with its thousands apart. */
export function count(value: Whole): string {
  return BigInt(value).toLocaleString("en-US");
}

/** "1 step", "2,000 steps", "3 entries": the one place that knows how a number and its noun agree. */
export function plural(value: Whole, one: string, many = `${one}s`): string {
  return `${count(value)} ${noun(value, one, many)}`;
}

/** The noun, or any other word, that agrees with a number: `noun(n, "is", "are")`. */
export function noun(value: Whole, one: string, many = `${one}s`): string {
  return BigInt(value) === 1n ? one : many;
}

/** "1 row", "2 rows". */
export function rows(value: Whole): string {
  return plural(value, "row");
}

/** US dollars to a hundredth of a cent, without zeros nobody needs. */
export function dollars(usd: string): string {
  return `$${Number(usd).toFixed(4).replace(/(\.\d\d\d*?)0+$/, "$1")}`;
}

/** A part of a whole in percent; the whole is not zero. */
export function percent(part: string, whole: string): string {
  return `${(Number(part) / Number(whole) * 100).toFixed(1)} %`;
}

/** A point in time to the minute, in UTC. */
export function minute(at: string): string {
  const time = new Date(at);
  return Number.isNaN(time.getTime())
    ? at
    : `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
