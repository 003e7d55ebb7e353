/**
 * The way to a database, step by step, as `ssh` and `curl` would be used to try it: is there such a host,
 * is its port open, does it encrypt as it must, is the login let in, and may it do what is needed.
 */
import { lookup } from "node:dns/promises";
import { connect as dial, isIP, type Socket } from "node:net";
import { connect as encrypt } from "node:tls";
import { dialling, sslmodeOf } from "../../supabase/functions/_strata/protocol/postgres_tls.ts";
import { isLoopback } from "../../supabase/functions/_strata/outbound/safe_address.ts";
import { tierOf } from "../../supabase/functions/_strata/protocol/strata.ts";
import { rightsOf } from "../tiers/rights.ts";
import type { Tier } from "../config/load.ts";
import { asFailure, Failure } from "../lib/errors.ts";
import { connect } from "../lib/session.ts";

const PATIENCE_MS = 8_000;
/** The message of Postgres that asks for TLS; the answer is one letter: S, or N. */
const SSL_REQUEST = Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47);

/** Where a tier's database is, and who is believed to be it. */
export type Door = Pick<Tier, "key" | "dbUrl" | "dbUrlEnv" | "trust">;

/** One step of the way to a tier, and what came of it; ok is null where there was nothing to try. */
export interface Step {
  step: string;
  ok: boolean | null;
  says: string;
  remedy: string | null;
}

/** There is nothing to try, and that is no fault. */
export class NotTried {
  constructor(readonly says: string) {}
}

/** A step to take: what it says when all is well, or a thrown failure. */
export type Try = readonly [step: string, work: () => Promise<string | NotTried>];

/** Takes one step after another until one fails. */
export async function inSteps(tries: readonly Try[]): Promise<Step[]> {
  const steps: Step[] = [];
  for (const [step, work] of tries) {
    try {
      const came = await work();
      steps.push(
        came instanceof NotTried
          ? { step, ok: null, says: came.says, remedy: null }
          : { step, ok: true, says: came, remedy: null },
      );
    } catch (error) {
      const { message, remedy } = asFailure(error);
      return [...steps, { step, ok: false, says: message, remedy }];
    }
  }
  return steps;
}

/** The steps to a tier's database. */
export function databaseTries(tier: Door): Try[] {
  const { hostname, port: written } = new URL(tier.dbUrl);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(written === "" ? 5432 : written);
  if (host.toLowerCase().startsWith("%2f")) return loginTries(tier); // a socket of this machine
  return [
    ["name", () => nameOf(host)],
    ["port", () => portOf(host, port)],
    ["TLS", () => tlsOf(tier, host, port)],
    ...loginTries(tier),
  ];
}

/** Looks a host up as any program here would: in DNS, and in the hosts file. */
export async function nameOf(host: string): Promise<string> {
  if (isIP(host) !== 0) return `${host} is an address`;
  const found = await lookup(host, { all: true });
  return `${host} is ${found.map(({ address }) => address).join(", ")}`;
}

/** Opens a line to a port, and closes it. */
export async function portOf(host: string, port: number): Promise<string> {
  const socket = await opened(host, port);
  socket.destroy();
  return `${port} is open`;
}

function opened(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = dial({ host, port });
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(coded("ETIMEDOUT")));
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** Whether the server encrypts, and whose certificate it shows. */
async function tlsOf({ dbUrl, trust }: Door, host: string, port: number): Promise<string> {
  const { ssl } = dialling(dbUrl, trust).options;
  const mode = sslmodeOf(dbUrl, trust);
  if (ssl === false) return "not asked for (sslmode disable)";
  const socket = await opened(host, port);
  try {
    const answer = await firstByte(socket, SSL_REQUEST);
    if (answer !== "S" && answer !== "N") {
      throw new Failure(
        `what answers at port ${port} is not PostgreSQL`,
        "Correct the host and the port in its address; the REST address stands in url_env.",
      );
    }
    if (answer === "N") {
      if (mode === "prefer" || mode === "allow") {
        return `not encrypted (sslmode ${mode}), because: ${
          isLoopback(host) ? "it is this machine" : trust.insecureBecause
        }`;
      }
      throw new Failure(
        "it does not encrypt",
        "Turn ssl on there: `deno task strata certificates` makes what that takes.",
      );
    }
    const isChecked = typeof ssl === "object";
    const protocol = await secured(socket, host, isChecked ? ssl : { rejectUnauthorized: false });
    if (isChecked) return `${protocol}, its certificate is for ${host} and checked`;
    return isLoopback(host)
      ? `${protocol}, its certificate is not checked: it is this machine`
      : `${protocol}, its certificate is not checked (sslmode ${mode}), because: ${trust.insecureBecause}`;
  } finally {
    socket.destroy();
  }
}

function firstByte(socket: Socket, question: Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("close", () => resolve(""));
    socket.once("data", (data) => {
      socket.pause();
      socket.removeAllListeners();
      resolve(String.fromCharCode(data[0] ?? 0));
    });
    socket.write(question);
  });
}

function secured(
  socket: Socket,
  host: string,
  options: { rejectUnauthorized: boolean; ca?: string[]; minVersion?: "TLSv1.3" },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const name = isIP(host) === 0 ? { servername: host } : {};
    const line = encrypt({ socket, host, ...name, ...options });
    line.setTimeout(PATIENCE_MS, () => line.destroy(coded("ETIMEDOUT")));
    line.once("error", reject);
    line.once("close", () => reject(coded("ECONNRESET")));
    line.once("secureConnect", () => {
      const protocol = line.getProtocol() ?? "encrypted";
      line.destroy();
      resolve(protocol);
    });
  });
}

function loginTries(tier: Door): Try[] {
  return [
    ["login", () =>
      asked(tier, async (sql) => {
        const { login, database } = await rightsOf(sql);
        return `${login} is let into database ${database}`;
      })],
    ["right", () =>
      asked(tier, async (sql) => {
        const { login, owner, owns, creates } = await rightsOf(sql);
        if (owner === null) return mayCreate(tier, login, creates);
        if (!owns) {
          throw new Failure(
            `${login} may not do what ${owner} may, who owns what Strata has there`,
            `Write ${owner} and its password into ${tier.dbUrlEnv}.`,
          );
        }
        return isTier(tier, login, await tierOf(sql));
      })],
  ];
}

function mayCreate({ dbUrlEnv }: Door, login: string, creates: boolean): string {
  if (creates) return `${login} may set Strata up, which is not there yet`;
  throw new Failure(
    `${login} may not make schemas and roles there, which setting Strata up takes`,
    `Write the database's owner (postgres, on Supabase) into ${dbUrlEnv}.`,
  );
}

function isTier({ key, dbUrlEnv }: Door, login: string, self: string | null | undefined): string {
  if (self == null) {
    return `${login} owns Strata there, which has not been told yet which tier it is`;
  }
  if (self === key) return `${login} owns what Strata has there, which is ${key}`;
  throw new Failure(`that database is ${self}, not ${key}`, `Correct ${dbUrlEnv} in .env.`);
}

/** Asks a database something over a connection of its own. */
export async function asked<T>(
  { dbUrl, trust }: Door,
  question: (sql: ReturnType<typeof connect>) => Promise<T>,
): Promise<T> {
  const sql = connect(dbUrl, trust);
  try {
    return await question(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const coded = (code: string) => Object.assign(new Error(code), { code });
