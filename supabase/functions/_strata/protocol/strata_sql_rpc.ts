/**
 * The same calls as over REST (strata_rpc.ts), over a Postgres connection: for the relay, where it has
 * connection strings for both ends. Works through a transaction pooler: nothing is kept in a session.
 */
import postgres from "postgres";
import { DatabaseError } from "../http/errors.ts";
import { dialling, type Trust } from "./postgres_tls.ts";
import type { Rpc } from "./strata_rpc.ts";

/** Calls over a connection that is to be closed. */
export interface SqlRpc {
  rpc: Rpc;
  close(): Promise<void>;
}

const CONNECT_SECONDS = 8;
const MODE = "isolation level read committed read write";

interface Row {
  answer: unknown;
  is_set: boolean;
}

/** Opens a database; nothing is dialled before the first call. Throws UnsafeAddressError. */
export function connectSql(address: string, trust: Trust = {}): SqlRpc {
  const { url, options } = dialling(address, trust);
  const sql = postgres(url, {
    ...options,
    max: 1,
    prepare: false,
    connect_timeout: CONNECT_SECONDS,
    idle_timeout: 20,
    onnotice: () => {},
    connection: { application_name: "strata relay" },
  });
  return {
    close: () => sql.end({ timeout: 2 }),
    async rpc(name, args = {}) {
      const names = Object.keys(args);
      const passed = names.map((one, at) => `"${one}" => $${at + 1}`).join(", ");
      try {
        // As JSON, so that the answer is what the REST API gives; text[] and bigint do not come here.
        // In a transaction as the REST API begins it, whatever the database's defaults are.
        const rows = await sql.begin(MODE, (transaction) =>
          transaction.unsafe<Row[]>(
            `select to_jsonb(r) as answer, p.proretset as is_set
             from (select) as one
             left join lateral strata."${name}"(${passed}) as r on true
             join pg_catalog.pg_proc as p
               on p.pronamespace = 'strata'::regnamespace and p.proname = '${name}'`,
            Object.values(args).map(parameter),
          ));
        const isSet = rows[0]?.is_set === true;
        return isSet
          ? rows.flatMap(({ answer }) => answer === null ? [] : [answer])
          : rows[0]?.answer ?? null;
      } catch (error) {
        if (error instanceof postgres.PostgresError) {
          throw new DatabaseError(error.code, error.message, error.hint ?? null);
        }
        throw new DatabaseError("", "the database does not answer");
      }
    },
  };
}

function parameter(value: unknown): string | number | boolean | null {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return value;
  }
  return null;
}
