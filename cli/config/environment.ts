/** What only shows across a tier's settings, its neighbours and the environment it names. */
import { at, isRecord, type Problem } from "./problems.ts";
import { TIERS } from "./schema.ts";

type Variables = Readonly<Record<string, string | undefined>>;

/** Missing variables, addresses that cannot be, tiers that are the same. */
export function tierProblems(document: unknown, variables: Variables): Problem[] {
  const tiers = isRecord(document) ? document["database_tiers"] : undefined;
  if (!isRecord(tiers)) return [];
  const present = TIERS.filter((key) => isRecord(tiers[key]));
  const problems = present.flatMap((key) => {
    const tier = tiers[key];
    if (!isRecord(tier)) return [];
    const path = at("database_tiers", key);
    return [
      ...variableProblems(path, tier, variables),
      ...thresholdProblems(path, tier),
    ];
  });
  if (present.length < 2) {
    problems.push({
      path: "database_tiers",
      says: "names no tier for rows to settle on: write main, archive or both beside core",
    });
  }
  problems.push(
    ...present.flatMap((key) => passwordProblems(key, variables)),
    ...sharedPasswords(present, tiers, variables),
  );
  return [...problems, ...sameDatabase(present, tiers, variables)];
}

/** The variable with a password of the owner's own, for the link on which a tier is dialled. */
export function passwordVariable(dialled: string): string {
  return `STRATA_${dialled.toUpperCase()}_MOVER_PASSWORD`;
}

function passwordProblems(key: string, variables: Variables): Problem[] {
  const name = passwordVariable(key);
  const value = variables[name];
  if (value === undefined || isBlank(value) || value.length >= 24) return [];
  return [{
    path: name,
    says:
      "has fewer than 24 characters: write a longer one (openssl rand -hex 24), or remove it; " +
      "then setup makes one",
  }];
}

/** Of a tier that both its neighbours dial, one password would open two links. */
function sharedPasswords(
  present: readonly string[],
  tiers: Record<string, unknown>,
  variables: Variables,
): Problem[] {
  const driver = (key: string | undefined) => {
    const tier = key === undefined ? undefined : tiers[key];
    return isRecord(tier) && isRecord(tier["link"]) ? tier["link"]["driver"] : undefined;
  };
  return present.flatMap((key, index) => {
    const name = passwordVariable(key);
    const isShared = driver(present[index - 1]) === "push" && driver(key) === "pull" &&
      present[index + 1] !== undefined && !isBlank(variables[name]);
    const says = `would open two links, because both neighbours dial ${key}: remove it`;
    return isShared ? [{ path: name, says }] : [];
  });
}

function variableProblems(
  path: string,
  tier: Record<string, unknown>,
  variables: Variables,
): Problem[] {
  return Object.entries(tier).flatMap(([key, name]) => {
    if (!key.endsWith("_env") || typeof name !== "string" || !/^[A-Za-z_]\w*$/.test(name)) {
      return [];
    }
    const value = variables[name];
    const place = at(path, key);
    if (value === undefined || isBlank(value)) {
      const remedy = key === "db_url_env"
        ? `write ${name}=postgresql://user:password@host:5432/postgres into .env, ` +
          "or start the local stack with `deno task up`"
        : `write ${name}=… into .env, or remove ${key} where the tier has no REST address`;
      return [{ path: place, says: `names ${name}, which is not set: ${remedy}` }];
    }
    return key === "db_url_env" ? addressProblems(place, name, value) : [];
  });
}

/** The address itself is never shown: it holds a password. */
function addressProblems(path: string, name: string, value: string): Problem[] {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === "") {
    return [{
      path,
      says: `names ${name}, which is not an address of a database: ` +
        "write it as postgresql://user:password@host:5432/postgres",
    }];
  }
  if (url.port !== "6543") return [];
  return [{
    path,
    says: `names ${name}, whose port 6543 is the pooler's transaction mode, which loses session ` +
      "settings: write port 5432 (session mode)",
  }];
}

function thresholdProblems(path: string, tier: Record<string, unknown>): Problem[] {
  const capacity = tier["capacity_mb"];
  const [warn, critical] = ["warn_at", "critical_at"].map((key) => share(tier[key], capacity));
  if (warn === undefined || critical === undefined) return [];
  if (critical > 1) {
    return [{
      path: `${path}.critical_at`,
      says: "is more than capacity_mb: write less than that",
    }];
  }
  return warn < critical
    ? []
    : [{ path: `${path}.warn_at`, says: "is not below critical_at: write less than that" }];
}

/** A threshold as a part of the capacity. */
function share(threshold: unknown, capacity: unknown): number | undefined {
  if (typeof threshold !== "string" || typeof capacity !== "number") return undefined;
  const number = Number.parseFloat(threshold);
  return threshold.endsWith("%") ? number / 100 : number / capacity;
}

function sameDatabase(
  present: readonly string[],
  tiers: Record<string, unknown>,
  variables: Variables,
): Problem[] {
  const seen = new Map<string, string>();
  return present.flatMap((key) => {
    const tier = tiers[key];
    const name = isRecord(tier) ? tier["db_url_env"] : undefined;
    const value = typeof name === "string" ? variables[name] : undefined;
    if (value === undefined || !URL.canParse(value)) return [];
    const { username, hostname, port, pathname } = new URL(value);
    const database = `${username}@${hostname}:${port || "5432"}${pathname}`;
    const first = seen.get(database);
    seen.set(database, first ?? key);
    if (first === undefined) return [];
    return [{
      path: at("database_tiers", key, "db_url_env"),
      says: `leads to the same database as database_tiers.${first}: write one database per tier`,
    }];
  });
}

const isBlank = (value: string | undefined) => value === undefined || value.trim() === "";
