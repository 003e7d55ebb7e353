import assert from "node:assert/strict";
import { testChain } from "../support/chain.ts";
import { cronChain } from "../support/own_stack.ts";

Deno.test("a chain of test databases: the side that drives reaches the other by its own login", async () => {
  for (const driver of ["push", "pull"] as const) {
    await using chain = await testChain({ driver });
    const [hot, cold] = driver === "push" ? ["core", "main"] as const : ["main", "core"] as const;
    const [row] = await chain[hot].sql`
      select "user", database from extensions.dblink(
        ${`strata_${cold}`}, 'select current_user::text, current_database()::text')
        as t ("user" text, database text)`;
    assert.deepEqual({ ...row }, { user: `strata_mover_${hot}`, database: chain[cold].name });
  }
});

Deno.test("a chain with pg_cron has its jobs scheduled on every tier", async () => {
  await using chain = await cronChain();
  for (const { sql } of chain.databases) {
    const jobs = await sql`select from cron.job where active`;
    assert.notEqual(jobs.length, 0);
  }
});
