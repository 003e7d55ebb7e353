import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Sql } from "postgres";
import { addNote, idsOn, manageNotes } from "./support/notes.ts";
import { type CronChain, cronChain } from "./support/own_stack.ts";
import { refusal } from "./support/refusal.ts";
import { waitFor } from "./support/wait_for.ts";

/** The next full minute may be 60 seconds away, and the run after it another 60. */
const TWO_MINUTES = { timeoutMs: 130_000, everyMs: 250 };

function jobs(sql: Sql) {
  return sql<{ jobname: string; schedule: string; command: string; active: boolean }[]>`
    select jobname::text, schedule, command, active from cron.job order by jobname`;
}

async function isAwake(sql: Sql): Promise<boolean> {
  return (await jobs(sql)).some(({ jobname, active }) => jobname === "strata-continue" && active);
}

async function saysThatUpkeepIsPaused(sql: Sql): Promise<void> {
  const [check] = await sql`
    select ok, says, remedy from strata.validate_jobs() where topic = 'job strata-upkeep'`;
  assertEquals({ ...check }, {
    ok: false,
    says: "0 2 * * 0, paused, has not run yet",
    remedy: "update strata.schedules set active = true where job = 'strata-upkeep'",
  });
}

/** Leaves notes that are due on core; the colder tiers know of them already. */
async function dueNotes({ core }: CronChain) {
  await manageNotes(core.sql, { core_retention_days: 0 });
  await core.sql`call strata.move_due()`;
  await addNote(core.sql, 1, "2000-01-01");
}

async function refuses(sql: Sql): Promise<void> {
  const before = [...await jobs(sql)];
  for (const cron of ["every day", "99 * * * *", "* * * *", ""]) {
    const { code, message, hint } = await refusal(
      sql`update strata.schedules set cron = ${cron} where job = 'strata-move'`,
    );
    assertEquals([code, message], [
      "23514",
      `the schedule "${cron}" of the job "strata-move" is none that pg_cron knows`,
    ]);
    assertMatch(hint ?? "", /minute hour day month weekday/);
  }
  assertEquals([...await jobs(sql)], before);
}

// One stack for all steps of a test: servers of their own take a while, and cron a minute.
Deno.test("a tier's jobs in pg_cron are what strata.schedules says", async (t) => {
  await using chain = await cronChain({ tiers: ["core"] });
  const { core } = chain;

  await t.step("become() hands the schedules to pg_cron", async () => {
    const moving = ["strata-continue", "strata-move"];
    assertEquals([...await jobs(core.sql)].filter(({ jobname }) => moving.includes(jobname)), [
      {
        jobname: "strata-continue",
        schedule: "* * * * *",
        command: "call strata.go_on()",
        active: false,
      },
      {
        jobname: "strata-move",
        schedule: "0 */4 * * *",
        command: "call strata.move_due()",
        active: true,
      },
    ]);
  });

  await t.step("no job holds a password or more than one statement", async () => {
    for (const { command } of await jobs(core.sql)) {
      assert(/^call strata\.\w+\(\)$/.test(command), command);
    }
  });

  await t.step("apply_schedules() a second time changes nothing", async () => {
    const state = () => core.sql`select * from cron.job order by jobid`;
    const before = [...await state()];
    await core.sql`select strata.apply_schedules()`;
    await core.sql`select strata.become('core')`;
    assertEquals([...await state()], before);
  });

  await t.step("a changed schedule takes effect at once", () => followsTheTable(core.sql));

  await t.step("a schedule that cannot be read is refused with its job", () => refuses(core.sql));

  await t.step(
    "a job that is switched off in the table sleeps in pg_cron",
    () => upkeepSleeps(core.sql),
  );

  await t.step(
    "nothing runs, and nothing wakes, while all jobs are paused",
    () => pauses(core.sql),
  );

  await t.step("jobs of others are left alone", async () => {
    await core.sql`select cron.schedule('vacuum', '0 3 * * *', 'vacuum')`;
    await core.sql`select strata.apply_schedules()`;
    assert((await jobs(core.sql)).some(({ jobname }) => jobname === "vacuum"));
  });

  await t.step("prune() tidies up the history of our own jobs alone", () => prunes(core.sql));
});

Deno.test("pg_cron runs a tier", async (t) => {
  await using chain = await cronChain();
  const { core, main } = chain;

  await t.step(
    "a scheduled move is in pg_cron's log and in ours",
    async () => {
      await dueNotes(chain);
      await core.sql`update strata.schedules set cron = '* * * * *' where job = 'strata-move'`;

      const run = await waitFor("pg_cron to finish a run of strata-move", async () => {
        const [row] = await core.sql`
        select d.status, d.return_message
          from cron.job_run_details as d join cron.job as j using (jobid)
         where j.jobname = 'strata-move' and d.status in ('succeeded', 'failed') limit 1`;
        return row;
      }, TWO_MINUTES);
      assertEquals(run.status, "succeeded", run.return_message);
      assertEquals([...await core.sql`select dataset, state, rows_moved from strata.moves`], [
        { dataset: "notes", state: "closed", rows_moved: 1 },
      ]);
      assertEquals(await idsOn(core.sql), []);
      assertEquals(await idsOn(main.sql), [1]);
      assertEquals(await isAwake(core.sql), false);
      await core.sql`update strata.schedules set cron = '0 */4 * * *' where job = 'strata-move'`;
    },
  );

  await t.step(
    "what a run leaves behind is gone on with, then all sleep",
    async () => {
      await core.sql`update strata.settings set value = 1 where name = 'batch_rows'`;
      for (const id of [2, 3, 4]) await addNote(core.sql, id, "2000-01-01");
      await core.sql`call strata.move_due(p_budget => '0')`;
      assertEquals(await isAwake(core.sql), true);
      assertEquals((await idsOn(core.sql)).length, 2);

      await waitFor("strata-continue to move the rest and go to sleep", async () => {
        return !await isAwake(core.sql);
      }, TWO_MINUTES);
      assertEquals(await idsOn(core.sql), []);
      assertEquals(await idsOn(main.sql), [1, 2, 3, 4]);
    },
  );
});

/** Jobs come and go with their row, and with the tiers it names. */
async function followsTheTable(sql: Sql) {
  const names = async () => (await jobs(sql)).map(({ jobname }) => jobname);
  const before = await names();
  await sql`
    insert into strata.schedules (job, cron, command, tiers, says)
    values ('strata-here', '0 0 1 1 *', 'select 1', '{core}', 'for this test'),
           ('strata-there', '0 0 1 1 *', 'select 1', '{main}', 'for this test')`;
  assertEquals(await names(), [...before, "strata-here"].sort());
  await sql`update strata.schedules set tiers = '{main}' where job = 'strata-here'`;
  assertEquals(await names(), before);
  await sql`update strata.schedules set tiers = '{core}' where job = 'strata-here'`;
  await sql`delete from strata.schedules where job in ('strata-here', 'strata-there')`;
  assertEquals(await names(), before);
}

/** One job is paused for a while. */
async function upkeepSleeps(sql: Sql) {
  const upkeep = async () => {
    return (await jobs(sql)).find(({ jobname }) => jobname === "strata-upkeep")?.active;
  };
  await sql`update strata.schedules set active = false where job = 'strata-upkeep'`;
  assertEquals(await upkeep(), false);
  await saysThatUpkeepIsPaused(sql);
  await sql`update strata.schedules set active = true where job = 'strata-upkeep'`;
  assertEquals(await upkeep(), true);
}

/** Everything is paused while work is left over, and a command of a reclaim waits for its minute. */
async function pauses(sql: Sql) {
  const active = async () =>
    (await jobs(sql)).filter(({ active }) => active).map(({ jobname }) => jobname);
  const usual = await active();
  await sql`select strata.keep_going(true)`;
  await sql`select cron.schedule('strata-reclaim', '0 0 1 1 *', 'vacuum')`;
  assertEquals(await active(), [...usual, "strata-continue", "strata-reclaim"].sort());
  await sql`update strata.schedules set active = false`;
  assertEquals(await active(), []);
  await sql`select strata.keep_going(true)`;
  await sql`call strata.move_due()`;
  const [{ says } = {}] = await sql`select strata.become('core') as says`;
  assertMatch(says, /pg_cron runs (\d+) jobs, \1 of them paused$/);
  assertEquals(await active(), []);
  const [check] = await sql`
    select ok, says from strata.validate_jobs() where topic = 'job strata-continue'`;
  assertEquals({ ...check }, { ok: false, says: "* * * * *, paused, has not run yet" });

  await sql`update strata.schedules set active = true`;
  assertEquals(await active(), [...usual, "strata-continue"].sort()); // as work may be left over
  await sql`call strata.move_due()`;
  assertEquals(await active(), usual);
  await sql`select cron.unschedule('strata-reclaim')`;
}

/** Two runs of each job, one of them a week old. */
async function prunes(sql: Sql) {
  await sql`select cron.schedule('theirs', '0 0 1 1 *', 'select 1')`;
  await sql`
    insert into cron.job_run_details (jobid, runid, status, start_time, end_time)
    select j.jobid, row_number() over (order by j.jobname, d.days) + 1000, 'succeeded',
           now() - d.days * interval '1 day', now() - d.days * interval '1 day'
      from cron.job as j, (values (6), (8)) as d (days)
     where j.jobname in ('theirs', 'strata-move')`;
  await sql`select strata.prune()`;
  const left = await sql`
    select j.jobname::text as job, count(*)::int as runs
      from cron.job_run_details as d join cron.job as j using (jobid) group by 1 order by 1`;
  assertEquals([...left], [{ job: "strata-move", runs: 1 }, { job: "theirs", runs: 2 }]);
}
