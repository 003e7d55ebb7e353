import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { connectLocally } from "../../local/cluster.ts";
import { testDatabase } from "../support/database.ts";
import { testCluster } from "../support/stack.ts";
import { becomes, MB } from "../support/watch.ts";
import { waitFor } from "../support/wait_for.ts";

interface Size {
  heap: number;
  index: number;
  toast: number;
  rows: number | null;
  dead: number;
  reclaimable: number;
}

async function sizeOf(sql: Sql, dataset = "docs"): Promise<Size> {
  const [size] = await sql<Size[]>`
    select heap_bytes::float8 as heap, index_bytes::float8 as index, toast_bytes::float8 as toast,
           rows_estimate::float8 as rows, dead_rows::float8 as dead, reclaimable_bytes::float8 as reclaimable
      from strata.dataset_sizes() where dataset = ${dataset}`;
  if (size === undefined) throw new Error(`${dataset} has no size`);
  return size;
}

async function totalOf(sql: Sql, table = "public.docs"): Promise<number> {
  const [row] = await sql<{ bytes: number }[]>`
    select pg_total_relation_size(${table}::text::regclass)::float8 as bytes`;
  return row?.bytes ?? 0;
}

/** A core of its own, and a session whose changes are counted at once rather than within ten seconds. */
async function core() {
  const db = await testDatabase("core");
  await becomes(db.sql, "core");
  const session = db.connect({ max: 1 });
  const write = async (statement: string) => {
    await session.unsafe(statement);
    await session`select pg_stat_force_next_flush()`;
  };
  return Object.assign(db, { write });
}

/** Rows of 300 bytes, managed; `words` goes out of line when it is long. */
async function docs(rows: number, words: string) {
  const db = await core();
  await db.sql`create table public.docs (
    id bigint primary key, created_at timestamptz default now(), kind integer, body text, done boolean)
    with (autovacuum_enabled = off)`;
  await db.sql`alter table public.docs alter column body set storage external`;
  await db.write(`insert into public.docs (id, kind, body)
    select n, n % 7, ${words} from generate_series(1, ${rows}) as n`);
  await db.sql`select strata.manage('public.docs')`;
  await db.sql`vacuum (analyze) public.docs`;
  return db;
}

/** Within a share of the truth. */
function near(found: number, truth: number, share: number, what: string): void {
  assert.ok(Math.abs(found - truth) <= truth * share, `${what}: ${found} instead of ${truth}`);
}

/** What VACUUM FULL gives back is what was foretold. */
async function assertForetold(sql: Sql, share: number): Promise<void> {
  const before = await totalOf(sql);
  const foretold = (await sizeOf(sql)).reclaimable;
  await sql`vacuum full public.docs`;
  const given = before - await totalOf(sql);
  near(foretold, given, share, "bytes given back");
  assert.ok(given > MB);
}

Deno.test("dataset_sizes() adds up to what Postgres says, and knows the rows without counting", async () => {
  await using db = await docs(20_000, "repeat(md5(n::text), 8)");
  const size = await sizeOf(db.sql);
  assert.equal(size.heap + size.index + size.toast, await totalOf(db.sql));
  assert.equal(size.rows, 20_000);
  assert.equal(size.dead, 0);
});

Deno.test("dataset_sizes(): a table freshly written has next to nothing to give back", async () => {
  await using db = await docs(20_000, "repeat(md5(n::text), 8)");
  const { reclaimable } = await sizeOf(db.sql);
  assert.ok(reclaimable < await totalOf(db.sql) * 0.05, `${reclaimable} bytes`);
});

Deno.test("dataset_sizes() foretells what a heap gives back, vacuumed or not", async () => {
  await using db = await docs(40_000, "repeat(md5(n::text), 8)");
  await db.write("delete from public.docs where id % 4 <> 0");
  assert.equal((await sizeOf(db.sql)).dead, 30_000);
  const foretold = (await sizeOf(db.sql)).reclaimable;
  await db.sql`vacuum public.docs`;
  near((await sizeOf(db.sql)).reclaimable, foretold, 0.05, "after a plain vacuum");
  await assertForetold(db.sql, 0.1);
});

Deno.test("dataset_sizes() finds a bloated index", async () => {
  await using db = await docs(30_000, "'short'");
  await db.sql`create index docs_done_idx on public.docs (done, id)`;
  for (let round = 0; round < 4; round += 1) {
    await db.write(`update public.docs set done = ${round % 2 === 0}`);
    await db.sql`vacuum public.docs`;
  }
  await db.sql`vacuum full public.docs`;
  const tight = await sizeOf(db.sql);
  await db.write("update public.docs set done = not done");
  await db.sql`vacuum (analyze) public.docs`;
  const before = await sizeOf(db.sql);
  const indexes = await db.sql<{ name: string; free: number }[]>`
    select index_name::text as name, reclaimable_bytes::float8 as free
      from strata.index_sizes('public.docs') order by index_name::text`;
  const found = indexes.reduce((sum, { free }) => sum + free, 0);
  near(found, before.index - tight.index, 0.25, "index bytes given back");
  assert.ok(found > MB);
});

Deno.test("dataset_sizes() finds bloated TOAST", async () => {
  await using db = await docs(2_000, "repeat(md5(n::text), 250)");
  assert.ok((await sizeOf(db.sql)).reclaimable < 2 * MB);
  await db.write("delete from public.docs where id % 10 <> 0");
  await db.sql`vacuum (analyze) public.docs`;
  assert.ok((await sizeOf(db.sql)).toast > 10 * MB);
  await assertForetold(db.sql, 0.15);
});

Deno.test("a table that was never analysed is judged by its dead rows", async () => {
  await using db = await core();
  await db.sql`create table public.docs (
    id integer primary key, created_at timestamptz, body text) with (autovacuum_enabled = off)`;
  await db.sql`select strata.manage('public.docs')`;
  await db.write(`insert into public.docs
    select n, now(), repeat(md5(n::text), 8) from generate_series(1, 20000) as n`);
  await db.write("delete from public.docs where id % 2 = 0");
  const { heap, reclaimable, rows, dead } = await sizeOf(db.sql);
  assert.deepEqual([rows, dead], [10_000, 10_000]);
  assert.ok(reclaimable > heap * 0.4 && reclaimable < heap * 0.7, `${reclaimable} of ${heap}`);
});

Deno.test("sizes are known while a table is being rewritten: nobody is waited for", async () => {
  await using db = await docs(5_000, "repeat(md5(n::text), 8)");
  const holder = db.connect({ max: 1 });
  await holder.unsafe("begin; lock table public.docs in access exclusive mode");
  // Who waits for the lock gives up after a second, every time; a busy machine is slow only now and then.
  const { heap, index } = await waitFor("the sizes, in less than a second", async () => {
    const started = performance.now();
    const size = await sizeOf(db.sql);
    await db.sql`call strata.watch()`;
    return performance.now() - started < 1_000 && size;
  });
  await holder.unsafe("rollback");
  const truth = await sizeOf(db.sql);
  near(heap, truth.heap, 0.05, "heap while held");
  near(index, truth.index, 0.05, "indexes while held");
});

Deno.test("who_fills() names datasets, other tables, the platform and the rest; together they are the bill", async () => {
  await using db = await docs(20_000, "repeat(md5(n::text), 8)");
  await db.sql`create table public.mine (body text)`;
  await db
    .sql`insert into public.mine select repeat(md5(n::text), 8) from generate_series(1, 10000) as n`;
  await db.sql`create table auth.identities (id integer, body text)`; // beside auth.users
  await db
    .sql`insert into auth.identities select n, repeat(md5(n::text), 8) from generate_series(1, 4000) as n`;
  const parts = await db.sql<{ part: string; kind: string; bytes: number }[]>`
    select part, kind, bytes::float8 as bytes from strata.who_fills(1000) where billed`;
  const kinds = new Map(parts.map(({ part, kind }) => [part, kind]));
  assert.equal(kinds.get("docs"), "dataset");
  assert.equal(kinds.get("public.mine"), "table");
  assert.equal(kinds.get("auth"), "platform");
  assert.equal(kinds.get("strata"), "strata");
  assert.equal(kinds.get("catalogue"), "catalogue");
  assert.equal(kinds.get("postgres"), "database");
  assert.equal(kinds.get("net._http_response"), "table");
  const here = parts.filter(({ kind }) => kind !== "database");
  const [size] = await db.sql<{ bytes: number }[]>`
    select pg_database_size(current_database())::float8 as bytes`;
  near(here.reduce((sum, { bytes }) => sum + bytes, 0), size?.bytes ?? 0, 0.01, "this database");
});

Deno.test("who_fills() gives the largest first and puts the others into one row", async () => {
  await using db = await docs(20_000, "repeat(md5(n::text), 8)");
  const parts = await db.sql<{ part: string; kind: string; bytes: number; billed: boolean }[]>`
    select part, kind, bytes::float8 as bytes, billed from strata.who_fills(3)`;
  const billed = parts.filter((part) => part.billed);
  assert.equal(billed.length, 4);
  assert.equal(billed[3]?.kind, "rest");
  const sizes = billed.slice(0, 3).map(({ bytes }) => bytes);
  assert.deepEqual(sizes, sizes.toSorted((a, b) => b - a));
  assert.ok(parts.some(({ kind, bytes }) => kind === "wal" && bytes > 0));
});

Deno.test("who_fills() shows what a replication slot holds back", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  const slot = `strata_${db.name.slice(-12)}`;
  await db.sql`select pg_create_physical_replication_slot(${slot}, true)`;
  try {
    const [part] = await db.sql`
      select kind, billed, says from strata.who_fills(1000) where part = ${slot}`;
    assert.deepEqual([part?.kind, part?.billed], ["slot", false]);
    assert.match(part?.says, /nobody reads/);
  } finally {
    await db.sql`select pg_drop_replication_slot(${slot})`;
  }
});

Deno.test("a database that is dropped while it is asked about has no bytes", async () => {
  await using core = await testDatabase();
  const [row] = await core.sql`
    select strata.database_bytes(4294967294) as gone, strata.database_bytes(oid) > 0 as here
      from pg_database where datname = current_database()`;
  assert.deepEqual({ ...row }, { gone: "0", here: true });
});

Deno.test("a database that is being made, and has no file yet, has no bytes", async () => {
  await using core = await testDatabase();
  const admin = connectLocally(await testCluster("core"), core.name);
  let bytes: string | null | undefined;
  await admin.begin(async (transaction) => {
    await transaction`set local allow_system_table_mods = on`;
    await transaction`
      insert into pg_database select (json_populate_record(d, '{"oid": 4294967293, "datname": "nascent"}')).*
        from pg_database as d where datname = current_database()`;
    const [row] = await transaction<
      { bytes: string | null }[]
    >`select strata.database_bytes(4294967293) as bytes`;
    bytes = row?.bytes;
    throw new Error("undo");
  }).catch((error) => assert.equal(error.message, "undo"));
  await admin.end();
  assert.equal(bytes, "0");
});
