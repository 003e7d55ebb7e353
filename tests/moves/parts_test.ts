/** Twins in parts: a place there is one of each part, and must not be taken for another part's. */
import assert from "node:assert/strict";
import { connectLocally } from "../../local/cluster.ts";
import {
  addNotes,
  assertAtPeace,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  settle,
  startJourney,
  troubleOf,
} from "../support/moves.ts";
import { testCluster } from "../support/stack.ts";

const PUSH = { drivers: ["push"] } as const;
const COLUMNS = "id bigint primary key, created_at timestamptz not null default now(), body text";

/** Twins in two parts: rows up to 100, and the others; `own` are further columns of main's. */
const IN_PARTS: Record<string, (own?: string) => string> = {
  "partitions": (own = "") => `
    create table public.notes (${COLUMNS}${own}) partition by range (id);
    create table public.notes_0 partition of public.notes for values from (0) to (101);
    create table public.notes_1 partition of public.notes for values from (101) to (1000)`,
  "partitions of partitions": (own = "") => `
    create table public.notes (${COLUMNS}${own}) partition by range (id);
    create table public.notes_x partition of public.notes for values from (0) to (1000) partition by range (id);
    create table public.notes_0 partition of public.notes_x for values from (0) to (101);
    create table public.notes_1 partition of public.notes_x for values from (101) to (1000)`,
};
const CHILDREN = `
  create table public.notes (${COLUMNS});
  create table public.notes_1 () inherits (public.notes)`;

/** Core's notes 1 to `each` and 101 to 100 + `each`, settled on main in places that are the same in both parts. */
async function settleInParts(chain: MoveChain, twin: string, each = 3): Promise<void> {
  await chain.main.sql.unsafe(twin);
  await makeNotes(chain.core, 0);
  await chain.core.sql`
    select strata.manage('public.notes', p_core_retention_days => 10, p_main_retention_days => 20,
      p_delete_after_days => 100)`;
  await addNotes(chain.core.sql, 1, each);
  await addNotes(chain.core.sql, 101, 100 + each);
  await settle(chain);
  await assertAtPeace(chain);
}

for (const [what, twin] of Object.entries(IN_PARTS)) {
  moveTest(`what comes into ${what} is in the book`, async (chain) => {
    await settleInParts(chain, twin());
    const [book] = await chain.main.sql`
      select sum(came)::int as came, bool_and(marks is not null) as has_marks from strata.books`;
    assert.deepEqual({ ...book }, { came: 6, has_marks: true });
  }, PUSH);

  moveTest(`a row of ${what} is deleted when it was chosen, and no other`, async (chain) => {
    const { main } = chain;
    await settleInParts(chain, twin());
    await main.sql`update public.notes set created_at = '2020-01-01' where id < 101`;
    await main.sql`update public.notes set created_at = '2020-02-01' where id > 100`;
    await main.sql`update strata.settings set value = 1 where name = 'batch_rows'`;
    await main.sql`call strata.delete_due()`;
    assert.deepEqual(await idsOf(main), []);
    const log = await main.sql`
      select rows_claimed, rows_moved, rows_kept from strata.moves where kind = 'delete'`;
    assert.deepEqual(
      log.map((move) => ({ ...move })),
      Array(6).fill({ rows_claimed: 1, rows_moved: 1, rows_kept: 0 }),
    );
  }, PUSH);

  moveTest(`a row of ${what} that somebody is changing is passed over`, async (chain) => {
    const { main } = chain;
    await settleInParts(chain, twin(), 1);
    await main.sql`update public.notes set created_at = '2020-01-01'`;
    await main.sql.begin(async (other) => {
      await other`update public.notes set body = 'mine' where id = 101`;
      await main.sql`call strata.delete_due()`;
    });
    assert.deepEqual([await idsOf(main), await troubleOf(main)], [[101], undefined]);
  }, PUSH);

  for (const onDelete of ["cascade", "set null", "no action"]) {
    moveTest(
      `a row of ${what} is kept by one at the same place elsewhere (on delete ${onDelete})`,
      async (chain) => {
        const { main } = chain;
        await settleInParts(
          chain,
          twin(`, prev_id bigint references public.notes`), // twins carry no foreign keys
          1,
        );
        await main.sql.unsafe(`
          alter table public.notes add foreign key (prev_id) references public.notes on delete ${onDelete}`);
        await main.sql`update public.notes set prev_id = 1 where id = 101`;
        await main.sql`update public.notes set created_at = '2020-01-01' where id = 1`;
        await main.sql`vacuum full public.notes`; // both lie at the first place of their part
        await main.sql`call strata.delete_due()`;
        assert.deepEqual([await idsOf(main), await troubleOf(main)], [[1, 101], undefined]);
        const [row] = await main.sql`select prev_id::int from public.notes where id = 101`;
        assert.equal(row?.prev_id, 1);
      },
      PUSH,
    );
  }

  const REFER = "alter table public.notes add foreign key (prev_id) references public.notes";
  moveTest(`a copy in ${what} that another part refers to is not taken back`, async (chain) => {
    const { core, main } = chain;
    await main.sql.unsafe(twin(", prev_id bigint"));
    await makeNotes(core, 0);
    await addNotes(core.sql, 1, 2);
    await addNotes(core.sql, 101, 102);
    const journey = await startJourney(chain);
    await journey.until("purge");
    await core.sql`delete from public.notes where id < 101`;
    await main.sql.unsafe(REFER);
    await main.sql`update public.notes set prev_id = 1 where id = 101`;
    await main.sql`vacuum full public.notes`;
    await journey.until("finish");
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 101, 102]]);
    assert.equal(await troubleOf(core), undefined);
  }, PUSH);

  moveTest(`copies in ${what} that refer to each other are taken back together`, async (chain) => {
    const { core, main } = chain;
    await main.sql.unsafe(twin(", prev_id bigint"));
    await makeNotes(core, 0);
    await addNotes(core.sql, 1, 2);
    await addNotes(core.sql, 101, 102);
    const journey = await startJourney(chain);
    await journey.until("purge");
    await core.sql`delete from public.notes where id in (1, 2, 102)`;
    await main.sql.unsafe(REFER);
    await main.sql`
      update public.notes set prev_id = case id when 102 then 1 when 1 then 2 when 2 then 102 end`;
    await journey.until("finish");
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [101]]);
  }, PUSH);
}

moveTest("of a twin with children only what was chosen is deleted", async (chain) => {
  const { main } = chain;
  await settleInParts(chain, CHILDREN, 2);
  await main.sql`
    insert into public.notes_1 (id, created_at)
    select 500 + g, '2020-02-01' from generate_series(1, 4) as g`;
  await main.sql`update public.notes set created_at = '2020-01-01' where id < 500`;
  await main.sql`vacuum full public.notes`;
  await main.sql`update strata.settings set value = 1 where name = 'batch_rows'`;
  await main.sql`call strata.delete_due()`;
  const log = await main.sql`select from strata.moves where kind = 'delete' and rows_moved = 1`;
  assert.deepEqual([log.length, await idsOf(main)], [8, []]);
}, PUSH);

const IDENTITY_NOTHING = "alter table public.notes_0 replica identity nothing";
/** Publications by which deletions of a part are refused, and what is said of them. */
const PUBLISHED: Record<string, { sql: string; says: RegExp }> = {
  "parent has a row filter": {
    sql:
      `create publication p for table public.notes where (body <> 'x') with (publish_via_partition_root = true)`,
    says: /"p" filters rows of public\.notes_[01] by columns outside its replica identity/,
  },
  "parent has a list of columns": {
    sql:
      `create publication p for table public.notes (body) with (publish_via_partition_root = true)`,
    says: /"p" publishes not all columns of the replica identity of public\.notes_[01]/,
  },
  "partition has a row filter": {
    sql: `create publication p for table public.notes_0 where (body <> 'x')`,
    says: /"p" filters rows of public\.notes_0 by columns outside its replica identity/,
  },
  "partition has no identity, its parent being published": {
    sql: `${IDENTITY_NOTHING}; create publication p for table public.notes`,
    says: /"p" publishes deletions of public\.notes_0, which has no replica identity/,
  },
  "partition has no identity, its schema being published as of the root": {
    sql: `${IDENTITY_NOTHING};
      create publication p for tables in schema public with (publish_via_partition_root = true)`,
    says: /"p" publishes deletions of public\.notes_0, which has no replica identity/,
  },
};

for (const [twin, ddl] of Object.entries(IN_PARTS)) {
  for (const [what, { sql, says }] of Object.entries(PUBLISHED)) {
    moveTest(`a twin of ${twin} says it when a ${what}, and its remedy ends it`, async (chain) => {
      const { main } = chain;
      await settleInParts(chain, ddl());
      await main.sql`update public.notes set created_at = '2020-01-01'`;
      const superuser = connectLocally(await testCluster("main"), main.name); // for a whole schema
      await (sql.includes("in schema") ? superuser : main.sql).unsafe(sql);
      await superuser.end();
      await assert.rejects(main.sql`delete from public.notes`);
      await main.sql`call strata.delete_due()`;
      const trouble = await troubleOf(main);
      assert.equal(trouble?.code, "ST010");
      assert.match(trouble?.says ?? "", says);
      const objections = async () =>
        await main.sql`select hint from strata.publication_objections('public.notes')`;
      for (let [objection] = await objections(); objection; [objection] = await objections()) {
        await main.sql.unsafe(objection.hint);
      }
      await main.sql`call strata.delete_due()`;
      assert.deepEqual([await idsOf(main), await troubleOf(main)], [[], undefined]);
    }, PUSH);
  }
}

moveTest(
  "a twin in partitions that refers to itself loses its key and takes rows in",
  async (chain) => {
    const own = ", prev_id bigint references public.notes";
    await settleInParts(chain, IN_PARTS["partitions"]?.(own) ?? "");
    assert.deepEqual(await idsOf(chain.main), [1, 2, 3, 101, 102, 103]);
  },
  PUSH,
);
