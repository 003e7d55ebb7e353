import { assert, assertEquals } from "@std/assert";
import { plotOf } from "../../bench/curves/curves.ts";
import { parseLog, percentile } from "../../bench/load/pgbench.ts";

const CURVE = {
  title: "Cost & size",
  x: "rows",
  y: "milliseconds",
  points: [{ at: 100, pass: 2, plan: 1 }, { at: 10_000, pass: 2, plan: 100 }],
};

Deno.test("a plot names its axes with their units, and each line at its end", () => {
  const plot = plotOf(CURVE);
  for (const text of ["Cost &amp; size", "rows", "milliseconds", "pass", "plan", "10,000"]) {
    assert(plot.includes(`>${text}<`), text);
  }
});

Deno.test("a line that does not grow is level, one that grows as fast as its axis is not", () => {
  const heights = [...plotOf(CURVE).matchAll(/points="([^"]*)"/g)].map(([, points = ""]) =>
    points.split(" ").map((point) => Number(point.split(",")[1]))
  );
  const [pass = [], plan = []] = heights;
  assertEquals(pass[0], pass[1]);
  assert((plan[0] ?? 0) > (plan[1] ?? 0)); // upwards, which is towards zero
});

Deno.test("the names of lines that end at the same height can be told apart", () => {
  const together = plotOf({ ...CURVE, points: [{ at: 1, a: 5, b: 5 }, { at: 10, a: 5, b: 5 }] });
  const heights = [...together.matchAll(/<text x="580" y="([\d.]+)"/g)].map(([, y]) => Number(y));
  assertEquals(heights.length, 2);
  assert(Math.abs((heights[0] ?? 0) - (heights[1] ?? 0)) >= 13, `${heights}`);
});

Deno.test("pgbench's log is read without the transactions that failed", () => {
  const log = "3 17 1500 2 1800000000 250000 12\n4 18 failed 0 1800000001 0 5\n";
  assertEquals(parseLog(log), [{ at: 1_800_000_000_250, ms: 1.5, script: 2 }]);
});

Deno.test("a percentile is the value that so many do not exceed", () => {
  const hundred = Array.from({ length: 100 }, (_, at) => 100 - at);
  assertEquals([0.5, 0.99, 1].map((share) => percentile(hundred, share)), [50, 99, 100]);
  assertEquals(percentile([7], 0.99), 7);
});
