import assert from "node:assert/strict";
import { elevenLabsServer } from "../support/elevenlabs.ts";
import { cronChain } from "../support/own_stack.ts";
import { tellProject, testProject } from "../support/project.ts";
import { telegramServer } from "../support/telegram.ts";
import { waitFor } from "../support/wait_for.ts";

const MINUTES = { timeoutMs: 240_000, everyMs: 500 };

// Everything is real but Telegram and ElevenLabs: pg_cron, pg_net, the function, REST.
Deno.test("cron comes for the briefing every minute, and it is heard once", async () => {
  await using chain = await cronChain({ tiers: ["core"] });
  const { sql } = chain.core;
  await using telegram = telegramServer();
  await using elevenlabs = elevenLabsServer();
  await using project = testProject(chain.core, {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_CHAT_ID: "4711",
    TELEGRAM_API_ROOT: telegram.url,
    ELEVENLABS_API_KEY: elevenlabs.key,
    ELEVENLABS_API_ROOT: elevenlabs.url,
  });
  await tellProject(sql, project);
  await sql`insert into public.tasks (title, priority) values ('Water the plants', 1)`;
  await sql`update strata.schedules set cron = '* * * * *' where job = 'strata-briefing'`;

  await waitFor("the briefing", () => telegram.sent.length > 0 || undefined, MINUTES);
  const runs = async () => {
    const [row] = await sql<{ runs: string }[]>`
      select count(*) as runs from cron.job_run_details as r join cron.job as j on j.jobid = r.jobid
       where j.jobname = 'strata-briefing' and r.status = 'succeeded'`;
    return Number(row?.runs);
  };
  const before = await runs();
  await waitFor("cron to have come again", async () => await runs() > before, MINUTES);

  assert.equal(telegram.sent.length, 1);
  const [message] = telegram.sent;
  assert.equal(message?.method, "sendVoice");
  assert.match(message?.text ?? "", /Most important: Water the plants\./);
  assert.equal(elevenlabs.asked.length, 1);
  const [row] = await sql`
    select b.state, b.attempts, c.state as cost, r.audio from strata.briefings as b
      join strata.costs as c on c.cost_id = b.cost_id
      join public.voice_recordings as r on r.id = b.recording_id`;
  assert.deepEqual([row?.state, row?.attempts, row?.cost], ["sent", 1, "settled"]);
  assert.deepEqual(new Uint8Array(row?.audio), message?.voice);
});
