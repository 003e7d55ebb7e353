import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { testDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait_for.ts";
import { after, becomes, MB, openKinds, pretendSize } from "../support/watch.ts";

const START = "2026-03-01T00:00:00Z";

async function levelOf(sql: Sql, megabytes: number, previous: string | null): Promise<string> {
  const bytes = Math.round(megabytes * MB);
  const [row] = await sql<{ level: string }[]>`
    select strata.level_of(${bytes}, ${previous}) as level`;
  return row?.level ?? "";
}

Deno.test("level_of() crosses a threshold upwards at once, downwards with 5 % to spare", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  for (
    const [megabytes, previous, level] of [
      [400, null, "ok"],
      [400.1, null, "warning"],
      [450, "ok", "warning"],
      [450.1, "ok", "critical"],
      [449, "critical", "critical"],
      [427.6, "critical", "critical"],
      [427.4, "critical", "warning"],
      [390, "warning", "warning"],
      [390, "ok", "ok"],
      [380.1, "warning", "warning"],
      [379.9, "warning", "ok"],
      [379.9, "critical", "ok"],
    ] as const
  ) {
    const found = await levelOf(db.sql, megabytes, previous);
    assert.equal(found, level, `${megabytes} MB after ${previous}`);
  }
});

Deno.test("level_of() goes by this tier's own numbers", async () => {
  await using db = await testDatabase("main");
  await becomes(db.sql, "main");
  assert.equal(await levelOf(db.sql, 8_500, null), "ok");
  assert.equal(await levelOf(db.sql, 8_501, null), "warning");
  assert.equal(await levelOf(db.sql, 9_501, null), "critical");
  await db.sql`select strata.set_tier('main', p_warn_mb => 100)`;
  assert.equal(await levelOf(db.sql, 101, null), "warning");
});

Deno.test("watch() takes a sample, opens alerts on the way up and clears them well below", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  const course: [number, string[]][] = [
    [390, []],
    [401, ["size_warning"]],
    [399, ["size_warning"]],
    [455, ["size_critical", "size_warning"]],
    [445, ["size_critical", "size_warning"]],
    [420, ["size_warning"]],
    [375, []],
  ];
  for (const [hour, [megabytes, kinds]] of course.entries()) {
    await db.freezeClock(after(START, hour));
    await pretendSize(db.sql, megabytes * MB);
    await db.sql`call strata.watch()`;
    assert.deepEqual(await openKinds(db.sql), kinds, `${megabytes} MB`);
  }
  const samples = await db.sql<{ mb: number; level: string }[]>`
    select billed_bytes::float8 / ${MB} as mb, level from strata.samples order by taken_at`;
  assert.deepEqual(samples.map(({ mb }) => mb), course.map(([megabytes]) => megabytes));
  const alerts = await db.sql<{ kind: string; seen_count: number }[]>`
    select kind, seen_count from strata.alerts order by kind`;
  assert.deepEqual(alerts.map((row) => ({ ...row })), [
    { kind: "size_critical", seen_count: 2 },
    { kind: "size_warning", seen_count: 5 },
  ]);
});

Deno.test("a sample holds what is billed, and the largest tables with it", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  await db.sql`create table public.large (id integer, body text)`;
  await db
    .sql`insert into public.large select n, repeat(md5(n::text), 20) from generate_series(1, 4000) as n`;
  await db.sql`create table public.small (id integer)`;
  await db.sql`call strata.watch()`;
  const [sample] = await db.sql<{ parts: Record<string, number>; near: boolean; bytes: string }[]>`
    select parts, abs(billed_bytes - strata.billed_bytes()) < 200 * ${MB} as near,
           pg_total_relation_size('public.large')::text as bytes
      from strata.samples`;
  assert.equal(sample?.near, true);
  assert.deepEqual(Object.keys(sample?.parts ?? {}), ["public.large"]);
  assert.equal(String(sample?.parts["public.large"]), sample?.bytes);
});

Deno.test("two years and a week of samples are thinned to a bounded number that keeps the averages", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  await db.freezeClock(START);
  await db.sql`
    insert into strata.samples (taken_at, billed_bytes, level, parts)
    select t, 1000 * date_part('hour', t at time zone 'UTC'), 'ok',
           '{"public.journal_entries": 1234567890, "public.analytics_events": 1234567890, "public.tasks": 1234567}'
      from generate_series(strata.clock() - interval '800 days', strata.clock(), interval '15 minutes') as t`;
  await db.sql`select strata.prune()`;
  const [found] = await db.sql`
    select count(*) filter (where taken_at >= strata.clock() - interval '7 days')::integer as recent,
           count(*) filter (where taken_at < strata.clock() - interval '7 days')::integer as daily,
           count(distinct day_average)::integer as averages,
           min(day_average)::integer as average,
           bool_and(day_average is null) filter (where taken_at >= strata.clock() - interval '7 days') as whole,
           min(to_char(taken_at at time zone 'UTC', 'HH24:MI'))
             filter (where taken_at < strata.clock() - interval '7 days') as kept
      from strata.samples`;
  assert.deepEqual({ ...found }, {
    recent: 7 * 96 + 1,
    daily: 723,
    averages: 1,
    average: 11_500,
    whole: true,
    kept: "23:45",
  });
  await db.sql`select strata.prune()`;
  const [again] = await db.sql`select count(*)::integer as n from strata.samples`;
  assert.equal(again?.n, 7 * 96 + 1 + 723);
  await waitFor("what was thinned to be given back", async () => { // an ANALYZE by autovacuum keeps dead rows in sight
    await db.sql`vacuum full strata.samples`;
    const [size] = await db.sql<{ bytes: number }[]>`
      select pg_total_relation_size('strata.samples')::float8 as bytes`;
    return (size?.bytes ?? Infinity) < MB;
  });
});

Deno.test("watch() thins as the days go by, without waiting for upkeep", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  await pretendSize(db.sql, 100 * MB);
  await db.sql`
    insert into strata.samples (taken_at, billed_bytes, level)
    select t, 1, 'ok' from generate_series(${START}::timestamptz, ${
    after(START, 23)
  }, interval '1 hour') as t`;
  for (const [day, left] of [[7, 24], [8, 1]] as const) {
    await db.freezeClock(after(START, day * 24 + 1));
    await db.sql`call strata.watch()`;
    const rows = await db.sql`
      select from strata.samples where taken_at < ${after(START, 24)}::timestamptz`;
    assert.equal(rows.length, left);
  }
});

Deno.test("a core that was turned read-only is watched all the same", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  await pretendSize(db.sql, 505 * MB);
  const connection = { search_path: "pg_catalog", default_transaction_read_only: true };
  const readOnly = db.connect({ connection, max: 1 });
  await assert.rejects(readOnly`select strata.take_sample()`, /read-only transaction/);
  await readOnly`call strata.watch()`;
  assert.deepEqual(await openKinds(db.sql), ["size_critical", "size_warning"]);
  const another = db.connect({ connection, max: 1 });
  await another`call strata.watchdog()`;
});

Deno.test("two watches at once do not hinder each other", async () => {
  await using db = await testDatabase("core");
  await becomes(db.sql, "core");
  await pretendSize(db.sql, 505 * MB);
  await db.freezeClock(START);
  const sessions = [1, 2, 3, 4].map(() => db.connect({ max: 1 }));
  await Promise.all(sessions.map((session) => session`call strata.watch()`));
  const rows = await db.sql`select from strata.samples`;
  assert.equal(rows.length, 1);
  assert.deepEqual(await openKinds(db.sql), ["size_critical", "size_warning"]);
});
