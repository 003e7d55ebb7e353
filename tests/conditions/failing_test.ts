/** What an owner's condition raises concerns its dataset alone, whatever SQLSTATE it has. */
import assert from "node:assert/strict";
import type { TestDatabase } from "../support/database.ts";
import { driversOf, idsOf, makeNotes, type MoveChain, moveTest, runOnce, troubleOf } from "../support/moves.ts";

/** SQLSTATEs of a cancel, of a connection, of a shutdown, of a lock, of an assertion, and ordinary ones. */
const CODES = [
  "57014",
  "08006",
  "P0004",
  "P0001",
  "08P01",
  "28000",
  "2F003",
  "57P01",
  "53300",
  "25006",
  "40001",
  "55P03",
  "XX000",
];

/** What a person or a job asks of a tier; none of it may fail for one dataset. */
const QUESTIONS = [
  "select * from strata.plan()",
  "select strata.status()",
  "select strata.health()",
  "select strata.report()",
  "select strata.report_part()",
  "select * from strata.validate()",
  "select * from strata.what_is_wrong()",
  "select * from strata.explain('sick', '1')",
  "select * from strata.explain('notes', '1')",
  "select * from strata.plan_drain(1000000)",
  "select * from strata.forecast()",
  "select * from strata.quota()",
  "select * from strata.plan_reclaims()",
  "select strata.check_alerts()",
  "select * from strata.audit_report()",
];

const JOBS = ["watch()", "watchdog()", "look()", "upkeep()", "audit()", "process()", "go_on()", "see_to_space()"];

/** A table `public.sick` beside the notes, and a function that fails with an SQLSTATE as it is asked of row 1. */
async function makeSick({ sql }: TestDatabase, code: string): Promise<void> {
  await sql.unsafe(`
    create table public.sick (id bigint primary key, created_at timestamptz not null default now(), body text);
    insert into public.sick select id, now() - interval '60 days' + id * interval '1 second', 'x'
      from generate_series(1, 3) as id;
    create function public.fails(p_id bigint) returns boolean language plpgsql as $$
    begin
      if p_id = 1 then raise exception 'the owner has said so' using errcode = '${code}'; end if;
      return true;
    end $$`);
}

async function assertAllElseGoesOn(chain: MoveChain, tier: TestDatabase): Promise<void> {
  const failed: string[] = [];
  for (const question of QUESTIONS) {
    await tier.sql.unsafe(question).catch((error) => failed.push(`${question}: ${error.message}`));
  }
  for (const job of JOBS) {
    await tier.sql.unsafe(`call strata.${job}`).catch((error) => failed.push(`${job}: ${error.message}`));
  }
  assert.deepEqual(failed, []);
  for (const { sql } of chain.databases) {
    assert.deepEqual([...await sql`select trouble from strata.links where trouble is not null`], []);
  }
}

for (const [cell, code] of CODES.entries()) {
  moveTest(`a due_when that raises ${code} stops its dataset alone`, async (chain) => {
    await makeNotes(chain.core);
    await makeSick(chain.core, code);
    await chain.core.sql`select strata.manage('public.sick', p_due_when => 'public.fails(id)')`;
    await runOnce(chain);
    assert.deepEqual(await idsOf(chain.main), [1, 2, 3], "the others have moved");
    const trouble = await troubleOf(chain.core, "sick");
    assert.match(trouble?.says ?? "", /the owner has said so/);
    await assertAllElseGoesOn(chain, chain.core);
    const plans = await chain.core.sql`select dataset, rows_now from strata.plan() where action = 'move'`;
    assert.deepEqual(Object.fromEntries(plans.map(({ dataset, rows_now }) => [dataset, rows_now])), {
      notes: "0",
      sick: null,
    });
  }, { drivers: driversOf(cell) });
}
