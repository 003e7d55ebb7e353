/**
 * `deno task fmt:sql`: lays out supabase/schemas. `--check` writes nothing, and says which files are not laid out. What
 * is to be mended by hand is said either way.
 */
import { REPOSITORY } from "../../../local/settings.ts";
import { faultsOf, formatSql } from "./format.ts";
import { sqlFiles } from "./files.ts";

const isCheck = Deno.args.includes("--check");
let isGood = true;
for await (const path of sqlFiles()) {
  const before = await Deno.readTextFile(`${REPOSITORY}/${path}`);
  const after = formatSql(before);
  const isChanged = before !== after;
  if (isChanged && !isCheck) await Deno.writeTextFile(`${REPOSITORY}/${path}`, after);
  if (isChanged) {
    console.log(isCheck ? `${path} is not laid out: deno task fmt:sql` : `${path} is laid out`);
  }
  const faults = faultsOf(after);
  for (const fault of faults) console.log(`${path}, ${fault}`);
  isGood &&= faults.length === 0 && !(isCheck && isChanged);
}
Deno.exit(isGood ? 0 : 1);
