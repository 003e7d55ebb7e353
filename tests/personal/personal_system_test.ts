import { assert, assertEquals, assertRejects } from "@std/assert";
import { SAMPLE_DATASETS } from "../../cli/sample/generate.ts";
import { testDatabase } from "../support/database.ts";
import { schemaFiles } from "../support/schemas.ts";

Deno.test("the personal system has a table for every dataset, described and indexed by age", async () => {
  await using db = await testDatabase();
  const tables = await db.sql`
    select c.relname::text as name,
           obj_description(c.oid, 'pg_class') is not null as described,
           exists (select from pg_index as i
                    where i.indrelid = c.oid and pg_get_indexdef(i.indexrelid, 1, true) = 'created_at')
             as aged
      from pg_class as c
     where c.oid = any (${datasets()}::text[]::regclass[]) order by 1`;
  assertEquals(
    tables.map((table) => ({ ...table })),
    SAMPLE_DATASETS.toSorted().map((name) => ({ name, described: true, aged: true })),
  );
});

Deno.test("the personal system indexes the days", async () => {
  await using db = await testDatabase();
  const indexes = await db.sql`
    select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid, 1, true) as column
      from pg_index as i join pg_class as c on c.oid = i.indexrelid
     where c.relname in ('idx_daily_summaries_date', 'idx_shadow_work_date', 'idx_journal_date')`;
  assertEquals(indexes.length, 3);
  assert(indexes.every((index) => index.column === "date"));
});

Deno.test("the personal system is open to service_role and to nobody else", async () => {
  await using db = await testDatabase();
  const open = await db.sql`
    select t.name, r.role, p.privilege
      from unnest(${datasets()}::text[]) as t (name),
           unnest('{anon,authenticated,service_role}'::text[]) as r (role),
           unnest('{select,insert,update,delete}'::text[]) as p (privilege)
     where has_table_privilege(r.role, t.name, p.privilege) <> (r.role = 'service_role')`;
  assertEquals([...open], []);
  const unguarded = await db.sql`
    select c.relname from pg_class as c
     where c.oid = any (${datasets()}::text[]::regclass[]) and not c.relrowsecurity`;
  assertEquals([...unguarded], []);
});

Deno.test("a day is the UTC day of created_at, unless it is given", async () => {
  await using db = await testDatabase();
  for (const table of ["daily_summaries", "shadow_work_current"]) {
    const [row] = await db.sql`
      insert into ${db.sql(`public.${table}`)} (created_at) values ('2026-03-01T00:30+02')
      returning date::text`;
    assertEquals(row?.date, "2026-02-28");
  }
  const entries = await db.sql`
    insert into public.journal_entries (created_at, date, content)
    values ('2026-03-01T00:30+02', null, 'asked for'), ('2026-03-01T00:30+02', '2020-01-01', 'given')
    returning date::text`;
  assertEquals(entries.map((entry) => entry.date), ["2026-02-28", "2020-01-01"]);
});

Deno.test("a project is not deleted under its tasks", async () => {
  await using db = await testDatabase();
  const [project] = await db.sql`insert into public.projects (name) values ('Garden') returning id`;
  await db.sql`insert into public.tasks (title, project_id) values ('Dig', ${project?.id})`;
  await assertRejects(() => db.sql`delete from public.projects where id = ${project?.id}`);
});

Deno.test("nothing but the companion mentions the personal system", async () => {
  for await (const { path, text } of schemaFiles()) {
    if (path.startsWith("companion/")) continue;
    for (const table of datasets()) assert(!text.includes(table), `${path} mentions ${table}`);
  }
});

function datasets(): string[] {
  return SAMPLE_DATASETS.map((dataset) => `public.${dataset}`);
}
