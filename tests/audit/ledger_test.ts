import assert from "node:assert/strict";
import { auditAll, audited, mismatches } from "../support/audit.ts";
import { manage } from "../support/notes.ts";
import { dialledTest, makeNotes, settle } from "../support/moves.ts";

dialledTest(
  "however many batches leave, the ledger keeps a row per dataset and month",
  async (chain) => {
    const { core } = chain;
    await chain.freezeClock("2026-07-01T00:00:00Z");
    await makeNotes(core, 0);
    await core.sql`update strata.settings set value = 4 where name = 'batch_rows'`;
    await core.sql`
    insert into public.notes (id, created_at)
    select id, timestamptz '2026-03-31 00:00:00Z' + id * interval '1 hour' from generate_series(1, 40) as id`;
    await settle(chain);
    const ledger = await core
      .sql`select what, month, rows::integer, frames from strata.ledger order by month`;
    assert.deepEqual(ledger.map((row) => ({ ...row })), [
      { what: "moved", month: "2026-03", rows: 23, frames: 1 },
      { what: "moved", month: "2026-04", rows: 17, frames: 1 },
    ]);
    const [moves] = await core.sql`select count(*)::integer as moves from strata.moves`;
    const [there] = await chain.main.sql`
      select (strata.take_stock('notes', '2026-03', null) ->> 'digest')::bigint as digest`;
    const [came] = await core.sql`
      select (strata.ledger_entry('notes', '{moved}', '2026-03', 'came') ->> 'came_digest')::bigint as digest`;
    assert.equal(moves?.moves, 10);
    assert.equal(came?.digest, there?.digest);
  },
);

dialledTest(
  "the book's marks of what an INSERT returned are those of what is there, also of a batch of two months",
  async (chain) => {
    const { core, main } = chain;
    await chain.freezeClock("2026-07-01T00:00:00Z");
    await makeNotes(core, 0);
    await core.sql`update strata.settings set value = 8 where name = 'batch_rows'`;
    await core.sql`
    insert into public.notes (id, created_at)
    select id, timestamptz '2026-03-31 10:00:00Z' + id * interval '1 hour' from generate_series(1, 24) as id`;
    await settle(chain);
    const books = await main.sql`
      select b.month, b.came::integer, b.marks = array(
               select m.mark::bigint from jsonb_array_elements_text(strata.count_stock(d, b.month, null) -> 'marks') with ordinality as m (mark, o)
                order by m.o) as are_same
        from strata.books as b join strata.datasets as d on d.name = b.dataset order by b.month`;
    assert.deepEqual(books.map((row) => ({ ...row })), [
      { month: "2026-03", came: 13, are_same: true },
      { month: "2026-04", came: 11, are_same: true },
    ]);
  },
);

dialledTest(
  "months are UTC, for every type of age; far ages share a bucket, and rows without one another",
  async (chain) => {
    const { core, main } = chain;
    await chain.freezeClock("2026-07-01T00:00:00Z");
    for (const [name, type] of [["a", "timestamptz"], ["b", "timestamp"], ["c", "date"]] as const) {
      await core.sql.unsafe(
        `create table public.${name} (id integer primary key, at ${type}, body text)`,
      );
      await manage(core.sql, `public.${name}`, { age_column: "at", delete_after_days: null });
      await core.sql.unsafe(`set timezone = 'UTC'; insert into public.${name} values
      (1, '2026-03-31 23:59:59Z'), (2, '2026-04-01 00:00:00Z'), (3, '-infinity'), (4, '0044-03-15 BC'), (5, '1969-12-31'),
      (6, '1970-01-01')`);
    }
    await settle(chain);
    const months = await core.sql<{ all: string }[]>`
    select dataset || ': ' || string_agg(month || ' ' || rows, ', ' order by month collate "C") as all
      from strata.ledger group by dataset order by dataset`;
    const expected = "1970-01 1, 2026-03 1, 2026-04 1, before 1970 3";
    assert.deepEqual(
      months.map((one) => one.all),
      ["a", "b", "c"].map((name) => `${name}: ${expected}`),
    );

    for (const name of ["a", "b", "c"]) { // rows nobody moved, in the buckets that moves do not reach
      await main.sql.unsafe(
        `insert into public.${name} values (7, null), (8, 'infinity'), (9, '2100-01-01')`,
      );
    }
    await auditAll(chain);
    assert.equal((await mismatches(chain)).length, 6);
    for (const { sql } of chain.databases) {
      await sql`select strata.accept_audit(dataset) from (select distinct dataset from strata.audit_findings) as f`;
    }
    assert.deepEqual(
      (await audited(chain)).map(({ months, rows, besides }) => [months, rows, besides]),
      [
        [6, 9, 3],
        [6, 9, 3],
        [6, 9, 3],
      ],
    );
    await main.sql`delete from public.b where id in (4, 7, 8)`;
    await auditAll(chain);
    assert.deepEqual(await mismatches(chain), [
      "main b before 1970 missing 1",
      "main b from 2100 missing 1",
      "main b no age missing 1",
    ]);
  },
);

dialledTest("keys of several columns are looked for as they are, page by page", async (chain) => {
  const { core, main } = chain;
  await chain.freezeClock("2026-07-01T00:00:00Z");
  for (const { sql } of chain.databases) {
    await sql`update strata.settings set value = 2 where name = 'audit_page'`;
  }
  await core
    .sql`create table public.lines (day date, part char(4), n numeric, at timestamptz, primary key (part, day, n))`;
  await manage(core.sql, "public.lines", { age_column: "at" });
  await core.sql`
    insert into public.lines
    select date '2026-01-01' + a, p, n, case when a = 1 then timestamptz '2026-03-01' else strata.clock() end
      from generate_series(1, 3) as a, unnest(array['x', 'o''k', 'a"b']) as p, unnest(array[1, 1.50]) as n`;
  await settle(chain);
  await main
    .sql`insert into public.lines values ('2026-01-03', 'o''k', 1.5, '2026-06-01'), ('2026-01-04', 'a"b', 1, '2026-06-01')`;
  await auditAll(chain);
  assert.equal((await audited(chain))[0]?.keys, 12);
  assert.deepEqual(await mismatches(chain), [
    "main lines 2026-06 besides 2",
    "main lines 2026-07 doubled 2",
  ]);
});
