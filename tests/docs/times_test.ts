/** When a job runs is said in its schedule; no help says it otherwise. */
import { assert, assertEquals } from "@std/assert";
import { helpOf, wholeProgram } from "../../cli/docs/commands.ts";
import { cronText } from "../../cli/lib/cron_text.ts";
import { REPOSITORY } from "../../local/settings.ts";
import { testDatabase } from "../support/database.ts";

/** How a text says when something comes by itself. */
const TIMES = new RegExp(
  [
    /\b\d{1,2}:\d\d(?: UTC)?\b/,
    /\bevery (?:\w+ )?(?:minute|hour|day|night|week|month)s?\b/,
    /\b(?:hour|dai|night|week|month)ly\b/,
    /\b(?:Sun|Mon|Tues|Wednes|Thurs|Fri|Satur)days?\b/,
  ].map(({ source }) => source).join("|"),
  "g",
);

/** Which job each such word of a help tells of. */
const TELLS_OF: Record<string, Record<string, string>> = {
  report: { "09:00 UTC": "strata-report" },
};

/** Words of a help that tell of no job. */
const OF_NO_JOB: Record<string, string[]> = {
  report: ["monthly"], // what the report is called
};

Deno.test("a help that says when a job runs says what its schedule says", async () => {
  await using db = await testDatabase();
  const schedules = await db.sql<{ job: string; cron: string }[]>`
    select job, cron from strata.schedules`;
  const cron = new Map(schedules.map((one) => [one.job, one.cron]));
  const whole = await wholeProgram();
  let checked = 0;
  for (const command of [whole, ...whole.commands]) {
    const name = command === whole ? "" : command.name();
    for (const [time = ""] of helpOf(command).replaceAll(/\s+/g, " ").matchAll(TIMES)) {
      if (OF_NO_JOB[name]?.includes(time)) continue;
      const job = TELLS_OF[name]?.[time] ?? "";
      assert(job !== "", `strata ${name} --help says "${time}": of which job?`);
      const says = cronText(cron.get(job) ?? "");
      assert(says.includes(time), `strata ${name} --help says "${time}"; ${job} runs ${says}`);
      checked++;
    }
  }
  assertEquals(checked, Object.values(TELLS_OF).flatMap((one) => Object.keys(one)).length);
});

Deno.test("a time of day that README or docs name is one at which something happens", async () => {
  await using db = await testDatabase();
  const schedules = await db.sql<{ cron: string }[]>`select cron from strata.schedules`;
  const quiet = await db.sql<{ times: string[] }[]>`
    select array[to_char(starts, 'HH24:MI'), to_char(ends, 'HH24:MI')] as times from strata.quiet_hours`;
  const times = new Set([
    ...schedules.flatMap(({ cron }) => /\d\d:\d\d/.exec(cronText(cron)) ?? []),
    ...quiet.flatMap(({ times }) => times),
  ]);
  let checked = 0;
  for (
    const page of ["README.md", ...await pagesBelow("docs"), ...await pagesBelow("docs/guide")]
  ) {
    const text = (await Deno.readTextFile(`${REPOSITORY}/${page}`)).replace(
      /^ *```[^]*?^ *```$/gm,
      "",
    ); // output of one day
    for (const [, time = ""] of text.matchAll(/\b(\d\d:\d\d)\s+UTC/g)) {
      assert(times.has(time), `${page}: ${time} UTC`);
      checked++;
    }
  }
  assert(checked > 0);
});

async function pagesBelow(folder: string): Promise<string[]> {
  const found = await Array.fromAsync(Deno.readDir(`${REPOSITORY}/${folder}`)).catch(() => []);
  return found.filter(({ name }) => name.endsWith(".md")).map(({ name }) => `${folder}/${name}`);
}
