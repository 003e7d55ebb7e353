import assert from "node:assert/strict";
import { testDatabase } from "../support/database.ts";
import { becomes } from "../support/watch.ts";

const NOW = "2026-07-01T00:00:00Z";

async function core() {
  const db = await testDatabase("core");
  await becomes(db.sql, "core");
  await db.freezeClock(NOW);
  return db;
}

Deno.test("moves closed 90 days ago become totals, added up as later ones follow", async () => {
  await using db = await core();
  await db.sql`
    insert into strata.moves (dataset, from_tier, to_tier, kind, state, rows_claimed, rows_moved, rows_kept, bytes,
                              started_at, purged_at, finished_at)
    select v.dataset, 'core', v.to_tier, case when v.to_tier is null then 'delete' else 'move' end, v.state,
           10, case when v.state <> 'claimed' then v.rows end, 0, 100, v.at, v.at,
           case when v.state = 'closed' then v.at end
      from (values
        ('notes', 'main', 'closed', 4, timestamptz '2026-01-05 00:00:00Z'),
        ('notes', 'main', 'closed', 6, timestamptz '2026-01-31 23:59:59Z'),
        ('notes', 'main', 'closed', 1, timestamptz '2026-02-01 00:00:00Z'),
        ('notes', null, 'closed', 2, timestamptz '2026-01-06 00:00:00Z'),
        ('tasks', 'main', 'closed', 3, timestamptz '2026-01-06 00:00:00Z'),
        ('notes', 'main', 'purged', 5, timestamptz '2026-01-07 00:00:00Z'),
        ('notes', 'main', 'closed', 7, timestamptz '2026-04-02 00:00:01Z')
      ) as v (dataset, to_tier, state, rows, at)`;
  const totals = async () => {
    const rows = await db.sql`
      select dataset, to_char(month, 'YYYY-MM') as month, to_tier, moves::integer, rows_moved::integer as rows,
             bytes::integer from strata.moves_totals order by dataset, month, to_tier`;
    return rows.map((row) => Object.values(row).join(" "));
  };
  await db.sql`select strata.prune()`;
  assert.deepEqual(await totals(), [
    "notes 2026-01 main 2 10 200",
    "notes 2026-01  1 2 100",
    "notes 2026-02 main 1 1 100",
    "tasks 2026-01 main 1 3 100",
  ]);
  const left = await db.sql`select state from strata.moves order by started_at`;
  assert.deepEqual(left.map(({ state }) => state), ["purged", "closed"]);

  await db
    .sql`update strata.moves set state = 'closed', finished_at = started_at
    where state = 'purged'`;
  await db.sql`select strata.prune()`;
  await db.sql`select strata.prune()`;
  assert.deepEqual((await totals())[0], "notes 2026-01 main 3 15 300");
});

Deno.test("failures, cleared alerts, costs and counted use age out; what is open stays", async () => {
  await using db = await core();
  await db.sql`
    insert into strata.failures (failed_at, dataset, code, says)
    select strata.clock() - make_interval(days => d), 'notes', '23514', 'no' from unnest(array[29, 31]) as d`;
  await db.sql`
    insert into strata.alerts (kind, tier, subject, severity, says, first_seen_at, last_seen_at, cleared_at)
    select 'overdue', 'core', d::text, 'info', 'x', strata.clock(), strata.clock(),
           strata.clock() - make_interval(days => d) from unnest(array[89, 91, null]) as d where d is not null
    union all
    select 'overdue', 'core', 'open', 'info', 'x', strata.clock() - interval '5 years', strata.clock(), null`;
  await db.sql`
    insert into strata.costs (at, kind, units, usd)
    select strata.clock() - make_interval(days => d), 'voice', 1, 1 from unnest(array[399, 401]) as d`;
  await db.sql`
    insert into strata.usage (day, name, amount)
    select strata.clock()::date - d, 'egress', 1 from unnest(array[399, 401]) as d`;
  await db.sql`select strata.prune()`;
  const [left] = await db.sql`
    select (select count(*)::integer from strata.failures) as failures,
           (select string_agg(subject, ' ' order by alert_id) from strata.alerts) as alerts,
           (select count(*)::integer from strata.costs) as costs,
           (select count(*)::integer from strata.usage) as usage`;
  assert.deepEqual({ ...left }, { failures: 1, alerts: "89 open", costs: 1, usage: 1 });
});

Deno.test("even a storm of failures and alerts leaves at most 10,000 of each", async () => {
  await using db = await core();
  await db.sql`
    insert into strata.failures (failed_at, dataset, code, says)
    select strata.clock(), 'notes', '55P03', 'no ' || n from generate_series(1, 12000) as n`;
  await db.sql`
    insert into strata.alerts (kind, tier, subject, severity, says, first_seen_at, last_seen_at, cleared_at)
    select 'overdue', 'core', 'notes', 'info', 'x', strata.clock(), strata.clock(), strata.clock()
      from generate_series(1, 12000)`;
  await db.sql`select strata.prune()`;
  const [left] = await db.sql`
    select (select count(*)::integer from strata.failures) as failures, (select min(says) from strata.failures
             where failure_id = (select min(failure_id) from strata.failures)) as oldest,
           (select count(*)::integer from strata.alerts where kind = 'overdue') as alerts`;
  assert.deepEqual({ ...left }, { failures: 10_000, oldest: "no 2001", alerts: 10_000 });
});
