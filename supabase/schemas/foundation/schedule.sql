-- Schedule: one table of jobs; become() hands them to pg_cron.
--
-- A change to the table takes effect at once. pg_cron keeps time in UTC. strata-continue sleeps until a run
-- leaves work behind (or is killed in the middle of it) and is put back to sleep by the run that finishes.
-- While it is paused, nothing wakes it, and no command of a reclaim is run, over which it would have to
-- watch.

create function strata.has_cron()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$ select exists (select from pg_catalog.pg_extension as e where e.extname = 'pg_cron') $$;
comment on function strata.has_cron() is 'Whether pg_cron lives in this database.';

create function strata.may_go_on()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select not exists (select from strata.schedules as s where s.job = 'strata-continue' and not s.active)
$$;
comment on function strata.may_go_on() is 'Whether strata-continue may be woken; not while it is paused.';

-- What a schedule may look like depends on the version of pg_cron; it says no without naming the job.
create function strata.hand_to_cron(p_schedule strata.schedules, p_active boolean)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute 'select cron.alter_job(cron.schedule($1, $2, $3), active := $4)'
    using p_schedule.job, p_schedule.cron, p_schedule.command, p_active;
exception when invalid_parameter_value then
  raise exception 'the schedule "%" of the job "%" is none that pg_cron knows', p_schedule.cron,
    p_schedule.job
    using errcode = 'check_violation',
          hint = 'Write five fields, in UTC: minute hour day month weekday, as 0 */4 * * * (every four '
                 'hours); or, with pg_cron 1.5 and later, 1 to 59 seconds: 30 seconds.';
end
$$;
comment on function strata.hand_to_cron(strata.schedules, boolean) is
  'Gives pg_cron one job, by name. check_violation: its schedule cannot be read.';

create function strata.apply_schedules()
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_schedule strata.schedules;
  v_jobs text[] := array[]::text[];
  v_active boolean;
begin
  if not strata.has_cron() then
    return format('this database is %s; it has no pg_cron, so nothing runs by itself: call '
                  'strata.process() from another scheduler', strata.tier());
  end if;
  for v_schedule in
    select s.* from strata.schedules as s where strata.tier() = any (s.tiers) order by s.job
  loop
    -- A job that is asleep or awake stays so: only its owner's table and keep_going() decide.
    execute 'select j.active from cron.job as j where j.jobname = $1' into v_active using v_schedule.job;
    perform strata.hand_to_cron(
      v_schedule, v_schedule.active and (v_schedule.job <> 'strata-continue' or coalesce(v_active, false)));
    v_jobs := v_jobs || v_schedule.job;
  end loop;
  if not strata.may_go_on() then
    execute 'select cron.alter_job(j.jobid, active := false) from cron.job as j '
            'where j.jobname = ''strata-reclaim''';
  end if;
  execute 'select cron.unschedule(j.jobid) from cron.job as j where j.jobname like ''strata-%'' '
          'and j.jobname <> all ($1 || ''strata-reclaim''::text)'
    using v_jobs;
  return format('this database is %1$s; pg_cron runs %2$s jobs%3$s', strata.tier(), cardinality(v_jobs), (
    select ', ' || nullif(count(*), 0) || ' of them paused' from strata.schedules as s
     where s.job = any (v_jobs) and not s.active));
end
$$;
comment on function strata.apply_schedules() is
  'Hands this tier''s jobs to pg_cron, by name, so that twice changes nothing, and takes othersof '
  'ours away; says what runs.';

create function strata.schedules_changed()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from strata.self) then
    perform strata.apply_schedules();
  end if;
  return null;
end
$$;
comment on function strata.schedules_changed() is 'Trigger: a changed schedule takes effect at once.';

create trigger schedules_take_effect
  after insert or update or delete on strata.schedules
  for each statement execute function strata.schedules_changed();
comment on trigger schedules_take_effect on strata.schedules is 'Hands changed schedules to pg_cron.';
-- under session_replication_role = replica as well
alter table strata.schedules enable always trigger schedules_take_effect;

create function strata.schedule_resumed()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.keep_going(true);
  return null;
end
$$;
comment on function strata.schedule_resumed() is
  'Trigger: what was left over when everything was paused goes on within a minute.';

create trigger schedules_resume
  after update of active on strata.schedules
  for each row when (new.active and not old.active
                     and new.job = 'strata-continue') execute function strata.schedule_resumed();
comment on trigger schedules_resume on strata.schedules is
  'Wakes strata-continue when it is no longer paused.';
-- under session_replication_role = replica as well
alter table strata.schedules enable always trigger schedules_resume;

create function strata.keep_going(p_on boolean)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if strata.has_cron() then
    execute 'select cron.alter_job(j.jobid, active := $1) from cron.job as j '
            'where j.jobname = ''strata-continue'' and j.active <> $1'
      using (p_on or strata.any_registered('left_over')) and strata.may_go_on();
  end if;
end
$$;
comment on function strata.keep_going(boolean) is
  'Wakes the job that runs every minute, unless it is paused, or puts it to sleep. Woken before work starts, '
  'so that a killed run is taken up within a minute.';
