/** What a database wakes its functions with: kept in its Vault, and known to the functions besides. */
import type { Sql, TransactionSql } from "postgres";
import { setSecret } from "../../supabase/functions/_strata/protocol/strata_secrets.ts";
import { fromHex, hex } from "../../supabase/functions/_strata/http/wake.ts";

type Db = Sql | TransactionSql;

/** The tier's wake secret, made when there is none; undefined where the database has no Vault. */
export async function wakeSecret(sql: Sql): Promise<string | undefined> {
  const [row] = await sql<{ secret: string | null }[]>`
    select strata.secret(p_name => 'wake_secret') as secret`;
  const found = row?.secret;
  if (typeof found === "string" && fromHex(found).length === 32) return found;
  const made = hex(crypto.getRandomValues(new Uint8Array(32)));
  return await setSecret(sql, "wake_secret", made) ? made : undefined;
}

/** Takes a secret out of the database's Vault, if it is there. */
export async function forgetSecret(sql: Db, name: string): Promise<void> {
  await sql`select strata.forget_secret(p_name => ${name})`;
}
