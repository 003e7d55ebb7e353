import { assert, assertEquals } from "@std/assert";
import postgres from "postgres";
import { REPOSITORY, type Tier, TIERS } from "../../local/settings.ts";
import { type OwnStack, ownStack } from "../support/own_stack.ts";
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
  // Nothing temporary was for everybody on archive, and is not when Strata has gone.
  await on(stack, "archive", async (sql) => {
    await sql`revoke temporary on database postgres from public`;
  });
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
    assertEquals(await temporary(stack, tier), tier !== "archive");
  }
  const again = await setup();
  assertEquals(again.code, 0, again.out + again.err);
  assert(again.out.includes("17 datasets are managed"), again.out);
  await byCommand(stack, setup);
});

/** The same by `remove --tiers`, and the companion alone before. */
async function byCommand(stack: OwnStack, setup: () => ReturnType<typeof strata>): Promise<void> {
  const remove = (...words: string[]) => strata(["remove", ...words, "--yes"], stack.env);
  const unclear = await strata(["remove"], stack.env);
  assertEquals(unclear.code, 2, unclear.out + unclear.err);

  const companion = await remove("--tiers", "all", "--companion");
  assertEquals(companion.code, 0, companion.out + companion.err);
  const sync = await strata(["sync"], stack.env);
  assertEquals(sync.code, 0, sync.out + sync.err);
  const none = await remove("--tiers", "main", "--companion");
  assert(none.out.includes("on none of these tiers"), none.out);

  const half = await remove("--tiers", "main,archive");
  assertEquals(half.code, 2, half.out + half.err);
  assert(half.err.includes("core is linked with main, and stays"), half.err);
  const dry = await remove("--tiers", "all", "--dry-run");
  assert(dry.out.includes("Nothing was done: --dry-run."), dry.out);
  const all = await remove("--tiers", "all");
  assertEquals(all.code, 0, all.out + all.err);
  for (const tier of TIERS) {
    assertEquals(await temporary(stack, tier), tier !== "archive");
    await on(stack, tier, async (sql) => {
      assertEquals((await sql`select from pg_namespace where nspname = 'strata'`).length, 0);
      assert((await sql`select from public.journal_entries`).length > 0);
    });
  }
  const back = await setup();
  assertEquals(back.code, 0, back.out + back.err);
}

async function on(stack: OwnStack, tier: Tier, work: (sql: postgres.Sql) => Promise<void>) {
  const url = stack.env[`STRATA_${tier.toUpperCase()}_DB_URL`] ?? "";
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await work(sql);
  } finally {
    await sql.end();
  }
}

async function temporary(stack: OwnStack, tier: Tier): Promise<boolean> {
  let has = false;
  await on(stack, tier, async (sql) => {
    const [found] = await sql`
      select has_database_privilege('public', current_database(), 'temporary') as it`;
    has = found?.["it"] === true;
  });
  return has;
}
