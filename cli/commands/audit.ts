import type { Command } from "commander";
import {
  acceptAudit,
  audit as auditOf,
  auditAnew,
  auditReport,
  type AuditTurn,
} from "../tiers/audit.ts";
import {
  command,
  type CommonOptions,
  type Context,
  type Io,
  perform,
  type Report,
} from "../lib/command.ts";
import { confirmed } from "../lib/confirm.ts";
import { Failure } from "../lib/errors.ts";
import { count, duration, rows, table } from "../lib/output.ts";
import type { OpenTier } from "../lib/session.ts";

/** Long enough to get on, short enough for a call to be stopped and taken up again. */
const BUDGET = "20 seconds";
/** As findings name it; rows may lie before, after or outside all months. */
const MONTH = /^(\d{4}-(0[1-9]|1[0-2])|no age|before 1970|from 2100)$/;

interface Options extends CommonOptions {
  dataset?: string;
  last?: true;
  accept?: true;
  month?: string;
  yes?: true;
}

/** `audit`: is what settled still there, and every row in one tier only. */
export function audit(io: Io): Command {
  return command("audit", "compare what has settled with what is there, on every tier", [
    "audit",
    "audit --dataset journal_entries",
    "audit --last --json    # what the audit that runs by itself found",
    "audit --accept --dataset tasks --month 2026-03    # I deleted these myself",
  ])
    .option("--dataset <name>", "only this dataset")
    .option("--last", "only show what was found last")
    .option("--accept", "take what was found wrong with --dataset as right from now on")
    .option("--month <month>", "with --accept: only this month, such as 2026-03")
    .option("--yes", "with --accept: do not ask")
    .action((options: Options) => perform(io, options, (context) => work(context, options)));
}

async function work(context: Context, options: Options): Promise<Report> {
  const dataset = options.dataset === undefined
    ? null
    : await context.session.named(options.dataset);
  if (options.month !== undefined && !options.accept) {
    throw new Failure("--month goes with --accept", "An audit looks at all months.", 2);
  }
  if (options.month !== undefined && !MONTH.test(options.month)) {
    throw new Failure(`--month is "${options.month}"`, "Write the month as 2026-03.", 2);
  }
  if (dataset !== null && !await isKnown(context, dataset)) {
    throw await context.session.noDataset(dataset);
  }
  if (options.accept) {
    return await accepted(context, dataset, options.month ?? null, options.yes === true);
  }
  if (options.last !== true) {
    // The coldest first: of what has moved on, the tier before it may have to be told.
    for (const open of context.session.open.toReversed()) {
      try {
        await auditTier(open, dataset);
      } catch (error) {
        context.session.skip(open, error);
      }
    }
  }
  const audits = (await turns(context)).filter((one) =>
    dataset === null || one.dataset === dataset
  );
  return report(audits, context.session.skipped.map(({ tier }) => tier), options.last === true);
}

/** Managed on any tier, or let go of since it was audited. */
async function isKnown(context: Context, dataset: string): Promise<boolean> {
  return (await context.session.managing(dataset)).length > 0 ||
    (await turns(context)).some((one) => one.dataset === dataset);
}

async function turns({ session }: Context): Promise<(AuditTurn & { dialled_by: string })[]> {
  const answers = await session.ask(({ sql }) => auditReport(sql));
  return answers.flatMap(({ tier, answer }) => answer.map((one) => ({ dialled_by: tier, ...one })));
}

/** Calls the audit again and again until it has come to its end, or comes no further. */
async function auditTier({ sql }: OpenTier, dataset: string | null): Promise<void> {
  await auditAnew(sql, dataset);
  let before = "";
  while (true) {
    const standing = (await auditReport(sql)).filter(({ finished_at, dataset: name }) =>
      finished_at === null && (dataset === null || name === dataset)
    );
    const now = JSON.stringify(standing.map(({ milliseconds: _, ...rest }) => rest));
    if (standing.length === 0 || now === before) return;
    before = now;
    await auditOf(sql, BUDGET, dataset);
  }
}

async function accepted(
  { session }: Context,
  dataset: string | null,
  month: string | null,
  yes: boolean,
): Promise<Report> {
  if (dataset === null) throw new Failure("--accept needs a --dataset", "Name the dataset.", 2);
  const open = (await session.ask(({ sql }) => auditReport(sql)))
    .flatMap(({ answer }) => answer)
    .filter((one) => one.dataset === dataset)
    .flatMap(({ colder, findings, notes }) =>
      [...findings, ...notes].filter((one) => month === null || one.month === month)
        .map(({ says }) => `on ${colder}: ${says}`)
    );
  if (
    open.length > 0 &&
    !confirmed(`Of ${dataset} is taken as right from now on: ${open.join("; ")}.`, yes)
  ) return { document: { dataset, month, accepted: 0 }, text: "Nothing was accepted.", ok: false };
  const answers = await session.ask(async ({ sql }) => {
    const found = (await auditReport(sql)).some((one) =>
      one.dataset === dataset &&
      [...one.findings, ...one.notes].some((found) => month === null || found.month === month)
    );
    return found ? await acceptAudit(sql, dataset, month) : 0;
  });
  const settled = answers.reduce((total, { answer }) => total + answer, 0);
  return {
    document: { dataset, month, accepted: settled },
    text: settled === 0
      ? `The last audit found nothing wrong with ${dataset}${month === null ? "" : ` in ${month}`}.`
      : `${counted(settled, "finding")} of ${dataset} taken as right from now on.`,
    ok: settled > 0,
  };
}

/** What keeps an audit from having proved everything, though nothing is wrong. */
function unproved(audits: AuditTurn[], skipped: string[]): string[] {
  return [
    ...audits.flatMap(({ dataset, colder, notes }) =>
      notes.map(({ kind, says }) =>
        `… ${dataset} on ${colder}: ${says}` +
        (kind === "counted"
          ? `\n  → What they say cannot be proved any more. Look at them and accept them: ` +
            `\`deno task strata audit --accept --dataset ${dataset}\``
          : "")
      )
    ),
    ...audits.filter(({ skipped: parts }) => parts !== "0").map((
      { dataset, colder, skipped: parts },
    ) => `… ${dataset} on ${colder}: ${counted(Number(parts), "part")} busy, left for next time`),
    ...skipped.map((tier) =>
      `… ${tier} was not asked: what lies there, or comes from there, is not audited`
    ),
  ];
}

function nothingAudited(isLast: boolean, allAnswer: boolean): string {
  if (!allAnswer) return "Nothing was audited.";
  return isLast
    ? "No audit has run yet. `deno task strata audit` runs one; by itself job strata-audit does."
    : "Nothing has settled over a link between these tiers: there is nothing to audit.";
}

function report(
  audits: (AuditTurn & { dialled_by: string })[],
  skipped: string[],
  isLast: boolean,
): Report {
  const findings = audits.flatMap(({ dataset, colder, findings }) =>
    findings.map(({ says }) =>
      `✗ ${dataset} on ${colder}: ${says}\n` +
      `  → Find out who did it and restore it, or accept it: ` +
      `\`deno task strata audit --accept --dataset ${dataset}\``
    )
  );
  const unfinished = audits.filter((one) => one.finished_at === null);
  const isCarried = (one: AuditTurn) => one.carried && one.trouble === null;
  const [carried, stuck] = [
    unfinished.filter(isCarried),
    unfinished.filter((one) => !isCarried(one)),
  ];
  const open = unproved(audits, skipped);
  const isProved = findings.length + unfinished.length + open.length === 0;
  return {
    document: { audits, proved: isProved && audits.length > 0 },
    text: audits.length === 0
      ? [
        nothingAudited(isLast, skipped.length === 0),
        ...open,
      ].join("\n")
      : [
        drawn(audits),
        ...findings,
        ...stuck.map(({ dataset, colder, trouble }) =>
          `✗ ${dataset} on ${colder}: not finished${trouble === null ? "" : `: ${trouble}`}`
        ),
        ...carried.map(({ dataset, colder }) =>
          `… ${dataset} on ${colder}: the relay goes on with it; see \`deno task strata audit --last\``
        ),
        ...open,
        ...(isProved
          ? [
            isLast
              ? `✓ What settled was there, once, ${lastOf(audits)}.`
              : "✓ What settled is there, once.",
          ]
          : []),
      ].join("\n"),
    ok: findings.length + stuck.length === 0,
  };
}

function drawn(audits: AuditTurn[]): string {
  return table(
    ["dataset", "on", ">months", ">rows there", ">keys before it", ">took", ""],
    audits.map((one) => [
      one.dataset,
      one.colder,
      count(one.months),
      count(one.rows),
      count(one.keys),
      duration(Number(one.milliseconds)),
      verdict(one),
    ]),
  );
}

/** When the oldest of these audits came to its end. */
function lastOf(audits: AuditTurn[]): string {
  const ends = audits.map(({ finished_at }) => finished_at ?? "").sort();
  return `when last audited (${ends[0]?.slice(0, 16)})`;
}

function verdict({ finished_at, findings, notes, skipped }: AuditTurn): string {
  if (finished_at === null) return "not finished";
  if (findings.length > 0) return counted(findings.length, "finding");
  const only = notes.filter(({ kind }) => kind === "counted");
  const total = only.reduce((sum, one) => sum + (one.rows ?? 0), 0);
  const open = [
    ...(only.length === 0 ? [] : [`${rows(String(total))} only counted`]),
    ...(notes.length === only.length ? [] : ["compared in part"]),
    ...(skipped === "0" ? [] : [`${counted(Number(skipped), "part")} busy`]),
  ];
  return open.length === 0 ? "✓" : open.join(", ");
}

function counted(many: number, what: string): string {
  return `${many} ${what}${many === 1 ? "" : "s"}`;
}
