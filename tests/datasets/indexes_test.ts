import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Sql } from "postgres";
import type { Tier } from "../../local/settings.ts";
import { testDatabase } from "../support/database.ts";
import { createNotes, manage, manageNotes } from "../support/notes.ts";

async function on(tier: Tier) {
  const db = await testDatabase(tier);
  await db.sql`select strata.become(${tier})`;
  return db;
}

/** The definitions of a table's indexes beside its primary key, without their names. */
async function indexes(sql: Sql, table = "public.notes"): Promise<string[]> {
  const rows = await sql<{ definition: string }[]>`
    select substring(pg_get_indexdef(indexrelid) from 'USING .*') as definition
      from pg_index where indrelid = ${table}::regclass and not indisprimary order by indexrelid`;
  return rows.map(({ definition }) => definition);
}

Deno.test("manage() makes an index on the age column", async () => {
  await using db = await on("core");
  await manageNotes(db.sql);
  assertEquals(await indexes(db.sql), ["USING btree (created_at)"]);
});

Deno.test("manage() makes one for another age column as well, whatever their names are", async () => {
  await using db = await on("core");
  const long = "n".repeat(60);
  await db.sql.unsafe(`
    create table public.${long}a (id int primary key, made date, changed date);
    create table public.${long}b (id int primary key, made date, changed date)`);
  for (const table of [`public.${long}a`, `public.${long}b`]) {
    await manage(db.sql, table, { age_column: "made" });
    await manage(db.sql, table, { age_column: "changed" });
    assertEquals(await indexes(db.sql, table), ["USING btree (made)", "USING btree (changed)"]);
  }
});

const SERVING = ["(created_at)", "(created_at desc, body)", "(created_at) include (body)"];

for (const columns of SERVING) {
  Deno.test(`manage() is content with an index on ${columns}`, async () => {
    await using db = await on("core");
    await createNotes(db.sql);
    await db.sql.unsafe(`create index on public.notes ${columns}`);
    await manage(db.sql, "public.notes");
    assertEquals((await indexes(db.sql)).length, 1);
  });
}

const NOT_SERVING = [
  "(body, created_at)",
  "(created_at) where body is null",
  "((created_at + interval '1 day'))",
];

for (const columns of NOT_SERVING) {
  Deno.test(`manage() makes its own index beside one on ${columns}`, async () => {
    await using db = await on("core");
    await createNotes(db.sql);
    const immutable = columns.replace("created_at + interval '1 day'", "created_at is null");
    await db.sql.unsafe(`create index on public.notes ${immutable}`);
    await manage(db.sql, "public.notes");
    assertEquals((await indexes(db.sql)).at(-1), "USING btree (created_at)");
  });
}

Deno.test("manage() makes its own index beside an invalid one and one that keeps no order", async () => {
  await using db = await on("core");
  await createNotes(db.sql);
  await db.sql`create index on public.notes using brin (created_at)`;
  await manage(db.sql, "public.notes");
  assertEquals(await indexes(db.sql), ["USING brin (created_at)", "USING btree (created_at)"]);
});

const OVERSIZE = "USING btree (created_at) WHERE (COALESCE(octet_length(body), 0) > 102400)";

Deno.test("on main, manage() makes an index over the rows above the size limit", async () => {
  await using db = await on("main");
  await manageNotes(db.sql);
  assertEquals(await indexes(db.sql), ["USING btree (created_at)", OVERSIZE]);
});

Deno.test("on core and at the archive no index over oversize rows is made", async () => {
  for (const tier of ["core", "archive"] as const) {
    await using db = await on(tier);
    await manageNotes(db.sql);
    assertEquals(await indexes(db.sql), ["USING btree (created_at)"]);
  }
});

Deno.test("the index over oversize rows stays what it is when nothing changes", async () => {
  await using db = await on("main");
  const oids = () =>
    db.sql`select indexrelid from pg_index where indrelid = 'public.notes'::regclass`;
  await manageNotes(db.sql);
  const once = await oids();
  await manage(db.sql, "public.notes");
  assertEquals([...await oids()], [...once]);
});

Deno.test("the index over oversize rows follows limit, age column and columns of text", async () => {
  await using db = await on("main");
  await manageNotes(db.sql, { size_limit_kb: 10 });
  await manage(db.sql, "public.notes", { size_limit_kb: 20 });
  assertStringIncludes((await indexes(db.sql)).at(-1) ?? "", "> 20480)");
  assertEquals((await indexes(db.sql)).length, 2);

  await db.sql`alter table public.notes add column title varchar(9)`;
  await manage(db.sql, "public.notes", { size_limit_kb: 20 });
  assertStringIncludes((await indexes(db.sql)).at(-1) ?? "", "octet_length((title)::text)");

  await db.sql`alter table public.notes add column "Read at" date`;
  await manage(db.sql, "public.notes", { size_limit_kb: 20, age_column: "Read at" });
  assertStringIncludes((await indexes(db.sql)).at(-1) ?? "", '("Read at") WHERE');
  assertEquals((await indexes(db.sql)).length, 3); // both age columns, and one for sizes
});

Deno.test("the index over oversize rows goes with the limit", async () => {
  await using db = await on("main");
  await manageNotes(db.sql);
  await manage(db.sql, "public.notes", { size_limit_kb: null });
  assertEquals(await indexes(db.sql), ["USING btree (created_at)"]);
});

Deno.test("a size limit on a table without a column of text needs no index", async () => {
  await using db = await on("main");
  await db.sql`create table public.notes (id int primary key, created_at date)`;
  await manage(db.sql, "public.notes");
  assertEquals(await indexes(db.sql), ["USING btree (created_at)"]);
});

Deno.test("what is due by age is found through the age index", async () => {
  await using db = await on("core");
  await manyNotes(db.sql);
  await db.sql`select strata.join_tier('main', 'pull')`;
  const plan = await planOf(db.sql, "aged");
  assert(plan.includes("Index Scan using notes_created_at_idx"), plan);
});

Deno.test("what is due by size is found through the index over oversize rows", async () => {
  await using db = await on("main");
  await manyNotes(db.sql);
  await db.sql`select strata.join_tier('archive', 'pull')`;
  const plan = await planOf(db.sql, "oversize");
  assert(/Index Scan using strata_size_notes_\w+/.test(plan), plan);
});

/** Ten thousand young notes, of which one is too large. */
async function manyNotes(sql: Sql) {
  await manageNotes(sql);
  await sql`
    insert into public.notes select n, now() - n * interval '1 minute', 'x'
      from generate_series(1, 10000) as n`;
  await sql`update public.notes set body = repeat('x', 200000) where id = 1`;
  await sql`analyze public.notes`;
}

/** How Postgres looks for due rows, by the conditions a claim is made with. */
async function planOf(sql: Sql, rule: "aged" | "oversize"): Promise<string> {
  const [policy] = await sql`
    select c.aged, c.oversize, c.due from strata.conditions(strata.dataset('notes')) as c`;
  const rows = await sql.unsafe<{ "QUERY PLAN": string }[]>(`
    explain select t.* from public.notes as t
     where ${policy?.[rule]} and ${policy?.due} order by t.created_at limit 5000`);
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}
