import { assertEquals } from "@std/assert";
import { testChain } from "../support/chain.ts";
import { openKinds } from "../support/watch.ts";

Deno.test("calls that do not arrive at core are an alert on main", async () => {
  await using chain = await testChain({ tiers: ["core", "main"], driver: "pull" });
  const { core, main } = chain;
  await main.sql`select strata.set_secret('core_project_url', 'http://127.0.0.1:9'),
                        strata.set_secret('core_wake_secret', 'x')`;
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
