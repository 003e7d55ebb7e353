import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { makeEveryType, NASTY_SETTINGS } from "../support/every_type.ts";
import { moveTest, runInNewSessions, settle, THREE_TIERS, whereabouts } from "../support/moves.ts";

/** Every value of a row as its type writes it, with settings under which nothing is rounded. */
async function valuesOf(sql: Sql): Promise<Map<string, unknown>> {
  return await sql.begin(async (tx) => {
    await tx`select set_config('extra_float_digits', '1', true), set_config('timezone', 'UTC', true),
                    set_config('datestyle', 'ISO', true), set_config('intervalstyle', 'postgres', true)`;
    const columns = await tx<{ name: string }[]>`
      select attname as name from pg_attribute
       where attrelid = 'public.every_type'::regclass and attnum > 0 and not attisdropped`;
    const texts = columns.map(({ name }) => tx`${tx(name)}::text as ${tx(name)}`);
    const list = texts.reduce((all, one) => tx`${all}, ${one}`);
    const rows = await tx`select ${list} from public.every_type`;
    return new Map(rows.map((row) => [`${row.id}`, sorted(row)]));
  });
}

const sorted = (row: object) => Object.fromEntries(Object.entries(row).sort());

moveTest("every value of every type is the same two tiers further down", async (chain) => {
  const { core, archive } = chain;
  await makeEveryType(core.sql);
  await core.sql`select strata.manage('public.every_type', p_size_limit_kb => null)`;
  const [values, places] = [await valuesOf(core.sql), await whereabouts(chain, "every_type")];

  await settle(chain);

  assert.deepEqual(await valuesOf(archive.sql), values);
  const moved = new Map([...places].map(([key, at]) => [key, at.replace("core", "archive")]));
  assert.deepEqual(await whereabouts(chain, "every_type"), moved);
}, { tiers: THREE_TIERS });

moveTest("the settings of a session or a role change no value", async (chain) => {
  const { core, main } = chain;
  await makeEveryType(core.sql);
  await core.sql`select strata.manage('public.every_type', p_size_limit_kb => null)`;
  const values = await valuesOf(core.sql);
  for (const { sql, name } of chain.databases) {
    for (const [setting, value] of Object.entries(NASTY_SETTINGS)) {
      await sql`alter database ${sql(name)} set ${sql.unsafe(setting)} to ${sql.unsafe(value)}`;
    }
  }
  for (const { connect } of chain.databases) {
    const session = connect({ max: 1 });
    const [row] = await session`select current_setting('datestyle') as style`;
    assert.equal(row?.style, "German, DMY");
  }
  await runInNewSessions(chain);
  assert.deepEqual(await valuesOf(main.sql), values);
  assert.equal((await valuesOf(core.sql)).size, 0);
});

moveTest(
  "a twin with its columns in another order, and gaps between them, takes the same rows",
  async (chain) => {
    const { core, main } = chain;
    await core.sql`create table public.notes (
    id bigint primary key, gone integer, created_at timestamptz, body text, mood text)`;
    await core.sql`alter table public.notes drop column gone`;
    await main.sql`create table public.notes (
    lost jsonb, mood text, body text, gone_too text, id bigint primary key, made_here text default 'main',
    created_at timestamptz)`;
    await main.sql`alter table public.notes drop column lost, drop column gone_too`;
    await core.sql`insert into public.notes values (1, '2020-01-01 00:00+00', 'text', null)`;
    await core.sql`select strata.manage('public.notes')`;

    await settle(chain);

    const rows = await main
      .sql`select id::text, created_at = '2020-01-01 00:00+00' as same_age, body,
    mood, made_here from public.notes`;
    assert.deepEqual(rows.map((row) => ({ ...row })), [
      { id: "1", same_age: true, body: "text", mood: null, made_here: "main" },
    ]);
    assert.equal((await whereabouts(chain, "notes")).size, 1);
  },
);

moveTest("rows without an age stay where they are, and are counted", async (chain) => {
  const { core } = chain;
  await core.sql`create table public.notes (id bigint primary key, created_at timestamptz)`;
  await core
    .sql`insert into public.notes values (1, null), (2, now() - interval '1 year'), (3, null)`;
  await core.sql`select strata.manage('public.notes')`;

  await settle(chain);

  const [plan] = await core.sql`select without_age::integer from strata.plan('notes')`;
  const left = await core.sql`select id::integer from public.notes order by id`;
  assert.deepEqual([plan?.without_age, left.map(({ id }) => id)], [2, [1, 3]]);
});
