/** The audit: what settled compared with what is there. Habits as in strata.ts. */
import type { Sql } from "postgres";
import type { Db } from "../../supabase/functions/_strata/protocol/strata.ts";

/** Something the audit finds wrong in one month of a dataset's rows, or could not prove. */
export interface Finding {
  month: string;
  kind:
    | "missing"
    | "besides"
    | "altered"
    | "rewound"
    | "doubled"
    | "beyond"
    | "counted"
    | "partly";
  rows: number | null;
  says: string;
  since: string;
}

/** The last audit of one dataset over one link that the asked tier audits. */
export interface AuditTurn {
  neighbour: string;
  colder: string;
  dataset: string;
  finished_at: string | null;
  months: string;
  rows: string;
  keys: string;
  skipped: string;
  besides: string;
  milliseconds: string;
  trouble: string | null;
  /** A relay goes on with it, when it comes by. */
  carried: boolean;
  findings: Finding[];
  /** What is not wrong and not proved: rows that were only counted, or compared without a column. */
  notes: Finding[];
}

/** Makes every dataset, or one, due for an audit over the links this tier audits. */
export async function auditAnew(sql: Db, dataset: string | null): Promise<void> {
  await sql`select strata.audit_anew(p_dataset => ${dataset})`;
}

/** Audits what is due over the links this tier audits, for as long as the budget lasts. */
export async function audit(sql: Sql, budget: string, dataset: string | null): Promise<void> {
  await sql`call strata.audit(p_budget => ${budget}::interval, p_dataset => ${dataset})`;
}

/** The last audits over the links this tier audits, finished or not. */
export async function auditReport(sql: Db): Promise<AuditTurn[]> {
  return [
    ...await sql<AuditTurn[]>`
      select neighbour, colder, dataset, finished_at::text, months, rows, keys, skipped, besides,
             milliseconds, trouble, carried, findings, notes
        from strata.audit_report()`,
  ];
}

/** Takes what the last audit found wrong as right from now on; how many findings that settles. */
export async function acceptAudit(
  sql: Db,
  dataset: string,
  month: string | null,
): Promise<number> {
  const [row] = await sql<{ accepted: number }[]>`
    select strata.accept_audit(p_dataset => ${dataset}, p_month => ${month}) as accepted`;
  return row?.accepted ?? 0;
}
