/**
 * `deno task release`: writes supabase/migrations/<date>_strata.sql, and the companion's, from
 * supabase/schemas. `--check` writes nothing, and says whether they are what they should be.
 */
import { REPOSITORY } from "../../local/settings.ts";
import { compose, releasePlan } from "./compose.ts";

const isCheck = Deno.args.includes("--check");
const plan = await releasePlan();
let isCurrent = true;
for (const product of plan.releases) {
  const path = `supabase/migrations/${product.file}`;
  const text = await compose(plan, product);
  const before = await Deno.readTextFile(`${REPOSITORY}/${path}`).catch(() => undefined);
  if (before === text) continue;
  isCurrent = false;
  if (!isCheck) await Deno.writeTextFile(`${REPOSITORY}/${path}`, text);
  console.log(
    isCheck
      ? `${path} is not what supabase/schemas makes: deno task release`
      : `${path} is written`,
  );
}
if (isCurrent) {
  console.log(`Strata ${plan.version}: supabase/migrations is what supabase/schemas makes.`);
}
Deno.exit(isCheck && !isCurrent ? 1 : 0);
