/**
 * Reads a database without a trace: each question in a transaction of its own that may not write, waits a
 * second at most for a lock and ten for an answer, and may be refused without the others being lost.
 */
import postgres, { type Sql, type TransactionSql } from "postgres";
import { dialling } from "../../supabase/functions/_strata/protocol/postgres_tls.ts";
import type { TierTrust } from "../config/security.ts";
import { asFailure, isLost } from "../lib/errors.ts";
import { whyNot } from "./address.ts";

const CONNECT_SECONDS = 10;
/** Set for one transaction: a pooler gives the session to the next one as it was. */
const SETTINGS = [
  ...["statement_timeout = '10s'", "lock_timeout = '1s'", "timezone = 'UTC'", "datestyle = 'ISO'"],
  ...["search_path = pg_catalog, pg_temp", "max_parallel_workers_per_gather = 0", "jit = off"],
].map((setting) => `set local ${setting}`).join("; ");

/** Something that could not be looked at, and why. */
export interface Unseen {
  what: string;
  why: string;
}

/** A database that is read. */
export class Reader implements AsyncDisposable {
  /** What was refused or took too long so far. */
  readonly unseen: Unseen[] = [];

  private constructor(private readonly sql: Sql, private readonly url: string) {}

  /** Dials a database, and says in plain words why it cannot be reached. */
  static async open(address: string, trust: TierTrust): Promise<Reader> {
    const { url, options } = dialling(address, trust);
    const sql = postgres(url, {
      max: 1,
      connect_timeout: CONNECT_SECONDS,
      ...options,
      prepare: false,
      onnotice: () => {},
      connection: { application_name: "strata advise" },
    });
    try {
      await sql`select`;
    } catch (error) {
      await sql.end({ timeout: 1 });
      throw whyNot(error, address);
    }
    return new Reader(sql, address);
  }

  /** The answer; undefined where it is refused, which is remembered. */
  async ask<T>(
    what: string,
    question: (sql: TransactionSql) => Promise<T>,
  ): Promise<T | undefined> {
    try {
      const answer = await this.sql.begin(
        "isolation level repeatable read, read only",
        async (sql) => {
          await sql.unsafe(SETTINGS);
          return { is: await question(sql) };
        },
      );
      return answer.is;
    } catch (error) {
      if (!(error instanceof postgres.PostgresError) || isLost(asFailure(error))) {
        throw whyNot(error, this.url);
      }
      this.unseen.push({ what, why: reason(error) });
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql.end({ timeout: 1 });
  }
}

function reason({ code, message }: postgres.PostgresError): string {
  if (code === "42501") return `this login may not see it (${message})`;
  if (code === "57014") return "it took longer than ten seconds";
  if (code === "55P03") return "somebody else has it locked";
  return message;
}
