/**
 * `deno task demo`: three tiers on this machine, three years of an invented life, and the real jobs
 * that settle every row where its policy says. Everything here is what the commands do; only the
 * telling is its own. A second run finds things as the first left them.
 */
import { up } from "../../local/stack.ts";
import { clock, explain, moveDue } from "../../supabase/functions/_strata/protocol/strata.ts";
import { billedBytes } from "../tiers/watch.ts";
import { runUntilDone } from "../commands/run.ts";
import { type Config, loadConfig } from "../config/load.ts";
import type { TierName } from "../config/schema.ts";
import { type Context, DEFAULT_CONFIG, skippedText } from "../lib/command.ts";
import { asFailure, Failure } from "../lib/errors.ts";
import { count, duration, plural, size, table, withRemedy } from "../lib/output.ts";
import { openTiers, type Session } from "../lib/session.ts";
import { DEFAULT_SEED, sampleId } from "../sample/life.ts";
import { init } from "../setup/init.ts";
import { sample } from "../setup/sample.ts";
import { type Seen, seenRuns, watchCron } from "./cron.ts";
import { type Audit, compare, type Inventory, rowsPerTier, takeInventory } from "./audit.ts";

/** The row whose life is told: the oldest entry of the journal. */
const FOLLOWED = "journal_entries";

/** pg_cron wakes up at the full minute; whoever watches the demo is not kept waiting beyond this. */
const DEMO_MS = 105_000;
const MINUTE_MS = 60_000;
/** What pg_cron takes to wake up, and the move after that. */
const CRON_MS = 6_000;

/** What a tier holds at a moment. */
interface Picture {
  inventory: Inventory;
  rows: Map<TierName, number>;
  bytes: Map<TierName, string>;
}

async function demo(): Promise<void> {
  const began = Date.now();
  heading("Three tiers on this machine");
  const stack = await up({ say: console.log });
  // The stack's own environment and no other: a demo must never reach a real project.
  const config = await loadConfig(DEFAULT_CONFIG, stack.env);
  await using session = await openTiers(config);
  const context: Context = { config, session, say: console.log };
  console.log(tierLines(config));
  const first = await setUp(context);

  const before = await picture(session);
  const row = sampleId(DEFAULT_SEED, FOLLOWED, 0);
  const lifeBefore = await lifeOf(session, row);

  heading("The move: claimed, copied, proved, and only then deleted");
  const moved = await runUntilDone(
    context,
    { dataset: null, actions: ["move"], label: "Settling" },
    ({ sql }) => moveDue(sql, "20 seconds", null),
  );
  console.log(moved.text);

  const after = await picture(session);
  heading("Where everything is now");
  console.log(pictures(config, before, after));
  console.log(
    "\n  The room that rows leave on core is free for new ones at once; the size that is billed",
  );
  console.log("  falls when it is given back to the disk.");
  heading("The audit");
  console.log(auditText(compare(before.inventory, after.inventory)));
  heading(`One row's life: ${FOLLOWED} ${row}`);
  console.log(lifeText(first ? lifeBefore : [], await lifeOf(session, row)));
  heading("And by itself, from now on");
  console.log(
    first
      ? await cronAtWork(session, began + DEMO_MS)
      : cronText(await seenRuns(session, new Map())),
  );
  heading("What to try next");
  console.log(NEXT(row));
  console.log(`\nAll of this took ${duration(Date.now() - began)}.`);
  if (moved.ok === false) Deno.exitCode = 1;
}

/** Sets the tiers up and loads the sample; false when an earlier run has loaded it. */
async function setUp(context: Context): Promise<boolean> {
  const { session } = context;
  const outcome = await init({ ...context, config: { ...context.config, personal: true } });
  for (const { tier, says } of outcome.tiers) console.log(`  ${tier}: ${says}`);
  for (const { says } of outcome.links) console.log(`  ${says}`);
  console.log(`  ${plural(outcome.managed.length, "dataset")} managed`);
  for (const { dataset, says } of outcome.refused) console.log(`  ${dataset} is refused: ${says}`);
  if (session.skipped.length > 0) {
    throw new Failure(session.skipped.map(skippedText).join("\n"));
  }

  heading("Three years of an invented life, loaded into core");
  const loaded = await sample(context);
  if (loaded.outcome === "already_loaded") {
    console.log("  It is there already, from an earlier run.");
    return false;
  }
  console.log(`  ${count([...loaded.rows.values()].reduce((a, b) => a + b, 0))} rows.`);
  return true;
}

async function picture(session: Session): Promise<Picture> {
  const inventory = await takeInventory(session);
  const bytes = await session.ask(({ sql }) => billedBytes(sql));
  return {
    inventory,
    rows: rowsPerTier(inventory),
    bytes: new Map(bytes.map(({ tier, answer }) => [tier, answer])),
  };
}

async function lifeOf(session: Session, key: string): Promise<string[][]> {
  const answers = await session.ask(({ sql }) => explain(sql, FOLLOWED, [key]));
  return answers.flatMap(({ answer }) => answer.map((e) => [e.tier, e.topic, e.says]));
}

function tierLines(config: Config): string {
  return table(
    ["  tier", "stands for", ">may hold"],
    config.tiers.map(({ key, name, capacityMb }) => [`  ${key}`, name, `${count(capacityMb)} MB`]),
  );
}

function pictures(config: Config, before: Picture, after: Picture): string {
  return table(
    ["  tier", ">rows before", ">rows now", ">size before", ">size now"],
    config.tiers.map(({ key }) => [
      `  ${key}`,
      count(before.rows.get(key) ?? 0),
      count(after.rows.get(key) ?? 0),
      size(before.bytes.get(key) ?? "0"),
      size(after.bytes.get(key) ?? "0"),
    ]),
  );
}

function auditText({ rowsBefore, rowsAfter, lost, doubled, changed }: Audit): string {
  const sound = lost + doubled + changed === 0;
  return `${sound ? "✓" : "✗"} ${count(rowsBefore)} rows in, ${count(rowsAfter)} rows found, ` +
    (sound
      ? "each exactly once, every fingerprint equal."
      : `${count(lost)} lost, ${count(doubled)} on two tiers, ${count(changed)} changed.`);
}

function lifeText(before: string[][], after: string[][]): string {
  const lines = [
    ...before.map((line) => ["before", ...line]),
    ...after.map((line) => ["now", ...line]),
  ];
  return table(
    ["", "tier", "", ""],
    lines.map((line, at) =>
      line.map((cell, column) => {
        const same = column < 2 && line.slice(0, column + 1).join() ===
            lines[at - 1]?.slice(0, column + 1).join();
        return same ? "" : column === 0 ? `  ${cell}` : cell;
      })
    ),
  );
}

/** An entry that is due already is written into core, and pg_cron alone settles it. */
async function cronAtWork(session: Session, deadline: number): Promise<string> {
  const until = Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS + CRON_MS;
  if (until > deadline) {
    return "  pg_cron moves what is due every four hours; `deno task strata monitor sync` shows it.";
  }
  console.log("  An old entry is written into core; pg_cron wakes up at the full minute …");
  const since = await session.ask(({ sql }) => clock(sql));
  const seen = await watchCron(
    session,
    new Map(since.map((s) => [s.tier, s.answer])),
    until - Date.now(),
  );
  const moved = seen.move === undefined
    ? "  It will go with the next run."
    : `  … and has moved it to ${seen.move.to_tier}, without anybody's call.`;
  return `${moved}\n${cronText(seen.runs)}`;
}

function cronText(runs: Seen["runs"]): string {
  if (runs.length === 0) return "  pg_cron has not run a job yet; see cron.job_run_details later.";
  return [
    "  What pg_cron has run inside the tiers, by cron.job_run_details:",
    table(
      ["  tier", "job", "outcome", ">times"],
      runs.map(({ tier, job, status, runs }) => [`  ${tier}`, job, status, runs]),
    ),
  ].join("\n");
}

const NEXT = (row: string) =>
  `  deno task strata plan                 what settles next week, and next month
  deno task strata monitor sizes        how full each tier is
  deno task strata explain ${FOLLOWED} ${row}
  deno task strata setup --validate     every promise that can be checked
  deno task strata manage public.my_table --age created_at

The tiers are still up. Stop them with \`deno task down\`; \`deno task reset\` forgets the data.`;

function heading(text: string): void {
  console.log(Deno.stdout.isTerminal() ? `\n\x1b[1m${text}\x1b[0m` : `\n${text}`);
}

if (Deno.args.length > 0) {
  console.error(
    "Usage: deno task demo\n\nIt takes no options; `deno task reset` starts it afresh.",
  );
  Deno.exit(["--help", "-h"].includes(Deno.args[0] ?? "") ? 0 : 2);
}
try {
  await demo();
} catch (error) {
  const { message, remedy } = asFailure(error);
  console.error(withRemedy(message, remedy));
  Deno.exitCode = 1;
}
