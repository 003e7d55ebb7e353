import { assertEquals } from "@std/assert";
import { z } from "zod";
import { supabase } from "../cli/lib/supabase.ts";
import { type CronChain, cronChain } from "./support/own_stack.ts";
import { manageNotes, settle } from "./support/notes.ts";

/** It changes nothing, and its caller wants one snapshot; what it asks is marked as volatile all the same. */
const ONLY_READS = Object.fromEntries([
  ...["is_read_back", "check_logged", "publications_of"], // pg_partition_tree()
  ...["server_mark", "type_origin", "file_of"], // pg_control_system()
  ...["plan", "failed_jobs", "count_stock"], // estimates, the clock, dynamic SQL
  ...["average_size", "quota", "status"], // sizes
].map((name) => [
  `${name}: routine is marked as STABLE, but expression is VOLATILE`,
  "reads, in one snapshot",
]));

/** What the linters say that is as it must be, each with its reason. */
const ACCEPTED: Record<string, string> = {
  ...ONLY_READS,
  "digest: Function Search Path Mutable": "inlined, runs once per row",
  "fingerprint: Function Search Path Mutable": "inlined, runs once per row",
  "audit: Function Search Path Mutable": "commits, so it cannot be pinned",
  "delete_due: Function Search Path Mutable": "commits, so it cannot be pinned",
  "deliver: Function Search Path Mutable": "commits, so it cannot be pinned",
  "look: Function Search Path Mutable": "commits, so it cannot be pinned",
  "keep_alive: Function Search Path Mutable": "commits, so it cannot be pinned",
  "go_on: Function Search Path Mutable": "commits, so it cannot be pinned",
  "move_dataset: Function Search Path Mutable": "commits, so it cannot be pinned",
  "move_due: Function Search Path Mutable": "commits, so it cannot be pinned",
  "process: Function Search Path Mutable": "commits, so it cannot be pinned",
  "rest: Function Search Path Mutable": "commits, so it cannot be pinned",
  "report_daily: Function Search Path Mutable": "commits, so it cannot be pinned",
  "report_monthly: Function Search Path Mutable": "commits, so it cannot be pinned",
  "rotate_links: Function Search Path Mutable": "commits, so it cannot be pinned",
  "see_to_space: Function Search Path Mutable": "commits, so it cannot be pinned",
  "upkeep: Function Search Path Mutable": "commits, so it cannot be pinned",
  "wake_voice: Function Search Path Mutable": "commits, so it cannot be pinned",
  "wake_relay: Function Search Path Mutable": "commits, so it cannot be pinned",
  "watch: Function Search Path Mutable": "commits, so it cannot be pinned",
  "watchdog: Function Search Path Mutable": "commits, so it cannot be pinned",
  'task_facts: unused parameter "p_owner"': "all parts of the facts are called alike",
  'inventory: OUT variable "key" is maybe unmodified': "returned by dynamic SQL",
  'inventory: OUT variable "fingerprint" is maybe unmodified': "returned by dynamic SQL",
};

const Lint = z.array(z.object({
  function: z.string(),
  issues: z.array(z.object({ message: z.string() })),
}));
const Advice = z.array(z.object({
  title: z.string(),
  metadata: z.object({ name: z.string() }),
}));

// Databases `postgres`, as a project has them: with pg_cron, whose tables Strata's jobs refer to.
Deno.test("the Supabase CLI finds nothing to warn about on any tier", async (t) => {
  await using chain = await cronChain();
  await manageNotes(chain.core.sql);
  await settle(chain);
  assertEquals((await chain.archive.sql`select from public.notes`).length, 0); // the twin is there

  for (const { tier, url } of chain.databases) {
    await t.step(`supabase db lint on ${tier}`, async () => {
      const found = Lint.parse(await findings("db lint", url, "--level=warning"));
      const said = found.flatMap(({ function: name, issues }) => {
        return issues.map(({ message }) => `${name.replace("strata.", "")}: ${message}`);
      });
      assertEquals(said.filter((one) => !(one in ACCEPTED)), []);
    });

    await t.step(`supabase db advisors on ${tier}`, async () => {
      const found = Advice.parse(await findings("db advisors", url, "--level=warn"));
      const said = found.map(({ title, metadata }) => `${metadata.name}: ${title}`);
      assertEquals(said.filter((one) => !(one in ACCEPTED)), []);
    });
  }

  await t.step(
    "plpgsql_check has no warning, triggers and its extra ones included",
    () => check(chain),
  );
});

/** What the CLI leaves out. Its view on dynamic SQL is not asked for: much here has to be. */
async function check({ core }: CronChain) {
  const [installed] = await core.sql`
    select from pg_extension where extname = 'plpgsql_check'`;
  if (installed === undefined) return;
  const issues = await core.sql<{ says: string }[]>`
    select p.proname || ': ' || c.message as says
      from pg_proc as p
      join pg_language as l on l.oid = p.prolang and l.lanname = 'plpgsql'
     cross join lateral extensions.plpgsql_check_function_tb(
       p.oid, extra_warnings => true,
       relid => coalesce((select g.tgrelid from pg_trigger as g where g.tgfoid = p.oid limit 1), 0)) as c
     where p.pronamespace = 'strata'::regnamespace`;
  assertEquals(issues.map(({ says }) => says).filter((one) => !(one in ACCEPTED)), []);
}

/** The list the CLI prints; it prints a sentence instead when there is nothing to list. */
async function findings(command: string, url: string, level: string): Promise<unknown> {
  const output = await supabase(command, `--remote=${url}`, level, "--fail-on=none");
  const list = output.indexOf("[\n");
  return list < 0 ? [] : JSON.parse(output.slice(list));
}
