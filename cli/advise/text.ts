/** Advice as people read it. */
import type { Advice, Growth, Part, Settling } from "./advice.ts";
import { DAYS_OF_USE, type Gain } from "./give_back.ts";
import type { Needless } from "./indexes.ts";
import { policiesYaml, type Proposals } from "./policies.ts";
import { next, type Step, whenFull } from "./steps.ts";
import { count, plural, size, some, table, withRemedy } from "../lib/output.ts";

const MOST_PARTS = 12;
const MOST_TABLES = 12;
const MOST_REFUSED = 8;
const MOST_INDEXES = 10;
/** What takes less is not told by name. */
const SMALL = 64 * 1024;
/** Nor is what keeps a table this small from settling: its rows may as well stay. */
const WORTH = 1024 * 1024;

/** Everything that is to be said, in the order in which it is of use. */
export function adviceText(advice: Advice, proposals: Proposals, from: string): string {
  const sections = [
    headText(advice, from),
    partsText(advice),
    settlingText(advice),
    refusedText(advice),
    indexesText(advice),
    gainsText(advice),
    growthText(advice.growth, advice),
    stepsText("Full: do this first, in this order", whenFull(advice)),
    stepsText("What comes next", next(advice, proposals)),
    yamlText(proposals),
    unseenText(advice),
  ];
  return sections.filter((section) => section !== "").join("\n\n");
}

function headText(
  { server, tier, billed, billed_is_all, capacity, databases }: Advice,
  from: string,
) {
  const part = billed / capacity;
  const light = server.read_only || part >= 0.9 ? "🔴" : part >= 0.8 ? "🟡" : "🟢";
  const others = databases.length - 1;
  return [
    `${light} ${size(billed)} of ${size(capacity)} (${(part * 100).toFixed(1)} %)` +
    `${billed_is_all ? "" : ", or more: not every database may be asked"}${
      server.read_only ? ", and read-only" : ""
    }`,
    `   ${from}: PostgreSQL ${server.version}, read as ${server.login}; ` +
    `${server.database}${
      others > 0 ? ` and ${plural(others, "other database")}, as they are billed` : ""
    }`,
    ...(server.standby ? ["   It is a standby: only its primary can be set up."] : []),
    ...(server.version_num < 150000 ? ["   Strata needs PostgreSQL 15 to 18."] : []),
    ...(server.installed
      ? [`   Strata is here already${tier === null ? "" : `: this is ${tier}`}.`]
      : []),
    "   Nothing was changed. Rows, empty room and ages of large tables are estimates.",
  ].join("\n");
}

function partsText({ parts, log }: Advice): string {
  const told = parts.slice(0, MOST_PARTS).filter(({ bytes }, at) => bytes >= SMALL || at < 3);
  const rest = parts.slice(told.length);
  const cell = (bytes: number) => bytes === 0 ? "-" : size(bytes);
  const line = ({ part, bytes, rows, heap, index, toast, empty }: Omit<Part, "kind">) => [
    `  ${part}`,
    size(bytes),
    cell(heap),
    cell(index),
    cell(toast),
    rows === null ? "-" : count(Math.round(rows)),
    empty < 1024 * 1024 ? "-" : `≈ ${size(empty)}`,
  ];
  const others = rest.reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    "What fills it",
    table(["  ", ">size", ">rows' own", ">indexes", ">long values", ">rows, about", ">empty"], [
      ...told.map(line),
      ...(rest.length === 0
        ? []
        : [[`  ${plural(rest.length, "other")}`, size(others), "", "", "", "", ""]]),
    ]),
    ...(log === null ? [] : [`  (write-ahead log, not billed: ${size(log)})`]),
  ].join("\n");
}

const BY = { count: "counted", statistics: "≈ statistics", sample: "≈ sample" } as const;

function settlingText({ settling, not_asked }: Advice): string {
  const can = settling.filter(({ objections, ages }) =>
    ages !== null && ages.rows > 0 && objections.every(({ code }) => code === "ST013")
  );
  if (can.length === 0) {
    return "What could settle\n  Nothing here has rows, a key and an age to go by.";
  }
  const told = can.slice(0, MOST_TABLES);
  const minds = told.flatMap(({ table: name, mind, objections, referred_by }) =>
    [
      ...mind,
      ...objections.map(({ says }) =>
        `${says}; say whether a move may fire them (delete_triggers)`
      ),
      ...(referred_by.length > 0
        ? [`a row stays while one of ${some(referred_by)} refers to it`]
        : []),
    ].map((says) => `  ${name}: ${says}.`)
  );
  return [
    "What could settle, and what core would be rid of",
    table(
      ["  table", "age", ">rows", ">at 30 days", ">at 90", ">at 365", ""],
      told.map(settlingLine),
    ),
    ...minds,
    ...(can.length > told.length || not_asked > 0
      ? [`  (${can.length - told.length + not_asked} smaller ones are not told)`]
      : []),
  ].join("\n");
}

function settlingLine({ table: name, age, ages, frees, managed }: Settling): string[] {
  return [
    `  ${name}`,
    `${age?.column ?? ""}${age?.sure ? "" : "?"}`,
    count(ages?.rows ?? 0),
    ...[30, 90, 365].map((days) => size(frees?.[days] ?? 0)),
    `${ages === null ? "" : BY[ages.by]}${managed ? ", managed" : ""}`,
  ];
}

function refusedText({ settling }: Advice): string {
  const refused = settling.filter(({ objections, ages, managed, asked }) =>
    !managed && (objections.some(({ code }) => code !== "ST013") || (asked && ages === null))
  );
  const large = refused.filter(({ bytes }) => bytes >= WORTH);
  const told = large.slice(0, MOST_REFUSED);
  if (told.length === 0) return "";
  return [
    "What cannot settle as it is",
    ...told.flatMap(refusalLines),
    ...(refused.length > told.length
      ? [`  (${plural(refused.length - told.length, "smaller table")} as well: --json has them)`]
      : []),
  ].join("\n");
}

function refusalLines({ table: name, objections, frees }: Settling): string[] {
  const why = objections.filter(({ code }) => code !== "ST013");
  if (why.length === 0) {
    return [`  ${name}: how old its rows are may not be seen by this login, or nobody knows`];
  }
  const gain = frees?.[90] ?? 0;
  return [
    ...why.map(({ says, remedy }) => indented(withRemedy(says, remedy))),
    ...(gain >= WORTH ? [`  (with that mended, ${name} could free ${size(gain)} at 90 days)`] : []),
  ];
}

const indented = (text: string) => text.split("\n").map((line) => `  ${line}`).join("\n");

function indexesText({ indexes, server }: Advice): string {
  if (indexes.length === 0) return "";
  const days = Math.floor(server.counted_days);
  const since = server.counted_since === null
    ? `at least ${plural(days, "day")}`
    : `${server.counted_since}, ${plural(days, "day")} ago`;
  return [
    `Indexes that can go, by the use that is counted since ${since}${
      days < DAYS_OF_USE ? ": too short to be sure" : ""
    }`,
    table(
      ["  index", ">size", ""],
      indexes.slice(0, MOST_INDEXES).map((
        one: Needless,
      ) => [`  ${one.index}`, size(one.bytes), one.says]),
    ),
    ...(indexes.length > MOST_INDEXES
      ? [`  (and ${indexes.length - MOST_INDEXES} smaller ones)`]
      : []),
  ].join("\n");
}

function gainsText({ gains, pins }: Advice): string {
  if (gains.length + pins.length === 0) return "";
  const loses = (gain: Gain) => gain.loses === null ? "" : `; lost is ${gain.loses}`;
  const told = gains.filter(({ bytes }) => bytes >= SMALL);
  return [
    "What can be given back now (suggestions: none of it was run)",
    ...told.map((gain) =>
      indented(withRemedy(
        `${size(gain.bytes)}  ${gain.what}: ${gain.says}${loses(gain)}${
          gain.allowed ? "" : " (this login may not)"
        }`,
        [gain.statement, ...(gain.then === null ? [] : [gain.then])].join(" "),
      ))
    ),
    ...pins.map(({ keeps, says, statement }) =>
      indented(withRemedy(
        keeps === "log"
          ? says
          : `${says}: rows that were deleted since keep their room before that ends`,
        statement,
      ))
    ),
  ].join("\n");
}

function growthText(
  { per_day, days, without }: Growth,
  { capacity, billed, server }: Advice,
): string {
  const leftOut = without.length === 0 ? "" : ` Not counted: ${some(without)}, without an age.`;
  if (billed >= capacity) return "";
  if (days === null) {
    return `When it is full\n  Not known: nothing here grows that has an age.${leftOut}`;
  }
  const on = new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
  const when = days > 3650
    ? "not within ten years"
    : days > 730
    ? `in about ${(days / 365).toFixed(1)} years`
    : `in about ${plural(days, "day")}, on ${on}`;
  return `When it is full\n  ≈ ${size(per_day)} a day, by the rows of the last three months: ` +
    `${size(capacity)} ${when}, if nothing leaves.${leftOut}` +
    (server.installed ? " `deno task strata forecast` knows it better." : "");
}

function stepsText(title: string, steps: Step[]): string {
  if (steps.length === 0) return "";
  return [
    title,
    ...steps.flatMap((
      { says, run },
      at,
    ) => [`  ${at + 1}. ${says}`, ...run.map((line) => `       ${line}`)]),
  ].join("\n");
}

function yamlText(proposals: Proposals): string {
  const { policies, undecided, namesakes } = proposals;
  if (policies.length + undecided.length + namesakes.length === 0) return "";
  return `strata.local.yaml (init writes it; your own ages are better than these)\n\n${
    policiesYaml(proposals)
  }`;
}

function unseenText({ unseen }: Advice): string {
  if (unseen.length === 0) return "";
  return [
    "What could not be looked at",
    ...unseen.slice(0, MOST_REFUSED).map(({ what, why }) => `  ${what}: ${why}`),
    ...(unseen.length > MOST_REFUSED ? [`  (and ${unseen.length - MOST_REFUSED} more)`] : []),
  ].join("\n");
}
