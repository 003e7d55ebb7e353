/** What cannot be deleted at its source stays there alone, whatever refuses, and says why. */
import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { refusal } from "../support/refusal.ts";
import { endPauses, idsOf, type MoveChain, moveTest, runOnce, settle } from "../support/moves.ts";

async function makeInvoices({ core }: MoveChain, count: number, trigger: string): Promise<void> {
  await core.sql.unsafe(`
    create table public.invoices (id int primary key, locked boolean not null default false, deleted_at timestamptz, created_at timestamptz);
    create function public.keep() returns trigger language plpgsql as $$ begin ${trigger} end $$;
    create trigger keep before delete on public.invoices for each row execute function public.keep()`);
  await core
    .sql`select strata.manage('public.invoices', p_delete_triggers => 'fire', p_delete_after_days => null)`;
  await core.sql`
    insert into public.invoices select g, false, null, now() - interval '100 days' + g * interval '1 second'
      from generate_series(1, ${count}::int) as g`;
}

const LOCKED =
  "if old.locked then raise exception 'invoice % is locked', old.id; end if; return old;";
const counts = async (...sqls: Sql[]) =>
  await Promise.all(sqls.map(async (sql) => {
    const [row] = await sql`select count(*)::integer as n from public.invoices`;
    return row?.n;
  }));

moveTest("one row among 20,000 that cannot be deleted keeps none of the others", async (chain) => {
  const { core, main } = chain;
  await makeInvoices(chain, 30_000, LOCKED);
  await core.sql`update public.invoices set locked = true where id in (20000, 29999)`;
  await settle(chain);
  assert.deepEqual(await counts(core.sql, main.sql), [2, 29_998]);
  const aside = await core.sql`select key[1] as id, code, says from strata.set_aside order by 1`;
  assert.deepEqual(aside.map(({ id, code }) => [id, code]), [["20000", "P0001"], [
    "29999",
    "P0001",
  ]]);
  assert.match(aside[0]?.says, /invoice 20000 is locked/);
}, { drivers: ["pull"] });

moveTest(
  "a table that refuses every deletion is the dataset's trouble, and nothing is on two tiers",
  async (chain) => {
    const { core, main } = chain;
    await makeInvoices(chain, 200, "raise exception 'nothing leaves';");
    for (let run = 0; run < 3; run++) await runOnce(chain);
    assert.deepEqual(await counts(core.sql, main.sql), [200, 0]);
    const [state] = await core.sql`
    select d.trouble_sqlstate as code, d.trouble as says, (select count(*)::integer from strata.set_aside) as aside,
           (select count(*)::integer from strata.moves where state <> 'closed') as open, (select trouble from strata.links) as link
      from strata.datasets as d`;
    assert.match(state?.says, /refuses every deletion: nothing leaves/);
    assert.deepEqual([state?.code, state?.aside, state?.open, state?.link], ["ST045", 0, 0, null]);

    await core.sql`
      create or replace function public.keep() returns trigger language plpgsql as $$ begin return old; end $$`;
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual(await counts(core.sql, main.sql), [0, 200]);
  },
);

moveTest(
  "a trigger that marks rows instead of letting them be deleted marks none",
  async (chain) => {
    const { core, main } = chain;
    await makeInvoices(
      chain,
      10,
      "update public.invoices set deleted_at = now() where id = old.id; return null;",
    );
    for (let run = 0; run < 3; run++) await runOnce(chain);
    const [marked] = await core
      .sql`select count(*)::integer as n from public.invoices where deleted_at is not null`;
    assert.equal(marked?.n, 0);
    assert.deepEqual(await counts(core.sql, main.sql), [10, 0]);
    const aside = await core.sql`select distinct code from strata.set_aside`;
    assert.deepEqual(aside.map(({ code }) => code), ["ST043"]);
  },
);

for (
  const [what, ddl] of Object.entries({
    trigger:
      "create trigger t after delete on public.notes for each row execute function public.log_gone()",
    rule:
      "create rule r as on delete to public.notes do also insert into public.gone values (old.id)",
  })
) {
  moveTest(
    `a ${what} made while a batch is under way does not fire without a decision`,
    async (chain) => {
      const { core, main } = chain;
      await core.sql.unsafe(`
      create table public.notes (id bigint primary key, created_at timestamptz not null, body text);
      create table public.gone (id bigint);
      create function public.log_gone() returns trigger language plpgsql as $$ begin insert into public.gone values (old.id); return null; end $$`);
      await core.sql`select strata.manage('public.notes')`;
      await settle(chain);
      await core
        .sql`insert into public.notes select n, now() - interval '60 days' from generate_series(1, 5) as n`;
      const [batch] = await core.sql`select move_id from strata.claim('notes', 'main')`;
      assert.ok(batch?.move_id);
      await core.sql.unsafe(ddl);
      await runOnce(chain);
      assert.deepEqual([(await idsOf(core)).length, await idsOf(main)], [5, []]);
      assert.equal((await core.sql`select from public.gone`).length, 0);
    },
  );
}

for (
  const [what, ddl] of [
    ["none", "alter table public.notes replica identity nothing"],
    [
      "an index that was dropped",
      `create unique index of_it on public.notes (created_at);
       alter table public.notes replica identity using index of_it; drop index public.of_it`,
    ],
  ]
) {
  moveTest(
    `a publication without an identity (${what}) is an objection, and its remedy ends it`,
    async ({ core }) => {
      await core.sql.unsafe(`
        create table public.notes (id bigint primary key, created_at timestamptz not null);
        ${ddl};
        create publication p for table public.notes`);
      await assert.rejects(core.sql`delete from public.notes`);
      const { code, hint } = await refusal(core.sql`select strata.manage('public.notes')`);
      assert.equal(code, "ST010");
      await core.sql.unsafe(hint ?? "");
      await core.sql`select strata.manage('public.notes')`;
    },
    { drivers: ["push"] },
  );
}

moveTest(
  "a condition that fails at run time takes no other dataset's plan along",
  async ({ core }) => {
    await core.sql.unsafe(`
    create table public.notes (id bigint primary key, created_at timestamptz not null);
    create table public.bad (id bigint primary key, created_at timestamptz not null);
    insert into public.bad values (1, '2000-01-01'); insert into public.notes values (1, '2000-01-01');
    create function public.fails(bigint) returns boolean language plpgsql as $$ begin raise exception 'no'; end $$`);
    await core.sql`select strata.manage('public.notes')`;
    await core.sql`select strata.manage('public.bad', p_due_when => 'public.fails(id)')`;
    const plans = await core.sql`select dataset, rows_now from strata.plan() order by 1`;
    assert.deepEqual(plans.map(({ dataset, rows_now }) => [dataset, rows_now]), [["bad", null], [
      "notes",
      "1",
    ]]);
  },
  { drivers: ["push"] },
);

const PUBLICATIONS: Record<string, { sql: string; says: RegExp }> = {
  "with a row filter on another column": {
    sql: "create publication p for table public.notes where (body <> 'secret')",
    says: /"p" filters rows of public\.notes by columns outside its replica identity/,
  },
  "with a list of columns without the key": {
    sql: "create publication p for table public.notes (body) where (id > 0)",
    says: /"p" publishes not all columns of the replica identity of public\.notes/,
  },
  "with a list of columns and all of the row as identity": {
    sql: `alter table public.notes replica identity full;
      create publication p for table public.notes (id, body)`,
    says: /"p" publishes not all columns of the replica identity of public\.notes/,
  },
  "with a list of columns and the identity of an index": {
    sql: `create unique index by_body on public.notes (body);
      alter table public.notes replica identity using index by_body;
      create publication p for table public.notes (id)`,
    says: /"p" publishes not all columns of the replica identity of public\.notes/,
  },
};

for (const [what, { sql: ddl, says }] of Object.entries(PUBLICATIONS)) {
  moveTest(
    `a publication ${what} is an objection, also in mid-move, and its remedy ends it`,
    async (chain) => {
      const { core, main } = chain;
      await core.sql.unsafe(`create table public.notes (
        id bigint primary key, created_at timestamptz not null, body text not null default gen_random_uuid()::text, hidden int)`);
      await core.sql`select strata.manage('public.notes')`;
      await settle(chain);
      await core
        .sql`insert into public.notes select n, now() - interval '60 days' from generate_series(1, 5) as n`;
      const [batch] = await core.sql`select move_id from strata.claim('notes', 'main')`;
      assert.ok(batch?.move_id);
      await core.sql.unsafe(ddl);
      assert.equal((await refusal(core.sql`delete from public.notes`)).code, "42P10");
      await runOnce(chain);
      assert.deepEqual([(await idsOf(core)).length, await idsOf(main)], [5, []]);
      const objections = async () =>
        await core
          .sql`select says, hint from strata.objections('public.notes', 'created_at', null)`;
      assert.match((await objections())[0]?.says, says);
      for (let [objection] = await objections(); objection; [objection] = await objections()) {
        await core.sql.unsafe(objection.hint);
      }
      const [hidden] = await core
        .sql`select from pg_publication_tables where 'hidden' = any (attnames) and rowfilter is null`;
      assert.equal(hidden, undefined);
      await endPauses(chain);
      await settle(chain);
      assert.deepEqual([await idsOf(core), (await idsOf(main)).length], [[], 5]);
    },
    { drivers: ["push"] },
  );
}

const REFUSES: Record<string, string> = {
  "a deferred constraint trigger":
    `create constraint trigger keep after delete on public.invoices deferrable initially deferred
       for each row execute function public.keep()`,
  "a trigger for each statement":
    `create trigger keep after delete on public.invoices referencing old table as gone
       for each statement execute function public.keep_any()`,
};

for (const [what, ddl] of Object.entries(REFUSES)) {
  moveTest(`${what} that refuses two rows keeps none of the others`, async (chain) => {
    const { core, main } = chain;
    await makeInvoices(chain, 500, LOCKED);
    await core.sql.unsafe(`drop trigger keep on public.invoices;
      create function public.keep_any() returns trigger language plpgsql as $$ begin
        if exists (select from gone where locked) then raise exception 'a locked invoice'; end if; return null; end $$;
      ${ddl}; update public.invoices set locked = true where id in (7, 500)`);
    await settle(chain);
    assert.deepEqual(await counts(core.sql, main.sql), [2, 498]);
    const aside = await core.sql`select key[1] as id, code from strata.set_aside order by 1`;
    assert.deepEqual(aside.map(({ id, code }) => [id, code]), [["500", "P0001"], ["7", "P0001"]]);
  }, { drivers: ["push"] });
}

moveTest(
  "a right to delete that was revoked is the dataset's trouble, until it is given back",
  async (chain) => {
    const { core, main } = chain;
    await makeInvoices(chain, 200, LOCKED);
    await core.sql`revoke delete on public.invoices from postgres`;
    await runOnce(chain);
    assert.deepEqual(await counts(core.sql, main.sql), [200, 0]);
    const [state] = await core.sql`
    select d.trouble as says, (select count(*)::integer from strata.set_aside) as aside from strata.datasets as d`;
    assert.match(state?.says, /permission denied for table invoices/);
    assert.equal(state?.aside, 0);
    await core.sql`grant delete on public.invoices to postgres`;
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual(await counts(core.sql, main.sql), [0, 200]);
  },
  { drivers: ["push"] },
);

moveTest("row level security that is forced hides no row from a move", async (chain) => {
  const { core, main } = chain;
  await makeInvoices(chain, 200, LOCKED);
  await core.sql.unsafe(`alter table public.invoices enable row level security;
    alter table public.invoices force row level security;
    create policy none_go on public.invoices as restrictive for delete using (false)`);
  await settle(chain);
  assert.deepEqual(await counts(core.sql, main.sql), [0, 200]);
}, { drivers: ["push"] });

moveTest(
  "a lock on the table makes a purge wait for the next run and sets no row aside",
  async (chain) => {
    const { core, main } = chain;
    await makeInvoices(chain, 200, LOCKED);
    const other = core.connect({ max: 1 });
    await other.begin(async (holding) => {
      await holding`lock table public.invoices in share mode`; // as create index does
      await runOnce(chain);
    });
    await other.end();
    const [aside] = await core.sql`select from strata.set_aside`;
    assert.equal(aside, undefined);
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual(await counts(core.sql, main.sql), [0, 200]);
  },
  { drivers: ["push"] },
);
