-- Records: what Strata keeps of its own stays small.
--
-- strata.moves is the log of every batch; after 90 days it is rolled up into totals per dataset, month, tier
-- and next tier, which stay for ever: a row per dataset and month. Everything else ages out. prune() does it
-- weekly.

create function strata.roll_up_moves()
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_moves uuid[];
begin
  v_moves := array(
    select m.move_id from strata.moves as m
     where m.state = 'closed'
       and m.finished_at < strata.clock() - make_interval(days => strata.setting('keep_moves')::integer)
     order by m.started_at limit 50000 for update skip locked);
  insert into strata.moves_totals as t (dataset, month, from_tier, to_tier, moves, rows_moved, bytes)
  select m.dataset, date_trunc('month', m.finished_at at time zone 'UTC')::date, m.from_tier, m.to_tier,
         count(*),
         sum(m.rows_moved), sum(m.bytes)
    from strata.moves as m where m.move_id = any (v_moves)
   group by 1, 2, 3, 4
  on conflict (dataset, month, from_tier, to_tier) do update
     set moves = t.moves + excluded.moves, rows_moved = t.rows_moved + excluded.rows_moved,
         bytes = t.bytes + excluded.bytes;
  delete from strata.moves as m where m.move_id = any (v_moves);
  return cardinality(v_moves);
end
$$;
comment on function strata.roll_up_moves() is
  'Adds moves closed 90 days ago to the totals and drops them; at most 50,000 a call. Returns how many.';

create function strata.prune_records()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most constant integer := 10000; -- of anything that errors can fill, whatever its age
begin
  perform setval('strata.excess_hotter', 0), setval('strata.excess_colder', 0);
  perform strata.call_registered('prune');
  delete from strata.drains as d
   where d.ended_at < strata.clock() - make_interval(days => strata.setting('keep_reclaims')::integer);
  delete from strata.reclaims as r
   where r.finished_at < strata.clock() - make_interval(days => strata.setting('keep_reclaims')::integer);
  delete from strata.failures as f
   where f.failed_at < strata.clock() - make_interval(days => strata.setting('keep_failures')::integer)
      or f.failure_id <= (select x.failure_id from strata.failures as x order by x.failure_id desc
                          offset c_most limit 1);
  delete from strata.alerts as a
   where a.cleared_at < strata.clock() - make_interval(days => strata.setting('keep_alerts')::integer)
      or (a.cleared_at is not null
          and a.alert_id <= (select x.alert_id from strata.alerts as x order by x.alert_id desc
                             offset c_most limit 1));
  delete from strata.usage as u
   where u.day < (strata.clock() at time zone 'UTC')::date - strata.setting('keep_costs')::integer;
end
$$;
comment on function strata.prune_records() is
  'Has every topic prune its own (registry), and drops drains, reclaims, failures, cleared alerts and '
  'counted use that are old enough; of failures and alerts at most 10,000 stay.';

create function strata.prune()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.look_at_clock();
  if strata.clock_trouble() is not null then
    return; -- nothing is old by a clock that may be wrong
  end if;
  delete from strata.arrivals as a
   where a.closed_at < strata.clock() - make_interval(
     days => strata.setting('keep_closed_arrivals')::integer);
  delete from strata.holds as h
   where least(h.released_at, h.hold_until) < strata.clock() - interval '90 days';
  perform strata.prune_records();
  perform strata.forget();
  if to_regclass('cron.job_run_details') is not null then
    execute 'delete from cron.job_run_details as r using cron.job as j '
            ' where j.jobid = r.jobid and j.jobname = any ($1) and r.end_time < $2'
      using array(select s.job from strata.schedules as s) || 'strata-reclaim'::text,
            strata.clock() - make_interval(days => strata.setting('keep_job_runs')::integer);
  end if;
end
$$;
comment on function strata.prune() is
  'Drops what Strata no longer needs of its own: arrivals closed a month ago, holds over for 90 days, runs '
  'of its jobs a week ago, what prune_records() names, and what tells of rows that are no more (forget()). '
  'Nothing while the clock is not to be trusted.';
