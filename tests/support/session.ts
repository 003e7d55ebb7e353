import postgres, { type Sql } from "postgres";
import type { Tier } from "../../local/settings.ts";
import { databaseUrl } from "./template.ts";

/**
 * A session as `postgres` in database `postgres` of a tier, the only one where pg_cron runs and
 * where queued requests are sent. Shared by all tests: leave nothing behind in it.
 */
export async function sharedSession(tier: Tier = "core"): Promise<Sql & AsyncDisposable> {
  const sql = postgres(await databaseUrl(tier, "postgres"), {
    connection: { search_path: "pg_catalog", lock_timeout: 20_000 },
    max: 1,
    onnotice: () => {},
  });
  return Object.assign(sql, { [Symbol.asyncDispose]: () => sql.end() });
}
