-- Costs: every paid call is counted before it is made.
--
-- Whoever wants to spend asks first. reserve_cost() writes down what a call costs at most, or says which
-- limit is in the way; settle_cost() corrects that to what it did cost, release_cost() to nothing, when it
-- was refused. What nobody settles, because the caller died in the middle, counts in full: better a cent too
-- many in the book than one too many on the bill. Two at once wait for each other, so together they cannot
-- pass a limit either.
--
-- The limits, all rows that an UPDATE changes:
--   free credits     what the service gives each month (allowances). They are used up first and cost nothing.
--   a day            USD billed beyond them per day, of all kinds together (cost_per_day in settings).
--   a month per kind what its calls are worth at list price, free or not (budgets), so that what matters
--                    little does not take the credits of what matters more.
--   a daily kind     gets its share of the credits that are left for the days that are left, so that they
--                    last.
-- Days and months are UTC; the credits' month begins when the service resets them.
--
-- Lock order: strata/costs (advisory), then costs.

create function strata.note_cost(p_kind text, p_units numeric, p_usd numeric)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into strata.costs (at, kind, units, usd, worth)
  values (strata.clock(), p_kind, p_units, p_usd, p_usd)
$$;
comment on function strata.note_cost(text, numeric, numeric) is
  'Writes down that something has cost money already. What can ask first asks reserve_cost().';

create function strata.allowance_period(
  p_service text, out starts timestamptz, out ends timestamptz
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select (a.reset + make_interval(months => a.months + k - 1)) at time zone 'UTC',
         (a.reset + make_interval(months => a.months + k)) at time zone 'UTC'
    from (select x.resets_at at time zone 'UTC' as reset,
                 (extract(year from strata.clock() at time zone 'UTC') - extract(
                   year from x.resets_at at time zone 'UTC'))::integer * 12
                 + (extract(month from strata.clock() at time zone 'UTC') - extract(
                   month from x.resets_at at time zone 'UTC'))::integer as months
            from strata.allowances as x where x.service = p_service) as a
    cross join generate_series(0, 1) as k
   where (a.reset + make_interval(months => a.months + k)) at time zone 'UTC' > strata.clock()
   order by k limit 1
$$;
comment on function strata.allowance_period(text) is
  'The month for which a service''s present credits are given, from one reset to the next; '
  'nothing for a service without.';

create function strata.credits_left(p_service text)
returns numeric
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_allowance strata.allowances;
  v_starts constant timestamptz := (strata.allowance_period(p_service)).starts;
  v_used numeric;
begin
  select a.* into v_allowance from strata.allowances as a where a.service = p_service;
  if not found or v_allowance.exhausted_until > strata.clock() then
    return 0;
  end if;
  -- The service also counts what others use with the same key, and we what it has not counted yet.
  select greatest(coalesce(sum(c.credits), 0),
                  case when v_allowance.told_at >= v_starts
                       then v_allowance.told_used
                            + coalesce(sum(c.credits) filter (where c.at > v_allowance.told_at), 0) end)
    into v_used
    from strata.costs as c where c.service = p_service and c.at >= v_starts;
  return greatest(v_allowance.amount - v_used, 0);
end
$$;
comment on function strata.credits_left(text) is
  'How many of the month''s credits of a service are left, by our book or by its own, whichever says less.';

create function strata.affordable(p_service text, p_item text, p_kind text,
                                  out units integer, out limited_by text, out credits_left numeric,
                                  out usd_left numeric)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most constant integer := 1000000000; -- of what costs nothing
  v_price strata.prices;
  v_budget strata.budgets;
  v_today constant timestamptz := date_trunc('day', strata.clock(), 'UTC');
  v_month constant timestamptz := date_trunc('month', strata.clock(), 'UTC');
  v_ends constant timestamptz := (strata.allowance_period(p_service)).ends;
  v_days numeric;
  v_credits_today numeric; -- of this kind
  v_worth numeric; -- of this kind, this month
  v_paid numeric;
  v_free numeric;
begin
  select p.* into v_price from strata.prices as p where p.service = p_service and p.item = p_item;
  if not found then
    raise exception 'there is no price for "%" of "%"', p_item, p_service
      using errcode = 'ST090', hint = strata.remedy('ST090');
  end if;
  select b.* into v_budget from strata.budgets as b where b.kind = p_kind;
  credits_left := strata.credits_left(p_service);
  usd_left := greatest(strata.setting('cost_per_day') / 1000000.0
              - coalesce((select sum(c.usd) from strata.costs as c where c.at >= v_today), 0), 0);
  if exists (select from strata.allowances as a
              where a.service = p_service and a.exhausted_until > strata.clock()) then
    units := 0;
    limited_by := 'exhausted';
    return;
  end if;
  select coalesce(sum(c.worth), 0),
         coalesce(sum(c.credits) filter (where c.at >= v_today and c.service = p_service), 0)
    into v_worth, v_credits_today
    from strata.costs as c where c.kind = p_kind and c.at >= v_month;
  v_days := ceil(extract(epoch from v_ends - v_today) / 86400);
  v_paid := coalesce(floor(usd_left / nullif(v_price.usd, 0)), c_most);
  v_free := coalesce(floor(case when v_budget.is_daily
                                then (credits_left + v_credits_today) / v_days - v_credits_today
                                else credits_left end
                           / nullif(v_price.credits, 0)), 0);
  -- A daily call may always be as long as its day's money would buy: credits saved for later days cost the
  -- same then.
  units := least(greatest(case when v_budget.is_daily then greatest(v_free, v_paid) else v_free + v_paid end,
                          0), c_most);
  limited_by := case when v_budget.is_daily and v_free > v_paid then 'share' else 'day' end;
  if v_worth + units * v_price.usd > v_budget.usd_per_month then
    units := greatest(floor((v_budget.usd_per_month - v_worth) / v_price.usd), 0);
    limited_by := 'month';
  end if;
end
$$;
comment on function strata.affordable(text, text, text) is
  'How many units of an item a kind of spending may use now, and which limit that is: exhausted (the service '
  'refuses until its next reset), share (a daily kind''s part of the credits), day (USD), month (of this '
  'kind); with the credits and the day''s USD that are left. Changes nothing. ST090: no price.';

create function strata.estimate_cost(p_service text, p_item text, p_kind text, p_units numeric,
                                     out credits numeric, out usd numeric, out worth numeric,
                                     out fits boolean, out limited_by text,
                                     out units_left integer, out credits_left numeric, out usd_left numeric)
language plpgsql
stable
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
declare
  v_price strata.prices;
  v_may constant record := strata.affordable(p_service, p_item, p_kind);
begin
  if p_kind is null or p_kind = '' or p_units is null or p_units < 0 then
    raise exception '% of "%" is not an amount to be spent', coalesce(p_units::text, 'nothing'),
      coalesce(p_kind, '')
      using errcode = 'ST091', hint = strata.remedy('ST091');
  end if;
  select p.* into v_price from strata.prices as p where p.service = p_service and p.item = p_item;
  credits := p_units * v_price.credits;
  worth := p_units * v_price.usd;
  usd := greatest(p_units - coalesce(v_may.credits_left / nullif(v_price.credits, 0), 0), 0) * v_price.usd;
  fits := p_units <= v_may.units;
  limited_by := v_may.limited_by;
  units_left := v_may.units;
  credits_left := v_may.credits_left;
  usd_left := v_may.usd_left;
end
$$;
comment on function strata.estimate_cost(text, text, text, numeric) is
  'What so many units would cost now (credits, USD billed, worth at list price), whether they may be spent, '
  'and by what that is limited (see affordable). Changes nothing. ST090: no price. ST091: no amount.';
grant execute on function strata.estimate_cost(text, text, text, numeric) to service_role;

create function strata.reserve_cost(
  p_service text, p_item text, p_kind text, p_units numeric, p_says text, out cost_id uuid,
  out denied_by text, out usd numeric
)
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
declare
  v_cost record;
begin
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('strata/costs', 0));
  v_cost := strata.estimate_cost(p_service, p_item, p_kind, p_units);
  if not v_cost.fits then
    denied_by := v_cost.limited_by;
    return;
  end if;
  usd := v_cost.usd;
  insert into strata.costs as c (at, kind, units, usd, service, item, credits, worth, state, says)
  values (strata.clock(), p_kind, p_units, v_cost.usd, p_service, p_item, v_cost.credits, v_cost.worth,
          'reserved', p_says)
  returning c.cost_id into cost_id;
end
$$;
comment on function strata.reserve_cost(text, text, text, numeric, text) is
  'Counts a paid call before it is made. cost_id: it may be made, and costs at most usd; without one, '
  'denied_by says which limit is in the way (see affordable). Two at once wait for each other. ST090: no '
  'price. ST091: no amount.';
grant execute on function strata.reserve_cost(text, text, text, numeric, text) to service_role;

create function strata.settle_cost(p_cost_id uuid, p_credits numeric default null)
returns numeric
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
declare
  v_usd numeric;
begin
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('strata/costs', 0));
  update strata.costs as c
     set state = 'settled', credits = coalesce(p_credits, c.credits),
         worth = coalesce(p_credits / p.credits * p.usd, c.worth),
         -- what was free of it stays free
         usd = case when p_credits is null or p.usd is null or p.credits is null then c.usd
                    else greatest(
                      p_credits - (c.credits - c.usd / p.usd * p.credits) - strata.credits_left(c.service), 0)
                         / p.credits * p.usd end
    from (select x.cost_id as id, nullif(y.credits, 0) as credits, nullif(y.usd, 0) as usd
            from strata.costs as x left join strata.prices as y on y.service = x.service and y.item = x.item
           where x.cost_id = p_cost_id) as p
   where c.cost_id = p.id and c.state = 'reserved'
  returning c.usd into v_usd;
  if not found then
    raise exception 'there is no open reservation %', p_cost_id
      using errcode = 'ST092', hint = strata.remedy('ST092');
  end if;
  return v_usd;
end
$$;
comment on function strata.settle_cost(uuid, numeric) is
  'The call was made: it has cost what was reserved, or the credits the service says it took (more of them '
  'than reserved are free while there are any). Returns the USD billed. ST092: no open reservation.';
grant execute on function strata.settle_cost(uuid, numeric) to service_role;

create function strata.release_cost(p_cost_id uuid)
returns void
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
begin
  update strata.costs as c set state = 'released', units = 0, usd = 0, credits = 0, worth = 0
   where c.cost_id = p_cost_id and c.state = 'reserved';
  if not found then
    raise exception 'there is no open reservation %', p_cost_id
      using errcode = 'ST092', hint = strata.remedy('ST092');
  end if;
end
$$;
comment on function strata.release_cost(uuid) is
  'The call was refused, so it cost nothing. Only for an answer that says so: when the answer was lost, '
  'settle it. ST092: no open reservation.';
grant execute on function strata.release_cost(uuid) to service_role;

create function strata.note_allowance(
  p_service text, p_used numeric, p_amount numeric, p_resets_at timestamptz default null
)
returns void
language sql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
  update strata.allowances as a
     set told_used = p_used, told_at = strata.clock(), amount = coalesce(p_amount, a.amount),
         resets_at = coalesce(p_resets_at, a.resets_at),
         exhausted_until = case when p_used < coalesce(p_amount, a.amount) then null
                                else a.exhausted_until end
   where a.service = p_service
$$;
comment on function strata.note_allowance(text, numeric, numeric, timestamptz) is
  'What a service says of its own about this month''s credits: used, given, and when they are next reset.';
grant execute on function strata.note_allowance(text, numeric, numeric, timestamptz) to service_role;

create function strata.note_exhausted(p_service text)
returns timestamptz
language sql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
  update strata.allowances as a set exhausted_until = (strata.allowance_period(p_service)).ends
   where a.service = p_service returning a.exhausted_until
$$;
comment on function strata.note_exhausted(text) is
  'The service has refused for want of credits: nothing is asked of it until its next '
  'reset. Returns when that is.';
grant execute on function strata.note_exhausted(text) to service_role;
