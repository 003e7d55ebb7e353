/**
 * The database of the project a function belongs to, over its REST API: functions of schema `strata`
 * that are granted to `service_role`, called by name. No table can be reached this way.
 * Typed calls live in the files strata_*.ts beside this one, one per topic; handlers use those:
 *
 *     export async function openAlerts(rpc: Rpc): Promise<Alert[]> {
 *       return Alerts.parse(await rpc("open_alerts"));
 *     }
 *
 * A `bigint` or `numeric` in JSON would be cut to a double: such values are returned as text.
 */
import { createClient } from "@supabase/supabase-js";
import "iceberg-js"; // pinned: see wire.ts
import { DatabaseError } from "../http/errors.ts";
import { keyFetch, keyObjection } from "../outbound/safe_address.ts";

/** Calls a function of schema `strata`; throws DatabaseError with the SQLSTATE when it is refused. */
export type Rpc = (name: string, args?: Readonly<Record<string, unknown>>) => Promise<unknown>;

/** How long a call may take: hosted ends statements that come over REST after 8 s. */
const TIMEOUT_MS = 10_000;

/** Opens the REST API of a tier with its secret key. Nothing is dialled before the first call. */
export function connectRpc(
  url: string,
  key: string,
  fetcher: typeof fetch = fetch,
  timeoutMs: number = TIMEOUT_MS,
): Rpc {
  const client = createClient(url, key, {
    db: { schema: "strata" },
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    global: { fetch: keyFetch(fetcher) },
  });
  const objection = keyObjection(url);
  return async (name, args = {}) => {
    if (objection !== undefined) throw new DatabaseError("", `the tier's address ${objection}`);
    const signal = AbortSignal.timeout(timeoutMs);
    const { data, error, status } = await client.rpc(name, args).abortSignal(signal);
    if (error === null) return data;
    const unreachable = status === 0 || status === 502 || status === 503 || status === 504;
    throw new DatabaseError(unreachable ? "" : error.code, error.message, error.hint);
  };
}
