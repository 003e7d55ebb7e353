import assert from "node:assert/strict";
import { cronChain } from "../support/own_stack.ts";
import { waitFor } from "../support/wait_for.ts";

// One test for all that only a real pg_cron can show: it waits for a minute to begin.
Deno.test("pg_cron watches a read-only core, and core's failing jobs are told to main", async () => {
  await using chain = await cronChain({ tiers: ["core", "main"], driver: "pull" });
  const { core, main } = chain;
  await core.sql`select cron.schedule('other', '* * * * *', 'select 1')`;
  await core.sql`update strata.schedules set cron = '* * * * *', command = 'call strata.nonsense()'
    where job = 'strata-move'`;
  await core.sql`update strata.schedules set cron = '* * * * *' where job = 'strata-watch'`;
  await core.sql`alter role postgres set default_transaction_read_only = on`;

  await waitFor("core to have watched itself", async () => {
    return (await core.sql`select from strata.samples`)[0];
  }, { timeoutMs: 90_000, everyMs: 500 });
  const told = await waitFor("main to have told core of its failing job", async () => {
    await main.sql`call strata.watchdog()`;
    const rows = await core.sql<{ says: string }[]>`
      select says from strata.alerts
       where kind = 'job_stopped' and tier = 'core' and subject = 'strata-move' and cleared_at is null`;
    return rows[0];
  }, { timeoutMs: 90_000, everyMs: 500 });
  assert.match(told.says, /last run of strata-move on core failed: .*nonsense/);
});
