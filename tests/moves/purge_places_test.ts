import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { auditAll, mismatches } from "../support/audit.ts";
import {
  addNotes,
  dialledTest,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  settle,
} from "../support/moves.ts";
import { waitFor } from "../support/wait_for.ts";

const DRIVER = { drivers: ["push"] } as const;

/** What a purge answers. */
interface Kept {
  moved: number;
  kept: number[];
}

/** Claims what is due, has it received and proved as a whole, lets something happen, and purges. */
async function purgeAfter(
  { core, main }: MoveChain,
  happens: (sql: Sql) => Promise<unknown>,
): Promise<Kept> {
  const [batch] = await core.sql<
    { id: string; columns: string[]; lines: string; proof_hash: string }[]
  >`
    select move_id as id, columns, lines, encode(proof_hash, 'hex') as proof_hash from strata.claim('notes', 'main')`;
  assert.ok(batch);
  const { id, columns, lines, proof_hash } = batch;
  await main.sql`select strata.receive(${id}, 'notes', 'core', ${columns}, ${lines})`;
  const [proved] = await main.sql<{ proofs: string; count: number }[]>`
    select p.proofs::text, cardinality(p.proofs) as count
      from strata.prove(${id}, 'notes', ${columns}, null, decode(${proof_hash}, 'hex')) as p (proofs)`;
  assert.equal(proved?.count, 1);
  await happens(core.sql);
  const [kept] = await core.sql<Kept[]>`
    select moved, ordinals as kept from strata.purge(${id}, ${
    proved?.proofs ?? ""
  }::text::bytea[])`;
  assert.ok(kept);
  return { ...kept };
}

/** What may happen to a batch between its proof and its purge, and what is left of it on core then. */
const BEFORE_PURGE: Record<
  string,
  { happens: (sql: Sql) => Promise<unknown>; answer: Kept; left: number[] }
> = {
  "nothing happens": { happens: async () => {}, answer: { moved: 3, kept: [] }, left: [] },
  "a row is edited": {
    happens: (sql) => sql`update public.notes set body = 'edited' where id = 2`,
    answer: { moved: 2, kept: [2] },
    left: [2],
  },
  "a row is deleted": {
    happens: (sql) => sql`delete from public.notes where id = 2`,
    answer: { moved: 2, kept: [2] },
    left: [],
  },
  "other rows take the places": {
    happens: async (sql) => {
      const places = async () =>
        (await sql`select ctid::text as place from public.notes order by ctid`).map(({ place }) =>
          place
        );
      const before = await places();
      await sql`delete from public.notes where true`;
      await sql.unsafe("vacuum (truncate off, index_cleanup on) public.notes");
      await addNotes(sql, 4, 6);
      assert.deepEqual(await places(), before);
    },
    answer: { moved: 0, kept: [1, 2, 3] },
    left: [4, 5, 6],
  },
  "places and versions are those of another server's file": { // put back from a dump, it counts both anew
    happens: (sql) =>
      sql`
        update strata.manifests
           set file = '1/1/1', tids = tids[2:] || tids[1], versions = versions[2:] || versions[1]`,
    answer: { moved: 0, kept: [1, 2, 3] },
    left: [1, 2, 3],
  },
  "a rule deletes other rows instead": {
    happens: (sql) =>
      sql.unsafe(`
        create table public.others as select * from public.notes;
        create rule elsewhere as on delete to public.notes do instead delete from public.others as o where o.id = old.id`),
    answer: { moved: 0, kept: [1, 2, 3] },
    left: [1, 2, 3],
  },
  "the table is rewritten": {
    happens: (sql) => sql.unsafe("vacuum full public.notes"),
    answer: { moved: 3, kept: [] },
    left: [],
  },
};

for (const [name, { happens, answer, left }] of Object.entries(BEFORE_PURGE)) {
  moveTest(`a purge empties claimed places of what was claimed when ${name}`, async (chain) => {
    await makeNotes(chain.core, 0);
    await settle(chain);
    await addNotes(chain.core.sql, 1, 3);
    assert.deepEqual(await purgeAfter(chain, happens), answer);
    assert.deepEqual(await idsOf(chain.core), left);
    const [ledger] = await chain.core.sql<{ rows: number }[]>`
      select coalesce(sum(rows), 0)::integer as rows from strata.ledger`;
    assert.equal(ledger?.rows, answer.moved);
  }, DRIVER);
}

moveTest("a move that was taken up again is purged pair by pair", async (chain) => {
  const { core } = chain;
  await makeNotes(core, 0);
  await settle(chain);
  for (const id of [1, 2, 3]) await addNotes(core.sql, id, id);
  const swapped = await purgeAfter(chain, async (sql) => {
    await sql`update strata.moves set attempts = 2 where state <> 'closed'`;
    // as they may meet once numbers of transactions have begun anew: each place has another's
    await sql`update strata.manifests set versions = versions[2:] || versions[1]`;
  });
  assert.deepEqual(swapped, { moved: 0, kept: [1, 2, 3] });
}, DRIVER);

dialledTest("rows that lie in no order are booked in the months they are of", async (chain) => {
  const { core } = chain;
  await chain.freezeClock("2026-07-01T00:00:00Z");
  await makeNotes(core, 0);
  await settle(chain);
  const addShuffled = (first: number, last: number) =>
    core.sql`
      insert into public.notes (id, created_at, body)
      select id, timestamptz '2026-01-01 00:00:00Z' + id * 37 % 100 * interval '1 day', 'note ' || id
        from generate_series(${first}::bigint, ${last}::bigint) as id`;
  await addShuffled(1, 100);
  const { moved, kept } = await purgeAfter(chain, (sql) =>
    sql`
      update public.notes set body = 'edited' where id in (3, 50)`);
  assert.deepEqual([moved, kept.length], [98, 2]);
  await addShuffled(101, 200);
  await settle(chain);
  await auditAll(chain);
  assert.deepEqual(await mismatches(chain), []);
  const [ledger] = await core.sql`
    select sum(rows)::integer as rows, count(*)::integer as months from strata.ledger`;
  assert.deepEqual({ ...ledger }, { rows: 200, months: 4 });
});

moveTest("versions that may yet be given to other rows are not relied upon", async (chain) => {
  const { core } = chain;
  await makeNotes(core, 0);
  await settle(chain);
  const file = async () => {
    const [batch] = await core.sql<{ id: string }[]>`
      select move_id as id from strata.claim('notes', 'main')`;
    const [manifest] = await core.sql`
      select file is not null as is_there from strata.manifests where move_id = ${
      batch?.id ?? null
    }`;
    return manifest?.is_there;
  };
  await core.sql.begin(async (older) => { // its number is smaller than that of the rows
    await older`create table public.later (id integer)`;
    await core.connect({ max: 1 })`
      insert into public.notes values (1, now() - interval '60 days', 'a note')`;
    assert.equal(await file(), false);
  });
  await settle(chain);
  await addNotes(core.sql, 2, 3);
  // those of other databases of this server count as well
  await waitFor("all transactions that are older than the rows to end", async () => {
    const [versions] = await core.sql<{ are_past: boolean }[]>`
      select bool_and(age(xmin) > age(pg_snapshot_xmin(pg_current_snapshot())::xid)) as are_past
        from public.notes`;
    return versions?.are_past;
  });
  assert.equal(await file(), true);
  await settle(chain);
  assert.deepEqual([await idsOf(core), await idsOf(chain.main)], [[], [1, 2, 3]]);
}, DRIVER);
