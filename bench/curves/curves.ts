/** `bench curves`: what a pass and a look cost as tables, datasets and backlogs grow. */
import { REPOSITORY } from "../../local/settings.ts";
import { alongBacklog } from "./backlog.ts";
import { alongDatasets } from "./datasets.ts";
import { drawPlot } from "./plot.ts";
import { alongRows } from "./rows.ts";

/** What was measured at one size, in milliseconds unless the name says otherwise. */
export type Point = { at: number } & Record<string, number>;

/** One curve: what grows, and what it costs. */
export interface Curve {
  title: string;
  x: string;
  y: string;
  points: Point[];
}

/** How a curve is measured: at which sizes, and who hears what is being done. */
export type Measure = (sizes: readonly number[], say: (line: string) => void) => Promise<Curve>;

/** The curves, and the sizes they are measured at unless told otherwise. */
export const CURVES: Record<string, { measure: Measure; sizes: readonly number[] }> = {
  rows: { measure: alongRows, sizes: [100_000, 1_000_000, 10_000_000] },
  datasets: { measure: alongDatasets, sizes: [1, 100, 1000] },
  backlog: { measure: alongBacklog, sizes: [10_000, 100_000, 1_000_000] },
};

/** Keeps a curve beside its plot, where the documentation shows it. */
export async function saveCurve(name: string, curve: Curve): Promise<void> {
  const path = `${REPOSITORY}/bench/plots/${name}`;
  await Deno.mkdir(`${REPOSITORY}/bench/plots`, { recursive: true });
  await Deno.writeTextFile(`${path}.json`, `${JSON.stringify(curve, null, 2)}\n`);
  await Deno.writeTextFile(`${path}.svg`, plotOf(curve));
}

/** The plot of a curve: a line for each thing measured. */
export function plotOf({ title, x, y, points }: Curve): string {
  return drawPlot({
    ...{ title, x, y },
    lines: namesOf(points).map((name) => ({
      name,
      points: points.map((point): [number, number] => [point.at, point[name] ?? NaN])
        .filter(([, value]) => value > 0), // one batch has no first and no last tenth
    })),
  });
}

/** A curve for people to read. */
export function curveTable({ x, y, points }: Curve): string {
  const names = namesOf(points);
  const cell = (text: string) => text.padStart(22);
  return [
    `${y}, by ${x}`,
    [x.slice(0, 22), ...names].map(cell).join(""),
    ...points.map((point) =>
      [
        point.at.toLocaleString("en"),
        ...names.map((name) => (point[name] ?? NaN).toFixed(2)),
      ].map(cell).join("")
    ),
  ].join("\n");
}

function namesOf(points: readonly Point[]): string[] {
  return Object.keys(points[0] ?? {}).filter((name) => name !== "at");
}
