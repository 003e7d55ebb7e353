/**
 * The check of a self-hosted Supabase in front of all its functions. It asks every caller for a JWT, or,
 * with FUNCTIONS_VERIFY_JWT=false, nobody, also where the owner's own functions rely on it. Strata's are
 * called by webhooks and by databases that have none, and check their callers themselves.
 */
import { join, resolve } from "@std/path";
import { readEnvFile } from "../../local/env_file.ts";

/** Where the router asks; the second time what was put there the first time. */
const ASKS =
  /if \(req\.method !== (['"])OPTIONS\1 && VERIFY_JWT(?: && !\/\^[^\n]*\.test\(new URL\(req\.url\)\.pathname\))?\) \{/g;

/** Lets the given functions, and no other, past the router's check; says what is left to do. */
export async function letPast(volume: string, ours: string[]): Promise<string[]> {
  const path = join(volume, "main", "index.ts");
  const text = await Deno.readTextFile(path).catch(() => "");
  const asked = [...text.matchAll(ASKS)];
  const names = ours.join("|");
  if (asked.length !== 1) {
    return [
      `${path} is not as Supabase ships it: let ${
        ours.join(", ")
      } past its check of JWTs by hand. ` +
      "FUNCTIONS_VERIFY_JWT=false would let everybody call your own functions, too.",
    ];
  }
  const asks = "if (req.method !== 'OPTIONS' && VERIFY_JWT && " +
    `!/^\\/(${names})(\\/|$)/.test(new URL(req.url).pathname)) {`;
  const changed = text.replace(ASKS, () => asks);
  if (changed !== text) await Deno.writeTextFile(path, changed);
  return await openOnes(volume, ours);
}

/** Functions of the owner's that nobody checks the callers of. */
async function openOnes(volume: string, ours: string[]): Promise<string[]> {
  const file = resolve(volume, "../../.env");
  if ((await readEnvFile(file)).FUNCTIONS_VERIFY_JWT !== "false") return [];
  const theirs: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(volume)) {
    if (isDirectory && name !== "main" && !name.startsWith("_") && !ours.includes(name)) {
      theirs.push(name);
    }
  }
  if (theirs.length === 0) return [];
  return [
    `FUNCTIONS_VERIFY_JWT=false in ${file} lets everybody call ${
      theirs.sort().join(", ")
    }, unless ` +
    "they check their callers themselves. Strata's functions do not need it: write true.",
  ];
}
