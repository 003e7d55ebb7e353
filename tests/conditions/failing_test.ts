/** What an owner's condition raises concerns its dataset alone, whatever SQLSTATE it has. */
import assert from "node:assert/strict";
import type { TestDatabase } from "../support/database.ts";
import {
  driversOf,
  endPauses,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  runOnce,
  setAsideOn,
  troubleOf,
} from "../support/moves.ts";
import { failedQuestions } from "../support/questions.ts";
import { refusal } from "../support/refusal.ts";
import { waitFor } from "../support/wait_for.ts";

/** SQLSTATEs of a cancel, of a connection, of a shutdown, of a lock, of an assertion, and ordinary ones. */
const CODES = ["57014", "08006", "P0004", "P0001", "2F003", "57P01", "25006", "53300"];

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
  assert.deepEqual(await failedQuestions(tier), []);
  for (const { sql } of chain.databases) {
    assert.deepEqual(
      [...await sql`select trouble from strata.links where trouble is not null`],
      [],
    );
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
    const plans = await chain.core
      .sql`select dataset, rows_now from strata.plan() where action = 'move'`;
    assert.deepEqual(
      Object.fromEntries(plans.map(({ dataset, rows_now }) => [dataset, rows_now])),
      {
        notes: "0",
        sick: null,
      },
    );
  }, { drivers: driversOf(cell) });
}

/** Those that were taken for something else than an error of one dataset. */
const SPECIAL = ["57014", "08006", "P0004"];

for (const [cell, code] of SPECIAL.entries()) {
  moveTest(`a hold's condition that raises ${code} stops its dataset alone`, async (chain) => {
    await makeNotes(chain.core);
    await makeSick(chain.core, code);
    await chain.core.sql`select strata.manage('public.sick')`;
    await chain.core.sql`
      select strata.hold('sick', p_condition => 'public.fails(id)', p_reason => 'a reason')`;
    await runOnce(chain);
    assert.deepEqual(await idsOf(chain.main), [1, 2, 3], "the others have moved");
    assert.match((await troubleOf(chain.core, "sick"))?.says ?? "", /the owner has said so/);
    await assertAllElseGoesOn(chain, chain.core);
  }, { drivers: driversOf(cell) });

  moveTest(`a trigger of the twin that raises ${code} has its row set aside`, async (chain) => {
    await makeNotes(chain.core);
    await chain.main.sql.unsafe(`
      create table public.notes (id bigint primary key, created_at timestamptz not null, body text);
      create function public.refuses() returns trigger language plpgsql as $$
      begin
        if new.id = 2 then raise exception 'the owner has said so' using errcode = '${code}'; end if;
        return new;
      end $$;
      create trigger refuses before insert on public.notes
        for each row execute function public.refuses()`);
    await chain.main.sql`select strata.allow_twin('public.notes')`;
    await runOnce(chain);
    await runOnce(chain);
    assert.deepEqual(await idsOf(chain.main), [1, 3]);
    assert.deepEqual(await idsOf(chain.core), [2]);
    const [aside] = await setAsideOn(chain.core);
    assert.match(aside?.says ?? "", /the owner has said so/);
    await assertAllElseGoesOn(chain, chain.core);
    await assertAllElseGoesOn(chain, chain.main);
  }, { drivers: driversOf(cell + 1) });

  moveTest(`a delete trigger that raises ${code} has its row set aside`, async (chain) => {
    await makeNotes(chain.core);
    await makeSick(chain.core, code);
    await chain.core.sql.unsafe(`
      create function public.keeps() returns trigger language plpgsql as $$
      begin perform public.fails(old.id); return old; end $$;
      create trigger keeps before delete on public.sick for each row execute function public.keeps();
      select strata.manage('public.sick', p_delete_triggers => 'fire')`);
    await runOnce(chain);
    assert.deepEqual(await idsOf(chain.core, "public.sick"), [1]);
    assert.deepEqual(await idsOf(chain.main, "public.sick"), [2, 3]);
    const [aside] = await setAsideOn(chain.core);
    assert.match(aside?.says ?? "", /the owner has said so/);
    await assertAllElseGoesOn(chain, chain.core);
  }, { drivers: driversOf(cell + 2) });

  moveTest(
    `a condition that raises ${code} once its rows are copied leaves no row double`,
    async (chain) => {
      await makeNotes(chain.core);
      await makeSick(chain.core, "P0001");
      await chain.core.sql.unsafe(`
      create or replace function public.fails(p_id bigint) returns boolean language plpgsql as $$
      begin
        if exists (select from strata.moves where state = 'claimed') then
          raise exception 'the owner has said so' using errcode = '${code}';
        end if;
        return true;
      end $$;
      select strata.manage('public.sick', p_due_when => 'public.fails(id)')`);
      await runOnce(chain);
      await endPauses(chain);
      await runOnce(chain);
      assert.deepEqual(await idsOf(chain.core, "public.sick"), [1, 2, 3]);
      assert.deepEqual(await idsOf(chain.main, "public.sick"), []);
      const aside = await setAsideOn(chain.core);
      assert.deepEqual(aside.map(({ key }) => key), ["1", "2", "3"]);
      assert.match(aside[0]?.says ?? "", /the owner has said so/);
      await assertAllElseGoesOn(chain, chain.core);
    },
    { drivers: driversOf(cell) },
  );

  moveTest(
    `where rows are deleted, a condition that raises ${code} stops its dataset alone`,
    async (chain) => {
      const { sql } = chain.main;
      await makeNotes(chain.main);
      await makeSick(chain.main, code);
      await sql`select strata.manage('public.sick', p_core_retention_days => 1,
      p_main_retention_days => 2, p_delete_after_days => 3, p_due_when => 'public.fails(id)')`;
      await sql`select strata.manage('public.notes', p_core_retention_days => 1,
      p_main_retention_days => 2, p_delete_after_days => 3)`;
      await sql`call strata.delete_due()`;
      assert.deepEqual(await idsOf(chain.main), [], "the others are deleted");
      assert.deepEqual(await idsOf(chain.main, "public.sick"), [1, 2, 3]);
      assert.match((await troubleOf(chain.main, "sick"))?.says ?? "", /the owner has said so/);
      await assertAllElseGoesOn(chain, chain.main);
    },
    { drivers: ["push"] },
  );
}

moveTest("a run that is cancelled ends, and blames no dataset", async (chain) => {
  await makeNotes(chain.core);
  await makeSick(chain.core, "P0001");
  await chain.core.sql.unsafe(`
    create or replace function public.fails(p_id bigint) returns boolean language plpgsql as $$
    begin perform pg_sleep(60); return true; end $$;
    select strata.manage('public.sick', p_due_when => 'public.fails(id)')`);
  const asks = [
    "call strata.move_due()",
    "select * from strata.plan()",
    "select strata.report()",
    "call strata.watchdog()",
  ];
  for (const question of asks) {
    const session = chain.core.connect({ max: 1 });
    const [backend] = await session`select pg_backend_pid() as pid`;
    const asked = refusal(session.unsafe(question));
    await waitFor("the condition to be asked", async () => {
      const rows = await chain.core.sql`select from pg_stat_activity
        where pid = ${backend?.pid} and wait_event = 'PgSleep'`;
      return rows.length > 0;
    });
    await chain.core.sql`select pg_cancel_backend(${backend?.pid})`;
    assert.equal((await asked).code, "57014", question);
  }
  const hasty = chain.core.connect({
    max: 1,
    connection: { search_path: "pg_catalog", statement_timeout: 300 },
  });
  for (const question of asks) {
    assert.equal((await refusal(hasty.unsafe(question))).code, "57014", question);
  }
  assert.deepEqual([
    ...await chain.core.sql`select trouble from strata.datasets where trouble is not null`,
  ], []);
}, { drivers: ["push"] });
