import { parseEnv } from "node:util";

/** The variables of one env file. */
export type EnvFile = Record<string, string | undefined>;

/** Reads an env file; one that is not there is empty. */
export async function readEnvFile(path: string): Promise<EnvFile> {
  try {
    return parseEnv(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

/** Writes an env file that only its owner can read, whole or not at all. */
export async function writeEnvFile(path: string, variables: Record<string, string>): Promise<void> {
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  const draft = `${path}.new`;
  await Deno.remove(draft).catch(() => {}); // its mode would outlive the rewrite
  await Deno.writeTextFile(draft, lines.join(""), { mode: 0o600 });
  await Deno.rename(draft, path);
}

/** A password nobody has to type: 192 random bits unless told otherwise, safe in a URL and in a shell. */
export function randomSecret(bytes = 24): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}
