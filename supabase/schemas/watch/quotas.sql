-- Quotas: what the plan allows, what is used of it, and where that leads by the end of the period.
--
-- One table of limits, each with where it is written; the owner changes them when the plan changes. What
-- Strata can see it measures (sizes, rows, the bytes of moves); what others use is told to it with
-- count_usage(). Fair use is judged on the average daily size over the billing month, so shrinking on the
-- last day does not undo a large month.

create function strata.count_usage(p_name text, p_amount bigint default 1)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_name is null or p_name = '' or p_amount is null or p_amount < 0 then
    raise exception '% of "%" is not an amount of use', coalesce(p_amount::text, 'nothing'),
      coalesce(p_name, '')
      using errcode = 'ST062', hint = strata.remedy('ST062');
  end if;
  insert into strata.usage as u (day, name, amount)
  values ((strata.clock() at time zone 'UTC')::date, p_name, p_amount)
  on conflict (name, day) do update set amount = u.amount + excluded.amount;
end
$$;
comment on function strata.count_usage(text, bigint) is
  'Adds to today''s use of something: egress (bytes beyond what moves carry), edge_invocations, … ST062: no '
  'name, or a negative amount.';

create function strata.billing_period(out starts timestamptz, out ends timestamptz)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with months as (
    select m.at + make_interval(days => least(strata.setting('billing_day'),
             extract(day from m.at + interval '1 month' - interval '1 day'))::integer - 1) as starts
      from (select date_trunc('month', strata.clock() at time zone 'UTC') + make_interval(months => k) as at
              from generate_series(-1, 1) as k) as m
  )
  select max(m.starts) filter (where m.starts <= n.at) at time zone 'UTC',
         min(m.starts) filter (where m.starts > n.at) at time zone 'UTC'
    from months as m, (select strata.clock() at time zone 'UTC' as at) as n
$$;
comment on function strata.billing_period() is
  'The billing month we are in, from billing_day to billing_day at midnight UTC.';

-- A move that was interrupted has crossed once per attempt.
create function strata.used_since(p_name text, p_since timestamptz)
returns numeric
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce((select sum(u.amount) from strata.usage as u
                    where u.name = p_name and u.day >= (p_since at time zone 'UTC')::date), 0)
       + case when p_name = 'egress'
              then coalesce((select sum(m.bytes * m.attempts) from strata.moves as m
                              where m.kind = 'move' and m.started_at >= p_since), 0) else 0 end
$$;
comment on function strata.used_since(text, timestamptz) is
  'How much was used since a time: counted use, and for egress the bytes that moves '
  'carried away from this tier.';

-- The average so far weighs as many days as it has; what is still to come is today's size, growing at the
-- present pace.
create function strata.average_size(p_per_day numeric, out used numeric, out projection numeric)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := strata.clock();
  v_period constant record := strata.billing_period();
  v_days integer;
  v_left numeric;
  v_last bigint;
  v_present bigint;
begin
  select avg(d.bytes), count(*) into used, v_days
    from (select avg(coalesce(s.day_average, s.billed_bytes)) as bytes from strata.samples as s
           where s.taken_at >= v_period.starts and s.taken_at <= v_now
           group by date_trunc('day', s.taken_at, 'UTC')) as d;
  v_left := extract(epoch from v_period.ends - v_now) / 86400;
  select s.billed_bytes into v_last from strata.samples as s order by s.taken_at desc limit 1;
  -- before the month's first sample; every file of the server is looked at for this
  if used is null or v_last is null then
    v_present := strata.billed_bytes();
    used := coalesce(used, v_present);
    v_last := coalesce(v_last, v_present);
  end if;
  projection := (used * v_days + v_left * (v_last + coalesce(p_per_day, 0) * v_left / 2)) / (v_days + v_left);
end
$$;
comment on function strata.average_size(numeric) is
  'The average daily size of the billing month so far, and as it will be at its end if so many bytes a day '
  'are added; before its first sample, of the size as it is now.';

create function strata.quota()
returns table (
  name text, used bigint, allowed bigint, unit text, period text, projection bigint, source text,
  changeable boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_period constant record := strata.billing_period();
  v_left constant numeric := extract(epoch from v_period.ends - strata.clock()) / 86400;
  v_trend constant record := strata.trend();
begin
  return query
    select q.name, u.used::bigint,
           coalesce(q.amount, case q.name when 'database_size' then t.capacity_mb * 1048576::bigint end),
           q.unit, q.period, u.projection::bigint, q.source, q.changeable
      from strata.quotas as q
      join strata.tiers as t on t.name = strata.tier() and t.name = any (q.tiers)
      cross join lateral (
        select s.billed_bytes::numeric as used, s.billed_bytes + v_trend.per_day * v_left as projection
          from (select strata.billed_bytes() as billed_bytes) as s where q.name = 'database_size'
        union all
        select a.used, a.projection from strata.average_size(v_trend.per_day) as a
         where q.name = 'average_size'
        union all
        select case q.name when 'rows' then coalesce(sum(strata.live_rows(c.oid)), 0) end, null
          from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
         where q.name = 'rows' and c.relkind = 'r' and n.nspname !~ '^(pg_|information_schema$|strata$)'
        -- the pace of the last week, so that one large day early in the month does not count for all of it
        union all
        select c.used, c.used + c.week / 7 * v_left
          from (select strata.used_since(q.name, v_period.starts) as used,
                       strata.used_since(q.name, strata.clock() - interval '7 days') as week) as c
         where q.period = 'month' and q.name <> 'average_size') as u
     where u.used is not null
     order by q.name;
end
$$;
comment on function strata.quota() is
  'Each limit of the plan, as of now: used, allowed (null: no limit), unit, period, projection to the end of '
  'the billing month (null: not enough data) and where the limit is written.';

create function strata.quota_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select q.name, strata.tier(), '', case when q.used >= q.allowed then 'critical' else 'warning' end,
         format('%1$s %% of the %2$s of this month used%3$s', q.used * 100 / q.allowed, k.says,
                case when q.projection > q.allowed
                     then format(', %s %% expected at its end', q.projection * 100 / q.allowed) else '' end),
         k.remedy
    from strata.quota() as q
    join (values -- the average cannot jump: only where it leads counts
      ('average_size', 100, 'average size',
       'Free space early in the month: what counts is the average of all its days. See monitor sizes.'),
      ('egress', strata.setting('quota_warning'), 'egress',
       'Fewer or smaller reads, or longer retention on core until the month is over.'),
      ('edge_invocations', strata.setting('quota_warning'), 'function invocations',
       'Call less often: see strata.schedules, and who calls your functions.')
    ) as k (name, percent, says, remedy) on k.name = q.name
   where q.used >= q.allowed * k.percent / 100.0 or q.projection > q.allowed
$$;
comment on function strata.quota_conditions() is
  'Alerts about quotas of the billing month that are nearly used or will be.';
