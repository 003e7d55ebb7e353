/**
 * How a client of ours dials Postgres: outside this machine encrypted with TLS 1.3, and the certificate
 * must be the host's. Less is asked for by `sslmode` in the address, and only done where the owner has
 * given a reason.
 */
import { bare, isLoopback } from "../outbound/safe_address.ts";

/** What an owner has said about the certificate of a database. */
export interface Trust {
  /** The certificate of its CA, as text; undefined: the roots that the runtime knows. */
  ca?: string | undefined;
  /** Why less than verify-full is allowed. */
  insecureBecause?: string | undefined;
}

/** TLS as postgres.js takes it. */
export type Tls = false | "prefer" | "require" | {
  host: string;
  minVersion: "TLSv1.3";
  rejectUnauthorized: true;
  ca?: string[];
};

/** The address does not do. It is not part of the message: it holds a password. */
export class UnsafeAddressError extends Error {
  /** Says so, with what to write instead. */
  constructor(sslmode: string) {
    super(
      `sslmode=${sslmode} leaves open who answers: take it out of the address (verify-full is the default)`,
    );
    this.name = "UnsafeAddressError";
  }
}

/** As libpq reads `sslmode`, with verify-full outside this machine. Throws {@link UnsafeAddressError}. */
export function sslmodeOf(address: string, trust: Trust = {}): string {
  const { hostname, searchParams } = new URL(address);
  const local = isLoopback(hostname);
  const mode = searchParams.get("sslmode") ?? (local ? "prefer" : "verify-full");
  const safe = mode === "verify-full" || mode === "verify-ca"; // which postgres.js makes verify-full
  if (!local && !safe && !trust.insecureBecause?.trim()) throw new UnsafeAddressError(mode);
  return safe ? "verify-full" : mode;
}

/** An address as postgres.js takes it. */
export interface Dialling {
  url: string;
  options: { ssl: Tls; host?: string; port?: number };
}

/** The address without what is libpq's, and how to encrypt. Throws {@link UnsafeAddressError}. */
export function dialling(address: string, trust: Trust = {}): Dialling {
  const mode = sslmodeOf(address, trust);
  const url = new URL(address);
  for (const name of ["sslmode", "sslrootcert"]) url.searchParams.delete(name);
  const { ca } = trust;
  const host = bare(url.hostname);
  const ssl: Tls = mode === "disable"
    ? false
    : mode === "require"
    ? mode
    : mode !== "verify-full"
    ? "prefer"
    : {
      host, // else an address is checked as if it were localhost
      minVersion: "TLSv1.3",
      rejectUnauthorized: true,
      ...(ca === undefined ? {} : { ca: [ca] }),
    };
  // postgres.js parts a host at its colons, unless it comes as a list; its types do not know that.
  const listed = {
    host: [host],
    port: [Number(url.port || 5432)],
  } as unknown as Dialling["options"];
  return { url: url.href, options: { ssl, ...(host.includes(":") ? listed : {}) } };
}

/** A certificate given as text or as the path of a file. */
export function readCertificate(given: string): string {
  return given.includes("-----BEGIN")
    ? given.replaceAll("\\n", "\n")
    : Deno.readTextFileSync(given);
}
