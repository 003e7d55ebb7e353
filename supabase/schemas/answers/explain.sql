-- Explain: where one row is, why it is still there, and what happens to it when.
--
-- Whatever keeps a row is a reason: a sentence, until when it counts, and what has to happen before the row
-- may go. What is next follows from all of them together, so that no date is promised which a hold or a
-- reference makes untrue.

-- Which rows of which tables refer to it, by which foreign key; of many the first, by their keys.
create function strata.referring_rows(p_dataset strata.datasets, p_key text[])
returns setof text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_key record;
  v_rows bigint;
  v_first text;
begin
  for v_key in
    select f.conname, f.conrelid::regclass as relation, strata.reference_sql(f) as condition,
           coalesce((select strata.key_sql(array_agg(a.attname::text order by k.position), 'r')
              from pg_catalog.pg_index as i
              cross join lateral unnest(i.indkey) with ordinality as k (attnum, position)
              join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
             where i.indrelid = f.conrelid and i.indisprimary), 'array[r.ctid::text]') as key
      from strata.foreign_keys_to(strata.relation(p_dataset)::regclass) as f
     where f.conparentid = 0 order by f.conrelid::regclass::text, f.conname
  loop
    execute format('select count(*) as rows, min(array_to_string(x.key, '' '')) as first '
                   '  from (select %1$s as key from %2$s as t join %3$s as r on %4$s '
                   '         where %5$s limit 1000) as x',
                   v_key.key, strata.relation(p_dataset), v_key.relation, v_key.condition,
                   strata.key_is_sql(p_dataset))
       into v_rows, v_first using p_key;
    continue when v_rows = 0;
    return next format(case v_rows when 1 then '%1$s of %2$s refers to it by %3$s: %4$s'
                                   else '%1$s of %2$s refer to it by %3$s, such as %4$s' end,
      case v_rows when 1 then 'a row' when 1000 then '1000 or more rows' else v_rows || ' rows' end,
      v_key.relation, quote_ident(v_key.conname), v_first);
  end loop;
end
$$;
comment on function strata.referring_rows(strata.datasets, text[]) is
  'What refers to the row under a key: one sentence for each foreign key by which something does.';
select strata.pin('strata.referring_rows(strata.datasets, text[])');

create function strata.hold_reasons(p_dataset strata.datasets, p_key text[], p_action text)
returns setof strata.reason
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select format('held since %1$s against %2$s%3$s: %4$s (made on %5$s, where '
                  'select strata.release(%6$L) ends it)',
             to_char(h.made_at, 'YYYY-MM-DD'),
             case h.prevents when 'both' then 'moving and deleting'
                             when 'move' then 'moving' else 'deleting' end,
             coalesce(' until ' || to_char(h.hold_until, 'YYYY-MM-DD'), ''), h.reason, h.made_on, h.hold_id),
           case when n.counts then h.hold_until end,
           case when n.counts and h.hold_until is null then 'that hold is released' end
      from strata.holds as h cross join lateral (select h.prevents in (p_action, 'both') as counts) as n
     where h.dataset = p_dataset.name and h.released_at is null
       and (h.hold_until is null or h.hold_until > strata.clock())
       and (h.key = p_key or (h.key is null and strata.meets(p_dataset, p_key, h.condition)))
     order by h.made_at, h.hold_id;
end
$$;
comment on function strata.hold_reasons(strata.datasets, text[], text) is
  'The holds on a row; one against something else than p_action is said and does not stand in its way.';

create function strata.age_reason(p_dataset strata.datasets, p_age timestamptz)
returns strata.reason
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_policy constant record := strata.retention(p_dataset);
  -- infinite for an infinite age
  v_due_at constant timestamptz := p_age + make_interval(days => v_policy.days);
  v_days constant text := strata.counted(v_policy.days, 'day');
begin
  return row(case
    when v_policy.days is null then format('its policy keeps it on %s for ever', strata.tier())
    when p_age is null then format('%s is not set: a row without an age is never due', p_dataset.age_column)
    when v_due_at = 'infinity'
      then format('its policy keeps it on %1$s for %2$s from %3$s on, which is infinity', strata.tier(),
                  v_days, p_dataset.age_column)
    when v_due_at > strata.clock() then format('its policy keeps it on %1$s for %2$s', strata.tier(), v_days)
    else format('its policy keeps it on %1$s no longer: %2$s %3$s over %4$s', strata.tier(), v_days,
                case v_policy.days when 1 then 'was' else 'were' end,
                case when isfinite(v_due_at) then to_char(v_due_at, '"on "YYYY-MM-DD')
                     else 'long ago' end) end,
    nullif(v_due_at, 'infinity'), null)::strata.reason;
end
$$;
comment on function strata.age_reason(strata.datasets, timestamptz) is
  'What the policy says of a row of that age; until: when it is due, null for never.';

-- Rows of its own table that refer to it, and that may leave as well, do not keep it: they go together.
create function strata.reference_reasons(p_dataset strata.datasets, p_key text[])
returns setof strata.reason
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_keeper constant record := strata.chain_keeper(p_dataset, p_key);
  v_age constant strata.reason := strata.age_reason(p_dataset, v_keeper.age);
  v_is_kept constant boolean := v_keeper.key is not null
                                or (strata.retention(p_dataset)).action is distinct from 'move'
    or strata.meets(p_dataset, p_key, strata.references_sql(strata.relation(p_dataset)::regclass, 'all'));
begin
  return query select r.says, null::timestamptz, case when v_is_kept then 'nothing refers to it' end
    from strata.referring_rows(p_dataset, p_key) with ordinality as r (says, n) order by r.n;
  return query
    select 'it goes together with the rows of its table that refer to it, directly or over others; the '
           'nearest of them that stays is '
           || v_keeper.key || case when v_age.until <= strata.clock() then '' else ': ' || v_age.says end,
           null::timestamptz, null::text
     where v_keeper.key is not null and (strata.retention(p_dataset)).action = 'move';
end
$$;
comment on function strata.reference_reasons(strata.datasets, text[]) is
  'What refers to the row under a key, and which row keeps it at the end of a chain of such rows.';

-- Everything but the age that keeps a row, in words.
create function strata.keeping_reasons(p_dataset strata.datasets, p_key text[], p_flags boolean[])
returns setof strata.reason
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select format('not taken yet on %1$s: the condition %2$s, without which nothing moves', strata.tier(),
                  p_dataset.waits_for),
           null::timestamptz, format('the owner of %s has taken the condition', strata.tier())
     where p_dataset.waits_for is not null
    union all
    select format('it is not ready: %s does not hold', p_dataset.due_when), null,
           p_dataset.due_when || ' holds'
     where p_dataset.waits_for is null and not p_flags[1];
  return query select r.* from strata.reference_reasons(p_dataset, p_key) as r where p_flags[2];
  return query
    select h.* from strata.hold_reasons(p_dataset, p_key, (strata.retention(p_dataset)).action) as h;
  return query
    select format('set aside after %1$s: %2$s [%3$s]. %4$s. Next try %5$s',
                  strata.counted(a.attempts, 'attempt'), a.says, a.code, a.remedy,
                  to_char(a.next_try_at, 'YYYY-MM-DD HH24:MI')), a.next_try_at, null::text
      from strata.set_aside as a where a.dataset = p_dataset.name and a.key = p_key;
  return query
    select format('the whole dataset stands still: %1$s [%2$s]. %3$s', p_dataset.trouble,
                  p_dataset.trouble_sqlstate, p_dataset.remedy),
           null::timestamptz, 'that is mended'
     where p_dataset.trouble is not null;
  return query
    select 'nothing moves on: ' || o.says, null::timestamptz, 'that is mended'
      from (select strata.drain_obstacle() as says) as o
     where o.says is not null and (strata.retention(p_dataset)).action = 'move';
  return query
    select 'nothing is due, and nothing is deleted: ' || c.says, null::timestamptz, 'that is settled'
      from (select strata.clock_trouble() as says) as c where c.says is not null;
  return query
    select 'nothing is deleted by its policy: ' || u.says, null::timestamptz, 'that policy has been confirmed'
      from strata.retention(p_dataset) as r
      cross join lateral (select strata.unconfirmed(p_dataset) as says) as u
     where u.says is not null and r.action = 'delete' and r.days is not null;
end
$$;
comment on function strata.keeping_reasons(strata.datasets, text[], boolean[]) is
  'Why a row stays here whatever its age: condition, references, holds, set aside, trouble, a link that is '
  'down, a clock or a policy that cannot be relied on. p_flags: ready, referenced, oversize.';

create function strata.meets(p_dataset strata.datasets, p_key text[], p_condition text)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_meets boolean;
begin
  execute format('select coalesce((%1$s), false) from %2$s as t where %3$s', p_condition,
                 strata.relation(p_dataset),
                 strata.key_is_sql(p_dataset)) into v_meets using p_key;
  return coalesce(v_meets, false);
end
$$;
comment on function strata.meets(strata.datasets, text[], text) is
  'Whether the row under a key meets a condition.';
select strata.pin('strata.meets(strata.datasets, text[], text)');

-- What keeps one row here, in words, and what happens to it next when nothing does any more.
create function strata.explain_row(
  p_dataset strata.datasets, p_key text[], p_age timestamptz, p_flags boolean[]
)
returns table (topic text, says text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_action constant text := (strata.retention(p_dataset)).action;
  v_goal constant text := case v_action when 'move' then 'moves on to ' || strata.colder()
                                        when 'delete' then 'is deleted' end;
  v_age constant strata.reason := strata.age_reason(p_dataset, p_age);
  v_big constant boolean := p_flags[3] and not coalesce(v_age.until <= strata.clock(), false);
  v_reasons strata.reason[];
  v_from timestamptz;
  v_once text;
begin
  v_reasons := array(select k from strata.keeping_reasons(p_dataset, p_key, p_flags) as k);
  return query select 'why', v_age.says where not v_big;
  return query
    select 'why', format('it is over the size limit of %s KB, whatever its age', p_dataset.size_limit_kb)
     where v_big;
  return query
    select 'why', r.says from unnest(v_reasons) with ordinality as r (says, until, once, n) order by r.n;
  select nullif(max(greatest(r.until, case when not v_big then v_age.until end)), '-infinity'),
         string_agg(distinct r.once, ' and ') into v_from, v_once
    from unnest(v_reasons || row(null, null, null)::strata.reason) as r;
  return query select 'next', case
    when v_goal is null then 'nothing: the chain has no colder tier yet and this one is not its last'
    when v_age.until is null and not v_big then 'nothing: it stays'
    when v_from > strata.clock() and v_once is not null
      then format('it %1$s once %2$s, and not before %3$s', v_goal, v_once,
                  to_char(v_from, 'YYYY-MM-DD HH24:MI TZ'))
    when v_once is not null then format('it %1$s once %2$s', v_goal, v_once)
    when v_from > strata.clock()
      then format('it %1$s after %2$s', v_goal, to_char(v_from, 'YYYY-MM-DD HH24:MI TZ'))
    else format('it %s with the next run', v_goal) end;
end
$$;
comment on function strata.explain_row(strata.datasets, text[], timestamptz, boolean[]) is
  'Sentences about a row that is here; p_flags: ready, referenced, oversize.';

create function strata.explain_key(p_dataset strata.datasets, p_key text[])
returns table (tier text, topic text, says text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_policy constant record := strata.conditions(p_dataset);
  v_tier constant text := strata.tier();
  v_age timestamptz;
  v_flags boolean[];
  v_context text;
begin
  begin
    execute format('select t.%1$I::timestamptz as age, array[coalesce(%2$s, false), coalesce(%3$s, false), '
                   'coalesce(%4$s, false)] as flags '
                   '  from %5$s as t where %6$s',
                   p_dataset.age_column, v_policy.ready, v_policy.referenced, v_policy.oversize,
                   strata.relation(p_dataset), strata.key_is_sql(p_dataset)) into v_age, v_flags using p_key;
  exception when query_canceled or assert_failure or others then -- an owner's condition may raise anything
    get stacked diagnostics v_context = pg_exception_context;
    if strata.is_our_end(sqlstate, sqlerrm, v_context) then
      raise;
    end if;
    return query
      select v_tier, 'why', format('its policy cannot be asked of it: %1$s [%2$s]', sqlerrm, sqlstate);
    return;
  end;
  if v_flags is null then
    return query select v_tier, 'where', format('not on %s', v_tier);
  else
    return query select v_tier, 'where', format('on %1$s%2$s', v_tier, case when isfinite(v_age) then
      format(', %1$s old (%2$s %3$s)', d.days || case d.days when 1 then ' day' else ' days' end,
             p_dataset.age_column,
             to_char(v_age, 'YYYY-MM-DD HH24:MI TZ')) end)
      from (select case when isfinite(v_age)
                          then floor(extract(epoch from strata.clock() - v_age) / 86400) end as days) as d;
    begin
      return query
        select v_tier, e.topic, e.says from strata.explain_row(p_dataset, p_key, v_age, v_flags) as e;
    exception when query_canceled or assert_failure or others then -- that of a hold as well
      get stacked diagnostics v_context = pg_exception_context;
      if strata.is_our_end(sqlstate, sqlerrm, v_context) then
        raise;
      end if;
      return query
        select v_tier, 'why', format('it cannot be asked what keeps it: %1$s [%2$s]', sqlerrm, sqlstate);
    end;
  end if;
  return query
    select v_tier, 'history', format('part of move %1$s to %2$s, which is %3$s since %4$s', m.move_id,
                                     m.to_tier, m.state, to_char(m.started_at, 'YYYY-MM-DD HH24:MI'))
      from strata.moves as m join strata.manifests as f on f.move_id = m.move_id
     where m.dataset = p_dataset.name
       and exists (select from generate_subscripts(f.tids, 1) as o where strata.nth_key(f.keys, o) = p_key);
end
$$;
comment on function strata.explain_key(strata.datasets, text[]) is 'explain() for a key as Strata writes it.';
select strata.pin('strata.explain_key(strata.datasets, text[])');

-- Not pinned: the key is read as whoever asks writes it.
create function strata.explain(p_dataset text, variadic p_key text[])
returns table (tier text, topic text, says text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
begin
  if to_regclass(strata.relation(v_dataset)) is null then
    return query select strata.tier(), 'where',
      format('not known: table %1$s of %2$s is gone on %3$s', strata.relation(v_dataset), p_dataset,
             strata.tier());
    return;
  end if;
  return query select e.* from strata.explain_key(v_dataset, strata.normal_key(v_dataset, p_key)) as e;
end
$$;
comment on function strata.explain(text, text[]) is
  'Where one row is as this tier sees it, why it is still here, and what will happen to it when: '
  'where, why, next, history. The key''s values as texts, in the key''s order. ST011: no such dataset. '
  'ST050: not a key of it.';
