/** Type-checks the edge functions with the Deno of the edge runtime. */
import { EDGE_DENO, EDGE_DENO_ENV } from "./edge_deno.ts";

const functions = await findFunctions(`${import.meta.dirname}/../supabase/functions`);
if (functions.length === 0) {
  console.log("There are no edge functions yet: nothing to check for the edge runtime.");
} else {
  const { code } = await new Deno.Command("npx", {
    // The lock file is in a newer format than that Deno can read.
    args: ["--yes", EDGE_DENO, "check", "--quiet", "--no-lock", ...functions],
    env: EDGE_DENO_ENV,
  }).spawn().status;
  if (code === 0) console.log(`${functions.length} edge functions check with ${EDGE_DENO}.`);
  Deno.exit(code);
}

async function findFunctions(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir(directory)) {
    const entry = `${directory}/${name}/index.ts`;
    if (await Deno.stat(entry).then(() => true, () => false)) found.push(entry);
  }
  return found.sort();
}
