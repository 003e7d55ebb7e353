-- Watch: every 15 minutes, on every tier, what the platform bills.
--
-- strata.watch() writes one sample (billed bytes, level, the largest tables) and raises or clears the alerts
-- about the size, in few and simple statements: a session of cron's plans all of them anew. Every other
-- condition is looked at by the watchdog, every five minutes. The level leaves a threshold only when the size
-- is 5 % below it again, so that it does not flicker. Samples stay as they are for a week; of older days the
-- last one stays, with the day's average, for two years: under 1,500 rows for good. It works on a database
-- that was turned read-only, and costs the same whatever the tables hold.

create function strata.level_of(p_bytes bigint, p_previous text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when b.mb > t.critical_mb or (p_previous = 'critical' and b.mb > t.critical_mb * h.share) then 'critical'
    when b.mb > t.warn_mb
      or (p_previous in ('critical', 'warning') and b.mb > t.warn_mb * h.share) then 'warning'
    else 'ok' end
    from (select p_bytes / 1048576.0 as mb) as b,
         (select 1 - strata.setting('hysteresis') / 100.0 as share) as h, strata.tiers as t
   where t.name = strata.tier()
$$;
comment on function strata.level_of(bigint, text) is
  'ok, warning or critical for a size on this tier, given the level before: a threshold is crossed upwards '
  'at once, downwards only with 5 % to spare.';

create function strata.level()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$ select s.level from strata.samples as s order by s.taken_at desc limit 1 $$;
comment on function strata.level() is
  'The level of the last sample: ok, warning or critical; null before the first.';

create function strata.thin_samples()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_first_day constant timestamptz :=
    date_trunc('day', strata.clock() - make_interval(days => strata.setting('keep_samples')::integer), 'UTC');
begin
  with days as (
    select max(s.taken_at) as kept, avg(s.billed_bytes)::bigint as average
      from strata.samples as s where s.taken_at < v_first_day and s.day_average is null
     group by date_trunc('day', s.taken_at, 'UTC')
  )
  update strata.samples as s set day_average = d.average from days as d where s.taken_at = d.kept;
  delete from strata.samples as s
   where (s.taken_at < v_first_day and s.day_average is null)
      or s.taken_at < strata.clock() - make_interval(days => strata.setting('keep_daily_samples')::integer);
end
$$;
comment on function strata.thin_samples() is
  'Of each day that is over for a week keeps the last sample, with the day''s average; drops what '
  'is older than two years.';

-- A table that somebody holds exclusively is not waited for; then its last known size will do
-- (relation_bytes). Asking for a size costs a new session more than anything else here: of Strata's own
-- tables, most of all, only those are asked that were not small when last vacuumed.
create function strata.largest_tables()
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '20ms'
as $$
begin
  return (select jsonb_object_agg(format('%1$I.%2$I', n.nspname, t.relname), t.bytes)
            from (select c.relnamespace, c.relname, pg_total_relation_size(c.oid) as bytes
                    from pg_catalog.pg_class as c
                   -- none of Postgres' own
                   where c.relkind in ('r', 'm') and c.relpersistence <> 't' and c.oid >= 16384
                     and case when c.relnamespace = 'strata'::regnamespace and c.relpages < 32
                                   and not exists (select from pg_catalog.pg_class as x
                                                    where x.oid = c.reltoastrelid and x.relpages >= 32)
                                then false
                              else pg_relation_size(c.oid)
                                   + case when c.reltoastrelid = 0 then 0
                                          else pg_relation_size(c.reltoastrelid) end >= 1048576 end
                   order by 3 desc limit 6) as t
            join pg_catalog.pg_namespace as n on n.oid = t.relnamespace);
exception when lock_not_available then
  return (select jsonb_object_agg(t.name, t.bytes)
            from (select format('%1$I.%2$I', r.schema_name, r.table_name) as name,
                         r.heap_bytes + r.index_bytes + r.toast_bytes as bytes
                    from strata.relation_bytes(1048576) as r order by 2 desc limit 6) as t);
end
$$;
comment on function strata.largest_tables() is
  'The bytes of the six largest tables of this database with indexes and TOAST, by name, if over 1 MB.';

create function strata.take_sample()
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_bytes constant bigint := strata.billed_bytes();
  v_now constant timestamptz := strata.clock();
  v_previous strata.samples;
  v_level text;
  v_parts jsonb;
begin
  perform strata.look_at_clock();
  select s.* into v_previous from strata.samples as s order by s.taken_at desc limit 1;
  v_level := strata.level_of(v_bytes, v_previous.level);
  begin
    v_parts := strata.largest_tables();
  exception when lock_not_available then
    v_parts := null; -- a table is being rewritten; the bill counts all the same
  end;
  insert into strata.samples as s (taken_at, billed_bytes, level, parts)
  values (v_now, v_bytes, v_level, v_parts)
  on conflict (taken_at) do update
     set billed_bytes = excluded.billed_bytes, level = excluded.level, parts = excluded.parts;
  if date_trunc('day', v_previous.taken_at, 'UTC') is distinct from date_trunc('day', v_now, 'UTC') then
    perform strata.thin_samples();
  end if;
  return v_level;
end
$$;
comment on function strata.take_sample() is
  'Writes a sample down and returns its level; the first of a day thins the older ones.';

create function strata.size_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select k.kind, t.name, '', k.severity,
         format('%1$s holds %2$s MB of %3$s MB; %4$s is above %5$s MB', t.name, s.billed_bytes / 1048576,
                t.capacity_mb,
                case k.kind when 'size_critical' then 'critical' else 'a warning' end, k.mb), k.remedy
    from (select x.* from strata.samples as x order by x.taken_at desc limit 1) as s
    join strata.tiers as t on t.name = strata.tier()
    cross join lateral (values
      ('size_warning', 'warning', array['warning', 'critical'], t.warn_mb,
       'See who fills it (monitor sizes) and when it will be full (forecast); shorten the policy '
       'of the largest dataset.'),
      ('size_critical', 'critical', array['critical'], t.critical_mb,
       'Rows are moved on ahead of their policy by themselves where there is a colder tier; see monitor '
       'sizes for what cannot move.')
    ) as k (kind, severity, levels, mb, remedy)
   where s.level = any (k.levels)
$$;
comment on function strata.size_conditions() is
  'Alerts about this tier''s size, by the level of its last sample.';

create function strata.check_level()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  c_kinds constant text[] := array['size_warning', 'size_critical'];
begin
  if strata.level() <> 'ok'
     or exists (select from strata.alerts as a where a.kind = any (c_kinds) and a.cleared_at is null) then
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('strata/alerts', 0));
    perform strata.settle_alerts(array(select c::strata.condition from strata.size_conditions() as c),
                                 c_kinds);
  end if;
end
$$;
comment on function strata.check_level() is
  'Raises or clears the alerts about this tier''s size, by the level of its last sample.';

-- Unpinned because it commits. A full database may have been turned read-only: this session is not, from its
-- first commit on.
create procedure strata.watch()
language plpgsql
as $$
begin
  perform pg_catalog.set_config('default_transaction_read_only', 'off', false);
  commit;
  -- A sample lost in a crash is taken again: nobody has to wait for the disk.
  perform pg_catalog.set_config('synchronous_commit', 'off', true);
  perform strata.take_sample();
  perform strata.check_level();
  commit;
  perform strata.drain_if_critical();
  commit;
end
$$;
comment on procedure strata.watch() is
  'What cron calls every 15 minutes: a sample of the billed size, the alerts that follow from it, '
  'and a drain opened when it is critical. Works on a read-only database. Commits: must be the only '
  'statement, outside a transaction.';
