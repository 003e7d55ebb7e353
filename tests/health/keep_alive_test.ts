import { assertEquals } from "@std/assert";
import { cronChain } from "../support/own_stack.ts";
import { waitFor } from "../support/wait_for.ts";

Deno.test("once a day main asks core's health function, and core remembers", async () => {
  await using chain = await cronChain({ tiers: ["core", "main"], driver: "pull", projects: true });
  const { core, main, stack } = chain;
  const scheduled = await main
    .sql`select schedule from cron.job where jobname = 'strata-keep-alive'`;
  assertEquals([...scheduled], [{ schedule: "30 5 * * *" }]);
  assertEquals(
    (await core.sql`select from cron.job where jobname = 'strata-keep-alive'`).length,
    0,
  );

  await main.sql`call strata.keep_alive()`; // nobody told it core's address and secret: nothing happens
  await main.sql`select strata.set_secret('core_project_url', ${stack.env.STRATA_CORE_URL ?? ""}),
                        strata.set_secret('core_wake_secret', ${
    stack.env.STRATA_CORE_WAKE_SECRET ?? ""
  })`;
  await main
    .sql`select cron.schedule('strata-keep-alive', '* * * * *', 'call strata.keep_alive()')`;
  await waitFor("core's health function to be asked by cron", async () => {
    return (await core.sql`select from strata.outside where name = 'keep_alive'`).length > 0;
  }, { timeoutMs: 90_000 });
});
