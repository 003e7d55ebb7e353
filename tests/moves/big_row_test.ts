import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { DIALLING, moveTest, settle, whereabouts } from "../support/moves.ts";

const MEGABYTE = 1024 * 1024;

/** Old rows whose `content` has so many bytes and does not compress. */
async function makeFiles(sql: Sql, bytes: number[]): Promise<void> {
  await sql`create table public.files (
    id integer primary key, created_at timestamptz default now() - interval '90 days', content bytea)`;
  for (const [at, size] of bytes.entries()) {
    await sql`
      insert into public.files (id, content)
      select ${at}, string_agg(sha512((${at}::text || n)::bytea), '' order by n)
        from generate_series(1, ${size / 64}::integer) as n`;
  }
  await sql`select strata.manage('public.files', p_size_limit_kb => null)`;
}

moveTest("a row of 20 MB moves", async (chain) => {
  const { core, main } = chain;
  await makeFiles(core.sql, [20 * MEGABYTE]);
  const before = await whereabouts(chain, "files");

  await settle(chain);

  const [row] = await main.sql`select octet_length(content) as bytes from public.files`;
  assert.equal(row?.bytes, 20 * MEGABYTE);
  assert.equal(
    (await whereabouts(chain, "files")).get("{0}"),
    before.get("{0}")?.replace("core", "main"),
  );
}, { drivers: DIALLING });

moveTest("a batch is closed when its rows reach 4 MB, the first two at 1 MB", async (chain) => {
  const { core } = chain;
  await makeFiles(
    core.sql,
    [0.75, 0.75, 0.75, 0.75, 2.5, 2.5, 2.5, 0.75, 0.75].map((size) => size * MEGABYTE),
  );

  await settle(chain);

  const moves = await core.sql`select rows_moved from strata.moves order by started_at`;
  assert.deepEqual(moves.map(({ rows_moved }) => rows_moved), [2, 2, 2, 3]);
}, { drivers: DIALLING });

moveTest("a batch is closed at the number of rows that the settings name", async (chain) => {
  const { core } = chain;
  await makeFiles(core.sql, [64, 64, 64, 64, 64]);
  await core.sql`update strata.settings set value = 2 where name = 'batch_rows'`;

  await settle(chain);

  const moves = await core.sql`select rows_moved from strata.moves order by started_at`;
  assert.deepEqual(moves.map(({ rows_moved }) => rows_moved), [2, 2, 1]);
});
