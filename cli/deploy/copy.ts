/** The functions as a self-hosted Supabase takes them: copied into its volume, no CLI, no config.toml. */
import { join } from "@std/path";
import { ROOT } from "../lib/command.ts";
import { Failure } from "../lib/errors.ts";
import { copySources } from "../lib/supabase.ts";

/**
 * Copies the functions into `volumes/functions` of a self-hosted instance, which must be there, and
 * returns their names. The runtime there takes a function's import map from the deno.json beside its index.ts.
 */
export async function copyFunctions(volume: string): Promise<string[]> {
  const isThere = await Deno.stat(volume).then(({ isDirectory }) => isDirectory, () => false);
  if (!isThere) {
    throw new Failure(
      `There is no folder ${volume}`,
      "Name the volumes/functions of the self-hosted Supabase; nothing was copied.",
      2,
    );
  }
  const source = join(ROOT, "supabase", "functions");
  await copySources(source, volume, ".ts");
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(source)) {
    if (!isDirectory || name.startsWith("_")) continue;
    await Deno.copyFile(join(ROOT, "import_map.json"), join(volume, name, "deno.json"));
    names.push(name);
  }
  return names.sort();
}
