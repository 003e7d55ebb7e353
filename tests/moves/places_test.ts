import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { testDatabase } from "../support/database.ts";
import { refusal } from "../support/refusal.ts";
import {
  addNotes,
  assertAtPeace,
  dialledTest,
  endPauses,
  idsOf,
  makeNotes,
  type MoveChain,
  moveTest,
  rowsOf,
  runOnce,
  settle,
  startJourney,
} from "../support/moves.ts";

/** A batch that was received and not yet proved. */
interface Received {
  move_id: string;
  columns: string[];
  keys: string;
}

/** Both tiers know the table; then three rows are claimed and received. */
async function receiveNotes({ core, main }: MoveChain): Promise<Received> {
  const [batch] = await core.sql<{ move_id: string; columns: string[]; lines: string }[]>`
    select move_id, columns, lines from strata.claim('notes', 'main')`;
  assert.ok(batch);
  const { move_id, columns, lines } = batch;
  const [claimed] = await core.sql<{ keys: string }[]>`
    select strata.claimed_keys(${move_id})::text as keys`; // not in the statement that claims: it would not see them
  await main.sql`select strata.receive(${move_id}, 'notes', 'core', ${columns}, ${lines})`;
  return { move_id, columns, keys: claimed?.keys ?? "" };
}

async function knownNotes(chain: MoveChain): Promise<void> {
  await makeNotes(chain.core, 0);
  await settle(chain);
  await addNotes(chain.core.sql, 1, 3);
}

async function proofs(sql: Sql, { move_id, columns, keys }: Received) {
  const [row] = await sql<{ by_place: string | null; by_key: string }[]>`
    select strata.prove(${move_id}, 'notes', ${columns})::text as by_place,
           strata.prove(${move_id}, 'notes', ${columns}, ${keys}::text[])::text as by_key`;
  assert.ok(row);
  return row;
}

const DRIVER = { drivers: ["push"] } as const;

moveTest("what is where it was put is proved as it is by its key", async (chain) => {
  await knownNotes(chain);
  const batch = await receiveNotes(chain);
  const found = await proofs(chain.main.sql, batch);
  assert.equal(found.by_place, found.by_key);
  assert.equal(found.by_key.split(",").length, 3);
  assert.doesNotMatch(found.by_key, /NULL/);
}, DRIVER);

moveTest("a batch of which everything is there is proved by one hash alone", async (chain) => {
  const { core, main } = chain;
  await knownNotes(chain);
  const { move_id, columns } = await receiveNotes(chain);
  const answers = async (proof_hash: string) => {
    const [row] = await main.sql<{ proofs: string[] }[]>`
      select array(select encode(p, 'hex')
                     from unnest(strata.prove(${move_id}, 'notes', ${columns}, null, decode(${proof_hash}, 'hex'))) as p) as proofs`;
    return row?.proofs;
  };
  const [manifest] = await core.sql<
    { proof_hash: string; batch_proof: string; fingerprints: string[] }[]
  >`
    select encode(sha256(batch_proof), 'hex') as proof_hash, encode(batch_proof, 'hex') as batch_proof, array(select encode(f, 'hex') from unnest(fingerprints) as f) as fingerprints
      from strata.manifests where move_id = ${move_id}`;
  assert.ok(manifest);
  assert.deepEqual(await answers(manifest.proof_hash), [manifest.batch_proof]);
  assert.deepEqual(
    await answers("00"),
    manifest.fingerprints,
    "where another is expected, each row is proved",
  );

  const purge = (proof: string) =>
    core.sql`select strata.purge(${move_id}, array[decode(${proof}, 'hex')])`;
  assert.equal((await refusal(purge("00"))).code, "ST004");
  const { code } = await refusal(purge(manifest.proof_hash));
  assert.equal(code, "ST004", "what the claim handed out proves nothing");
  await purge(manifest.batch_proof);
  assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1, 2, 3]]);
}, DRIVER);

/** How the pages of the twin may look when a batch comes, and how its rows are read back then. */
const LAYOUTS: Record<string, { before: string[]; first?: number; reads: RegExp }> = {
  "page after page": { before: [], reads: /Tid Range Scan/ },
  "into room among other rows": {
    before: ["delete from public.notes where id between 1200 and 2500 and id % 3 = 0"],
    reads: /Tid Range Scan/,
  },
  "into a few rooms far from each other": {
    before: ["delete from public.notes where id between 1100 and 1160"],
    reads: /Tid Scan/,
  },
  "into a new page, and then into room before it": {
    before: [
      "delete from public.notes where id between 1500 and 1560",
      "alter table public.notes alter column body set storage plain",
    ],
    first: 3400, // there is no room for it before
    reads: /Nested Loop/,
  },
};

for (const [name, { before, first = 10, reads }] of Object.entries(LAYOUTS)) {
  moveTest(`rows that were put ${name} are proved by one hash`, async (chain) => {
    const { core, main } = chain;
    await knownNotes(chain);
    await settle(chain);
    await addNotes(core.sql, 1001, 4000);
    await settle(chain);
    for (const statement of before) {
      await main.sql.unsafe(statement);
      await main.sql.unsafe("vacuum (truncate off, index_cleanup on) public.notes");
    }
    await addNotes(core.sql, 5001, 5300);
    await core.sql`
      update public.notes set body = (select left(string_agg(md5(n::text), ''), ${first}) from generate_series(1, 200) as n)
       where id = 5001`;
    const { move_id, columns } = await receiveNotes(chain);
    const [manifest] = await core.sql<{ proof_hash: string; batch_proof: string }[]>`
      select encode(sha256(batch_proof), 'hex') as proof_hash, encode(batch_proof, 'hex') as batch_proof from strata.manifests where move_id = ${move_id}`;
    const [answer] = await main.sql<{ proof: string }[]>`
      select encode(p, 'hex') as proof
        from unnest(strata.prove(${move_id}, 'notes', ${columns}, null, decode(${
      manifest?.proof_hash ?? ""
    }, 'hex'))) as p`;
    assert.equal(answer?.proof, manifest?.batch_proof);
    assert.match(await planOfReading(main.sql, move_id), reads);
    await settle(chain);
    await runOnce(chain);
    assert.deepEqual(await idsOf(core), []);
  }, DRIVER);
}

/** The plan by which prove() reads a batch back. */
async function planOfReading(sql: Sql, moveId: string): Promise<string> {
  return await sql.begin(async (session) => {
    for (const way of ["seqscan", "hashjoin", "mergejoin"]) {
      await session.unsafe(`set local enable_${way} = off`);
    }
    const [one] = await session<{ query: string; places: string; version: string }[]>`
      select strata.places_sql('public.notes', a) as query, places::text, version::text
        from strata.arrivals as a where move_id = ${moveId}`;
    assert.ok(one);
    const query = one.query.replaceAll("$1", `('${one.places}'::tid[])`)
      .replaceAll("$2", `'${one.version}'::xid`);
    return JSON.stringify(await session.unsafe(`explain (costs off) select * from ${query} as t`));
  });
}

moveTest(
  "one row stays when one proof comes that is neither its own nor the batch's",
  async (chain) => {
    const { core, main } = chain;
    await makeNotes(core, 0);
    await settle(chain);
    await addNotes(core.sql, 1, 1);
    const { move_id } = await receiveNotes(chain);
    const purge = (proof: string) =>
      core.sql<{ moved: number; kept: number[] }[]>`
    select moved, ordinals as kept from strata.purge(${move_id}, array[decode(${proof}, 'hex')])`;
    const [wrong] = await purge("00");
    assert.deepEqual([wrong?.moved, wrong?.kept], [0, [1]]);
    assert.deepEqual(await idsOf(core), [1]);
    await settle(chain);
    await endPauses(chain);
    await settle(chain);
    assert.deepEqual([await idsOf(core), await idsOf(main)], [[], [1]]);
  },
  DRIVER,
);

/** What may have happened to a batch between its copy and its proof. */
const ASTRAY: Record<string, (sql: Sql) => Promise<unknown>> = {
  "a row was edited": (sql) => sql`update public.notes set body = 'edited' where id = 2`,
  "a row was deleted": (sql) => sql`delete from public.notes where id = 2`,
  "the table was rewritten": (sql) => sql.unsafe("vacuum full public.notes"),
  "the table has a child": (sql) => sql`create table public.more () inherits (public.notes)`,
  "another row took its place": async (sql) => {
    await sql`delete from public.notes where true`;
    await sql.unsafe("vacuum (truncate off, index_cleanup on) public.notes");
    await addNotes(sql, 4, 6);
  },
};

for (const [name, happens] of Object.entries(ASTRAY)) {
  moveTest(`proofs are asked for by key when ${name}`, async (chain) => {
    const { core, main } = chain;
    await knownNotes(chain);
    if (name === "the table has a child") await happens(main.sql);
    const batch = await receiveNotes(chain);
    if (name !== "the table has a child") await happens(main.sql);
    assert.equal((await proofs(main.sql, batch)).by_place, null);

    const before = [...await rowsOf(core)];
    await settle(chain);
    await runOnce(chain);
    const [moved] = await core.sql<{ rows: number }[]>`
      select sum(rows_moved)::integer as rows from strata.moves where move_id = ${batch.move_id}`;
    const expected = /edited|deleted/.test(name) ? 2 : name.startsWith("another") ? 0 : 3;
    assert.equal(moved?.rows, expected);
    const now = new Set([...await rowsOf(core), ...await rowsOf(main)]);
    for (const row of before) assert.ok(now.has(row), `${row} is on core or main`);
  }, DRIVER);
}

dialledTest("a flow whose rows cannot be proved by place asks by key", async (chain) => {
  const { core, main } = chain;
  await makeNotes(core, 0);
  await settle(chain);
  await core.sql`update strata.settings set value = 3 where name = 'batch_rows'`;
  await main.sql`create table public.more () inherits (public.notes)`;
  await addNotes(core.sql, 1, 14);
  const journey = await startJourney(chain, { flows: true });
  for (let taken = 0; taken < 50 && journey.next !== "done"; taken++) await journey.step();

  assert.equal(journey.next, "done");
  await journey.session.end({ timeout: 0 });
  assert.deepEqual(await idsOf(core), []);
  assert.equal((await idsOf(main)).length, 14);
  const [log] = await core.sql`
    select count(*)::integer as moves, sum(rows_kept)::integer as kept from strata.moves`;
  assert.deepEqual({ ...log }, { moves: 5, kept: 0 });
  await assertAtPeace(chain);
});

moveTest("a small twin is not read from end to end for its proofs", async (chain) => {
  const { core, main } = chain;
  await knownNotes(chain);
  await addNotes(core.sql, 4, 4000);
  await main.sql`analyze public.notes`;
  const { move_id, columns } = await receiveNotes(chain);
  const [before, after] = await main.sql.begin(async (sql) => {
    const readWhole = async () => {
      const [row] = await sql<{ times: number }[]>`
        select seq_scan::integer as times from pg_stat_xact_user_tables where relname = 'notes'`;
      return row?.times ?? 0;
    };
    const first = await readWhole();
    await sql`select strata.prove(${move_id}, 'notes', ${columns})`;
    return [first, await readWhole()];
  });
  assert.equal(after, before);
}, DRIVER);

Deno.test("a fingerprint costs no function call of ours for each row", async () => {
  await using db = await testDatabase();
  const plan = await db.sql.unsafe(
    "explain (verbose, costs off) select strata.fingerprint(n::text) from generate_series(1, 2) as n",
  );
  assert.doesNotMatch(JSON.stringify(plan), /strata\.fingerprint/);
  assert.match(JSON.stringify(plan), /sha256/);
});
