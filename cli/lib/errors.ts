/** Failures people can act on: one plain sentence, one remedy, never a stack trace. */
import { nearest } from "./nearest.ts";

/** What went wrong, and what to do about it. */
export class Failure extends Error {
  override name = "Failure";
  constructor(
    message: string,
    /** What to do about it; empty when the sentence says it all. */
    readonly remedy = "",
    /** The exit code: 1 something is wrong, 2 wrongly called or configured. */
    readonly exitCode: 1 | 2 = 1,
    /** The SQLSTATE or system code behind it. */
    readonly code = "",
  ) {
    super(message);
  }
}

/** What Postgres and the network mean. Strata's own codes (STnnn) speak for themselves. */
const KNOWN: Record<string, [says: string, remedy: string]> = {
  ECONNREFUSED: [
    "nothing answers there",
    "Start that database (the local stack: `deno task up`), or correct its address.",
  ],
  ENOTFOUND: ["there is no such host", "Correct the host in its address."],
  EAI_AGAIN: ["its host name cannot be looked up just now", "Check this machine's network."],
  ETIMEDOUT: ["it does not answer", "Check its address and the firewalls on the way."],
  CONNECT_TIMEOUT: ["it does not answer", "Check its address and the firewalls on the way."],
  EHOSTUNREACH: ["there is no way to it from here", "Check this machine's network and its own."],
  ENETUNREACH: [
    "there is no way to it from here",
    "Check this machine's network. A hosted project's direct address is IPv6 only: take its session " +
    "pooler's.",
  ],
  CONNECTION_CLOSED: [
    "the connection was closed",
    "Run the command again: it takes up where it was.",
  ],
  CONNECTION_ENDED: [
    "the connection was closed",
    "Run the command again: it takes up where it was.",
  ],
  CONNECTION_DESTROYED: ["the connection was cut", "Run the command again."],
  ECONNRESET: ["the connection was cut", "Run the command again: it takes up where it was."],
  EPIPE: ["the connection was cut", "Run the command again: it takes up where it was."],
  "28P01": ["the password is wrong", "Correct the password in its address."],
  "28000": ["it refuses this login", "Check the user in its address, and its pg_hba.conf."],
  "3D000": ["there is no such database", "Correct the database name at the end of its address."],
  "53300": ["it has no connection left", "Wait for others to finish, or raise its limit."],
  "57P01": ["it was shut down meanwhile", "Start it and run the command again."],
  "57P03": ["it is starting up", "Wait a moment and run the command again."],
  "57014": ["it took longer than allowed", "Run the command again: it takes up where it was."],
  "25006": [
    "the database is read-only",
    "It is probably full: `deno task strata drain` (`drain main`) makes it writable and gives room.",
  ],
  "42883": [
    "its Strata is older than this command",
    "Run `deno task strata setup --init` to bring it up to date.",
  ],
  ST011: ["", "`deno task strata monitor lifecycle` lists them; `manage` adds one."],
  "42P01": ["there is no such table", "Check the name; write the schema with it: public.tasks."],
  "3F000": ["there is no such table", "Check the name; write the schema with it: public.tasks."],
  "42602": [
    "that is not the name of a table",
    'Write the schema with it, and quotes around capitals and blanks: public."My Table".',
  ],
};

/** The command named something that is not there, or that no key of its table can be. */
const MISNAMED = ["ST011", "ST050", "42P01", "3F000", "42602", "22P02", "22003", "22007", "22008"];

/** The command named a dataset that no tier has; `known` are those there are. */
export function noDataset(name: string, known: readonly string[] = []): Failure {
  const near = nearest(name, known);
  const remedy = KNOWN["ST011"]?.[1] ?? "";
  const says = `There is no dataset "${name}"`;
  return new Failure(says, near === undefined ? remedy : `Did you mean ${near}? ${remedy}`, 2);
}

/** Turns whatever was thrown into a failure; `subject` is what it happened to, such as a tier. */
export function asFailure(error: unknown, subject = ""): Failure {
  if (error instanceof Failure) return error;
  const { code, message, hint } = details(error);
  const unsafe = unsafeLine(code, message);
  if (unsafe !== undefined) {
    return new Failure(subject === "" ? unsafe : `${subject}: ${unsafe}`, CERTIFICATE, 1, code);
  }
  const says = code.startsWith("ST") ? message : KNOWN[code]?.[0] ?? message;
  const quoted = MISNAMED.includes(code) && says !== message ? `${says} (${message})` : says;
  return new Failure(
    subject === "" ? quoted : `${subject}: ${quoted}`,
    KNOWN[code]?.[1] ?? hint,
    MISNAMED.includes(code) ? 2 : 1,
    code,
  );
}

const CERTIFICATE =
  "Turn ssl on there and name the CA of its certificate as the tier's ca in strata.yaml (`deno task strata " +
  "certificates` makes both). If all that was so before, somebody stands between. Nothing was sent.";

/** What the TLS of the runtime has against the other side. */
function unsafeLine(code: string, message: string): string | undefined {
  if (/CERT|SIGNATURE|ISSUER/.test(code)) return `its certificate cannot be believed: ${message}`;
  if (/^ERR_(SSL|TLS)|^EPROTO/.test(code) || /SSL routines|InvalidContentType/.test(message)) {
    return "it does not encrypt as it must (TLS 1.3)";
  }
  return undefined;
}

/** Whether a failure is about the line or the server: nothing else can be asked there either. */
export function isLost({ code }: Failure): boolean {
  const isSqlstate = /^(?=.*\d)[0-9A-Z]{5}$/.test(code);
  return code !== "" && (!isSqlstate || /^(08|57P)/.test(code));
}

/** Whether a failure is about what was asked, not about the tier that was asked. */
export function isAboutTheQuestion({ code }: Failure): boolean {
  return /^(ST01|ST05|22|42P01|42703|3F)/.test(code);
}

/** The parts of an error of postgres.js, of the network or of the program. */
function details(error: unknown): { code: string; message: string; hint: string } {
  if (!(error instanceof Error)) return { code: "", message: String(error), hint: "" };
  // A host with several addresses fails with one error for each: the first says enough.
  const inner = error instanceof AggregateError && error.errors.length > 0
    ? error.errors[0]
    : error;
  const read = (key: string): string => {
    const value: unknown = Reflect.get(inner, key) ?? Reflect.get(error, key);
    return typeof value === "string" ? value : "";
  };
  return { code: read("code"), message: read("message"), hint: read("hint") || read("remedy") };
}
