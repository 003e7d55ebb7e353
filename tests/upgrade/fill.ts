/** What people have in a chain of release 0.0, made by its own functions. */
import assert from "node:assert/strict";
import type { Sql } from "postgres";
import type { MoveChain } from "../support/moves.ts";
import { startJourney } from "../support/moves.ts";

/** How far the open move of each table is when the upgrade comes: the step that its driver would take next. */
export const OPEN = {
  claimed: "copy",
  received: "prove",
  proved: "purge",
  purged: "close",
  closing: "finish",
} as const;

/** As `received` and `purged`, of rows that met others on main: one that is the same, and one that is not. */
export const MET = { met_received: "prove", met_purged: "close" } as const;

/** Every table that the chain has, and which of its rows 1 to 20 are there. */
export const TABLES = [...Object.keys(OPEN), ...Object.keys(MET), "notes", "ready", "odd"];

/** Fills a chain of core, main and archive. */
export async function fill(chain: MoveChain): Promise<void> {
  const { core, main } = chain;
  for (const table of TABLES) await makeTable(core.sql, table);
  await core.sql`select strata.manage('public.ready', p_due_when => 'body <> ''note 3''')`;
  await core.sql`select strata.manage('public.odd', p_due_when => 'length(body) = 6')`;
  await fillHolds(core.sql);
  await refuseOne(chain);
  await run(chain);
  await fillOpen(chain);
  await findMissing(chain);
  await fillHabits(core.sql);
  await main.sql`select strata.hold('notes', p_key => '{4}', p_reason => 'read on main')`;
  await core.sql`select strata.open_drain('asked')`;
}

async function makeTable(sql: Sql, table: string): Promise<void> {
  await sql`create table public.${sql(table)} (
    id bigint primary key, created_at timestamptz not null, body text)`;
  await sql`select strata.manage(${`public.${table}`}::regclass)`;
  if (table in OPEN || table in MET) return;
  await addRows(sql, table);
}

/** Rows 1 to 10 are due on main, 11 to 15 on archive; 16 to 20 stay. */
async function addRows(sql: Sql, table: string): Promise<void> {
  await sql`insert into public.${sql(table)}
    select n, date_trunc('day', now()) - make_interval(days => case when n <= 10 then 60 when n <= 15 then 400 else 1 end), 'note ' || n
      from generate_series(1, 20) as n`;
}

async function fillHolds(sql: Sql): Promise<void> {
  await sql`select strata.hold('notes', p_key => '{1}', p_reason => 'one row')`;
  await sql`select strata.hold('notes', p_condition => 'id = 2', p_reason => 'plain', p_prevents => 'move')`;
  await sql`select strata.hold('notes', p_condition => 'length(body) = 7 and id = 12', p_reason => 'odd', p_prevents => 'delete')`;
  await sql`select strata.release(strata.hold('notes', p_key => '{3}', p_reason => 'over'))`;
}

/** Main will not take row 5 of notes. */
async function refuseOne(chain: MoveChain): Promise<void> {
  const journey = await startJourney(chain, { dataset: "notes" });
  await journey.until("copy");
  await journey.session.end();
  await chain.main.sql`alter table public.notes add constraint not_five check (id <> 5)`;
}

async function run(chain: MoveChain): Promise<void> {
  for (let at = 0; at < 3; at++) {
    for (const { sql } of chain.databases) await sql`call strata.move_due()`;
  }
}

/** One move of each table stands still; a row of each was changed by a writer after it was claimed. */
async function fillOpen(chain: MoveChain): Promise<void> {
  const { core, main } = chain;
  for (const [table, step] of Object.entries({ ...OPEN, ...MET })) {
    await addRows(core.sql, table);
    const journey = await startJourney(chain, { dataset: table });
    await journey.until("copy");
    if (table in MET) {
      await main.sql`insert into public.${main.sql(table)}
        select n, date_trunc('day', now()) - interval '60 days', case n when 1 then 'note 1' else 'of main' end
          from generate_series(1, 2) as n`;
    }
    await core.sql`update public.${core.sql(table)} set body = 'changed' where id = 7`;
    await journey.until(step);
    await journey.session.end();
  }
}

/** A row is lost on main, which the audit finds; another one was, and its owner took that as right. */
async function findMissing(chain: MoveChain): Promise<void> {
  const { core, main } = chain;
  const auditor = chain.driver === "push" ? core : main;
  for (const [table, id] of [["ready", 6], ["notes", 8]] as const) {
    await main.sql`delete from public.${main.sql(table)} where id = ${id}`;
    await auditor.sql`select strata.audit_anew(${table})`;
    await auditor.sql`call strata.audit(p_dataset => ${table})`;
    const found = await auditor
      .sql`select kind, rows from strata.audit_findings where dataset = ${table}`;
    assert.deepEqual(found.map(({ kind, rows }) => [kind, rows]), [["missing", "1"]]);
    if (table === "ready") await auditor.sql`select strata.accept_audit('ready')`;
  }
}

/** What an owner changes. */
async function fillHabits(sql: Sql): Promise<void> {
  await sql`update strata.settings set value = 777 where name = 'batch_rows'`;
  await sql`update strata.settings set value = 121 where name = 'silent_after'`;
  await sql`update strata.schedules set active = false where job = 'strata-audit'`;
  await sql`update strata.schedules set cron = '30 3 * * *' where job = 'strata-move'`;
  await sql`select strata.set_tier('core', p_capacity_mb => 600)`;
  await sql`update strata.quotas set amount = 12345 where name = 'egress'`;
  await sql`select strata.check_alerts()`;
  await sql`call strata.watch()`;
}
