import { assertEquals } from "@std/assert";
import { testChain } from "../support/chain.ts";
import { cronChain } from "../support/own_stack.ts";
import { openKinds } from "../support/watch.ts";
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

  await main.sql`call strata.keep_alive()`; // nobody told it core's address and key: nothing happens
  await main.sql`select strata.set_secret('core_project_url', ${stack.env.STRATA_CORE_URL ?? ""}),
                        strata.set_secret('core_secret_key', ${stack.env.STRATA_CORE_KEY ?? ""})`;
  await main
    .sql`select cron.schedule('strata-keep-alive', '* * * * *', 'call strata.keep_alive()')`;
  await waitFor("core's health function to be asked by cron", async () => {
    return (await core.sql`select from strata.outside where name = 'keep_alive'`).length > 0;
  }, { timeoutMs: 90_000 });
});

Deno.test("calls that do not arrive at core are an alert on main", async () => {
  await using chain = await testChain({ tiers: ["core", "main"], driver: "pull" });
  const { core, main } = chain;
  await main.sql`select strata.set_secret('core_project_url', 'http://127.0.0.1:9'),
                        strata.set_secret('core_secret_key', 'sb_secret_x')`;
  const kinds = async () => {
    await main.sql`call strata.watchdog()`;
    return (await openKinds(main.sql)).filter((kind) => kind === "not_kept_alive");
  };
  await core.sql`select strata.note_outside('keep_alive', true, 'was asked', 0)`;
  assertEquals(await kinds(), []);
  await core.sql`update strata.outside set checked_at = checked_at - interval '4 days'`;
  assertEquals(await kinds(), ["not_kept_alive"]);
  await core.sql`select strata.note_outside('keep_alive', true, 'was asked', 0)`;
  assertEquals(await kinds(), []);
});
