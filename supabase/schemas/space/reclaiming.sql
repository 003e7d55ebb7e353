-- Reclaiming: how a planned reclaim is carried out, step by step.
--
--   planned ──begin_reclaim()──▶ running ──steps──▶ done
--                                   └──▶ gave way, failed (planned again, a bounded number of times), no room
--
-- VACUUM and REINDEX CONCURRENTLY must be statements of their own, which no procedure can give them. The job
-- strata-reclaim gets the command and a schedule that matches the next minute only; its run in
-- cron.job_run_details tells how it went. While it runs, whoever tends the reclaim (see_to_space) watches
-- over those who wait for the table.

create function strata.begin_reclaim(p_runner text)
returns strata.reclaims
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_reclaim strata.reclaims;
begin
  loop
    select r.* into v_reclaim from strata.reclaims as r
     where r.state = 'planned' and (r.reason <> 'upkeep' or strata.is_reclaim_hour())
       and not exists (select from strata.reclaims as x where x.state = 'running')
     order by r.gain_bytes desc, r.reclaim_id limit 1 for update skip locked;
    exit when not found;
    if to_regclass(v_reclaim.relation) is null then
      perform strata.end_reclaim(v_reclaim, 'dropped', 'the table is gone');
    elsif v_reclaim.copy_bytes * 1.1 > strata.head_room() then
      perform strata.end_reclaim(v_reclaim, 'no room',
                                 format('a copy of %1$s MB does not fit on the disk, where %2$s MB are free',
                                        v_reclaim.copy_bytes / 1048576, strata.head_room() / 1048576));
    else
      update strata.reclaims as r
         set state = 'running', runner = p_runner, started_at = strata.clock(),
             bytes_before = strata.total_bytes(r.relation)
       where r.reclaim_id = v_reclaim.reclaim_id returning r.* into v_reclaim;
      return v_reclaim;
    end if;
  end loop;
  return null;
exception when unique_violation then
  return null; -- somebody else has just begun one
end
$$;
comment on function strata.begin_reclaim(text) is
  'Begins the planned reclaim with the largest gain whose time it is and whose copy fits on the '
  'disk; null when there is none or another one is running. p_runner: cron, or the backend that '
  'runs its commands itself.';

create function strata.end_reclaim(p_reclaim strata.reclaims, p_state text, p_says text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  update strata.reclaims as r
     set state = p_state, says = p_says, finished_at = strata.clock(),
         bytes_after = case when r.state = 'running' then strata.total_bytes(r.relation) end
   where r.reclaim_id = p_reclaim.reclaim_id;
  if p_state in ('gave way', 'failed') and p_reclaim.attempt < strata.setting('reclaim_attempts') then
    insert into strata.reclaims (relation, method, reason, state, steps, attempt, gain_bytes, copy_bytes,
                                 planned_at)
    -- Where somebody writes all the time, a lock is never free: from now on it waits its turn, as give_way()
    -- allows.
    values (p_reclaim.relation, p_reclaim.method, p_reclaim.reason, 'planned',
            array(select replace(s, '(full, skip_locked)', '(full)') from unnest(p_reclaim.steps) as s),
            p_reclaim.attempt + 1,
            p_reclaim.gain_bytes, p_reclaim.copy_bytes, strata.clock());
  end if;
end
$$;
comment on function strata.end_reclaim(strata.reclaims, text, text) is
  'Writes down how a reclaim ended; one that gave way or failed is planned again from the step it was at, '
  'until its attempts are used up.';

-- An interrupted REINDEX CONCURRENTLY leaves an index behind that nobody uses and everybody has to keep up.
create function strata.drop_invalid_indexes(p_relation regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
set lock_timeout = '1s'
as $$
declare
  v_index regclass;
begin
  for v_index in
    select i.indexrelid::regclass from pg_catalog.pg_index as i
      join pg_catalog.pg_class as c on c.oid = i.indexrelid
     where i.indrelid = p_relation and not i.indisvalid and c.relname ~ '_cc(new|old)\d*$'
  loop
    execute format('drop index %s', v_index);
  end loop;
exception when lock_not_available then
  return; -- in use just now; the next REINDEX of this table comes by here again
end
$$;
comment on function strata.drop_invalid_indexes(regclass) is
  'Drops what interrupted REINDEX CONCURRENTLY runs left behind on a table.';

create function strata.step_done(
  p_reclaim strata.reclaims, p_error text default null, p_took interval default null
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_step constant text := p_reclaim.steps[1];
  v_reclaim strata.reclaims;
  v_locks constant boolean := v_step like 'vacuum (full%' or v_step = 'copy';
begin
  if v_step like 'reindex%' and to_regclass(p_reclaim.relation) is not null then
    perform strata.drop_invalid_indexes(p_reclaim.relation::regclass);
  end if;
  update strata.reclaims as r
     set steps = case when p_error is null then r.steps[2:] else r.steps end, step_at = null,
         step_after = null,
         locked_ms = coalesce(r.locked_ms, 0)
           + case when v_locks then coalesce(extract(epoch from p_took) * 1000, 0) else 0 end::bigint
   where r.reclaim_id = p_reclaim.reclaim_id returning r.* into v_reclaim;
  if p_error ~ 'user request|lock timeout|lock not available' then
    perform strata.end_reclaim(v_reclaim, 'gave way', 'somebody needed the table: ' || p_error);
  elsif p_error is not null then
    perform strata.end_reclaim(v_reclaim, 'failed', left(p_error, 1000));
  elsif v_step like 'vacuum (full%'
    and pg_relation_filenode(to_regclass(v_reclaim.relation)) = v_reclaim.file_before then
    v_reclaim.steps := p_reclaim.steps;
    perform strata.end_reclaim(v_reclaim, 'gave way', 'somebody was using the table');
  elsif v_reclaim.steps = '{}' then
    perform strata.end_reclaim(v_reclaim, 'done', null);
  end if;
end
$$;
comment on function strata.step_done(strata.reclaims, text, interval) is
  'Notes that the present step of a reclaim is over, well or with an error, and how long it took; ends the '
  'reclaim with its last step.';

-- For a role that may empty the history of cron jobs but not vacuum it.
create function strata.copy_job_runs()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  v_runs jsonb;
begin
  execute 'lock table cron.job_run_details in access exclusive mode';
  execute 'select jsonb_agg(to_jsonb(d) order by d.runid) from cron.job_run_details as d' into v_runs;
  execute 'truncate cron.job_run_details';
  execute 'insert into cron.job_run_details select * '
          'from jsonb_populate_recordset(null::cron.job_run_details, $1)' using v_runs;
end
$$;
comment on function strata.copy_job_runs() is
  'Gives the space of cron.job_run_details back where VACUUM is not allowed: its rows are '
  'taken out and put back in.';

create function strata.do_step(p_reclaim strata.reclaims)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_start constant timestamptz := clock_timestamp();
  v_context text;
begin
  if p_reclaim.steps[1] = 'pack' then
    perform strata.pack_some(p_reclaim);
  elsif p_reclaim.steps[1] = 'copy' then
    perform strata.copy_job_runs();
    perform strata.step_done(p_reclaim, p_took => clock_timestamp() - v_start);
  else
    execute format('analyze %s', p_reclaim.relation);
    perform strata.step_done(p_reclaim);
  end if;
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
  perform strata.step_done(p_reclaim, format('%1$s [%2$s]', sqlerrm, sqlstate));
end
$$;
comment on function strata.do_step(strata.reclaims) is
  'Does a piece of a step that is done here: pack, copy or analyze.';

-- The minute after the next ten seconds: pg_cron must have heard of it before it begins.
create function strata.next_minute(out at timestamptz, out cron text)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_zone text := 'GMT';
begin
  begin
    v_zone := coalesce(nullif(current_setting('cron.timezone', true), ''), 'GMT');
  exception when insufficient_privilege then
    v_zone := 'GMT'; -- its default
  end;
  at := date_trunc('minute', clock_timestamp() + interval '70 seconds');
  cron := to_char(at at time zone v_zone, 'FMMI FMHH24 FMDD FMMM') || ' *';
end
$$;
comment on function strata.next_minute() is
  'The next full minute that pg_cron can still be told of, and a schedule that matches it '
  'and no other of the year.';

create function strata.schedule_step(p_reclaim strata.reclaims)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_minute constant record := strata.next_minute();
  v_last bigint;
begin
  execute 'select coalesce(max(d.runid), 0) from cron.job_run_details as d' into v_last;
  execute 'select cron.alter_job(cron.schedule(''strata-reclaim'', $1, $2), active := $3)'
    using v_minute.cron, p_reclaim.steps[1], strata.may_go_on();
  update strata.reclaims as r
     set step_at = v_minute.at, step_after = v_last,
         file_before = pg_relation_filenode(to_regclass(r.relation))
   where r.reclaim_id = p_reclaim.reclaim_id;
end
$$;
comment on function strata.schedule_step(strata.reclaims) is
  'Hands the present step of a reclaim to pg_cron, for the next minute only.';

create function strata.give_way(p_relation regclass)
returns integer
language sql
volatile
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
  select count(pg_catalog.pg_cancel_backend(h.pid))::integer
    from (select distinct l.pid from pg_catalog.pg_locks as l
            join pg_catalog.pg_stat_activity as a on a.pid = l.pid
           where l.locktype = 'relation' and l.relation = p_relation and l.mode = 'AccessExclusiveLock'
             and a.query ~* '^\s*vacuum \(full' and a.usename = current_user) as h
   where exists (
     select from pg_catalog.pg_locks as w join pg_catalog.pg_stat_activity as a on a.pid = w.pid
      where w.locktype = 'relation' and w.relation = p_relation and not w.granted
        and (a.backend_type = 'client backend' or w.pid = h.pid)
        -- a little earlier: it takes a moment until it is off
        and w.waitstart < clock_timestamp() - make_interval(secs => strata.setting('reclaim_wait') - 0.3))
$$;
comment on function strata.give_way(regclass) is
  'Cancels the VACUUM FULL of a table for which somebody, or itself, has waited for nearly reclaim_wait '
  'seconds; returns how many were cancelled.';

create function strata.tend_reclaim(p_reclaim strata.reclaims)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  v_run record;
begin
  if p_reclaim.runner <> 'cron' then
    perform strata.give_way(to_regclass(p_reclaim.relation));
    if not exists (select from pg_catalog.pg_stat_activity as a where a.pid::text = p_reclaim.runner) then
      perform strata.end_reclaim(p_reclaim, 'failed', 'the session that ran it is gone');
      return 'again';
    end if;
    return 'wait';
  elsif p_reclaim.steps[1] in ('pack', 'copy', 'analyze') then
    perform strata.do_step(p_reclaim);
    return 'again';
  elsif p_reclaim.step_at is null then
    perform strata.schedule_step(p_reclaim);
    return 'rest';
  end if;
  execute 'select d.status, d.return_message as says, d.end_time - d.start_time as took '
          'from cron.job_run_details as d '
          '  join cron.job as j on j.jobid = d.jobid and j.jobname = ''strata-reclaim'' '
          ' where d.runid > $1 order by d.runid desc limit 1' into v_run using p_reclaim.step_after;
  if v_run.status in ('succeeded', 'failed') then
    execute 'select cron.alter_job(j.jobid, active := false) from cron.job as j '
            'where j.jobname = ''strata-reclaim''';
    perform strata.step_done(
      p_reclaim, case v_run.status when 'failed' then coalesce(v_run.says, 'pg_cron says no more') end,
      v_run.took);
    return 'again';
  elsif v_run.status is not null or clock_timestamp() between p_reclaim.step_at
    - interval '3 seconds' and p_reclaim.step_at + interval '20 seconds' then
    perform strata.give_way(to_regclass(p_reclaim.relation));
    return 'wait';
  elsif clock_timestamp() > p_reclaim.step_at + interval '2 minutes' then
    perform strata.schedule_step(p_reclaim); -- pg_cron was not there in that minute
  end if;
  return 'rest';
exception when lock_not_available then
  return 'wait'; -- cron's own history is being rewritten
end
$$;
comment on function strata.tend_reclaim(strata.reclaims) is
  'Brings a running reclaim one step forward. Returns again (there is more to do at once), wait (look '
  'again in a moment) or rest.';

-- For whoever can run statements of their own: the command line, where there is no pg_cron or nobody wants to
-- wait for it.
create function strata.reclaim_step(p_reclaim bigint)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_reclaim strata.reclaims;
begin
  update strata.reclaims as r
     set file_before = pg_relation_filenode(to_regclass(r.relation)), step_at = clock_timestamp()
   where r.reclaim_id = p_reclaim and r.state = 'running' returning r.* into v_reclaim;
  if v_reclaim.steps[1] in ('pack', 'copy', 'analyze') then
    perform strata.do_step(v_reclaim);
    return '';
  end if;
  return v_reclaim.steps[1];
end
$$;
comment on function strata.reclaim_step(bigint) is
  'The next step of a running reclaim: the command to run as a statement of its own; empty when a piece of '
  'it was done here (ask again); null when the reclaim is over.';

create function strata.reclaim_ran(p_reclaim bigint, p_error text default null)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  select strata.step_done(r, p_error, clock_timestamp() - r.step_at) from strata.reclaims as r
   where r.reclaim_id = p_reclaim and r.state = 'running'
$$;
comment on function strata.reclaim_ran(bigint, text) is
  'Notes that the command of reclaim_step() was run, and how it failed if it did.';
