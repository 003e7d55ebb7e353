/**
 * What an older configuration calls otherwise or leaves out. Its words still count; a note says what
 * each of them is today.
 */
import { at, isRecord } from "./problems.ts";
import { type FileTier, type TierName, TIERS } from "./schema.ts";

type Section = Record<string, unknown>;
type Variables = Readonly<Record<string, string | undefined>>;

/** A document in today's words, and what has been read as what. */
export interface Translated {
  document: unknown;
  notes: string[];
}

/** What a tier has that says nothing of it. */
const DEFAULTS: Record<TierName, Section> = {
  core: { warn_at: "80 %", critical_at: "90 %", pool_size: 10 },
  main: { warn_at: "85 %", critical_at: "95 %", pool_size: 20 },
  archive: { warn_at: "85 %", critical_at: "95 %", pool_size: 5 },
};

const PROVIDERS: readonly (readonly [RegExp, FileTier["provider"]])[] = [
  [/^(hosted )?supabase( (free|pro|team|enterprise))?( tier| plan)?$/, "supabase"],
  [/^self[- ]?hosted( supabase)?$/, "self_hosted"],
  [/^(home[- ]?server|postgres(ql)?)$/, "postgres"],
];

/** Names of datasets that are called otherwise today, where no table has the older name. */
const DATASETS: Readonly<Record<string, string>> = {
  daily_summary: "daily_summaries",
  shadow_work: "shadow_work_current",
};

/** What a dataset of the configuration is called today; undefined where its name is not an older one. */
export function datasetToday(name: string, policy: Section): string | undefined {
  return "table" in policy || !Object.hasOwn(DATASETS, name) ? undefined : DATASETS[name];
}

/** Reads the tiers of an older document as today's, and says what its policies are. */
export function inTodaysWords(document: unknown, variables: Variables): Translated {
  if (!isRecord(document)) return { document, notes: [] };
  const notes: string[] = [];
  const tiers = document["database_tiers"];
  const policies = document["lifecycle_policies"];
  const translated = isRecord(tiers) ? tiersToday(tiers, variables, notes) : tiers;
  if (isRecord(policies)) notes.push(...Object.entries(policies).flatMap(policyNotes));
  return {
    document: tiers === undefined ? document : { ...document, database_tiers: translated },
    notes,
  };
}

function tiersToday(tiers: Section, variables: Variables, notes: string[]): Section {
  const present = TIERS.filter((key) => isRecord(tiers[key]));
  const today = { ...tiers };
  for (const key of present) {
    const tier = tiers[key];
    if (!isRecord(tier)) continue;
    today[key] = completed(key, present.at(-1) === key, {
      ...tier,
      ...providerToday(key, tier, notes),
      ...variableToday(key, "url_env", tier, variables, notes),
      ...variableToday(key, "key_env", tier, variables, notes),
    }, notes);
  }
  return today;
}

function providerToday(key: TierName, tier: Section, notes: string[]): Section {
  const written = tier["provider"];
  if (typeof written !== "string") return {};
  const plain = written.trim().toLowerCase().replace(/[\s_]+/g, " ");
  const provider = PROVIDERS.find(([pattern]) => pattern.test(plain))?.[1];
  if (provider === undefined || provider === written) return {};
  notes.push(`${at("database_tiers", key, "provider")} "${written}" is ${provider}`);
  return { provider };
}

/** A variable has an older name and today's: where the one says nothing, the other is read. */
function variableToday(
  key: TierName,
  entry: "url_env" | "key_env",
  tier: Section,
  variables: Variables,
  notes: string[],
): Section {
  const named = tier[entry];
  const isKey = entry === "key_env";
  const older = `${key.toUpperCase()}_SUPABASE_${isKey ? "ANON_KEY" : "URL"}`;
  const todays = `STRATA_${key.toUpperCase()}_${isKey ? "KEY" : "URL"}`;
  if (typeof named !== "string" || (named !== older && named !== todays)) return {};
  const other = named === older ? todays : older;
  const does = (name: string) => isSet(variables[name]) && !isPublicKey(variables[name]);
  const path = at("database_tiers", key, entry);
  if (!does(named) && does(other)) {
    const why = isSet(variables[named]) ? "which holds a key for the public" : "which is not set";
    notes.push(`${path} names ${named}, ${why}: ${other} is read instead`);
    return { [entry]: other };
  }
  if (isPublicKey(variables[named])) {
    notes.push(
      `${path} names ${named}, which holds a key for the public, and Strata's functions take none: ` +
        "put the secret key there (Settings > API keys)",
    );
  }
  return {};
}

function completed(key: TierName, isLast: boolean, tier: Section, notes: string[]): Section {
  const all = {
    db_url_env: `STRATA_${key.toUpperCase()}_DB_URL`,
    ...DEFAULTS[key],
    ...(isLast ? {} : { link: { driver: "pull" } }),
  };
  const missing = Object.entries(all).filter(([name]) => !(name in tier));
  if (missing.length === 0) return tier;
  const values = missing.map(([name, value]) =>
    `${name} is ${isRecord(value) ? "{ driver: pull }" : value}`
  );
  notes.push(`${at("database_tiers", key)} leaves out what has a default: ${values.join(", ")}`);
  return { ...Object.fromEntries(missing), ...tier };
}

function policyNotes([name, policy]: [string, unknown]): string[] {
  if (!isRecord(policy)) return [];
  const path = at("lifecycle_policies", name);
  const today = datasetToday(name, policy);
  const age = policy["archive_after_days"];
  const isDays = typeof age === "number" && age >= 0;
  return [
    ...(today === undefined ? [] : [
      `${path} is the policy of ${today}, unless core has a table public.${name}`,
    ]),
    ...(isDays
      ? [
        `${path}.archive_after_days is delete_after_days: a row is deleted when it is ${age} days old ` +
        "(never: not at all), and goes to archive at main_retention_days",
      ]
      : age === undefined
      ? []
      : [`${path}.archive_after_days is delete_after_days: no row of it is deleted`]),
  ];
}

const isSet = (value: string | undefined): boolean => value !== undefined && value.trim() !== "";

/** Whether it is a key that may stand in a web page: Strata's functions take the secret one. */
function isPublicKey(value: string | undefined): boolean {
  if (value === undefined) return false;
  if (value.startsWith("sb_publishable_")) return true;
  const [, payload = ""] = value.split(".");
  try {
    const claims: unknown = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
    return isRecord(claims) && claims["role"] === "anon";
  } catch {
    return false;
  }
}
