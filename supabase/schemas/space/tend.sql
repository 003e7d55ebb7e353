-- Space: who tends drains and reclaims.
--
-- watch() opens a drain when a tier is critical. From then on strata-continue is awake: every minute it calls
-- go_on(), which moves what is due or drained and brings the drain one state forward. Where the colder tier
-- dials, it hears of the drain with the next heartbeat and stays awake as well.

create function strata.tend_space()
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_reclaim strata.reclaims;
  v_drain strata.drains;
  v_next text;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('strata/space', 0)) then
    return 'rest'; -- somebody else is at it
  end if;
  perform strata.keep_writable();
  select r.* into v_reclaim from strata.reclaims as r where r.state = 'running';
  if v_reclaim.reclaim_id is not null then
    return strata.tend_reclaim(v_reclaim);
  end if;
  v_drain := strata.open_drain_row();
  if v_drain.drain_id is not null then
    v_next := strata.tend_drain(v_drain);
    if v_next is not null then
      return v_next;
    end if;
  end if;
  if not strata.has_cron() then
    return 'rest';
  end if;
  v_reclaim := strata.begin_reclaim('cron');
  return case when v_reclaim.reclaim_id is null then 'rest' else 'again' end;
end
$$;
comment on function strata.tend_space() is
  'Does the next thing there is to do about drains and reclaims: again, wait or rest, as tend_reclaim().';

-- Whether the job that runs every minute has anything to do about space.
create function strata.wants_space()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from strata.drains as d
                  where d.ended_at is null
                     -- see keep_writable()
                     or (not d.was_read_only and d.ended_at > strata.clock() - interval '2 minutes'))
      or (strata.has_cron() and exists (
            select from strata.reclaims as r
             where r.state = 'running'
                or (r.state = 'planned' and (r.reason <> 'upkeep' or strata.is_reclaim_hour()))))
      or exists (select from strata.heartbeats as h join strata.links as l on l.neighbour = h.neighbour
                  where l.direction = 'hotter' and l.server is not null and (h.says ->> 'drains')::boolean
                    and h.heard_at > strata.clock() - make_interval(
                      mins => strata.setting('drain_patience')::integer))
$$;
comment on function strata.wants_space() is
  'Whether a drain or a reclaim of this tier is to be tended, or the hotter tier that it dials drains.';

create function strata.drain_if_critical()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_open constant boolean := (strata.open_drain_row()).drain_id is not null;
begin
  perform strata.keep_writable();
  if strata.level() = 'critical' then
    if not v_open and not exists (
         select from strata.drains as d where d.state in ('exhausted', 'stopped')
            and d.ended_at > strata.clock() - make_interval(
              mins => strata.setting('drain_again')::integer)) then
      perform strata.open_drain('critical');
    end if;
  elsif not v_open then
    perform strata.clear_alert('nothing_movable'), strata.clear_alert('drain_blocked');
  end if;
  if strata.wants_space() then
    perform strata.keep_going(true);
  end if;
end
$$;
comment on function strata.drain_if_critical() is
  'What watch() ends with: opens a drain when this tier is critical, and sees to it that open work goes on.';

-- Unpinned because they commit.
create procedure strata.see_to_space(p_budget interval default '50 seconds')
language plpgsql
as $$
declare
  v_deadline constant timestamptz := pg_catalog.clock_timestamp() + p_budget;
  v_next text;
begin
  perform pg_catalog.set_config('default_transaction_read_only', 'off', false);
  commit;
  loop
    v_next := strata.tend_space();
    commit;
    exit when v_next = 'rest' or pg_catalog.clock_timestamp() > v_deadline;
    if v_next = 'wait' then
      perform pg_catalog.pg_sleep(0.1);
    end if;
  end loop;
end
$$;
comment on procedure strata.see_to_space(interval) is
  'Brings drains and reclaims forward, and watches over a table that is being rewritten, until there is '
  'nothing to do at once or the budget is spent. Commits: must be the only statement, outside a transaction.';

-- Whoever is made to wait by a command of a reclaim needs somebody to watch, so nothing else may be at work
-- by then.
create function strata.seconds_to_reclaim()
returns double precision
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select least(55, coalesce(
    min(case when r.runner <> 'cron' then 0 else extract(epoch from r.step_at - clock_timestamp()) end), 55))
    from strata.reclaims as r where r.state = 'running' and (r.runner <> 'cron' or r.step_at is not null)
$$;
comment on function strata.seconds_to_reclaim() is
  'How many seconds there are until a command of a reclaim runs, at most 55; not positive while one does.';

create procedure strata.go_on()
language plpgsql
as $$
declare
  v_seconds double precision;
begin
  -- First: what was moved meanwhile shows in the statistics only once the call that moved it has ended.
  call strata.see_to_space('60 seconds');
  v_seconds := strata.seconds_to_reclaim();
  if v_seconds > 10 then
    call strata.move_due(pg_catalog.make_interval(secs => v_seconds - 5));
  end if;
  perform strata.keep_going(true) where strata.wants_space();
  commit;
end
$$;
comment on procedure strata.go_on() is
  'What strata-continue calls every minute while it is awake: tends reclaims, moves what is due or drained, '
  'tends the drain. Commits.';
