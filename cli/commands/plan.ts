import type { Command } from "commander";
import { plan as planOf, type PlanRow } from "../../supabase/functions/_strata/protocol/strata.ts";
import { scheduleOf } from "../tiers/holdings.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { cronText } from "../lib/cron_text.ts";
import { count, rows, size, sum, table } from "../lib/output.ts";

/** `plan [dataset]`: what would move or be deleted, without changing anything. */
export function plan(io: Io): Command {
  return command("plan", "what would move or be deleted now, in 7 and in 30 days", [
    "plan",
    "plan journal_entries",
    "plan --json",
  ])
    .argument("[dataset]", "only this dataset")
    .action((dataset: string | undefined, options: CommonOptions) =>
      perform(
        io,
        options,
        async (context) =>
          report(context, dataset === undefined ? null : await context.session.named(dataset)),
      )
    );
}

/** Every tier's plan, hottest tier first within each dataset. */
export async function planEverywhere(
  { session }: Pick<Context, "session">,
  dataset: string | null,
): Promise<PlanRow[]> {
  const answers = await session.ask(({ sql }) => planOf(sql, dataset));
  const plan = answers.flatMap(({ answer }) => answer);
  if (dataset !== null && plan.length === 0) throw await session.noDataset(dataset);
  return plan
    .sort((a, b) => a.dataset < b.dataset ? -1 : a.dataset > b.dataset ? 1 : 0);
}

async function report(context: Context, dataset: string | null): Promise<Report> {
  const plan = await planEverywhere(context, dataset);
  const last = context.session.open.at(-1);
  const cron = last === undefined ? undefined : await scheduleOf(last.sql, "strata-upkeep");
  return {
    document: { plan },
    text: planText(plan, cron === undefined ? "when it is called" : cronText(cron)),
    ok: context.session.isComplete,
  };
}

function planText(plan: PlanRow[], upkeep: string): string {
  const given = plan.filter(({ action }) => action === "reclaim").map((row) =>
    `Upkeep gives ${size(row.bytes_now ?? 0)} of ${row.dataset} back to the disk of ${row.tier}.`
  );
  return [dueText(plan.filter(({ action }) => action !== "reclaim"), upkeep), ...given].join("\n");
}

function dueText(plan: PlanRow[], upkeep: string): string {
  const told = plan.filter((row) =>
    [row.rows_30d, row.held, row.set_aside, row.referenced, row.without_age].some((n) => n !== "0")
  );
  if (told.length === 0) return "Nothing is due, now or within 30 days.";
  const due = (n: string | null, bytes: string | null) =>
    n === null || bytes === null ? "unknown" : n === "0" ? "-" : `${count(n)} (${size(bytes)})`;
  const drawn = table(
    ["dataset", "from", "to", ">now", ">in 7 days", ">in 30 days", "stays"],
    told.map((row) => [
      row.dataset,
      row.tier,
      row.action === "delete" ? "deleted" : row.to_tier ?? "-",
      due(row.rows_now, row.bytes_now),
      due(row.rows_7d, row.bytes_7d),
      due(row.rows_30d, row.bytes_30d),
      reasons(row),
    ]),
  );
  const now = (action: string) =>
    sum(plan.filter((r) => r.action === action).map((r) => r.rows_now));
  const past = sum(plan.map((r) => r.past_deletion));
  const kept = told.flatMap((row) =>
    row.referenced_by === null ? [] : [`${row.dataset} on ${row.tier}: ${row.referenced_by}.`]
  );
  return [
    `${drawn}\n\nDue now: ${rows(now("move"))} to move, ${rows(now("delete"))} to delete.`,
    ...kept,
    ...(past === 0n ? [] : [
      `Past its deletion age, of what moves: ${rows(past)}; \`process\` deletes that as well, ` +
      `after \`sync\` the upkeep does (${upkeep}).`,
    ]),
  ].join("\n");
}

function reasons(row: PlanRow): string {
  if (row.rows_now === null) return "its policy does not fit its table";
  const ageless = row.without_age ?? "0";
  return [
    ...keptText([row]),
    ...(ageless === "0" ? [] : [`${count(ageless)} without an age`]),
  ].join(", ");
}

/** Of rows that are old enough: how many stay, for which reason. One row may stay for several. */
export function keptText(plan: readonly PlanRow[]): string[] {
  const kinds = [["held", "held"], ["set_aside", "set aside"], [
    "referenced",
    "referenced",
  ]] as const;
  return kinds.flatMap(([key, why]) => {
    const kept = sum(plan.map((row) => row[key]));
    return kept === 0n ? [] : [`${count(kept)} ${why}`];
  });
}
