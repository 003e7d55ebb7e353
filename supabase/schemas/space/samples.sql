-- Samples: what the platform bills, every 15 minutes, on every tier.
--
-- A sample is billed bytes, level and the largest tables. The level leaves a threshold only when the size is
-- 5 % below it again, so that it does not flicker. Samples stay as they are for a week; of older days the
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
