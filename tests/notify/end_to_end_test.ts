import assert from "node:assert/strict";
import { cronChain } from "../support/own_stack.ts";
import { clientOf, tellProject, testProject } from "../support/project.ts";
import { FAULTS, telegramServer } from "../support/telegram.ts";
import { pretendSize } from "../support/watch.ts";
import { waitFor } from "../support/wait_for.ts";

const MINUTES = { timeoutMs: 240_000, everyMs: 500 };

// Everything is real but Telegram: pg_cron finds it, pg_net wakes the function, which asks over REST.
Deno.test("core goes critical: cron fires, and Telegram receives each alert, once", async () => {
  await using chain = await cronChain({ tiers: ["core"] });
  const { sql } = chain.core;
  await using telegram = telegramServer();
  await using project = testProject(chain.core, {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_CHAT_ID: "4711",
    TELEGRAM_API_ROOT: telegram.url,
  });
  await tellProject(sql, project);
  await sql`update strata.settings set value = 23 where name = 'digest_hour'`; // at once, or not at all
  await sql`update strata.schedules set cron = '* * * * *' where job in ('strata-watch', 'strata-deliver')`;
  await sql`
    insert into strata.drains (state, reason, target_bytes, billed_before, started_at, ended_at)
    values ('stopped', 'asked', 0, 0, now(), now())`; // a person has stopped one: the size alone is told
  telegram.fail(FAULTS.tooMany(1));
  await pretendSize(sql, 480 * 1024 * 1024);

  await waitFor("both messages", () => telegram.sent.length > 1 || undefined, MINUTES);
  const runs = async () => {
    const [row] = await sql<{ runs: string }[]>`
      select count(*) as runs from cron.job_run_details as r join cron.job as j on j.jobid = r.jobid
       where j.jobname = 'strata-deliver' and r.status = 'succeeded'`;
    return Number(row?.runs);
  };
  const before = await runs();
  const { data } = await clientOf(project).functions.invoke("strata-notify", {
    body: { wait: true },
  });
  assert.deepEqual(data, { deliveries: [] });
  await waitFor("cron to have come again", async () => await runs() > before, MINUTES);

  assert.equal(telegram.sent.length, 2, JSON.stringify(telegram.sent));
  const [critical, warning] = telegram.sent.map(({ text }) => text);
  assert.match(critical ?? "", /^🔴 <b>core: size critical<\/b> \(since /);
  assert.match(critical ?? "", /core holds 480 MB of 500 MB; critical is above 450 MB/);
  assert.match(critical ?? "", /<i>core · 1<\/i>$/);
  assert.match(warning ?? "", /^🟡 <b>core: size warning<\/b> \(since /);
  assert.match(warning ?? "", /<i>core · 2<\/i>$/);
  const deliveries = await sql`select state, count(*)::int as n from strata.deliveries group by 1`;
  assert.deepEqual(deliveries.map((row) => ({ ...row })), [{ state: "sent", n: 2 }]);
});
