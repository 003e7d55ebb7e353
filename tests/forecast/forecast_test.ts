import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { testDatabase } from "../support/database.ts";
import { addSamples, after, becomes, MB, openAlerts } from "../support/watch.ts";

const START = "2026-01-01T00:00:00Z";
const DAY = 24;

interface Forecast {
  threshold: string;
  per_day: number | null;
  per_day_low: number | null;
  per_day_high: number | null;
  reached_at: Date | null;
  earliest_at: Date | null;
  latest_at: Date | null;
  says: string;
}

async function forecast(sql: Sql, threshold: string): Promise<Forecast> {
  const [row] = await sql<Forecast[]>`
    select threshold, per_day::float8 as per_day, per_day_low::float8 as per_day_low,
           per_day_high::float8 as per_day_high, reached_at, earliest_at, latest_at, says
      from strata.forecast() where threshold = ${threshold}`;
  if (row === undefined) throw new Error(`no forecast for ${threshold}`);
  return row;
}

/** How many days after now something is foretold. */
function daysAfter(now: string, at: Date | null): number {
  if (at === null) throw new Error("it is not foretold");
  return (at.getTime() - Date.parse(now)) / 86_400_000;
}

/** Samples as watch() leaves them: every 15 minutes for the last week, one a day before that. */
function course(days: number, size: (day: number) => number) {
  const samples: { at: string; bytes: number }[] = [];
  for (let day = 0; day < days - 7; day += 1) {
    samples.push({ at: after(START, day * DAY + 23.75), bytes: size(day + 23.75 / DAY) });
  }
  for (let quarter = Math.max(0, days - 7) * 96; quarter <= days * 96; quarter += 1) {
    samples.push({ at: after(START, quarter / 4), bytes: size(quarter / 96) });
  }
  return samples;
}

/** A core whose clock stands at the end of a course of samples. */
async function core(days: number, size: (day: number) => number) {
  const db = await testDatabase("core");
  await becomes(db.sql, "core");
  const now = after(START, days * DAY);
  await db.freezeClock(now);
  await addSamples(db.sql, course(days, size));
  return Object.assign(db, { now });
}

/** The same numbers in every run; several seeds, so that none is a lucky one. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function gauss(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

Deno.test("60 days of linear growth: every day is foretold within a tenth", async () => {
  // 100 MB and 3 MB a day: after 60 days 280 MB, so 40 days to 400 MB, 56.7 to 450, 73.3 to 500
  await using db = await core(60, (day) => (100 + 3 * day) * MB);
  for (
    const [threshold, days] of [["warning", 40], ["critical", 170 / 3], ["full", 220 / 3]] as const
  ) {
    const { per_day, reached_at, earliest_at, latest_at, says } = await forecast(db.sql, threshold);
    assert.ok(Math.abs((per_day ?? 0) - 3 * MB) < 0.01 * MB);
    for (const at of [reached_at, earliest_at, latest_at]) {
      assert.ok(Math.abs(daysAfter(db.now, at) - days) < days * 0.02, `${threshold} ${at}`);
    }
    assert.doesNotMatch(says, /uneven/);
  }
});

Deno.test("the step a drain makes is not taken for a trend", async () => {
  // 8 MB a day, and twelve hours ago, ten and twenty days ago 150 MB were given back
  const drains = [10, 20, 29.5];
  const size = (day: number) =>
    (200 + 8 * day - 150 * drains.filter((at) => at <= day).length + 150) * MB;
  await using db = await core(30, size);
  const { per_day, reached_at } = await forecast(db.sql, "full");
  assert.ok(Math.abs((per_day ?? 0) - 8 * MB) < 0.4 * MB, `${per_day}`);
  const days = (500 * MB - size(30)) / (8 * MB);
  assert.ok(Math.abs(daysAfter(db.now, reached_at) - days) < days * 0.1);
});

Deno.test("a drain every day hides no growth", async () => {
  // 30 MB a day, and 40 MB given back every noon
  await using db = await core(7, (day) => (300 + 30 * day - 40 * Math.floor(day + 0.5)) * MB);
  const { per_day } = await forecast(db.sql, "full");
  assert.ok(Math.abs((per_day ?? 0) - 30 * MB) < 3 * MB, `${per_day}`);
});

Deno.test("a reclaim in many small steps is no trend either", async () => {
  // an hour before noon each Sunday, 6 MB at a time
  const size = (day: number) => {
    const weeks = Math.floor(day / 7);
    const within = day % 7;
    const given = Math.max(0, Math.min(5, Math.floor((within - 6.4) * 96)));
    return (300 + 4 * day - 30 * weeks - 6 * given) * MB;
  };
  await using db = await core(28, size);
  const { per_day } = await forecast(db.sql, "full");
  assert.ok(Math.abs((per_day ?? 0) - 4 * MB) < 0.4 * MB, `${per_day}`);
});

Deno.test("less than three days of samples: not enough data, and no guess", async () => {
  await using db = await core(2.9, (day) => (100 + 50 * day) * MB);
  const { reached_at, per_day, earliest_at, latest_at, says } = await forecast(db.sql, "full");
  assert.deepEqual([reached_at, per_day, earliest_at, latest_at], [null, null, null, null]);
  assert.equal(says, "not enough data: 2.9 days of samples, 3 are needed");
  await db.sql`select strata.check_alerts()`;
  assert.deepEqual((await openAlerts(db.sql)).filter(({ kind }) => kind === "forecast"), []);
});

Deno.test("no sample at all: not enough data", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  assert.match((await forecast(db.sql, "full")).says, /^not enough data: 0/);
});

Deno.test("a size that does not grow, or shrinks, is never full", async () => {
  for (const slope of [0, -0.5]) {
    await using db = await core(30, (day) => (100 + slope * day) * MB);
    const { reached_at, per_day, says } = await forecast(db.sql, "full");
    assert.equal(reached_at, null);
    assert.ok(Math.abs((per_day ?? 1) - slope * MB) < 1000, `${per_day}`);
    assert.equal(says, "not in sight at the pace of the last days");
  }
});

Deno.test("a threshold that is passed is reached already", async () => {
  await using db = await core(10, (day) => (405 + day) * MB);
  const { reached_at, says } = await forecast(db.sql, "warning");
  assert.equal(reached_at?.toISOString(), new Date(db.now).toISOString());
  assert.equal(says, "reached already");
});

Deno.test("one bulk load does not move the pace", async () => {
  await using db = await core(30, (day) => (100 + 2 * day + (day > 27 ? 120 : 0)) * MB);
  const { per_day } = await forecast(db.sql, "full");
  assert.ok(Math.abs((per_day ?? 0) - 2 * MB) < 0.1 * MB, `${per_day}`);
});

Deno.test("noisy growth: the spread holds the true pace, and the sentence says so", async () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const next = random(seed);
    const daily = Array.from({ length: 61 }, () => 2 + 4 * gauss(next));
    const sums = daily.reduce((all, growth) => [...all, (all.at(-1) ?? 0) + growth], [100]);
    const size = (day: number) => {
      const at = Math.floor(day);
      return ((sums[at] ?? 0) + (daily[at] ?? 0) * (day - at)) * MB;
    };
    await using db = await core(60, size);
    const { per_day, per_day_low, per_day_high, says } = await forecast(db.sql, "full");
    const spread = `${seed}: ${per_day_low} ${per_day} ${per_day_high}`;
    assert.ok((per_day_low ?? 0) < 2 * MB && (per_day_high ?? 0) > 2 * MB, spread);
    // half of the days lie between the quartiles: +-0.67 deviations, here 2.7 MB
    assert.ok((per_day_high ?? 0) - (per_day_low ?? 0) > 2.5 * MB, spread);
    if ((per_day ?? 0) > 0) assert.match(says, /uneven|not in sight/, spread);
  }
});

Deno.test("noise that falls as often as it rises is not mistaken for growth", async () => {
  for (const seed of [7, 8, 9]) {
    const next = random(seed);
    await using db = await core(60, () => (200 + 6 * gauss(next)) * MB);
    const { per_day } = await forecast(db.sql, "full");
    assert.ok(Math.abs(per_day ?? 99 * MB) < 3 * MB, `${seed}: ${per_day}`);
  }
});

Deno.test("full within 14 days is an alert; later is none", async () => {
  for (const [megabytes, open] of [[355, 0], [375, 1]] as const) { // 145 or 125 MB left
    await using db = await core(30, (day) => (megabytes - 300 + 10 * day) * MB);
    await db.sql`select strata.check_alerts()`;
    const alerts = (await openAlerts(db.sql)).filter(({ kind }) => kind === "forecast");
    assert.equal(alerts.length, open, `${megabytes} MB`);
    if (open === 1) assert.match(alerts[0]?.says ?? "", /^core will be full on 2026-02-12/);
  }
});
