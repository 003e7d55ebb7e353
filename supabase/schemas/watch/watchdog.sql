-- Watchdog: a dead cron cannot report itself, so each tier listens to its neighbours.
--
-- Every five minutes the side that dials a link exchanges heartbeats over it: what either tier says about
-- itself (jobs that do not run, datasets overdue, open alerts), each asked for at that moment, so that it is
-- true even where nothing runs any more. Each side keeps what it heard last (strata.heartbeats) and judges
-- it:
--
--   who stopped          link is pulled                              link is pushed
--   hotter tier's cron   the colder one dials and is told            the colder one hears nothing: silent
--   colder tier's cron   the hotter one hears nothing: silent        the hotter one dials and is told
--
-- A colder tier's open alerts travel with its heartbeat to the hotter one and so, tier by tier, to core. One
-- that finds core silent cannot tell core; its alert waits in its own table, and is fetched with core's first
-- heartbeat.
--
-- What has long been due is found by looking, every time, at the oldest rows of each dataset (a bounded
-- number) and remembering since when something could have moved and nothing did (strata.waiting).

-- What a schedule means in time: the longest pause between two of its runs.
create function strata.cron_values(p_field text, p_least integer, p_most integer)
returns integer[]
language sql
immutable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
  select array_agg(distinct v order by v)
    from regexp_split_to_table(p_field, ',') as part,
         lateral (select regexp_match(part, '^(?:(\d+)(?:-(\d+))?|\*)(?:/(\d+))?$') as m) as x,
         lateral generate_series(coalesce(x.m[1]::integer, p_least),
                                 coalesce(x.m[2]::integer,
                                          case when x.m[1] is null or x.m[3] is not null then p_most
                                               else x.m[1]::integer end),
                                 coalesce(x.m[3]::integer, 1)) as v
   where x.m is not null
$$;
comment on function strata.cron_values(text, integer, integer) is
  'The values one field of a cron expression stands for; null when it is none.';

create function strata.longest_gap(p_values integer[], p_round integer)
returns integer
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select max(coalesce(g.following, p_values[1] + p_round) - g.v)
    from (select v, lead(v) over (order by v) as following from unnest(p_values) as v) as g
$$;
comment on function strata.longest_gap(integer[], integer) is
  'The longest way from one value to the next on a round of so many.';

create function strata.cron_period(p_cron text)
returns interval
language sql
immutable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
  select case
    when p_cron ~ '^\d+ seconds?$' then p_cron::interval
    when cardinality(f) <> 5 then interval '1 day'
    when f[5] <> '*' then make_interval(days => strata.longest_gap(strata.cron_values(f[5], 0, 6), 7))
    when f[4] <> '*' then interval '1 year'
    when f[3] <> '*'
      then make_interval(days => strata.longest_gap(strata.cron_values(replace(f[3], '$', '28'), 1, 31), 31))
    when cardinality(strata.cron_values(f[2], 0, 23)) < 24
      then make_interval(hours => strata.longest_gap(strata.cron_values(f[2], 0, 23), 24))
    else make_interval(mins => strata.longest_gap(strata.cron_values(f[1], 0, 59), 60)) end
    from (select regexp_split_to_array(trim(p_cron), '\s+') as f) as fields
$$;
comment on function strata.cron_period(text) is
  'The longest pause a pg_cron schedule leaves between two runs, to the unit of its coarsest restricted '
  'field; null when it cannot be read.';

create function strata.period_of(p_job text)
returns interval
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce((select strata.cron_period(s.cron) from strata.schedules as s where s.job = p_job),
                  interval '1 day')
$$;
comment on function strata.period_of(text) is
  'How often one of our jobs runs; a day for one that is unknown.';

create function strata.is_waiting(p_dataset strata.datasets)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_policy record;
  v_due text;
  v_found boolean := false;
  v_context text;
begin
  v_policy := strata.conditions(p_dataset); -- here, where its errors are caught: the table may be gone
  foreach v_due in array array[v_policy.aged, v_policy.oversize] loop
    continue when v_found or v_due = 'false';
    execute format('select exists (select from (select t.ctid, t.* from %1$s as t where %2$s order by t.%3$I '
                   'limit %4$s) as t where %5$s)',
                   strata.relation(p_dataset), v_due, p_dataset.age_column, strata.setting('overdue_rows'),
                   v_policy.due)
       into v_found;
  end loop;
  return v_found;
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
  return p_dataset.trouble is not null; -- what is wrong with it is written down by whoever tries to move it
end
$$;
comment on function strata.is_waiting(strata.datasets) is
  'Whether one of the oldest rows of a dataset is due on this tier; looks at a bounded number. A dataset in '
  'trouble that cannot be looked at counts.';
select strata.pin('strata.is_waiting(strata.datasets)');

create function strata.note_waiting()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_dataset strata.datasets;
  v_moved timestamptz;
begin
  if strata.clock_trouble() is not null then
    return; -- nothing is due, and what was stays noted
  end if;
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('strata/waiting', 0));
  for v_dataset in select d.* from strata.datasets as d order by d.name loop
    if (strata.retention(v_dataset)).action is null or not strata.is_waiting(v_dataset) then
      delete from strata.waiting as w where w.dataset = v_dataset.name;
      continue;
    end if;
    select max(m.finished_at) into v_moved from strata.moves as m
     where m.dataset = v_dataset.name and m.rows_moved > 0
       and m.started_at > coalesce((select w.since from strata.waiting as w where w.dataset = v_dataset.name),
                                   'infinity');
    insert into strata.waiting as w (dataset, since) values (v_dataset.name, strata.clock())
    on conflict (dataset) do update set since = greatest(w.since, v_moved);
  end loop;
end
$$;
comment on function strata.note_waiting() is
  'Notes which datasets have rows that could leave this tier now; a move that took any of them '
  'along begins the wait anew.';

create function strata.overdue()
returns table (dataset text, since timestamptz, says text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select w.dataset, w.since,
         format('rows of "%1$s" have been due since %2$s and none has %3$s%4$s', w.dataset,
                to_char(w.since at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
                case r.action when 'delete' then 'been deleted' else 'moved' end,
                coalesce(': ' || d.trouble || ' [' || d.trouble_sqlstate || ']', ''))
    from strata.waiting as w
    join strata.datasets as d on d.name = w.dataset
    cross join lateral strata.retention(d) as r
   where w.since < strata.clock() - 2 * strata.period_of(
     case r.action when 'delete' then 'strata-upkeep' else 'strata-move' end)
$$;
comment on function strata.overdue() is
  'Datasets of which rows have been due for longer than twice the schedule while nothing moved.';

-- The last run of each job that pg_cron has in this database. Only the latest runs are looked at: that table
-- grows without bound and its only index is by run.
create function strata.failed_jobs()
returns table (job text, says text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not strata.has_cron() then
    return;
  end if;
  return query execute
    'select s.job, '
    '       format(case when j.jobid is null then ''%1$s is not scheduled on %2$s'' '
    '                   when r.status = ''failed'' then ''the last run of %1$s on %2$s failed: %3$s'' '
    '                   else ''%1$s on %2$s has been running since %4$s'' end, s.job, $1, '
    '              left(trim(r.return_message), 300), '
    '              to_char(r.start_time at time zone ''UTC'', ''YYYY-MM-DD HH24:MI'')) '
    '  from strata.schedules as s '
    '  left join cron.job as j on j.jobname = s.job '
    '  left join (select distinct on (d.jobid) d.* '
    '               from (select x.* from cron.job_run_details as x order by x.runid desc limit 2000) as d '
    '              order by d.jobid, d.runid desc) as r on r.jobid = j.jobid '
    ' where $1 = any (s.tiers) '
    '   and (j.jobid is null or (r.status = ''failed'' and j.active) '
    '        or (r.status in (''starting'', ''running'') '
    '            and r.start_time < clock_timestamp() - interval ''15 minutes''))'
    using strata.tier();
end
$$;
comment on function strata.failed_jobs() is
  'Jobs of this tier that pg_cron does not have, whose last run failed, or that hang.';

create function strata.stopped_jobs()
returns table (job text, says text, dead boolean)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select f.job, f.says, false from strata.failed_jobs() as f where f.job <> 'strata-watch'
  union all
  select 'strata-watch', coalesce(
           (select f.says from strata.failed_jobs() as f where f.job = 'strata-watch'),
           format('%1$s does not watch itself any more: its jobs last ran %2$s', s.tier,
                  coalesce(to_char(greatest(l.at, s.looked_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
                           'never'))), x.dead
    from strata.self as s
   cross join (select max(x.taken_at) as at from strata.samples as x) as l
    -- without pg_cron whoever calls strata.process() decides how often; once a day is the least
   cross join lateral (select case when strata.has_cron()
                                     then make_interval(mins => strata.setting('silent_after')::integer)
                                   else interval '1 day' end as most) as m
   cross join lateral (select coalesce(greatest(l.at, s.looked_at),
                                       s.became_at) < strata.clock() - m.most as dead) as x
   where x.dead or coalesce(l.at, s.became_at) < strata.clock() - greatest(
     m.most, 2 * strata.period_of('strata-watch') + interval '5 minutes')
$$;
comment on function strata.stopped_jobs() is
  'Jobs of this tier that do not run: by pg_cron''s own log, and, whoever runs them, by the age of the last '
  'sample. dead: none has run for so long that the tier is as good as down.';
