/** Rows of one table that refer to each other leave together, and not before all of them may. */
import assert from "node:assert/strict";
import type { Sql } from "postgres";
import {
  assertAtPeace,
  endPauses,
  type MoveChain,
  moveTest,
  setAsideOn,
  settle,
  startJourney,
} from "../support/moves.ts";

interface List {
  rows: number;
  onDelete?: string;
  youngest?: string;
}

/** A list of revisions, each of which refers to the one before it; the last is the youngest. */
async function makeList({ core }: MoveChain, { rows, onDelete = "", youngest }: List) {
  await core.sql.unsafe(`
    create table public.revisions (id int primary key, prev_id int references public.revisions ${onDelete}, created_at timestamptz);
    create index on public.revisions (prev_id);
    insert into public.revisions
    select g, nullif(g - 1, 0), now() - interval '100 days' + g * interval '1 second' from generate_series(1, ${rows}) as g`);
  if (youngest !== undefined) {
    await core
      .sql`update public.revisions set created_at = ${youngest}::text::timestamptz where id = ${rows}`;
  }
  await core.sql`select strata.manage('public.revisions', p_delete_after_days => null)`;
}

const idsOf = async (sql: Sql): Promise<number[]> =>
  (await sql`select id from public.revisions order by id`).map(({ id }) => id);
const upTo = (last: number, first = 1) =>
  Array.from({ length: last - first + 1 }, (_, at) => first + at);
const moves = async (sql: Sql): Promise<number> =>
  (await sql`select from strata.moves where rows_moved > 0`).length;

for (const onDelete of ["", "on delete restrict", "deferrable initially deferred"]) {
  moveTest(
    `a list of revisions moves as other rows do (${onDelete || "on delete no action"})`,
    async (chain) => {
      await makeList(chain, { rows: 3000, onDelete });
      await settle(chain);
      assert.deepEqual(await idsOf(chain.core.sql), []);
      assert.deepEqual(await idsOf(chain.main.sql), upTo(3000));
      assert.equal(await moves(chain.core.sql), 2);
      await assertAtPeace(chain);
    },
  );
}

moveTest("a list whose end is young stays, and goes when that is old", async (chain) => {
  const { core, main } = chain;
  await makeList(chain, { rows: 60, youngest: "now" });
  await core.sql`insert into public.revisions values (99, null, now() - interval '100 days')`;
  await settle(chain);
  assert.deepEqual(await idsOf(core.sql), upTo(60));
  await core.sql`update public.revisions set created_at = '2020-01-01' where id = 60`;
  await settle(chain);
  assert.deepEqual(await idsOf(main.sql), [...upTo(60), 99]);
});

const STAYS: Record<string, { sql: string; stay: number[] }> = {
  "held": {
    sql: "select strata.hold('revisions', p_key => array['6'], p_reason => 'so')",
    stay: upTo(6),
  },
  "set aside": {
    sql: "select strata.put_aside('revisions', array['6'], '23502', 'so')",
    stay: upTo(6),
  },
  "referred to by another table": {
    sql: `create table public.pins (revision int references public.revisions);
          insert into public.pins values (6)`,
    stay: upTo(6),
  },
  "young": { sql: "update public.revisions set created_at = now() where id = 6", stay: upTo(6) },
  "without an age": {
    sql: "update public.revisions set created_at = null where id = 6",
    stay: upTo(6),
  },
};

for (const [what, { sql, stay }] of Object.entries(STAYS)) {
  moveTest(
    `a row of a list that is ${what} keeps what is before it, and nothing else`,
    async (chain) => {
      await makeList(chain, { rows: 10 });
      await chain.core.sql.unsafe(sql);
      await settle(chain);
      assert.deepEqual(await idsOf(chain.core.sql), stay);
      assert.deepEqual(await idsOf(chain.main.sql), upTo(10, 7));
    },
    { drivers: ["pull"] },
  );
}

moveTest("a row of a list that changes on its way keeps what is before it", async (chain) => {
  const { core, main } = chain;
  await makeList(chain, { rows: 10 });
  const journey = await startJourney(chain, { dataset: "revisions" });
  await journey.until("purge");
  await core.sql`update public.revisions set created_at = now() where id = 6`;
  await settle(chain);
  assert.deepEqual([await idsOf(core.sql), await idsOf(main.sql)], [upTo(6), upTo(10, 7)]);
  await assertAtPeace(chain);
});

moveTest("a row that is to be set to null is kept until nothing refers to it", async (chain) => {
  await makeList(chain, { rows: 5, onDelete: "on delete set null" });
  await settle(chain);
  const rows = await chain.main.sql`select id, prev_id from public.revisions order by id`;
  assert.deepEqual(rows.map(({ prev_id }) => prev_id), [null, 1, 2, 3, 4]);
});

moveTest("circles, trees and rows that refer to themselves move whole", async (chain) => {
  const { core, main } = chain;
  await core.sql.unsafe(`
    create table public.revisions (
      id int primary key, created_at timestamptz default '2020-01-01', a int, b int,
      unique (id, a), foreign key (a) references public.revisions (id), foreign key (b, a) references public.revisions (id, a));
    insert into public.revisions (id) select generate_series(1, 12);
    update public.revisions set a = case id when 1 then 2 when 2 then 3 when 3 then 1 when 4 then 4 else 5 end where id < 10;
    update public.revisions set b = 5 where id between 6 and 9;
    update public.revisions set a = 11 where id = 10; update public.revisions set a = 10 where id = 11;
    update public.revisions set a = 10, created_at = now() where id = 12`);
  await core.sql`select strata.manage('public.revisions', p_delete_after_days => null)`;
  await settle(chain);
  assert.deepEqual([await idsOf(core.sql), await idsOf(main.sql)], [[10, 11, 12], upTo(9)]);
  await assertAtPeace(chain);
});

/** `count` rows from `first` on, each of which refers to the one before it, and the first to the last. */
async function addRing({ core }: MoveChain, first: number, count: number): Promise<void> {
  await core.sql.unsafe(`
    insert into public.revisions
    select g, case g when ${first} then ${
    first + count - 1
  } else g - 1 end, now() - interval '100 days' + g * interval '1 second'
      from generate_series(${first}, ${first + count - 1}) as g`);
}

moveTest("a circle of more rows than the first batch has moves whole", async (chain) => {
  const { core, main } = chain;
  await makeList(chain, { rows: 1 });
  await addRing(chain, 2, 2600);
  await settle(chain);
  assert.deepEqual([await idsOf(core.sql), await idsOf(main.sql)], [[], upTo(2601)]);
  await assertAtPeace(chain);
});

const LARGER: Record<string, (chain: MoveChain) => Promise<unknown>> = {
  "the batch is made larger": ({ core }) =>
    core.sql`update strata.settings set value = 30 where name = 'batch_rows'`,
  "it is broken": ({ core }) => core.sql`update public.revisions set prev_id = null where id = 7`,
};
for (const [what, mend] of Object.entries(LARGER)) {
  moveTest(`a circle larger than a batch is set aside until ${what}`, async (chain) => {
    const { core, main } = chain;
    await makeList(chain, { rows: 0 });
    await core.sql`update strata.settings set value = 20 where name = 'batch_rows'`;
    await addRing(chain, 1, 30);
    await addRing(chain, 101, 15);
    await core.sql`insert into public.revisions values (200, 5, now() - interval '90 days')`;
    await settle(chain);
    assert.deepEqual([await idsOf(core.sql), await idsOf(main.sql)], [upTo(30), [
      ...upTo(115, 101),
      200,
    ]]);
    const [aside] = await setAsideOn(core);
    assert.deepEqual([aside?.key, aside?.code], ["1", "ST049"]);
    assert.match(aside?.says ?? "", /in a circle go together.* more than batch_rows, which is 20/);
    await mend(chain);
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual([await idsOf(core.sql), (await idsOf(main.sql)).slice(0, 30)], [[], upTo(30)]);
    await assertAtPeace(chain);
  });
}

moveTest(
  "a circle of more bytes than a batch is set aside and names the setting",
  async (chain) => {
    const { core, main } = chain;
    await makeList(chain, { rows: 0 });
    await core.sql`alter table public.revisions add column body text`;
    await addRing(chain, 1, 30);
    await core.sql`
    update public.revisions set body = (select string_agg(md5(g::text || id), '') from generate_series(1, 100) as g)`;
    await core
      .sql`update strata.settings set value = 20000 where name in ('batch_bytes', 'relay_batch_bytes')`;
    await settle(chain);
    assert.equal((await idsOf(core.sql)).length, 30);
    const [aside] = await setAsideOn(core);
    const name = chain.driver === "relay" ? "relay_batch_bytes" : "batch_bytes";
    assert.match(
      aside?.says ?? "",
      new RegExp(`these 30 take \\d+ bytes; ${name} is 20000`),
    );
    await core.sql`update strata.settings set value = 2000000 where name = ${name}`;
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual([await idsOf(core.sql), await idsOf(main.sql)], [[], upTo(30)]);
  },
);

moveTest(
  "the plan names the row that keeps a list, and who refers from elsewhere",
  async (chain) => {
    const { core } = chain;
    const plan = async () =>
      (await core.sql`select referenced_by from strata.plan('revisions')`)[0];
    await makeList(chain, { rows: 60, youngest: "now" });
    assert.match(
      (await plan())?.referenced_by,
      /^row 59 stays: it goes together with .* the nearest of them that stays is 60: its policy keeps it on core for \d+ days$/,
    );
    await core.sql`update public.revisions set created_at = '2020-01-01' where id = 60`;
    assert.equal((await plan())?.referenced_by, null);
    await core
      .sql`create table public.pins (id int primary key, revision int references public.revisions)`;
    await core.sql`insert into public.pins values (1, 6)`;
    assert.match(
      (await plan())?.referenced_by,
      /^row 6 stays: a row of public\.pins refers to it by [^:]*: 1; /,
    );
  },
  { drivers: ["pull"] },
);

moveTest("a circle that comes to a dataset which has settled is found", async (chain) => {
  const { core, main } = chain;
  await makeList(chain, { rows: 1 });
  await settle(chain);
  await addRing(chain, 2, 10);
  for (const { sql } of chain.databases) await sql`call strata.watchdog()`;
  await settle(chain);
  assert.deepEqual([await idsOf(core.sql), await idsOf(main.sql)], [[], upTo(11)]);
  await assertAtPeace(chain);
});
