/** Pages of the rows that a release plants: errors, settings, schedules, kinds of alerts. */
import type { ISql } from "postgres";
import { REPOSITORY } from "../../local/settings.ts";
import { cronText } from "../lib/cron_text.ts";
import { releasePlan } from "../release/compose.ts";
import { code, prose, sentence, table } from "./markdown.ts";

/** `strata.errors`: a heading for each code, so that a link can lead to it. */
export async function errorsPage(sql: ISql): Promise<string[]> {
  const errors = await sql<{ code: string; cause: string; remedy: string }[]>`
    select e.code, e.cause, e.remedy from strata.errors as e order by e.code collate "C"`;
  const parts = (ours: boolean) =>
    errors.filter(({ code }) => code.startsWith("ST") === ours).flatMap(
      ({ code, cause, remedy }) => [`### ${code}`, sentence(cause), `→ ${sentence(remedy)}`],
    );
  return [
    "# Errors",
    "What an SQLSTATE means for Strata, and after the arrow what to do about it. In SQL: " +
    "`select * from strata.errors`.",
    "## Codes of Strata",
    ...parts(true),
    "## Codes of PostgreSQL",
    "Two characters stand for every code that begins with them and is not listed in full.",
    ...parts(false),
  ];
}

/** `strata.settings`, topic by topic. */
export async function settingsPage(sql: ISql): Promise<string[]> {
  const settings = await sql<{ name: string; value: string; unit: string; says: string }[]>`
    select s.name, s.value::text, s.unit, s.says from strata.settings as s
     order by s.name collate "C"`;
  const topics = await planted("settings");
  const groups = [...new Set(topics.values())].map((topic) => ({
    topic,
    rows: settings.filter(({ name }) => topicOf(topics, name) === topic),
  }));
  return [
    "# Settings",
    "Numbers of `strata.settings` as a release plants them. A tier has its own; change one with " +
    "`update strata.settings set value = 100 where name = 'share_beside_others'`. An upgrade keeps it.",
    ...groups.flatMap(({ topic, rows }) => [
      `## ${title(topic)}`,
      table(
        ["setting", "value", "unit", "what it does"],
        rows.map(({ name, value, unit, says }) => [code(name), value, prose(unit), prose(says)]),
      ),
      seedOf(topic),
    ]),
  ];
}

/** `strata.schedules`, with when each job comes in words. */
export async function schedulesPage(sql: ISql): Promise<string[]> {
  const schedules = await sql<
    { job: string; cron: string; command: string; tiers: string[]; active: boolean; says: string }[]
  >`
    select s.job, s.cron, s.command, s.tiers, s.active, s.says from strata.schedules as s
     order by s.job collate "C"`;
  return [
    "# Schedules",
    "Jobs of `strata.schedules` as a release plants them; pg_cron keeps time in UTC. Change one with " +
    "`update strata.schedules set cron = '0 1 * * 6' where job = 'strata-upkeep'`, or pause it with " +
    "`set active = false`. An upgrade keeps it.",
    table(
      ["job", "cron", "when", "tiers", "what it does", "command"],
      schedules.map(({ job, cron, command, tiers, active, says }) => {
        const when = cronText(cron);
        return [
          code(job),
          code(cron),
          (when.startsWith("cron ") ? "" : when) + (active ? "" : ", paused until you start it"),
          tiers.length === 3 ? "each" : tiers.join(", "),
          prose(says),
          code(command),
        ];
      }),
    ),
  ];
}

/** `strata.alert_kinds`: what may be wrong, and how soon somebody hears of it. */
export async function alertsPage(sql: ISql): Promise<string[]> {
  const kinds = await sql<
    { kind: string; condition: boolean; says: string; grace: string; at_once: boolean }[]
  >`
    select k.kind, k.is_condition as condition, k.says, k.grace::text, k.at_once
      from strata.alert_kinds as k order by k.kind collate "C"`;
  return [
    "# Alerts",
    "Kinds of `strata.alert_kinds`. What is open now, on which tier, since when, and what to do about " +
    "it: `deno task strata alerts`, or in SQL `select * from strata.what_is_wrong()`.",
    "Found by **looking**: it is raised while it is true and clears by itself. Found by **work**: what " +
    "comes upon it raises it, and clears it when the same work goes well. **Before it is critical** it " +
    "is a warning for so long. What is critical goes out at once, and so do warnings where it says so; " +
    "the others wait for the daily report.",
    table(
      ["kind", "what is wrong", "found by", "before it is critical", "warnings go out"],
      kinds.map(({ kind, condition, says, grace, at_once }) => [
        code(kind),
        prose(says),
        condition ? "looking" : "work",
        grace === "00:00:00" ? "" : interval(grace),
        at_once ? "at once" : "with the report",
      ]),
    ),
  ];
}

/** 00:10:00 as "10 minutes"; what is no whole number of minutes as it stands. */
function interval(text: string): string {
  const [, hours = "", minutes = ""] = /^(\d\d):(\d\d):00$/.exec(text) ?? [];
  return minutes === "" ? text : `${60 * Number(hours) + Number(minutes)} minutes`;
}

function title(topic: string): string {
  return topic.charAt(0).toUpperCase() + topic.slice(1);
}

function seedOf(topic: string): string {
  return `Planted by [supabase/schemas/${topic}/seed.sql](../../supabase/schemas/${topic}/seed.sql).`;
}

function topicOf(topics: Map<string, string>, key: string): string {
  const topic = topics.get(key);
  if (topic === undefined) throw new Error(`no seed.sql of supabase/schemas plants "${key}"`);
  return topic;
}

/** Which topic plants which rows of a table, by the first column, in the order in which a release does. */
export async function planted(into: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const { releases } = await releasePlan();
  for (const topic of releases.flatMap(({ folders }) => folders)) {
    const path = `${REPOSITORY}/supabase/schemas/${topic}/seed.sql`;
    const text = await Deno.readTextFile(path).catch(() => "");
    const statements = text.matchAll(
      new RegExp(
        `^insert into strata\\.${into} [^;]*?\\bvalues\\s+((?:'(?:[^']|'')*'|[^';])*);`,
        "gm",
      ),
    );
    for (const [, rows = ""] of statements) {
      for (const [, key = ""] of rows.matchAll(/^\s*\('([^']+)',/gm)) found.set(key, topic);
    }
  }
  return found;
}
