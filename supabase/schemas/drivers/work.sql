-- Work: which datasets a tier has something to do for.

create function strata.has_due(p_dataset strata.datasets)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_policy constant record := strata.conditions(p_dataset);
  v_found boolean;
begin
  if strata.any_registered('rewriting', strata.relation(p_dataset)) then
    return false; -- it would have to be waited for
  end if;
  execute format('select exists (select from %1$s as t where %2$s and %3$s order by t.%4$I limit 1)',
                 strata.relation(p_dataset),
                 v_policy.aged, v_policy.due, p_dataset.age_column) into v_found;
  if not v_found and v_policy.oversize <> 'false' then
    execute format('select exists (select from %1$s as t where %2$s and %3$s)', strata.relation(p_dataset),
                   v_policy.oversize, v_policy.due) into v_found;
  end if;
  return v_found or strata.has_drainable(p_dataset) or strata.has_circle(p_dataset.name);
end
$$;
comment on function strata.has_due(strata.datasets) is
  'Whether any row of a dataset is due on this tier, or wanted by a drain.';
select strata.pin('strata.has_due(strata.datasets)');

create function strata.may_have_due(p_dataset strata.datasets)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_context text;
begin
  return strata.has_due(p_dataset);
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
  return true; -- the claim will say what is wrong, where it is written down
end
$$;
comment on function strata.may_have_due(strata.datasets) is 'has_due(); true also when that cannot be told.';

create function strata.find_work(p_careful boolean)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(d.name order by d.priority, m.last_turn_at nulls first, d.name), '{}')
    from strata.datasets as d
    left join lateral (select max(m.started_at) as last_turn_at from strata.moves as m
                        where m.dataset = d.name) as m on true
   where (d.next_try_at is null or d.next_try_at <= strata.clock())
     and (d.told_revision is distinct from d.revision
          or d.trouble_sqlstate <> 'ST028' -- its cause may be gone: a claim tells
          or exists (select from strata.moves as m where m.dataset = d.name and m.state <> 'closed')
          or case when p_careful then strata.may_have_due(d) else strata.has_due(d) end)
$$;
comment on function strata.find_work(boolean) is
  'datasets_with_work(), either past datasets that cannot be read (careful) or failing at the first of them.';

-- A subtransaction for each dataset costs more than the look itself, so it is made only when one of them
-- fails.
create function strata.datasets_with_work()
returns text[]
language plpgsql
stable
security definer -- a pulling tier calls it as strata_mover
set search_path = pg_catalog, pg_temp
as $$
declare
  v_context text;
begin
  perform strata.check_asker('colder');
  begin
    return strata.find_work(false);
  exception when query_canceled or assert_failure or others then
    get stacked diagnostics v_context = pg_exception_context;
    if strata.is_our_end(sqlstate, sqlerrm, v_context) then
      raise;
    end if;
    return strata.find_work(true);
  end;
end
$$;
comment on function strata.datasets_with_work() is
  'Datasets of this tier that have an open move, due rows, or news for the colder tier, and whose pause is '
  'over; first those whose last turn is longest ago.';
grant execute on function strata.datasets_with_work() to strata_mover;
