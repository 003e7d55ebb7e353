import { assert, assertEquals } from "@std/assert";
import postgres from "postgres";
import { REPOSITORY, type Tier, TIERS } from "../../local/settings.ts";
import { ownStack } from "../support/own_stack.ts";
import { strata } from "./support.ts";

/** What the guide says to run on a tier; each dials the hotter one, if there is one. */
async function removal(tier: Tier): Promise<string> {
  const page = await Deno.readTextFile(`${REPOSITORY}/docs/guide/removing.md`);
  const sql = /^## Remove Strata by hand$[^]*?^```sql\n([^`]*)```/m.exec(page)?.[1];
  if (sql === undefined) throw new Error("The guide does not say how Strata is removed");
  return sql.replace("strata_core", `strata_${TIERS[TIERS.indexOf(tier) - 1] ?? "core"}`);
}

// Servers of its own: roles belong to a whole server, and only a database `postgres` has pg_cron.
Deno.test("removed as the guide says, Strata leaves the tables, and can be set up again", async () => {
  await using stack = await ownStack();
  const setup = () => strata(["setup", "--init", "--personal"], stack.env);
  const first = await setup();
  assertEquals(first.code, 0, first.out + first.err);

  for (const tier of TIERS) {
    const url = stack.env[`STRATA_${tier.toUpperCase()}_DB_URL`] ?? "";
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    await sql`insert into public.journal_entries (content) values ('stays')`;
    await sql.unsafe(await removal(tier));
    assertEquals((await sql`select from public.journal_entries`).length, 1);
    assertEquals((await sql`select from cron.job where jobname like 'strata-%'`).length, 0);
    await sql.end();
  }
  const again = await setup();
  assertEquals(again.code, 0, again.out + again.err);
  assert(again.out.includes("17 datasets are managed"), again.out);
});
