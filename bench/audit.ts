import { lettersChain, seconds, writeLetters } from "./letters.ts";

/** What `bench audit` found. */
export interface AuditResult {
  /** Rows that have settled on main, in how many months. */
  rows: number;
  months: number;
  /** Keys that are still on core. */
  keys: number;
  /** Main reads its rows and compares them with core's ledger. */
  rows_seconds: number;
  /** Core's keys are looked for on main. */
  keys_seconds: number;
}

/** Settles rows on main, leaves others on core, and audits both over a link that main dials. */
export async function benchAudit(
  rows: number,
  keys: number,
  say: (line: string) => void,
): Promise<AuditResult> {
  await using chain = await lettersChain("pull");
  const { core, main } = chain;
  say(`${rows} rows settle on main`);
  await writeLetters(core.sql, { rows, characters: 416, daysOld: 100 });
  await core
    .sql`update public.letters set created_at = created_at - random() * interval '600 days'`;
  await core.sql.unsafe("vacuum (analyze) public.letters");
  for (let left = rows; left > 0;) {
    await main.sql.unsafe("call strata.move_due()");
    const [count] = await core.sql<{ n: number }[]>`
      select count(*)::integer as n from public.letters`;
    if (count?.n === left) throw new Error(`${left} rows do not settle`);
    left = count?.n ?? 0;
  }
  await writeLetters(core.sql, { rows: keys, characters: 416, daysOld: 1 });
  await main.sql.unsafe("vacuum (analyze) public.letters");
  say("the audit");
  const result = { rows, months: 0, keys, rows_seconds: 0, keys_seconds: 0 };
  await main.sql`select strata.audit_anew()`;
  for (let step = "begin"; step !== "done";) {
    const [took, next] = await timed(async () => {
      const [turn] = await main.sql<{ outcome: string; step: string; months: number }[]>`
        select strata.audit_step('core', 'letters') as outcome`;
      if (turn?.outcome === "failed") throw new Error("the audit failed");
      const [now] = await main.sql<{ step: string; months: number; rows: number; keys: number }[]>`
        select step, months::integer, rows::integer, keys::integer from strata.audit_turns`;
      return now;
    });
    if (step === "months") result.rows_seconds += took;
    if (step === "keys") result.keys_seconds += took;
    result.months = next?.months ?? 0;
    if (next?.step === "done" && (next.rows !== rows || next.keys !== keys)) {
      throw new Error(`the audit has seen ${next.rows} rows and ${next.keys} keys`);
    }
    step = next?.step ?? "done";
  }
  return result;
}

async function timed<T>(work: () => Promise<T>): Promise<[number, T]> {
  const results: T[] = [];
  const took = await seconds(async () => {
    results.push(await work());
  });
  const [result] = results;
  if (result === undefined) throw new Error("no result");
  return [took, result];
}
