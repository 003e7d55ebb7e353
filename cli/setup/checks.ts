/** `setup --validate`: every tier's own checks, and those that only show from outside. */
import * as strata from "../../supabase/functions/_shared/strata.ts";
import { policyOf } from "../../supabase/functions/_shared/strata_policies.ts";
import { policiesOn } from "../config/policy.ts";
import { sslmodeOf } from "../../supabase/functions/_shared/postgres_tls.ts";
import { keyWarning } from "../../supabase/functions/_shared/safe_address.ts";
import { type Context, ROOT } from "../lib/command.ts";
import { asFailure, Failure } from "../lib/errors.ts";
import { isLocal } from "../lib/local.ts";
import { compareVersions, versionsIn } from "../lib/migrations.ts";
import { openFiles, secretFiles } from "../lib/secret_files.ts";
import type { OpenTier, Session } from "../lib/session.ts";
import { wakeCheck } from "./wakes.ts";

/** A check of one tier, or of what lies between two. */
export interface TierCheck extends strata.Check {
  tier: string;
}

const CLOCK_SKEW_SECONDS = 2;
const OLD_TLS = ["SSLv3", "TLSv1", "TLSv1.1"];

/** Everything that can be checked, tier by tier. */
export async function checks(context: Context): Promise<TierCheck[]> {
  const { session } = context;
  await session.ask(requireSetUp);
  const own = await session.ask(({ sql }) => strata.validate(sql));
  const outside = await session.ask((open) => fromOutside(context, open));
  const between = [...await twinChecks(context), ...await configuredChecks(context)];
  const clocks = clockCheck(outside.map(({ tier, answer }) => ({ tier, ...answer })));
  const found = context.config.tiers.flatMap(({ key }) => {
    const skipped = session.skipped.find(({ tier }) => tier === key);
    const of = (answers: { tier: string; answer: strata.Check[] }[]) =>
      answers.filter(({ tier }) => tier === key).flatMap(({ answer }) => answer);
    return [
      reachable(skipped),
      ...of(outside.map(({ tier, answer }) => ({ tier, answer: answer.checks }))),
      ...of(own),
      ...between.filter(({ tier }) => tier === key),
    ].map((check) => ({ ...check, tier: key }));
  });
  return [...found, ...clocks, ...await fileChecks()];
}

async function requireSetUp({ tier, sql }: OpenTier): Promise<void> {
  if (await strata.tierOf(sql) !== undefined) return;
  throw new Failure(
    `Strata is not set up on ${tier.key}`,
    "Run `deno task strata setup --init`.",
  );
}

function reachable(skipped: Session["skipped"][number] | undefined): strata.Check {
  return skipped === undefined
    ? { topic: "reachable", ok: true, says: "it answers", remedy: null }
    : { topic: "reachable", ok: false, says: skipped.says, remedy: skipped.remedy };
}

interface Outside {
  checks: strata.Check[];
  /** How far the server's clock is ahead of this machine's, and how uncertain that is. */
  ahead: number;
  within: number;
}

async function fromOutside(context: Context, { tier, sql }: OpenTier): Promise<Outside> {
  const asked = performance.timeOrigin + performance.now();
  const { tls, clock } = await strata.facts(sql);
  const took = performance.timeOrigin + performance.now() - asked;
  const links = await strata.links(sql);
  const wanted = context.config.links.filter(({ from, to }) => [from, to].includes(tier.key));
  const checks: strata.Check[] = [
    tlsCheck(tier, tls),
    ...addressChecks(tier),
    await migrationCheck(sql),
    ...await wakeCheck({ tier, sql }),
    ...wanted.map(({ from, to, driver }) => {
      const neighbour = from === tier.key ? to : from;
      const found = links.find((link) => link.neighbour === neighbour)?.driver;
      return {
        topic: `link with ${neighbour}`,
        ok: found === driver,
        says: `${found ?? "not declared"}, configured as ${driver}`,
        remedy: "Run `deno task strata setup --init`.",
      };
    }),
  ];
  return { checks, ahead: clock - (asked + took / 2) / 1000, within: took / 2000 };
}

/** On this machine nothing leaves it, as with the certificate below. */
function tlsCheck({ dbUrl }: OpenTier["tier"], tls: string | null): strata.Check {
  const stays = tls === null && isLocal(dbUrl);
  return {
    topic: "TLS from here",
    ok: stays || tls !== null && !OLD_TLS.includes(tls),
    says: tls ?? (stays ? "not encrypted: it is this machine" : "not encrypted"),
    remedy: "Turn on ssl in its postgresql.conf, with TLS 1.2 or newer.",
  };
}

/** What is a decision of the owner's, or no fault in a network of one's own, is said all the same. */
function addressChecks({ api, dbUrl, trust }: OpenTier["tier"]): strata.Check[] {
  const warning = api === undefined ? undefined : keyWarning(api.url);
  const mode = sslmodeOf(dbUrl, trust);
  const checked = mode === "verify-full" || isLocal(dbUrl);
  return [
    {
      topic: "certificate from here",
      ok: true,
      says: checked
        ? mode === "verify-full" ? "checked" : "not checked: it is this machine"
        : `not checked (sslmode ${mode}), because: ${trust.insecureBecause}`,
      remedy: null,
    },
    ...(api === undefined ? [] : [{
      topic: "REST address",
      ok: true,
      says: warning ?? (isLocal(api.url) ? "this machine" : "https"),
      remedy: null,
    }]),
  ];
}

async function migrationCheck(sql: OpenTier["sql"]): Promise<strata.Check> {
  const here = await versionsIn(`${ROOT}/supabase/migrations`);
  const found = compareVersions(await strata.migrations(sql), here);
  const [missing, unknown] = [found.missing.length, found.unknown.length];
  return {
    topic: "migrations",
    ok: missing === 0 && unknown === 0,
    says: missing + unknown === 0
      ? `all ${here.length} are in`
      : `${missing} are missing, ${unknown} are unknown here`,
    remedy: missing > 0
      ? "Run `deno task strata setup --init`."
      : "Update this copy of Strata: that tier was set up by a newer one.",
  };
}

/** What the configuration names and nobody manages was refused, or written down since setup last ran. */
async function configuredChecks({ config, session }: Context): Promise<TierCheck[]> {
  const core = session.open.find(({ tier }) => tier.key === "core");
  if (core === undefined) return [];
  const { sql } = core;
  const policies = await policiesOn((table) => strata.hasTable(sql, table), config.policies);
  const missing: string[] = [];
  for (const { dataset, table } of policies) {
    const isThere = await strata.hasTable(sql, table);
    if (isThere && await policyOf(sql, table) === undefined) missing.push(dataset);
  }
  return [{
    tier: "core",
    topic: "configuration",
    ok: missing.length === 0,
    says: missing.length === 0
      ? "every table it names is managed"
      : `it names what is not managed: ${missing.join(", ")}`,
    remedy: "Run `deno task strata setup --init`, which says why when it refuses a table.",
  }];
}

/** The files of secrets on this machine, where there are any. */
async function fileChecks(root = ROOT): Promise<TierCheck[]> {
  const open = await openFiles(root);
  return (await secretFiles(root)).map((path) => {
    const wrong = open.filter((file) => file.path === path);
    return {
      tier: "here",
      topic: path,
      ok: wrong.length === 0,
      says: wrong.length === 0
        ? "nobody else may read it, and it is not in git"
        : wrong.map(({ says }) => says).join("; "),
      remedy: wrong.length === 0 ? null : `${wrong.map(({ remedy }) => remedy).join("; ")}.`,
    };
  });
}

/** Ages are told by each tier's own clock, so the clocks must agree. */
function clockCheck(clocks: { tier: string; ahead: number; within: number }[]): TierCheck[] {
  const [hottest, ...others] = clocks;
  if (hottest === undefined) return [];
  return others.map(({ tier, ahead, within }) => {
    const skew = Math.abs(ahead - hottest.ahead);
    const error = within + hottest.within;
    return {
      tier,
      topic: `clock against ${hottest.tier}`,
      ok: skew - error <= CLOCK_SKEW_SECONDS,
      says: `${skew.toFixed(3)} s apart, give or take ${error.toFixed(3)} s`,
      remedy: "Keep both servers' clocks with NTP.",
    };
  });
}

/** Why a twin does not fit; undefined when there is none. What cannot even be described says so. */
async function saidOfTwin(
  source: OpenTier,
  target: OpenTier,
  dataset: string,
): Promise<string[] | undefined> {
  try {
    return await strata.twinObjections(target.sql, await strata.describe(source.sql, dataset));
  } catch (error) {
    return [`${dataset}: ${asFailure(error).message}`];
  }
}

/** Each colder tier's twins against what the tier before it describes. */
async function twinChecks({ config, session }: Context): Promise<TierCheck[]> {
  const found: TierCheck[] = [];
  for (const { from, to } of config.links) {
    const source = session.open.find(({ tier }) => tier.key === from);
    const target = session.open.find(({ tier }) => tier.key === to);
    if (source === undefined || target === undefined) continue;
    const objections: string[] = [];
    const unknown: string[] = [];
    const datasets = await strata.datasets(source.sql);
    for (const { name } of datasets) {
      const said = await saidOfTwin(source, target, name);
      if (said === undefined) unknown.push(name);
      else objections.push(...said);
    }
    found.push({
      tier: to,
      topic: `twins of ${from}`,
      ok: objections.length === 0 && unknown.length === 0,
      says: [
        `${datasets.length - unknown.length} of ${datasets.length} are there`,
        ...objections,
        ...(unknown.length === 0 ? [] : [`not there yet: ${unknown.join(", ")}`]),
      ].join("; "),
      remedy: objections.length > 0
        ? "Make the two tables alike: `deno task strata monitor lifecycle` says how."
        : "Run `deno task strata setup --init`, or wait for the first move.",
    });
  }
  return found;
}
