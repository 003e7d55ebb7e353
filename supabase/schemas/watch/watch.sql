-- Watch: every 15 minutes, on every tier, a sample of what the platform bills, and what follows from it.
--
-- strata.watch() takes the sample and raises or clears the alerts about the size, in few and simple
-- statements: a session of cron's plans all of them anew. Every other condition is looked at by the watchdog,
-- every five minutes.

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
