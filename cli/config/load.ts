/**
 * Reads `strata.yaml` with `strata.local.yaml` over it and the environment it names, and returns
 * either a configuration without a fault or everything that is wrong with it, at once.
 */
import { join } from "@std/path";
import { parseEnv } from "node:util";
import { LineCounter, parseDocument, type YAMLParseError } from "yaml";
import { Failure } from "../lib/errors.ts";
import { plural } from "../../supabase/functions/_strata/render/amounts.ts";
import { passwordVariable, tierProblems } from "./environment.ts";
import {
  bothNames,
  bothTriggers,
  isRecord,
  type Problem,
  schemaProblems,
  shrinkingRetention,
} from "./problems.ts";
import { datasetToday, inTodaysWords } from "./older.ts";
import {
  type Driver,
  type File,
  type FilePolicy,
  FileSchema,
  type FileTier,
  PolicySchema,
  type TierName,
  TIERS,
} from "./schema.ts";
import { type Policy, policyOf } from "./policy.ts";
import { SHIPPED } from "./shipped.ts";
import { securityProblems, type TierTrust, trustOf } from "./security.ts";

/** How two neighbouring tiers reach each other. */
export interface Link {
  from: TierName;
  to: TierName;
  driver: Driver;
  /** Where the driving tier's database reaches the other, where that is not where we reach it. */
  dialHost: string | undefined;
  dialPort: number | undefined;
  /** Undefined: verify-full, or on loopback prefer. */
  sslmode: string | undefined;
  /** The CA's file on the driving tier's server, or `system`. */
  ca: string | undefined;
  insecureBecause: string | undefined;
  /** A password of the owner's own; otherwise one is made. */
  password: string | undefined;
}

/** One tier, with what the environment says about it. */
export interface Tier {
  key: TierName;
  name: string;
  provider: FileTier["provider"];
  /** The variable that holds `dbUrl`, for commands that are shown. */
  dbUrlEnv: string;
  dbUrl: string;
  trust: TierTrust;
  /** The project's REST address and secret key, where it has one. */
  api: { url: string; key: string } | undefined;
  capacityMb: number;
  warnMb: number;
  criticalMb: number;
  poolSize: number;
}

/** A configuration in which nothing is wrong. */
export interface Config {
  /** Hottest first; core and at least one more. */
  tiers: Tier[];
  /** Tiers it does not have, with the address by which each might be reached all the same. */
  leftOut: { key: TierName; dbUrl: string; trust: TierTrust }[];
  /** Between each tier and its next. */
  links: Link[];
  policies: Policy[];
  /** The policy of a table that names none. */
  defaults: Policy;
  /** What was written down and counts for nothing, or as something else. */
  notes: string[];
  /** Whether setup brings the companion as well: the personal system and the spoken briefing. */
  personal: boolean;
}

const OLD_PASSWORD =
  "STRATA_MOVER_PASSWORD is not used any more: each link has a password of its own, " +
  "which setup makes. Remove it from .env";

/** Every variable the command may read, by name. */
export type Environment = Record<string, string | undefined>;

/** The configuration's faults, all of them. */
export class ConfigFailure extends Failure {
  constructor(readonly problems: Problem[]) {
    super(
      [
        `The configuration has ${plural(problems.length, "problem")}:`,
        ...problems.map((p) => `  ${p.path} ${p.says}`),
      ]
        .join("\n"),
      "Nothing was changed.",
      2,
    );
  }
}

/** Reads and checks a configuration; throws a {@link ConfigFailure} naming everything wrong. */
export async function loadConfig(path: string, environment: Environment): Promise<Config> {
  const problems: Problem[] = [];
  const shipped = await readYaml(path, problems);
  if (shipped === undefined && problems.length === 0) {
    throw new Failure(`There is no configuration at ${path}`, "Name one with --config.", 2);
  }
  const local = await readYaml(path.replace(/(\.ya?ml)?$/, ".local$1"), problems);
  // What would be said of the rest of a file that cannot be read would be about our guess at it.
  if (problems.some(({ unreadable }) => unreadable)) throw new ConfigFailure(problems);
  const { document, notes } = inTodaysWords(laidOver(shipped ?? {}, local ?? {}), environment);

  const parsed = FileSchema.safeParse(document);
  if (!parsed.success) problems.push(...schemaProblems(parsed.error, document));
  problems.push(
    ...policyProblems(document),
    ...tierProblems(document, environment),
    ...await securityProblems(document, environment, path),
  );
  if (!parsed.success || problems.length > 0) throw new ConfigFailure(problems);
  return await resolved(parsed.data, { shipped, local, document, path, notes }, environment);
}

/** Core alone, for commands that need no other tier; a {@link ConfigFailure} about nothing else. */
export async function coreOf(
  path: string,
  environment: Environment,
): Promise<Pick<Tier, "dbUrl" | "dbUrlEnv" | "trust" | "capacityMb">> {
  try {
    const { tiers } = await loadConfig(path, environment);
    const core = tiers.find(({ key }) => key === "core");
    if (core !== undefined) return core;
  } catch (error) {
    if (!(error instanceof ConfigFailure)) throw error;
    const others = /^database_tiers(\.(main|archive)\b|$)|\.(url|key)_env$|_PASSWORD$/;
    const faults = error.problems.filter(({ path }) =>
      /db_url_env$/.test(path) ? path.startsWith("database_tiers.core") : !others.test(path)
    );
    if (faults.length > 0) throw new ConfigFailure(faults);
  }
  const shipped = await readYaml(path, []);
  const local = await readYaml(path.replace(/(\.ya?ml)?$/, ".local$1"), []);
  const core = section(laidOver(shipped ?? {}, local ?? {}), "core");
  const name = String(core["db_url_env"]);
  return {
    dbUrlEnv: name,
    dbUrl: environment[name] ?? "",
    trust: await trustOf(core, path),
    capacityMb: Number(core["capacity_mb"]),
  };
}

/**
 * The environment a command sees: real variables, then `.env`, then what the local stack wrote
 * for itself, so that a local stack needs nothing set by hand.
 */
export async function readEnvironment(root: string): Promise<Environment> {
  const real = Deno.env.toObject();
  const stack = await readText(join(real["STRATA_HOME"] ?? join(root, ".strata"), "env"));
  const own = await readText(join(root, ".env"));
  return { ...parseEnv(stack ?? ""), ...parseEnv(own ?? ""), ...real };
}

async function readYaml(path: string, problems: Problem[]): Promise<unknown> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  for (const error of withoutEchoes(document.errors)) {
    const { line, col } = lines.linePos(error.pos[0]);
    const says = error.code === "DUPLICATE_KEY"
      ? "names this key a second time: write it once"
      : error.code === "TAB_AS_INDENT"
      ? "is indented by a tab, which YAML does not take: write blanks"
      : `is not YAML: ${error.message}`;
    const unreadable = error.code !== "DUPLICATE_KEY";
    problems.push({ path: `${path}:${line}:${col}`, says, unreadable });
  }
  return document.toJS() ?? {};
}

/** One fault makes the parser stumble on: what comes after the first one may be none. */
function withoutEchoes(errors: readonly YAMLParseError[]): readonly YAMLParseError[] {
  const first = errors.find(({ code }) => code !== "DUPLICATE_KEY");
  return first === undefined
    ? errors
    : errors.filter((error) => error === first || error.code === "DUPLICATE_KEY");
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.IsADirectory) {
      throw new Failure(`${path} is a folder`, "Name the file in it.", 2);
    }
    throw error;
  }
}

/** `over` laid on `under`, key by key; null removes what stood there. */
function laidOver(under: unknown, over: unknown): unknown {
  if (!isRecord(under) || !isRecord(over)) return over;
  const merged = { ...under };
  const [now, older] = ["delete_after_days", "archive_after_days"] as const; // two names of one key
  if (now in over) delete merged[older];
  if (older in over) delete merged[now];
  for (const [key, value] of Object.entries(over)) {
    if (value === null) delete merged[key];
    else merged[key] = key in under ? laidOver(under[key], value) : value;
  }
  return merged;
}

function policyProblems(document: unknown): Problem[] {
  const policies = isRecord(document) ? document["lifecycle_policies"] : undefined;
  if (!isRecord(policies)) return [];
  const defaults = isRecord(policies["default"]) ? policies["default"] : {};
  return Object.entries(policies).flatMap(([dataset, policy]) =>
    isRecord(policy)
      ? [
        ...bothNames(dataset, policy),
        ...bothTriggers(dataset, policy),
        ...shrinkingRetention(dataset, policyToday(dataset, policy, policies), defaults),
      ]
      : []
  );
}

/** What is said under an older name is laid over what is said under today's. */
function policyToday(
  dataset: string,
  policy: Record<string, unknown>,
  policies: Record<string, unknown>,
): Record<string, unknown> {
  const today = policies[datasetToday(dataset, policy) ?? ""];
  const merged = laidOver(today, policy);
  return isRecord(merged) ? merged : policy;
}

/** The file as it was read: as shipped, with the local one laid over it, and where it lies. */
interface Origin {
  shipped: unknown;
  local: unknown;
  document: unknown;
  path: string;
  notes: string[];
}

async function resolved(file: File, origin: Origin, environment: Environment): Promise<Config> {
  const tiers: Tier[] = [];
  const links: Link[] = [];
  const present = TIERS.filter((key) => file.database_tiers[key] !== undefined);
  for (const [index, key] of present.entries()) {
    const tier = file.database_tiers[key];
    if (tier === undefined) continue;
    tiers.push(
      tierOf(key, tier, environment, await trustOf(section(origin.document, key), origin.path)),
    );
    const next = present[index + 1];
    if (next !== undefined && tier.link !== undefined) {
      const { driver, dial_host: dialHost, dial_port: dialPort, sslmode, ca } = tier.link;
      const insecureBecause = tier.link.insecure_because;
      const password = ownPassword(driver === "push" ? next : key, environment);
      links.push({
        from: key,
        to: next,
        driver,
        dialHost,
        dialPort,
        sslmode,
        ca,
        insecureBecause,
        password,
      });
    }
  }
  const { default: defaults = {}, ...policies } = file.lifecycle_policies;
  return {
    tiers,
    leftOut: await Promise.all(
      TIERS.filter((key) => !present.includes(key)).map(async (key) => ({
        key,
        dbUrl: formerAddress(key, origin.shipped, environment),
        trust: await trustOf(section(origin.shipped, key), origin.path),
      })),
    ),
    links,
    policies: Object.entries(policies).map(([name, policy]) => ({
      ...policyOf(name, policy, defaults, !SHIPPED.includes(name) || isNamed(origin.local, name)),
      ...meantToday(name, policy, policies, defaults),
    })),
    defaults: policyOf("default", defaults, {}),
    notes: [...origin.notes, ...notesOn(environment)],
    personal: file.personal,
  };
}

/** The policy of the table that a dataset's older name means, for a core without a table of that name. */
function meantToday(
  name: string,
  own: FilePolicy,
  policies: File["lifecycle_policies"],
  defaults: FilePolicy,
): Pick<Policy, "today"> {
  const today = datasetToday(name, own);
  if (today === undefined) return {};
  return { today: policyOf(today, PolicySchema.parse(policyToday(name, own, policies)), defaults) };
}

/** Whether a file has a policy for a dataset. */
function isNamed(document: unknown, dataset: string): boolean {
  const policies = isRecord(document) ? document["lifecycle_policies"] : undefined;
  return isRecord(policies) && dataset in policies;
}

function ownPassword(dialled: TierName, environment: Environment): string | undefined {
  const value = environment[passwordVariable(dialled)];
  return value === undefined || value.trim() === "" ? undefined : value;
}

function notesOn(environment: Environment): string[] {
  return environment["STRATA_MOVER_PASSWORD"] ? [OLD_PASSWORD] : [];
}

/** strata.yaml may still say of a tier where it is, though strata.local.yaml takes it out. */
function formerAddress(key: TierName, shipped: unknown, environment: Environment): string {
  const name = section(shipped, key)["db_url_env"];
  return environment[typeof name === "string" ? name : `STRATA_${key.toUpperCase()}_DB_URL`] ?? "";
}

function section(document: unknown, key: TierName): Record<string, unknown> {
  const tiers = isRecord(document) ? document["database_tiers"] : undefined;
  const tier = isRecord(tiers) ? tiers[key] : undefined;
  return isRecord(tier) ? tier : {};
}

function tierOf(
  key: TierName,
  tier: FileTier,
  environment: Environment,
  trust: TierTrust,
): Tier {
  const mb = (threshold: string) => {
    const number = Number.parseFloat(threshold);
    return Math.round(threshold.endsWith("%") ? tier.capacity_mb * number / 100 : number);
  };
  const value = (name: string | undefined) => name === undefined ? "" : environment[name] ?? "";
  const [url, apiKey] = [value(tier.url_env), value(tier.key_env)];
  return {
    key,
    name: tier.name,
    provider: tier.provider,
    dbUrlEnv: tier.db_url_env,
    dbUrl: environment[tier.db_url_env] ?? "",
    trust,
    api: url === "" || apiKey === "" ? undefined : { url, key: apiKey },
    capacityMb: tier.capacity_mb,
    warnMb: mb(tier.warn_at),
    criticalMb: mb(tier.critical_at),
    poolSize: tier.pool_size,
  };
}
