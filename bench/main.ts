/** `deno task bench <case>`: rows moved, what looks cost, clients meanwhile, a full core, months. */
import { Argument, Command, Option } from "commander";
import { type AuditResult, benchAudit } from "./audit.ts";
import { benchComparisons, comparisonsTable } from "./comparisons/comparisons.ts";
import { CURVES, curveTable, saveCurve } from "./curves/curves.ts";
import { benchDrain, type DrainOptions, type DrainResult } from "./drain.ts";
import { DRAIN_CASES } from "./drain_cases.ts";
import { benchFunctions, functionTable } from "./functions.ts";
import { benchGrowth, type GrowthResult } from "./growth.ts";
import { benchLoad, type LoadOptions, loadTable } from "./load/load.ts";
import { cleanUpOnSignal } from "../local/ending.ts";
import { down } from "../local/stack.ts";
import { TEST_STACK } from "../tests/support/stack.ts";
import { ROW_CHARACTERS, type RowWidth } from "./letters.ts";
import { benchMove, moveTable, USUAL_ROWS } from "./move.ts";
import { benchSoak, type SoakOptions, soakTable } from "./soak.ts";
import { benchWatch, type WatchResult } from "./watch.ts";

const program = new Command("bench")
  .description("Measures moves between two local tiers.")
  .addHelpText("after", "\nThe servers are the tests', in a place of their own: .strata/bench.");

program.command("move")
  .description("the same rows by copy, by foreign table, over REST, and by Strata")
  .addOption(
    new Option("--row <width>", "about 60 bytes, 470 bytes or 20 KB each")
      .choices(Object.keys(ROW_CHARACTERS)).default("letter"),
  )
  .option("--rows <n>", "how many (300,000; wide ones 7,000)", Number)
  .option("--rounds <n>", "how often; the best time of each way counts", Number, 1)
  .option("--json", "print one JSON object")
  .action(async ({ row, rows, rounds, json = false }: MoveOptions) => {
    const result = await benchMove({ row, rows: rows ?? USUAL_ROWS[row] }, rounds, say(json));
    console.log(json ? JSON.stringify(result) : moveTable(result));
  });

program.command("comparisons")
  .description("the same rows by everything people move tables with (installs some of it, as root)")
  .option("--rows <n>", "how many rows of about 470 bytes", Number, 300_000)
  .option("--json", "print one JSON object")
  .action(async ({ rows, json = false }: { rows: number; json?: boolean }) => {
    const result = await benchComparisons(rows, say(json));
    console.log(json ? JSON.stringify(result) : comparisonsTable(result));
  });

program.command("growth")
  .description("5,000 rows out of a small table and out of a large one; and nothing at all")
  .option("--sizes <n,n>", "rows in the tables", numbers, [100_000, 5_000_000])
  .option("--json", "print one JSON object")
  .action(async ({ sizes, json = false }: { sizes: number[]; json?: boolean }) => {
    const result = await benchGrowth(sizes, say(json));
    console.log(json ? JSON.stringify(result) : growthTable(result));
  });

program.command("curves")
  .description("what passes and looks cost as tables, datasets or a backlog grow")
  .addArgument(new Argument("<curve>", "along what").choices(Object.keys(CURVES)))
  .option("--sizes <n,n>", "at which sizes", numbers)
  .option("--save", "keep figures and plot in bench/plots", false)
  .option("--json", "print one JSON object")
  .action(async (name: string, { sizes, save, json = false }: CurveOptions) => {
    const curve = CURVES[name];
    if (curve === undefined) return;
    const found = await curve.measure(sizes ?? curve.sizes, say(json));
    if (save) await saveCurve(name, found);
    console.log(json ? JSON.stringify(found) : curveTable(found));
  });

program.command("watch")
  .description("what a look at a full core costs")
  .option("--mb <n>", "how large the core is", Number, 500)
  .option("--json", "print one JSON object")
  .action(async ({ mb, json = false }: { mb: number; json?: boolean }) => {
    const result = await benchWatch(mb, say(json));
    console.log(json ? JSON.stringify(result) : watchTable(result));
  });

program.command("load")
  .description("what clients of core notice while rows settle")
  .option("--rows <n>", "rows of about 470 bytes that settle", Number, 300_000)
  .option("--clients <n>", "how many clients", Number, 50)
  .option("--rate <n>", "transactions a second, all clients together", Number, 500)
  .option("--seconds <n>", "how long they work; a third of it before the settling", Number, 60)
  .addOption(new Option("--driver <name>", "who drives").choices(["push", "pull"]).default("pull"))
  .addOption(
    new Option("--by <what>", "what happens meanwhile; a bare copy or busy queries to compare with")
      .choices(["strata", "copy", "query"]).default("strata"),
  )
  .option("--share <percent>", "share_beside_others on core; as it comes when left out", Number)
  .option("--apart", "main gives way to the clients, as it would on a machine of its own", false)
  .option("--json", "print one JSON object")
  .action(async ({ json = false, ...options }: LoadOptions & { json?: boolean }) => {
    const result = await benchLoad(options, say(json));
    console.log(json ? JSON.stringify(result) : loadTable(result));
  });

program.command("audit")
  .description("rows that settled on main, and keys still on core, compared")
  .option("--rows <n>", "rows of about 470 bytes on main", Number, 300_000)
  .option("--keys <n>", "keys on core", Number, 100_000)
  .option("--json", "print one JSON object")
  .action(
    async ({ rows, keys, json = false }: { rows: number; keys: number; json?: boolean }) => {
      const result = await benchAudit(rows, keys, say(json));
      console.log(json ? JSON.stringify(result) : auditTable(result));
    },
  );

program.command("soak")
  .description("months in minutes: what schema strata and long-lived sessions grow to")
  .option("--months <n>", "how many months", Number, 12)
  .option("--hours <n>", "as many months as fit into so many hours, instead", Number)
  .option("--json", "print one JSON object")
  .action(async ({ json = false, ...options }: SoakOptions & { json?: boolean }) => {
    const result = await benchSoak(options, say(json));
    console.log(json ? JSON.stringify(result) : soakTable(result));
  });

program.command("functions")
  .description("CPU and memory of each edge function, alone in a process")
  .option("--rows <n>", "rows of about 470 bytes for the relay", Number, 20_000)
  .option("--calls <n>", "how often each of the others is asked", Number, 20)
  .option("--json", "print one JSON object")
  .action(
    async ({ rows, calls, json = false }: { rows: number; calls: number; json?: boolean }) => {
      const result = await benchFunctions(rows, calls, say(json));
      console.log(json ? JSON.stringify(result) : functionTable(result));
    },
  );

program.command("drain")
  .description("a full core gives rows away and the space back")
  .option("--megabytes <n>", "how large the core is", Number, 460)
  .addOption(
    new Option(
      "--case <case>",
      "writing: somebody inserts 200 rows a second meanwhile; read-only: the platform has turned core " +
        "read-only; main-down: main is not there at first",
    ).choices(DRAIN_CASES).default("plain"),
  )
  .option(
    "--rewrite",
    "the table has a subscriber, so it cannot be packed (on a disk of 2 GB)",
    false,
  )
  .option("--json", "print one JSON object")
  .action(async ({ json = false, ...options }: DrainOptions & { json?: boolean }) => {
    const result = await benchDrain(options, say(json));
    console.log(json ? JSON.stringify(result) : drainTable(result));
  });

interface CurveOptions {
  sizes?: number[];
  save: boolean;
  json?: boolean;
}

interface MoveOptions {
  row: RowWidth;
  rows?: number;
  rounds: number;
  json?: boolean;
}

cleanUpOnSignal(() => down(TEST_STACK));
try {
  await program.parseAsync(Deno.args, { from: "user" });
} finally {
  await down(TEST_STACK);
}

function numbers(list: string): number[] {
  return list.split(",").map(Number);
}

function say(quiet: boolean): (line: string) => void {
  return (line) => quiet || console.error(`… ${line}`);
}

function growthTable({ cases, idle_ms }: GrowthResult): string {
  const lines = cases.map((one) =>
    `${one.moved_rows.toLocaleString("en")} rows out of ` +
    `${one.table_rows.toLocaleString("en").padStart(10)}: ${one.seconds.toFixed(2)} s`
  );
  return [...lines, `nothing due: ${idle_ms.toFixed(1)} ms`].join("\n");
}

function watchTable(result: WatchResult): string {
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  return [
    `${result.database_mb} MB, ${result.rows.toLocaleString("en")} rows`,
    `watch: ${ms(result.watch_ms)} (in a new session: ${ms(result.watch_new_session_ms)})`,
    `of which asking for the billed size: ${ms(result.floor_ms)}`,
    `watchdog, pulled by main: ${ms(result.watchdog_ms)}`,
  ].join("\n");
}

function auditTable({ rows, months, rows_seconds, keys, keys_seconds }: AuditResult): string {
  const line = (what: string, count: number, seconds: number) =>
    `${what}: ${seconds.toFixed(2)} s, ${
      Math.round(count / seconds).toLocaleString("en")
    } a second`;
  return [
    line(`${rows.toLocaleString("en")} rows in ${months} months`, rows, rows_seconds),
    line(`${keys.toLocaleString("en")} keys`, keys, keys_seconds),
  ].join("\n");
}

function drainTable(result: DrainResult): string {
  const locked = Object.entries(result.locked_ms).map(([table, ms]) => `${table} ${ms} ms`);
  return [
    `${result.before_mb} MB before, ${result.after_mb} MB after ` +
    `(${result.fresh_mb} MB if freshly loaded), never more than ${result.highest_mb} MB`,
    `${result.rows_moved.toLocaleString("en")} rows moved, in ${result.seconds.toFixed(1)} s`,
    `locked: ${locked.join(", ")}`,
    ...(result.alarm === null
      ? []
      : [`main was down at first, and nothing moved: ${result.alarm}`]),
    ...(result.writer === null ? [] : [
      `a writer: ${result.writer.rows.toLocaleString("en")} rows, ` +
      `${result.writer.errors.length} errors, waited ${
        Math.round(result.writer.longestMs)
      } ms at most`,
    ]),
  ].join("\n");
}
