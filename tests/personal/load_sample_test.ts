import { assert, assertEquals } from "@std/assert";
import type postgres from "postgres";
import { SAMPLE_DATASETS, sampleRows } from "../../cli/sample/generate.ts";
import { type LoadOutcome, type LoadProgress, loadSample } from "../../cli/sample/load_sample.ts";
import { testDatabase } from "../support/database.ts";

const NOON = new Date("2026-11-22T12:00:00Z");
const A_LITTLE = { now: NOON, scale: 0.05 };

Deno.test("loadSample() loads every dataset whole", async () => {
  await using db = await testDatabase();
  const rows = loaded(await loadSample(db.sql, A_LITTLE));

  for (const dataset of SAMPLE_DATASETS) {
    const expected = [...sampleRows(dataset, A_LITTLE)].length;
    assertEquals(rows.get(dataset), expected, dataset);
    assertEquals(await count(db.sql, dataset), expected, dataset);
  }
});

Deno.test("loadSample() writes values as they were told", async () => {
  await using db = await testDatabase();
  await loadSample(db.sql, A_LITTLE);

  const [entry] = sampleRows("journal_entries", A_LITTLE);
  const [picture] = sampleRows("media_files", A_LITTLE);
  const [written] = await db.sql`
    select id, created_at, date::text, content, mood, tags from public.journal_entries order by id
     limit 1 offset (select count(*) from public.journal_entries where id < ${entry?.id ?? ""})`;
  assertEquals({ ...written }, { ...entry });
  const [stored] = await db.sql`
    select content from public.media_files where id = ${picture?.id ?? ""}`;
  assertEquals(new Uint8Array(stored?.content), picture?.content);

  const [faults] = await db.sql`
    select (select count(*) from public.media_files
             where sha256 <> pg_catalog.sha256(content))::int as pictures,
           (select count(*) from public.raw_exports
             where sha256 <> pg_catalog.sha256(convert_to(payload::text, 'UTF8')))::int as exports`;
  assertEquals({ ...faults }, { pictures: 0, exports: 0 });
});

Deno.test("loadSample() does not load the same life twice", async () => {
  await using db = await testDatabase();
  await loadSample(db.sql, A_LITTLE);
  const before = await count(db.sql, "tasks");

  const again = await loadSample(db.sql, { ...A_LITTLE, now: new Date("2026-12-24") });
  assertEquals(again, { outcome: "already_loaded", dataset: "daily_summaries" });
  assertEquals(await count(db.sql, "tasks"), before);
});

Deno.test("loadSample() leaves core alone when the sample has settled", async () => {
  await using core = await testDatabase();
  await using main = await testDatabase();
  await loadSample(main.sql, A_LITTLE);
  await main.sql`delete from public.daily_summaries where true`;

  const result = await loadSample(core.sql, { ...A_LITTLE, colder: [main.sql] });
  assertEquals(result, { outcome: "already_loaded", dataset: "shadow_work_current" });
  assertEquals(await count(core.sql, "tasks"), 0);
});

Deno.test("loadSample() loads all or nothing", async () => {
  await using db = await testDatabase();
  await db.sql`alter table public.media_files add constraint no_pictures check (false)`;
  const error = await loadSample(db.sql, A_LITTLE).catch((error: unknown) => error);
  assert(error instanceof Error && error.message.includes("no_pictures"));
  assertEquals(await count(db.sql, "daily_summaries"), 0);
});

Deno.test("loadSample() passes over a table that is not there", async () => {
  await using db = await testDatabase();
  await db.sql`drop table public.contacts`;
  const rows = loaded(await loadSample(db.sql, A_LITTLE));
  assert(!rows.has("contacts") && rows.has("tasks"));
});

Deno.test("loadSample() tells how far it is", async () => {
  await using db = await testDatabase();
  const told: LoadProgress[] = [];
  const onProgress = (step: LoadProgress) => told.push(step);
  const rows = loaded(await loadSample(db.sql, { ...A_LITTLE, onProgress }));

  assertEquals(told.at(-1)?.rows, [...rows.values()].reduce((sum, n) => sum + n));
  assertEquals(
    told.map((step) => step.position),
    told.map((step) => step.position).toSorted(order),
  );
});

function loaded(result: LoadOutcome): ReadonlyMap<string, number> {
  if (result.outcome !== "loaded") throw new Error(`expected to load, got ${result.outcome}`);
  return result.rows;
}

const order = (a: number, b: number) => a - b;

async function count(sql: postgres.Sql, dataset: string): Promise<number> {
  const [row] = await sql`select count(*)::int as n from ${sql(`public.${dataset}`)}`;
  return row?.n;
}
