-- Reports: what each tier says of itself, and what core makes of it.
--
-- A report is made of parts, one per tier, and a part of sections, each a function of its own (report_size,
-- report_moves, …) that returns JSON. A section that fails says so and the others stand; a tier that is down
-- does not fail the report, its part is the last one that was heard, with its age, or a sentence.
--
-- A tier makes its part at most once an hour, before it exchanges heartbeats; with the heartbeat it travels
-- to the hotter tier, as alerts do, and so core has them all (strata.report_parts). What it is asked for now
-- it looks up now. Nothing in a part reads a managed table further than the oldest rows of each dataset.
--
-- Whole numbers that may be large are text: what reads them over REST has doubles.

create function strata.report_size()
returns jsonb
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('billed_bytes', b.bytes::text, 'capacity_mb', t.capacity_mb, 'warn_mb', t.warn_mb,
           'critical_mb', t.critical_mb, 'level', strata.level_of(b.bytes, strata.level()),
           'drain', strata.drain_progress(),
           'reclaimable_bytes', (select coalesce(sum(p.reclaimable_bytes), 0)::text from strata.parts() as p
                                  where p.billed),
           'fills',
           (select jsonb_agg(jsonb_build_object('part', f.part, 'kind', f.kind, 'bytes', f.bytes::text)
                             order by f.bytes desc)
              from strata.who_fills(5) as f where f.billed and f.kind <> 'rest'))
    from strata.tiers as t, (select strata.billed_bytes() as bytes) as b where t.name = strata.tier()
$$;
comment on function strata.report_size() is
  'For the report: what is billed, the level that means, a drain that is open, and who fills it most.';

create function strata.report_moves()
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with since as (select strata.clock() - interval '24 hours' as at),
  recent as (
    select m.* from strata.moves as m, since
     where m.started_at >= since.at or m.finished_at >= since.at or m.state <> 'closed'
  )
  select jsonb_build_object(
    'total', count(*) filter (where m.kind = 'move'),
    'successful', count(*) filter (where m.kind = 'move' and m.state = 'closed'),
    'failed', (select count(*) from strata.failures as f, since where f.failed_at >= since.at),
    'rows', coalesce(sum(m.rows_moved) filter (where m.kind = 'move'), 0)::text,
    'bytes', coalesce(sum(m.bytes) filter (where m.kind = 'move' and m.state <> 'claimed'), 0)::text,
    'deleted_rows', coalesce(sum(m.rows_moved) filter (where m.kind = 'delete'), 0)::text,
    'failed_steps', (select count(*) from strata.failures as f, since where f.failed_at >= since.at),
    'last_failure', (select format('%1$s: %2$s [%3$s]', coalesce(f.dataset, f.link),
                                   strata.plain_trouble(f.code, f.says), f.code)
                       from strata.failures as f, since
                      where f.failed_at >= since.at order by f.failure_id desc limit 1),
    'set_aside', (select count(*) from strata.set_aside))
    from recent as m
$$;
comment on function strata.report_moves() is
  'For the report: moves and deletions of the last 24 hours. failed, and failed_steps: every attempt that '
  'failed, of a dataset or of a link, also where it went well later.';

create function strata.due_rows(p_dataset strata.datasets)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_policy constant record := strata.conditions(p_dataset);
  v_rows bigint;
  v_context text;
begin
  if v_policy.action is null then
    return 0;
  end if;
  execute format('select count(*) from (select t.ctid, t.* from %1$s as t where (%2$s) or (%3$s) '
                 'order by t.%4$I limit %5$s) as t where %6$s',
                 strata.relation(p_dataset), v_policy.aged, v_policy.oversize, p_dataset.age_column,
                 strata.setting('report_due_rows'), v_policy.due) into v_rows;
  return v_rows;
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
  return null; -- what is wrong with it is written down by whoever tries to move it
end
$$;
comment on function strata.due_rows(strata.datasets) is
  'How many rows of a dataset are due here, among the oldest that could be; null when '
  'it cannot be looked at.';
select strata.pin('strata.due_rows(strata.datasets)');

create function strata.report_due()
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(jsonb_build_object('dataset', d.name, 'action', r.action, 'rows', n.rows::text,
           'at_least', n.rows >= strata.setting('report_due_rows'),
           'trouble', strata.plain_trouble(d.trouble_sqlstate, d.trouble), 'waiting_since', w.since)
           order by n.rows desc nulls first, d.name), '[]')
    from strata.datasets as d
    cross join lateral strata.retention(d) as r
    cross join lateral (select strata.due_rows(d) as rows) as n
    left join strata.waiting as w on w.dataset = d.name
   where coalesce(n.rows, 1) > 0 and r.action is not null
$$;
comment on function strata.report_due() is
  'For the report: the datasets of which rows should leave this tier, how many (null: '
  'unknown) and since when.';

create function strata.report_limits()
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'quota', (select coalesce(jsonb_agg(jsonb_build_object('name', q.name, 'used', q.used::text,
                                                           'allowed', q.allowed::text, 'unit', q.unit,
                       'projection', q.projection::text) order by q.name), '[]') from strata.quota() as q
               where q.allowed is not null),
    'forecast', (select coalesce(
      jsonb_agg(jsonb_build_object('threshold', f.threshold, 'reached_at', f.reached_at, 'says', f.says)
                order by f.threshold_bytes), '[]') from strata.forecast() as f))
$$;
comment on function strata.report_limits() is
  'For the report: what is used of the plan''s limits, and when this tier will be full.';

create function strata.report_costs()
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'usd_24h', coalesce(sum(c.usd) filter (where c.at >= strata.clock() - interval '24 hours'), 0)::text,
    'usd_month', coalesce(sum(c.usd), 0)::text,
    'kinds', coalesce((select jsonb_object_agg(k.kind, k.usd::text) from (
                         select x.kind, sum(x.usd) as usd from strata.costs as x
                          where x.at >= date_trunc('month', strata.clock(), 'UTC') group by x.kind
                         having sum(x.usd) > 0) as k), '{}'))
    from strata.costs as c where c.at >= date_trunc('month', strata.clock(), 'UTC') - interval '1 day'
$$;
comment on function strata.report_costs() is
  'For the report: what was spent in the last 24 hours and since the month began.';

-- The last three months as this tier has them: the one that runs, and two to compare. Moves of long ago are
-- totals.
create function strata.report_months()
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with months as (
    select date_trunc('month', strata.clock() at time zone 'UTC')::date - make_interval(months => k) as month
      from generate_series(0, 2) as k
  ), left_here as (
    select m.dataset, date_trunc('month', m.finished_at at time zone 'UTC') as month,
           m.kind = 'delete' as deleted, m.rows_moved, m.bytes
      from strata.moves as m
     where m.state = 'closed' and m.finished_at >= (select min(month) from months) at time zone 'UTC'
    union all
    select t.dataset, t.month, t.to_tier is null, t.rows_moved, t.bytes
      from strata.moves_totals as t where t.month >= (select min(month) from months)
  ), sums as (
    select l.month, l.deleted, l.dataset, sum(l.rows_moved) as rows, sum(l.bytes) as bytes
      from left_here as l group by 1, 2, 3
  )
  select jsonb_agg(jsonb_build_object('month', to_char(m.month, 'YYYY-MM'),
           'moved_rows',
           coalesce((select sum(s.rows) from sums as s where s.month = m.month and not s.deleted), 0)::text,
           'moved_bytes',
           coalesce((select sum(s.bytes) from sums as s where s.month = m.month and not s.deleted), 0)::text,
           'deleted', coalesce((select jsonb_object_agg(s.dataset, s.rows::text) from sums as s
                                 where s.month = m.month and s.deleted and s.rows > 0), '{}'),
           'billed_bytes', (select s.billed_bytes::text from strata.samples as s
                             where s.taken_at >= m.month at time zone 'UTC'
                               and s.taken_at < (m.month + interval '1 month') at time zone 'UTC'
                             order by s.taken_at desc limit 1),
           'usd', coalesce((select sum(c.usd) from strata.costs as c
                             where c.at >= m.month at time zone 'UTC'
                               and c.at < (m.month + interval '1 month') at time zone 'UTC'), 0)::text)
           order by m.month desc)
    from months as m
$$;
comment on function strata.report_months() is
  'For the report: this month and the two before it: rows and bytes moved on, rows deleted by dataset, the '
  'size at its end, costs.';
