import type { Command } from "commander";
import { type Forecast, forecast as forecastOf } from "../tiers/watch.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { size, table } from "../lib/output.ts";

/** `forecast`: when each tier will be full at its present pace. */
export function forecast(io: Io): Command {
  return command("forecast", "when each tier reaches warning, critical and full at its pace", [
    "forecast",
    "forecast --json",
  ]).action((options: CommonOptions) => perform(io, options, report));
}

async function report({ session }: Context): Promise<Report> {
  const answers = await session.ask(({ sql }) => forecastOf(sql));
  return {
    document: { forecast: answers.flatMap(({ answer }) => answer) },
    text: answers.map(({ tier, answer }) => tierText(tier, answer)).join("\n\n"),
    ok: session.isComplete,
  };
}

function tierText(tier: string, thresholds: Forecast[]): string {
  const [first] = thresholds;
  if (first === undefined || first.bytes === null || first.per_day === null) {
    return `${tier}: ${first?.says ?? "not enough data"}`;
  }
  const pace = `${signed(first.per_day)} a day (a quarter of the days under ` +
    `${signed(first.per_day_low)}, a quarter over ${signed(first.per_day_high)})`;
  return `${tier}: ${size(first.bytes)}, ${pace}\n` + table(
    ["  reaches", ">at", "on"],
    thresholds.map((one) => [`  ${one.threshold}`, size(one.threshold_bytes), one.says]),
  );
}

function signed(bytes: string | null): string {
  const value = Number(bytes ?? 0);
  return `${value < 0 ? "-" : "+"}${size(Math.abs(value))}`;
}
