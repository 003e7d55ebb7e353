-- Spending: what the ledger says, what is wrong with it, and how it stays small.
--
-- Calls are kept one by one for keep_costs days and then added up per month, for ever.

create function strata.spending()
returns table (
  kind text, usd_today numeric, usd_month numeric, worth_month numeric, worth_allowed numeric,
  calls_month bigint, units_month numeric, credits_month numeric, open_reservations bigint
)
language sql
stable
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(b.kind, c.kind),
         coalesce(sum(c.usd) filter (where c.at >= date_trunc('day', strata.clock(), 'UTC')), 0),
         coalesce(sum(c.usd), 0), coalesce(sum(c.worth), 0), min(b.usd_per_month),
         count(c.cost_id) filter (where c.state <> 'released'), coalesce(sum(c.units), 0),
         coalesce(sum(c.credits), 0),
         count(c.cost_id) filter (where c.state = 'reserved')
    from strata.budgets as b
    full join (select x.* from strata.costs as x
                where x.at >= date_trunc('month', strata.clock(), 'UTC')) as c on c.kind = b.kind
   group by 1 order by 1
$$;
comment on function strata.spending() is
  'What each kind has cost today and this month (UTC): USD billed, worth at list price and how much of that '
  'is allowed (null: no limit of its own), calls, units, credits, and reservations nobody has settled.';
grant execute on function strata.spending() to service_role;

create function strata.cost_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'cost', strata.tier(), '', 'warning',
         format('%1$s cost %2$s USD, most of it for %3$s', c.day, round(c.usd, 4), c.kind),
         'Look at strata.costs; turn off what is not worth it, or raise cost_per_day in strata.settings.'
    from (select (s.at at time zone 'UTC')::date as day,
                 sum(sum(s.usd)) over (partition by (s.at at time zone 'UTC')::date) as usd, s.kind
            from strata.costs as s where s.at >= date_trunc('day', strata.clock() - interval '1 day', 'UTC')
           group by 1, s.kind order by 2 desc, sum(s.usd) desc, s.kind limit 1) as c
   where c.usd > strata.setting('cost_per_day') / 1000000.0
$$;
comment on function strata.cost_conditions() is
  'The alert that today or yesterday (UTC) cost more than a day may.';

create function strata.roll_up_costs()
returns bigint
language sql
set search_path = pg_catalog, pg_temp
as $$
  with old as (
    delete from strata.costs as c
     where c.at < strata.clock() - make_interval(days => strata.setting('keep_costs')::integer)
    returning c.*
  ), added as (
    insert into strata.costs_totals as t (kind, month, service, item, calls, units, credits, usd, worth)
    select o.kind, date_trunc('month', o.at at time zone 'UTC')::date, o.service, o.item,
           count(*) filter (where o.state <> 'released'),
           sum(o.units), sum(o.credits), sum(o.usd), sum(o.worth)
      from old as o group by 1, 2, 3, 4
    on conflict (kind, month, service, item) do update
       set calls = t.calls + excluded.calls, units = t.units + excluded.units,
           credits = t.credits + excluded.credits,
           usd = t.usd + excluded.usd, worth = t.worth + excluded.worth
    returning 1
  )
  select count(*) from old
$$;
comment on function strata.roll_up_costs() is
  'Adds costs older than keep_costs to the totals and drops them; returns how many.';
