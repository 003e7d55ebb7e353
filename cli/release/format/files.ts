/** Which files are laid out. */
import { REPOSITORY } from "../../../local/settings.ts";

/** The paths of all SQL that people edit: everything in supabase/schemas, in the order of their names. */
export async function* sqlFiles(folder = "supabase/schemas"): AsyncGenerator<string> {
  const entries = await Array.fromAsync(Deno.readDir(`${REPOSITORY}/${folder}`));
  for (
    const { name, isDirectory } of entries.sort((one, other) => one.name < other.name ? -1 : 1)
  ) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* sqlFiles(path);
    else if (name.endsWith(".sql")) yield path;
  }
}
