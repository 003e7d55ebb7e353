/** `setup --validate`: every tier's own checks, and those that only show from outside. */
import * as strata from "../../supabase/functions/_strata/protocol/strata.ts";
import { releases } from "../tiers/releases.ts";
import { policyOf } from "../tiers/policies.ts";
import { policiesAt } from "./policies.ts";
import { sslmodeOf } from "../../supabase/functions/_strata/protocol/postgres_tls.ts";
import { keyWarning } from "../../supabase/functions/_strata/outbound/safe_address.ts";
import { type Context, ROOT } from "../lib/command.ts";
import { asFailure, Failure, isLost } from "../lib/errors.ts";
import { isLocal } from "../lib/local.ts";
import { isLater, releasesHere } from "../lib/releases.ts";
import { openFiles, secretFiles } from "../lib/secret_files.ts";
import type { OpenTier, Session } from "../lib/session.ts";
import { grouped, some } from "../lib/output.ts";
import type { Link } from "../config/load.ts";
import { type Twin, twinOf } from "../tiers/twins.ts";
import { remedy as remedyOfName, tablesMissing } from "./names.ts";
import { wakeCheck } from "./wakes.ts";

/** A check of one tier, or of what lies between two. */
export interface TierCheck extends strata.Check {
  tier: string;
}

const CLOCK_SKEW_SECONDS = 2;
const OLD_TLS = ["SSLv3", "TLSv1", "TLSv1.1"];

/** Everything that can be checked, tier by tier; what cannot be is a check that does not hold. */
export async function checks(context: Context): Promise<TierCheck[]> {
  const { session, config } = context;
  await session.ask(requireSetUp);
  const clocks: Clock[] = [];
  const own = await session.ask(async (open) => [
    ...await outsideChecks(context, open, clocks),
    ...await attempt("checks of its own", () => strata.validate(open.sql)),
    ...(open.tier.key === "core" ? await attempt("names", () => nameChecks(context, open)) : []),
  ]);
  const between: TierCheck[] = [];
  for (const link of config.links) between.push(...await twinChecks(context, link));
  between.push(...await configuredChecks(context));
  const found = config.tiers.flatMap(({ key }) => {
    const skipped = session.skipped.find(({ tier }) => tier === key);
    return [
      { ...reachable(skipped), tier: key },
      ...own.filter(({ tier }) => tier === key)
        .flatMap(({ answer }) => answer.map((check) => ({ ...check, tier: key }))),
      ...between.filter(({ tier }) => tier === key),
    ];
  });
  return [...found, ...clockChecks(config, clocks), ...await fileChecks()];
}

/** Only a tier that is gone is left out of the rest; everything else that fails is a check. */
async function attempt(
  topic: string,
  work: () => Promise<strata.Check[]>,
): Promise<strata.Check[]> {
  try {
    return await work();
  } catch (error) {
    const failure = asFailure(error);
    if (failure.code === "" && failure !== error) throw error; // a fault of this program
    if (isLost(failure)) throw failure;
    const says = `this cannot be checked: ${failure.message}`;
    const remedy = failure.remedy === ""
      ? "Read the message: it names what is missing."
      : failure.remedy;
    return [{ topic, ok: false, says, remedy }];
  }
}

/** The names of the configuration that are the user's own. */
async function nameChecks({ config }: Context, { sql }: OpenTier): Promise<strata.Check[]> {
  return (await tablesMissing(config, sql)).map(({ dataset, table, near }) => ({
    topic: `lifecycle_policies.${dataset}`,
    ok: false,
    says: `there is no table ${table}`,
    remedy: remedyOfName(near),
  }));
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

/** How far a server's clock is ahead of this machine's, and how uncertain that is. */
interface Clock {
  tier: string;
  ahead: number;
  within: number;
}

async function outsideChecks(
  context: Context,
  open: OpenTier,
  clocks: Clock[],
): Promise<strata.Check[]> {
  const { tier, sql } = open;
  return [
    ...await attempt("TLS from here", async () => {
      const asked = performance.timeOrigin + performance.now();
      const { tls, clock } = await strata.facts(sql);
      const took = performance.timeOrigin + performance.now() - asked;
      const ahead = clock - (asked + took / 2) / 1000;
      clocks.push({ tier: tier.key, ahead, within: took / 2000 });
      return [tlsCheck(tier, tls)];
    }),
    ...addressChecks(tier),
    ...await attempt("release", async () => [await releaseCheck(sql)]),
    ...await attempt("waking functions", () => wakeCheck(open)),
    ...await attempt("links", () => linkChecks(context, open)),
  ];
}

async function linkChecks({ config }: Context, { tier, sql }: OpenTier): Promise<strata.Check[]> {
  const links = await strata.links(sql);
  const wanted = config.links.filter(({ from, to }) => [from, to].includes(tier.key));
  return wanted.map(({ from, to, driver }) => {
    const neighbour = from === tier.key ? to : from;
    const found = links.find((link) => link.neighbour === neighbour)?.driver;
    return {
      topic: `link with ${neighbour}`,
      ok: found === driver,
      says: `${found ?? "not declared"}, configured as ${driver}`,
      remedy: "Run `deno task strata setup --init`.",
    };
  });
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

async function releaseCheck(sql: OpenTier["sql"]): Promise<strata.Check> {
  const [here] = await releasesHere();
  const there = (await releases(sql)).find(({ product }) => product === "strata");
  const [version, found] = [here?.version ?? "", there?.version ?? "0.0.0"];
  const isNewer = isLater(found, version);
  const isSame = found === version && there?.digest === here?.digest;
  return {
    topic: "release",
    ok: isSame,
    says: isSame
      ? `Strata ${found}`
      : found === version
      ? `Strata ${found}, but not as it is here`
      : `Strata ${found}, and ${version} is here`,
    remedy: isNewer
      ? "Update this copy of Strata: that tier was set up by a newer one."
      : "Run `deno task strata setup --init`.",
  };
}

/** What the configuration names and nobody manages was refused, or written down since setup last ran. */
async function configuredChecks({ config, session }: Context): Promise<TierCheck[]> {
  const core = session.open.find(({ tier }) => tier.key === "core");
  if (core === undefined) return [];
  const { sql } = core;
  const policies = await policiesAt(sql, config.policies);
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
function clockChecks({ tiers }: Context["config"], clocks: readonly Clock[]): TierCheck[] {
  const [hottest, ...others] = tiers.flatMap(({ key }) =>
    clocks.find(({ tier }) => tier === key) ?? []
  );
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

/** A twin as far as it could be looked at; that the source's own table is gone is said there. */
async function lookAt(
  source: OpenTier,
  target: OpenTier,
  dataset: string,
): Promise<Twin | undefined> {
  try {
    return await twinOf(target.sql, await strata.describe(source.sql, dataset));
  } catch (error) {
    const failure = asFailure(error);
    if (isLost(failure)) throw error;
    if (["42P01", "3F000"].includes(failure.code)) return undefined;
    const remedy = failure.remedy === "" ? "Read the message." : failure.remedy;
    return { state: "there", objections: [{ says: `${dataset}: ${failure.message}`, remedy }] };
  }
}

/** A colder tier's twins against what the tier before it describes. */
async function twinChecks({ session }: Context, { from, to }: Link): Promise<TierCheck[]> {
  const source = session.open.find(({ tier }) => tier.key === from);
  const target = session.open.find(({ tier }) => tier.key === to);
  if (source === undefined || target === undefined) return [];
  const topic = `twins of ${from}`;
  const found = await attempt(topic, async () => {
    const names = (await strata.datasets(source.sql)).map(({ name }) => name);
    const twins: [string, Twin][] = [];
    for (const name of names) {
      const twin = await lookAt(source, target, name);
      if (twin !== undefined) twins.push([name, twin]);
    }
    return twinLines(topic, to, twins);
  }).catch((error): strata.Check[] => {
    const { message, remedy } = asFailure(error);
    return [{ topic, ok: false, says: `this cannot be checked: ${message}`, remedy }];
  });
  return found.map((check) => ({ ...check, tier: to }));
}

/** One line for those that are as they must be, one for each way of being otherwise. */
function twinLines(topic: string, tier: string, twins: [string, Twin][]): strata.Check[] {
  const waiting = twins.filter(([, { state }]) => state === "unknown").map(([name]) => name);
  const gone = twins.flatMap(([name, twin]) =>
    twin.state === "gone" ? [{ name, table: twin.table }] : []
  );
  const objections = twins.flatMap(([, twin]) => twin.state === "there" ? twin.objections : []);
  const there = twins.length - waiting.length - gone.length;
  return [
    {
      topic,
      ok: true,
      says: `${there} of ${twins.length} are there` +
        (waiting.length === 0 ? "" : `; ${some(waiting)} will be with the first move`),
      remedy: null,
    },
    ...grouped(objections, ({ remedy }) => remedy).map(({ first, all }) => ({
      topic,
      ok: false,
      says: some(all.map(({ says }) => says), 5),
      remedy: first.remedy,
    })),
    ...gone.map(({ name, table }) => ({
      topic: `twin ${name}`,
      ok: false,
      says: `table ${table} is gone on ${tier}, with the rows that had settled in it`,
      remedy: `Restore it there from a backup; or start it anew, on ${tier}: ` +
        `select strata.forget_twin('${name.replaceAll("'", "''")}');`,
    })),
  ];
}
