/** Everything that a person, a command or a job asks of a tier: none of it may fail because of one dataset. */
import type { TestDatabase } from "./database.ts";

const QUESTIONS = [
  "select * from strata.plan()",
  "select strata.status()",
  "select strata.health()",
  "select strata.report()",
  "select strata.report_part()",
  "select * from strata.validate()",
  "select * from strata.what_is_wrong()",
  "select e.* from strata.datasets as d cross join lateral strata.explain(d.name, '1') as e",
  "select a.* from strata.datasets as d cross join lateral strata.writing_advice(d) as a",
  "select * from strata.plan_drain(1000000)",
  "select * from strata.plan_reclaims()",
  "select * from strata.table_sizes()",
  "select * from strata.forecast()",
  "select * from strata.quota()",
  "select * from strata.audit_report()",
  "select strata.check_alerts()",
];

const JOBS = ["watch", "watchdog", "look", "upkeep", "delete_due", "audit", "process", "go_on"]
  .concat(["see_to_space", "report_daily", "report_monthly", "rotate_links"]);

/** Asks all of it, and says what failed. */
export async function failedQuestions({ sql, tier }: TestDatabase): Promise<string[]> {
  const failed: string[] = [];
  for (const question of [...QUESTIONS, ...JOBS.map((job) => `call strata.${job}()`)]) {
    await sql.unsafe(question).catch(({ message }) =>
      failed.push(`${tier}: ${question}: ${message}`)
    );
  }
  return failed;
}
