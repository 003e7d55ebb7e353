import { connectLocally } from "../../local/cluster.ts";
import type { TestDatabase } from "./database.ts";
import type { MoveChain } from "./moves.ts";
import { relayAudits } from "./relay.ts";
import { testCluster } from "./stack.ts";

/** Audits every dataset over every link, from whichever side dials, the coldest first as the command does. */
export async function auditAll(chain: MoveChain): Promise<void> {
  for (const [at, tier] of [...chain.databases.entries()].toReversed()) {
    await tier.sql`select strata.audit_anew()`;
    await tier.sql`call strata.audit()`;
    const colder = chain.databases[at + 1];
    if (chain.driver === "relay" && colder !== undefined) await relayAudits(tier, colder);
  }
}

/** What the last audit of one dataset over one link says. */
export interface Audited {
  colder: string;
  dataset: string;
  finished: boolean;
  months: number;
  rows: number;
  keys: number;
  skipped: number;
  besides: number;
  trouble: string | null;
}

/** What was audited, on whichever side dialled, by the colder tier. */
export async function audited(chain: MoveChain): Promise<Audited[]> {
  const answers = await Promise.all(chain.databases.map(({ sql }) =>
    sql<Audited[]>`
      select colder, dataset, finished_at is not null as finished, months::integer, rows::integer, keys::integer,
             skipped::integer, besides::integer, trouble
        from strata.audit_report()`
  ));
  return answers.flat().map((one) => ({ ...one })).sort((a, b) => a.colder < b.colder ? 1 : -1);
}

/** What is wrong by the last audit and not accepted: "main notes 2026-03 missing 2". */
export async function mismatches(chain: MoveChain): Promise<string[]> {
  const answers = await Promise.all(chain.databases.map(({ sql }) =>
    sql<{ says: string }[]>`
      select concat_ws(' ', r.colder, r.dataset, f ->> 'month', f ->> 'kind', f ->> 'rows') as says
        from strata.audit_report() as r, jsonb_array_elements(r.findings) as f`
  ));
  return answers.flat().map(({ says }) => says).sort();
}

/** What the last audit could not prove, though it is not wrong: "main notes 2026-03 counted 9". */
export async function unproved(chain: MoveChain): Promise<string[]> {
  const answers = await Promise.all(chain.databases.map(({ sql }) =>
    sql<{ says: string }[]>`
      select concat_ws(' ', r.colder, r.dataset, f ->> 'month', f ->> 'kind', f ->> 'rows') as says
        from strata.audit_report() as r, jsonb_array_elements(r.notes) as f`
  ));
  return answers.flat().map(({ says }) => says).sort();
}

/** The alerts of the audit that are open, on whichever tier they were found. */
export async function auditAlerts(chain: MoveChain) {
  const answers = await Promise.all(
    chain.databases.map(({ sql }) =>
      sql<{ tier: string; subject: string; severity: string; says: string }[]>`
      select tier, subject, severity, says from strata.alerts
       where kind = 'audit_mismatch' and cleared_at is null and heard_from is null order by tier, subject`
    ),
  );
  return answers.flat().map((one) => ({ ...one }));
}

/** A backup of a tier, which can be put back as long as the block lasts. */
export interface Backup extends AsyncDisposable {
  putBack(): Promise<void>;
}

/** Copies a tier's whole database, as a backup of its server would. */
export async function backUp({ tier, name }: TestDatabase): Promise<Backup> {
  // autovacuum comes by when it likes, and `postgres` may not end it
  const admin = connectLocally(await testCluster(tier));
  const copy = `${name}_backup`;
  const replace = async (to: string, from: string) => {
    await admin`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${name}`;
    await admin`drop database if exists ${admin(to)} with (force)`;
    await admin`create database ${admin(to)} owner postgres template ${admin(from)}`;
    await admin`revoke temporary on database ${admin(to)} from public`; // a template's rights are not copied
  };
  await replace(copy, name);
  return {
    putBack: () => replace(name, copy),
    async [Symbol.asyncDispose]() {
      await admin`drop database if exists ${admin(copy)} with (force)`;
      await admin.end();
    },
  };
}
