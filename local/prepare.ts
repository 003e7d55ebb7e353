import type { Sql } from "postgres";
import { scramVerifier } from "../cli/lib/scram.ts";
import { type Cluster, connectLocally } from "./cluster.ts";
import type { Postgres } from "./packages.ts";

const SQL_DIRECTORY = `${import.meta.dirname}/sql`;

/** Used where the extensions themselves are installed; their grants are hosted's. */
const REAL_NET = "create extension pg_net with schema extensions";
const REAL_VAULT = `
  create schema vault;
  create extension supabase_vault with schema vault;
  grant usage on schema vault to postgres with grant option;
  grant select, delete on all tables in schema vault to postgres with grant option;
  grant execute on all functions in schema vault to postgres with grant option;
  grant usage on schema vault to service_role;
  grant select, delete on all tables in schema vault to service_role;
  grant execute on all functions in schema vault to service_role`;

/** Turns an empty cluster into one that behaves like a hosted project. */
export async function prepareCluster(server: Postgres, cluster: Cluster): Promise<void> {
  const sql = connectLocally(cluster);
  try {
    await sql.unsafe(await read("roles"));
    await sql.unsafe("alter database postgres owner to postgres");
    await prepareDatabase(server, sql);
    await sql.unsafe(await read("cron"));
  } finally {
    await sql.end();
  }
}

/** Gives a new database what a hosted one has before the first migration. */
export async function prepareDatabase(server: Postgres, sql: Sql): Promise<void> {
  await sql.unsafe(await read("database"));
  await sql.unsafe(await read("auth"));
  await sql.unsafe(await read("storage"));
  if (server.extensions.has("plpgsql_check")) { // what `supabase db lint` works with
    await sql.unsafe("create extension plpgsql_check with schema extensions");
  }
  await sql.unsafe(server.extensions.has("supabase_vault") ? REAL_VAULT : await read("vault"));
  await sql.unsafe(server.extensions.has("pg_net") ? REAL_NET : await read("net"));
  await sql.unsafe(await read("event_triggers"));
}

/** Gives a role its password. The server is shown a verifier, so that no log can hold more. */
export async function setPassword(cluster: Cluster, role: string, password: string) {
  const sql = connectLocally(cluster);
  try {
    const verifier = await scramVerifier(password);
    await sql.unsafe(`alter role ${role} password '${verifier}'`);
  } finally {
    await sql.end();
  }
}

/** Puts secrets into Vault, or changes them there. */
export async function setSecrets(
  cluster: Cluster,
  secrets: Readonly<Record<string, string>>,
): Promise<void> {
  const sql = connectLocally(cluster);
  try {
    for (const [name, secret] of Object.entries(secrets)) {
      const [found] = await sql<{ id: string; decrypted_secret: string }[]>`
        select id, decrypted_secret from vault.decrypted_secrets where name = ${name}`;
      if (found === undefined) {
        await sql`select vault.create_secret(new_secret => ${secret}, new_name => ${name})`;
      } else if (found.decrypted_secret !== secret) {
        await sql`select vault.update_secret(secret_id => ${found.id}, new_secret => ${secret})`;
      }
    }
  } finally {
    await sql.end();
  }
}

/** Changes whenever the SQL that prepares a database does. */
export async function preparationVersion(): Promise<string> {
  const files = (await Array.fromAsync(Deno.readDir(SQL_DIRECTORY))).map((file) => file.name);
  return await contentHash(files.sort().map((name) => `${SQL_DIRECTORY}/${name}`));
}

/** One short text that stands for the content of some files. */
export async function contentHash(paths: string[]): Promise<string> {
  const texts = await Promise.all(paths.map((path) => Deno.readTextFile(path)));
  const bytes = new TextEncoder().encode(texts.join("\0"));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex().slice(0, 16);
}

function read(name: string): Promise<string> {
  return Deno.readTextFile(`${SQL_DIRECTORY}/${name}.sql`);
}
