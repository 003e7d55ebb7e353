import type { MigrationFile } from "../../cli/lib/supabase.ts";
import { REPOSITORY } from "../../local/settings.ts";

/** The migrations of a frozen release, as they lie there: each a project as the Supabase CLI knows it. */
export async function filesOf(release: string): Promise<MigrationFile[]> {
  return await filesIn(`${REPOSITORY}/tests/upgrade/released/${release}/supabase/migrations`);
}

/** The migrations that lie here, as their owner's `supabase db push` finds them. */
export async function filesHere(): Promise<MigrationFile[]> {
  return await filesIn(`${REPOSITORY}/supabase/migrations`);
}

async function filesIn(directory: string): Promise<MigrationFile[]> {
  const names = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
  return await Promise.all(
    names.map(async (name) => ({ name, text: await Deno.readTextFile(`${directory}/${name}`) })),
  );
}
