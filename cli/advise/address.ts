/** Connection strings as people have them: pasted from a dashboard, an ORM's settings or another tool. */
import { SUPABASE_CA, type TierTrust } from "../config/security.ts";
import {
  sslmodeOf,
  UnsafeAddressError,
} from "../../supabase/functions/_strata/protocol/postgres_tls.ts";
import { fileNamed } from "../lib/command.ts";
import { asFailure, Failure } from "../lib/errors.ts";

const EXAMPLE = "postgresql://user:password@host:5432/postgres";
/** Where the right one is found. */
export const SESSION_POOLER =
  'the address that the dashboard shows under Connect > "Session pooler" (port 5432)';
/** What stands where the password belongs until its owner writes it there. */
const PLACEHOLDER = /\[?YOUR[-_ ]PASSWORD\]?/i;
/** What is Postgres's own; an ORM adds others, at which the server would stop. */
const KNOWN_PARAMETERS = ["sslmode", "sslrootcert"];

/** How Supabase reaches a hosted project; undefined for any other server. */
export type Hosted = "direct" | "pooler" | undefined;

/** Which way to a hosted project an address is. */
export function hostedBy(url: string): Hosted {
  const { hostname } = new URL(url);
  if (/^db\.[a-z0-9]+\.supabase\.(co|in|red)$/.test(hostname)) return "direct";
  return /\.pooler\.supabase\.(com|co)$/.test(hostname) ? "pooler" : undefined;
}

/** The name of the project of a hosted address, which its other addresses hold as well. */
export function projectOf(url: string): string | undefined {
  const { hostname, username } = new URL(url);
  const of = hostedBy(url);
  if (of === "direct") return hostname.split(".")[1];
  return of === "pooler" ? decodeURIComponent(username).split(".")[1] : undefined;
}

/** An address without its password, to be shown. */
export function shownAddress(url: string): string {
  const { protocol, username, host, pathname } = new URL(url);
  return `${protocol}//${decodeURIComponent(username)}@${host}${pathname}`;
}

/** Transaction mode: Strata's links and jobs keep a session, which it has not. */
export const isTransactionMode = (url: string) => new URL(url).port === "6543";

/** Whether the password is still to be written. */
export function lacksPassword(url: string): boolean {
  return new URL(url).password === "";
}

/** The same address with a password. */
export function withPassword(url: string, password: string): string {
  const made = new URL(url);
  made.password = encodeURIComponent(password);
  return made.href;
}

/**
 * An address as it can be dialled, or a {@link Failure} that says what is wrong with it; `subject` names
 * what it was given for. Never says more of it than its owner may show.
 */
export function readAddress(given: string, subject: string): string {
  const refuse = (says: string, remedy: string) => {
    throw new Failure(`${subject} ${says}`, remedy, 2);
  };
  const written = given.trim().replace(/^psql\s+/, "").replace(/^(["'])(.*)\1$/, "$2")
    .replace(PLACEHOLDER, "");
  if (written === "") refuse("is empty", `Write it as ${EXAMPLE}.`);
  if (/^https?:/i.test(written)) {
    refuse("is a web address, not a database's", `On Supabase, take ${SESSION_POOLER}.`);
  }
  if (!/^postgres(ql)?:\/\//i.test(written)) {
    refuse("is not the address of a database", `Write it as ${EXAMPLE}.`);
  }
  const url = URL.canParse(written) ? new URL(written) : undefined;
  const isCut = url !== undefined && /@/.test(url.pathname + url.search + url.hash);
  if (url === undefined || isCut || url.hash !== "" || !isEncoded(url.password)) {
    throw new Failure(
      `${subject} cannot be read`,
      "Where its password holds one of / ? # % @ : write %2F %3F %23 %25 %40 %3A instead; " +
        "the port is a number.",
      2,
    );
  }
  if (url.hostname === "") refuse("names no host", `Write it as ${EXAMPLE}.`);
  if (url.username === "") refuse("names no user", `Write it as ${EXAMPLE}.`);
  if (url.pathname.length < 2) url.pathname = "/postgres";
  for (const name of [...url.searchParams.keys()]) {
    if (!KNOWN_PARAMETERS.includes(name)) url.searchParams.delete(name);
  }
  return url.href;
}

/** Supabase's pooler finds a project by its name, which stands after the user's. */
export function refuseNamelessProject(url: string, subject: string): void {
  if (hostedBy(url) !== "pooler" || projectOf(url) !== undefined) return;
  throw new Failure(
    `${subject} leads to Supabase's pooler, which wants the project's name after the user`,
    `Write postgres.<project> as its user: take ${SESSION_POOLER}.`,
    2,
  );
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** What its owner has said about the certificate of a database that no configuration names. */
export interface TrustFlags {
  ca?: string | undefined;
  insecureBecause?: string | undefined;
}

/** Whose certificate is believed; a {@link Failure} where an address leaves open who answers. */
export async function trustOfFlags(
  url: string,
  { ca, insecureBecause }: TrustFlags,
  subject: string,
): Promise<TierTrust> {
  const file = ca === undefined
    ? hostedBy(url) === undefined ? undefined : SUPABASE_CA
    : ca === "system"
    ? undefined
    : await fileNamed(ca);
  const text = file === undefined ? undefined : await Deno.readTextFile(file).catch(() => "");
  if (text !== undefined && !text.includes("-----BEGIN CERTIFICATE-----")) {
    throw new Failure(`${ca} holds no certificate`, "Name the file of the server's CA.", 2);
  }
  const trust = { ca: text, caFile: file, insecureBecause };
  try {
    sslmodeOf(url, trust);
  } catch (error) {
    if (!(error instanceof UnsafeAddressError)) throw error;
    throw new Failure(
      `${subject} says ${error.message}`,
      "Or say why that is all right, with --insecure-because.",
      2,
    );
  }
  return trust;
}

const NO_WAY = [
  ...["ENOTFOUND", "EAI_AGAIN", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT", "CONNECT_TIMEOUT"],
  ...["EADDRNOTAVAIL", "EINVAL"],
];

/** Why an address does not lead to a database, in the words of who has it. */
export function whyNot(error: unknown, url: string): Failure {
  const failure = asFailure(error);
  const hosted = hostedBy(url);
  if (hosted === "direct" && NO_WAY.includes(failure.code)) {
    return new Failure(
      `${failure.message}: ${
        new URL(url).hostname
      } is reached over IPv6 only, and this machine finds no way to it`,
      `Take ${SESSION_POOLER}, which has IPv4; a project that is paused has no address at all.`,
      1,
      failure.code,
    );
  }
  if (failure.code === "28P01" && lacksPassword(url) && !Deno.env.get("PGPASSWORD")) {
    return new Failure(
      "it wants a password, and the address has none",
      "Write it into the address (user:password@host), or into PGPASSWORD.",
      1,
      failure.code,
    );
  }
  if (hosted === "pooler" && /tenant|ENOIDENTIFIER/i.test(failure.message)) {
    return new Failure(
      "Supabase's pooler knows no such project at this address",
      `Take ${SESSION_POOLER}; a project that is paused is not known there.`,
      1,
      failure.code,
    );
  }
  return failure;
}
