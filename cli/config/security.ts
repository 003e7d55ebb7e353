/** What strata.yaml says about encryption: what is wrong with it, and whose certificates are believed. */
import { dirname, isAbsolute, join } from "@std/path";
import {
  sslmodeOf,
  type Trust,
  UnsafeAddressError,
} from "../../supabase/functions/_strata/protocol/postgres_tls.ts";
import {
  isLoopback,
  keyObjection,
} from "../../supabase/functions/_strata/outbound/safe_address.ts";
import { at, isRecord, type Problem } from "./problems.ts";
import { TIERS } from "./schema.ts";

type Variables = Readonly<Record<string, string | undefined>>;
type Section = Record<string, unknown>;

/** The roots of Supabase's hosted databases, as the Supabase CLI brings them. */
export const SUPABASE_CA = join(import.meta.dirname ?? ".", "..", "certificates", "supabase.crt");

/** Whose certificate a tier must show to this machine. */
export interface TierTrust extends Trust {
  /** The file of `ca`, for programs that want a path. */
  caFile?: string | undefined;
}

/** Reads what a tier of the file says; a file that is not there is {@link securityProblems}' affair. */
export async function trustOf(tier: unknown, config: string): Promise<TierTrust> {
  if (!isRecord(tier)) return {};
  const caFile = caFileOf(tier, config);
  const ca = caFile === undefined ? undefined : await Deno.readTextFile(caFile).catch(() => "");
  return { ca, caFile, insecureBecause: text(tier["insecure_because"]) };
}

/** Keys in clear text, lines that are not checked and nobody said why, CA files that are not there. */
export async function securityProblems(
  document: unknown,
  variables: Variables,
  config: string,
): Promise<Problem[]> {
  const tiers = isRecord(document) ? document["database_tiers"] : undefined;
  if (!isRecord(tiers)) return [];
  const present = TIERS.filter((key) => isRecord(tiers[key]));
  const found = await Promise.all(present.map(async (key, index) => {
    const tier = tiers[key];
    const next = tiers[present[index + 1] ?? ""];
    if (!isRecord(tier)) return [];
    const path = at("database_tiers", key);
    return [
      ...keyProblems(path, tier, variables),
      ...addressProblems(path, tier, variables),
      ...await fileProblems(path, tier, config),
      ...linkProblems(`${path}.link`, tier, isRecord(next) ? next : {}, variables),
    ];
  }));
  return found.flat();
}

function keyProblems(path: string, tier: Section, variables: Variables): Problem[] {
  const { name, value } = variable(tier, "url_env", variables);
  if (!URL.canParse(value)) return [];
  const objection = keyObjection(value);
  return objection === undefined
    ? []
    : [{ path: `${path}.url_env`, says: `names ${name}, which ${objection}` }];
}

function addressProblems(path: string, tier: Section, variables: Variables): Problem[] {
  const { name, value } = variable(tier, "db_url_env", variables);
  if (!URL.canParse(value)) return [];
  try {
    sslmodeOf(value, { insecureBecause: text(tier["insecure_because"]) });
    return [];
  } catch (error) {
    if (!(error instanceof UnsafeAddressError)) throw error;
    return [{
      path: `${path}.db_url_env`,
      says: `names ${name}, whose ${error.message}, or write insecure_because: "a reason" here`,
    }];
  }
}

async function fileProblems(path: string, tier: Section, config: string): Promise<Problem[]> {
  const file = caFileOf(tier, config);
  if (file === undefined) return [];
  const content = await Deno.readTextFile(file).catch(() => "");
  return content.includes("-----BEGIN CERTIFICATE-----") ? [] : [{
    path: `${path}.ca`,
    says: `is ${file}, where there is no certificate on this machine: write the path of the CA's ` +
      "file (`deno task strata certificates` makes one), or system",
  }];
}

/** Less than verify-full is a decision: somebody has to have made it. */
function linkProblems(path: string, tier: Section, next: Section, variables: Variables): Problem[] {
  const link = tier["link"];
  if (!isRecord(link) || link["driver"] === "relay") return [];
  const reason = text(link["insecure_because"]);
  const mode = link["sslmode"];
  if (mode === undefined || mode === "verify-full") {
    return reason === undefined ? [] : [{
      path: `${path}.insecure_because`,
      says: "is the reason for an sslmode that is not given: remove it, or write that sslmode",
    }];
  }
  const dialled = variable(link["driver"] === "push" ? next : tier, "db_url_env", variables).value;
  const host = text(link["dial_host"]) ?? (URL.canParse(dialled) ? new URL(dialled).hostname : "");
  if (host === "" || isLoopback(host) || reason !== undefined) return [];
  return [{
    path: `${path}.sslmode`,
    says: `is ${mode}, which leaves open who answers at ${host}: remove it (verify-full is the ` +
      'default) and name the CA as ca, or write insecure_because: "a reason" beside it',
  }];
}

function caFileOf(tier: Section, config: string): string | undefined {
  const ca = text(tier["ca"]);
  if (ca === undefined) return tier["provider"] === "supabase" ? SUPABASE_CA : undefined;
  if (ca === "system") return undefined;
  return isAbsolute(ca) ? ca : join(dirname(config), ca);
}

function variable(section: Section, key: string, variables: Variables) {
  const name = text(section[key]) ?? "";
  return { name, value: variables[name] ?? "" };
}

const text = (value: unknown) =>
  typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
