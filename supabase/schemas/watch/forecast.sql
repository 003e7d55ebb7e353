-- Forecast: when a tier will be full at the pace of the last weeks.
--
-- The samples of one UTC day give that day's growth. Two neighbouring samples between which the size fell by
-- more than a step (1 %, or 5 MB, and well beyond what the size does anyway) saw space being given back, not
-- growth: the time between them counts for nothing, the rest of the day does. The pace is the median of the
-- days, its spread their quartiles: one bulk load or one quiet Sunday does not move it. With fewer than three
-- days it says so and guesses nothing.

create function strata.daily_growth()
returns table (day timestamptz, per_day double precision)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := strata.clock();
  v_since constant timestamptz := v_now - make_interval(days => strata.setting('forecast_days')::integer);
  v_share constant double precision := strata.setting('step_percent') / 100.0;
  v_bytes constant double precision := strata.setting('step_bytes');
begin
  return query
    with pairs as (
      select s.taken_at, s.billed_bytes - lag(s.billed_bytes) over before as grown,
             lag(s.billed_bytes) over before as was,
             date_part('epoch', s.taken_at - lag(s.taken_at) over before) / 86400 as days
        from strata.samples as s where s.taken_at > v_since and s.taken_at <= v_now
      window before as (order by s.taken_at)
    ), usual as ( -- else a size that goes up and down would only ever be seen going up
      select p.days >= 0.5 as whole_day,
             5 * percentile_cont(0.5) within group (order by abs(p.grown)) as bytes
        from pairs as p where p.grown is not null group by 1
    )
    select date_trunc('day', p.taken_at, 'UTC'), sum(p.grown) / sum(p.days)
      from pairs as p join usual as u on u.whole_day = (p.days >= 0.5)
     where -p.grown <= greatest(least(p.was * v_share, v_bytes), u.bytes)
     group by 1
    having sum(p.days) >= 0.25; -- less of a day tells nothing about it
end
$$;
comment on function strata.daily_growth() is
  'How fast this tier grew on each of the last days, in bytes a day, drains left out.';

create function strata.trend(
  out enough boolean, out span_days numeric, out bytes bigint, out per_day numeric, out per_day_low numeric,
  out per_day_high numeric
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := strata.clock();
  v_since constant timestamptz := v_now - make_interval(days => strata.setting('forecast_days')::integer);
begin
  select coalesce(extract(epoch from max(s.taken_at) - min(s.taken_at)) / 86400, 0) into span_days
    from strata.samples as s where s.taken_at > v_since and s.taken_at <= v_now;
  select s.billed_bytes into bytes from strata.samples as s
   where s.taken_at <= v_now order by s.taken_at desc limit 1;
  enough := span_days >= strata.setting('forecast_needs');
  if enough then
    select count(*) >= strata.setting('forecast_needs'),
           percentile_cont(0.5) within group (order by d.per_day),
           percentile_cont(0.25) within group (order by d.per_day),
           percentile_cont(0.75) within group (order by d.per_day)
      into enough, per_day, per_day_low, per_day_high from strata.daily_growth() as d;
  end if;
  if not enough then
    per_day := null;
    per_day_low := null;
    per_day_high := null;
  end if;
end
$$;
comment on function strata.trend() is
  'The pace of growth in bytes a day: median and quartiles of the last days; nulls when '
  'there is not enough data.';

-- Beyond a century a day is no forecast.
create function strata.reached_at(p_bytes bigint, p_threshold bigint, p_per_day numeric)
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_bytes >= p_threshold then strata.clock()
    when p_per_day > 0 and (p_threshold - p_bytes) / p_per_day < 36500
      then strata.clock() + make_interval(
        secs => ((p_threshold - p_bytes) / p_per_day * 86400)::double precision) end
$$;
comment on function strata.reached_at(bigint, bigint, numeric) is
  'When a size grows to a threshold at so many bytes a day; now if it is there; null: never, '
  'or not within a century.';

create function strata.forecast()
returns table (
  tier text, threshold text, threshold_bytes bigint, bytes bigint, per_day bigint, per_day_low bigint,
  per_day_high bigint,
  reached_at timestamptz, earliest_at timestamptz, latest_at timestamptz, says text
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select t.name, k.threshold, k.mb * 1048576::bigint, r.bytes, r.per_day::bigint, r.per_day_low::bigint,
         r.per_day_high::bigint,
         p.at, p.earliest, p.latest,
         case
           when not r.enough then format('not enough data: %1$s days of samples, %2$s are needed',
                                         round(r.span_days, 1), strata.setting('forecast_needs'))
           when r.bytes >= k.mb * 1048576::bigint then 'reached already'
           when p.at is null then 'not in sight at the pace of the last days'
           else format('%1$s, about %2$s at a fast pace, %3$s at a slow one%4$s',
                       to_char(p.at at time zone 'UTC', 'YYYY-MM-DD'),
                       to_char(p.earliest at time zone 'UTC', 'YYYY-MM-DD'),
                       coalesce(to_char(p.latest at time zone 'UTC', 'YYYY-MM-DD'), 'never'),
                       case when r.per_day_high - r.per_day_low > r.per_day
                              then '; growth is uneven: take it with care' else '' end) end
    from strata.tiers as t
    cross join lateral (values (1, 'warning', t.warn_mb), (2, 'critical', t.critical_mb),
                               (3, 'full', t.capacity_mb)) as k (place, threshold, mb)
    cross join strata.trend() as r
    cross join lateral (
      select strata.reached_at(r.bytes, k.mb * 1048576::bigint, r.per_day) as at,
             strata.reached_at(r.bytes, k.mb * 1048576::bigint, r.per_day_high) as earliest,
             strata.reached_at(r.bytes, k.mb * 1048576::bigint, r.per_day_low) as latest
       where r.enough
      union all select null, null, null where not r.enough) as p
   where t.name = strata.tier()
   order by k.place
$$;
comment on function strata.forecast() is
  'When this tier reaches warning, critical and full at its present pace (median of the last days), and at '
  'their fast and slow quarter. Nulls and a sentence when there is not enough data, or no growth.';

create function strata.forecast_conditions()
returns setof strata.condition
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_trend constant record := strata.trend();
begin
  if v_trend.bytes + v_trend.per_day * strata.setting('forecast_alert')
     > (select t.capacity_mb * 1048576::bigint from strata.tiers as t where t.name = strata.tier()) then
    return query
      select 'forecast', f.tier, '', 'warning', format('%1$s will be full on %2$s', f.tier, f.says),
             'See who fills it (monitor sizes); shorten a policy, or get more room and '
             'tell strata.set_tier().'
        from strata.forecast() as f where f.threshold = 'full' and f.bytes < f.threshold_bytes;
  end if;
end
$$;
comment on function strata.forecast_conditions() is 'An alert when this tier will be full within 14 days.';
