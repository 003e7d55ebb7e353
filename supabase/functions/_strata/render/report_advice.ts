/** What a report recommends: a reason, and the command to run. */
import { noun, plural, rows, size } from "./amounts.ts";
import type { Report } from "../protocol/strata_reports.ts";

/** Something to be done. */
export interface Advice {
  says: string;
  command: string;
}

/** Worth the work of giving it back. */
const WORTHWHILE_BYTES = 20 * 1024 * 1024;
const NEARLY = 0.8;

/** What should be done about what a report says, the most pressing first. */
export function recommendations({ tiers, alerts, channels }: Report): Advice[] {
  const advice = tiers.flatMap(({ tier, part, says }): Advice[] => {
    const found: (Advice | false)[] = [
      says !== null && { says, command: "deno task strata setup --validate" },
      ...(part === null ? [] : adviceOn(tier, part)),
    ];
    return found.filter((one) => one !== false);
  });
  const silent = channels.every(({ state }) => state !== "on");
  return [
    ...(alerts.some(({ severity }) => severity === "critical")
      ? [{ says: "a critical alert is open", command: "deno task strata alerts" }]
      : []),
    ...advice,
    ...(silent
      ? [{
        says: "nobody is told: set up Telegram (docs/guide/telegram.md), then check",
        command: "deno task strata status",
      }]
      : []),
  ];
}

function adviceOn(
  tier: string,
  { size: room, moves, due, limits }: NonNullable<Report["tiers"][number]["part"]>,
): (Advice | false)[] {
  const overdue = (due ?? []).filter(({ waiting_since }) => waiting_since !== null);
  const quota = (limits?.quota ?? []).filter(({ used, allowed }) =>
    Number(used) >= NEARLY * Number(allowed)
  );
  const full = limits?.forecast.find(({ threshold, reached_at }) =>
    threshold === "full" && reached_at !== null
  );
  return [
    room !== undefined && room.level !== "ok" &&
    { says: `${tier} is nearly full: see who fills it`, command: "deno task strata monitor sizes" },
    room !== undefined && Number(room.reclaimable_bytes) >= WORTHWHILE_BYTES &&
    {
      says: `${tier} could give ${size(room.reclaimable_bytes)} back`,
      command: "deno task strata reclaim --dry-run",
    },
    overdue.length > 0 &&
    {
      says: `rows of ${plural(overdue.length, "dataset")} wait on ${tier}`,
      command: "deno task strata sync",
    },
    moves !== undefined && moves.failed_steps + moves.set_aside > 0 &&
    {
      says: [
        ...(moves.failed_steps === 0 ? [] : [`${plural(moves.failed_steps, "step")} failed`]),
        ...(moves.set_aside === 0
          ? []
          : [`${rows(moves.set_aside)} ${noun(moves.set_aside, "is", "are")} set aside`]),
      ].join(" and ") + ` on ${tier}`,
      command: "deno task strata monitor sync",
    },
    full !== undefined && room?.level === "ok" &&
    { says: `${tier} will be full (${full.says})`, command: "deno task strata forecast" },
    quota.length > 0 &&
    {
      says: `${
        quota.map(({ name }) => name.replaceAll("_", " ")).join(", ")
      } of ${tier} nearly used`,
      command: "deno task strata quota",
    },
  ];
}
