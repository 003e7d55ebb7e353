import { assertEquals } from "@std/assert";
import { addNote, manageNotes } from "../support/notes.ts";
import { cronChain } from "../support/own_stack.ts";
import { waitFor } from "../support/wait_for.ts";

Deno.test("cron wakes the relay, and rows settle between tiers that only have HTTP", async () => {
  await using chain = await cronChain({ tiers: ["core", "main"], driver: "relay", projects: true });
  const { core, main, stack } = chain;
  const [job] = await core.sql`select schedule from cron.job where jobname = 'strata-relay'`;
  assertEquals(job?.schedule, "*/5 * * * *");
  await manageNotes(core.sql);
  for (const id of [1, 2, 3]) await addNote(core.sql, id, "2020-01-01");
  await core.sql`call strata.wake_relay()`; // nobody told it where its project is: nothing happens
  await core.sql`select strata.set_secret('project_url', ${stack.env.STRATA_CORE_URL ?? ""}),
                        strata.set_secret('wake_secret', ${
    stack.env.STRATA_CORE_WAKE_SECRET ?? ""
  })`;

  await core.sql`call strata.wake_relay()`;

  await waitFor("the rows to arrive", async () => {
    const [there] = await main.sql`select to_regclass('public.notes') is not null as is_there`;
    if (!there?.is_there) return false;
    return (await main.sql`select from public.notes`).length === 3;
  }, { timeoutMs: 90_000 });
  await waitFor("the relay to be done", async () => {
    return (await core.sql`select from strata.leases`).length === 0 &&
      (await core.sql`select from strata.heartbeats`).length === 1;
  });
  assertEquals((await core.sql`select from public.notes`).length, 0);
  assertEquals((await main.sql`select from strata.heartbeats`).length, 1); // each has heard the other

  const answers = await waitFor("pg_net's answer", async () => {
    const found = await core.sql<{ status_code: number; content: string }[]>`
      select status_code, content from net._http_response where status_code is not null`;
    return found.length > 0 ? found : undefined;
  });
  for (const { status_code, content } of answers) { // every login may read it
    assertEquals([status_code, content], [200, '{"woken":true}']);
  }
  const [row] = await core.sql`select strata.relays_to_wake() as neighbours`;
  assertEquals(row?.neighbours, []); // there is nothing to carry any more
});
