-- Answers: what will happen (plan), where is my row and why (explain), what is there (inventory), how are you (status),
-- and is everything as it must be (validate). None of them changes anything.

create function strata.plan_dataset(p_dataset strata.datasets)
returns table (
  tier text, dataset text, action text, to_tier text,
  rows_now bigint, bytes_now bigint, rows_7d bigint, bytes_7d bigint, rows_30d bigint, bytes_30d bigint,
  held bigint, set_aside bigint, referenced bigint, without_age bigint, past_deletion bigint
)
language plpgsql
stable
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set row_security = off
as $$
declare
  v_relation constant regclass := strata.relation(p_dataset)::regclass;
  v_now constant record := strata.conditions(p_dataset);
  v_7d constant record := strata.conditions(p_dataset, strata.clock() + interval '7 days');
  v_30d constant record := strata.conditions(p_dataset, strata.clock() + interval '30 days');
  v_past constant text := case v_now.action when 'move' then format('t.%I <= %s', p_dataset.age_column,
    strata.cutoff_sql(p_dataset, p_dataset.delete_after_days, strata.clock())) else 'false' end;
begin
  return query execute format(
    'select %L::text, %L::text, %L::text, %L::text, '
    '       n.now, n.now * w.width, n.d7, n.d7 * w.width, n.d30, n.d30 * w.width, n.held, n.aside, n.referenced, n.ageless, n.past '
    '  from (select count(*) as rows, '
    '               count(*) filter (where (%s or %s) and %s) as now, '
    '               count(*) filter (where (%s or %s) and %s) as d7, '
    '               count(*) filter (where (%s or %s) and %s) as d30, '
    '               count(*) filter (where (%s or %s) and %s and (%s)) as held, '
    '               count(*) filter (where (%s or %s) and %s and (%s)) as aside, '
    '               count(*) filter (where (%s or %s) and %s and (%s)) as referenced, '
    '               count(*) filter (where t.%I is null) as ageless, '
    '               count(*) filter (where (%s or %s) and %s and %s) as past from %s as t) as n '
    -- Exact sizes would mean reading every row; the table's average on disk does.
    ' cross join lateral (select case when greatest(n.now, n.d7, n.d30) = 0 then 0 '
    '                                 else strata.filled_bytes(%L::regclass, n.rows) / n.rows end as width) as w',
    strata.tier(), p_dataset.name, v_now.action, case v_now.action when 'move' then strata.colder() end,
    v_now.aged, v_now.oversize, v_now.due, v_7d.aged, v_7d.oversize, v_7d.due, v_30d.aged, v_30d.oversize, v_30d.due,
    v_now.aged, v_now.oversize, v_now.ready, v_now.held, v_now.aged, v_now.oversize, v_now.ready, v_now.set_aside,
    v_now.aged, v_now.oversize, v_now.ready, v_now.referenced, p_dataset.age_column,
    v_now.aged, v_now.oversize, v_now.due, v_past, v_relation, v_relation);
exception when syntax_error_or_access_rule_violation or data_exception then -- the claim says what is wrong; the others have plans
  return query select strata.tier(), p_dataset.name, (strata.retention(p_dataset)).action, strata.colder(),
    null::bigint, null::bigint, null::bigint, null::bigint, null::bigint, null::bigint, null::bigint, null::bigint, null::bigint, null::bigint,
    null::bigint;
end
$$;
comment on function strata.plan_dataset(strata.datasets) is
  'plan() for one dataset; nulls for one that cannot be read as its policy says.';
revoke execute on function strata.plan_dataset(strata.datasets) from public;

-- In plpgsql, because what could be given back is in a later chapter.
create function strata.plan(p_dataset text default null)
returns table (
  tier text, dataset text, action text, to_tier text,
  rows_now bigint, bytes_now bigint, rows_7d bigint, bytes_7d bigint, rows_30d bigint, bytes_30d bigint,
  held bigint, set_aside bigint, referenced bigint, without_age bigint, past_deletion bigint
)
language plpgsql
stable
set search_path = ''
as $$
begin
  return query
    select p.*
      from strata.datasets as d
      cross join lateral strata.plan_dataset(d) as p
     where (p_dataset is null or d.name = p_dataset) and to_regclass(strata.relation(d)) is not null
     order by d.priority, d.name;
  return query
    select strata.tier(), coalesce(r.dataset, r.relation), 'reclaim', null::text, 0::bigint, r.gain_bytes, 0::bigint, 0::bigint,
           0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint
      from strata.plan_reclaims() as r where p_dataset is null or r.dataset = p_dataset;
end
$$;
comment on function strata.plan(text) is
  'What would move or be deleted on this tier now and in 7 and 30 days, per dataset: rows (counted) and bytes (rows times '
  'the table''s average on disk, without the room that deleted rows have left); of those due now how many are held, set aside '
  'or referenced and so stay; how many rows have no age and are never due; and how many of those to move now are past their '
  'deletion age as well, so that they are deleted where they end up. Then, as action reclaim, the bytes that upkeep would '
  'give back to the disk. Changes nothing.';
revoke execute on function strata.plan(text) from public;

-- What keeps one row here, in words.
create function strata.explain_row(p_dataset strata.datasets, p_key text[], p_age timestamptz, p_flags boolean[])
returns table (topic text, says text)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_policy constant record := strata.retention(p_dataset);
  v_due_at constant timestamptz := p_age + make_interval(days => v_policy.days); -- infinite for an infinite age
  v_goal constant text := case v_policy.action when 'move' then 'moves on to ' || strata.colder() when 'delete' then 'is deleted' end;
begin
  return query select 'why', format('its policy keeps it on %s %s', strata.tier(),
    coalesce('for ' || v_policy.days || ' days', 'for ever'));
  return query select 'why', format('%s is not set: a row without an age is never due', p_dataset.age_column) where p_age is null;
  return query select 'why', format('it is not ready: %s does not hold', p_dataset.due_when) where not p_flags[1];
  return query select 'why', 'another row here refers to it' where p_flags[2];
  return query
    select 'why', format('held since %s against %s%s: %s (made on %s, where select strata.release(%L) ends it)', to_char(h.made_at, 'YYYY-MM-DD'),
             case h.prevents when 'both' then 'moving and deleting' when 'move' then 'moving' else 'deleting' end,
             coalesce(' until ' || to_char(h.hold_until, 'YYYY-MM-DD'), ''), h.reason, h.made_on, h.hold_id)
      from strata.holds as h
     where h.dataset = p_dataset.name and h.released_at is null and (h.hold_until is null or h.hold_until > strata.clock())
       and (h.key = p_key or (h.key is null and strata.meets(p_dataset, p_key, h.condition)));
  return query
    select 'why', format('set aside after %s attempt(s): %s [%s]. %s. Next try %s', a.attempts, a.says, a.code, a.remedy,
                         to_char(a.next_try_at, 'YYYY-MM-DD HH24:MI'))
      from strata.set_aside as a where a.dataset = p_dataset.name and a.key = p_key;
  return query select 'why', format('the whole dataset stands still: %s [%s]. %s', p_dataset.trouble, p_dataset.trouble_sqlstate, p_dataset.remedy)
    where p_dataset.trouble is not null;
  return query select 'next', case
    when v_goal is null then 'nothing: the chain has no colder tier yet and this one is not its last'
    when p_flags[3] and not coalesce(v_due_at <= strata.clock(), false) then format('it %s with the next run: it is over the size limit of %s KB', v_goal, p_dataset.size_limit_kb)
    when v_due_at is null or v_due_at = 'infinity' then 'nothing: it stays'
    when v_due_at <= strata.clock() then format('it %s with the next run in which nothing keeps it', v_goal)
    else format('it %s after %s', v_goal, to_char(v_due_at, 'YYYY-MM-DD HH24:MI TZ')) end;
end
$$;
comment on function strata.explain_row(strata.datasets, text[], timestamptz, boolean[]) is
  'Sentences about a row that is here; p_flags: ready, referenced, oversize.';
revoke execute on function strata.explain_row(strata.datasets, text[], timestamptz, boolean[]) from public;

create function strata.meets(p_dataset strata.datasets, p_key text[], p_condition text)
returns boolean
language plpgsql
stable
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
  v_meets boolean;
begin
  execute format('select coalesce((%s), false) from %s as t where %s', p_condition, strata.relation(p_dataset),
                 strata.key_is_sql(p_dataset)) into v_meets using p_key;
  return coalesce(v_meets, false);
end
$$;
comment on function strata.meets(strata.datasets, text[], text) is 'Whether the row under a key meets a condition.';
revoke execute on function strata.meets(strata.datasets, text[], text) from public;

create function strata.explain(p_dataset text, variadic p_key text[])
returns table (tier text, topic text, says text)
language plpgsql
stable
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_key constant text[] := strata.normal_key(v_dataset, p_key);
  v_policy constant record := strata.conditions(v_dataset);
  v_tier constant text := strata.tier();
  v_age timestamptz;
  v_flags boolean[];
begin
  execute format('select t.%I::timestamptz as age, array[coalesce(%s, false), coalesce(%s, false), coalesce(%s, false)] as flags '
                 '  from %s as t where %s',
                 v_dataset.age_column, v_policy.ready, v_policy.referenced, v_policy.oversize,
                 strata.relation(v_dataset), strata.key_is_sql(v_dataset)) into v_age, v_flags using v_key;
  if v_flags is null then
    return query select v_tier, 'where', format('not on %s', v_tier);
  else
    return query select v_tier, 'where', format('on %s%s', v_tier, case when isfinite(v_age) then
      format(', %s days old (%s %s)', floor(extract(epoch from strata.clock() - v_age) / 86400), v_dataset.age_column,
             to_char(v_age, 'YYYY-MM-DD HH24:MI TZ')) end);
    return query select v_tier, e.topic, e.says from strata.explain_row(v_dataset, v_key, v_age, v_flags) as e;
  end if;
  return query
    select v_tier, 'history', format('part of move %s to %s, which is %s since %s', m.move_id, m.to_tier, m.state, to_char(m.started_at, 'YYYY-MM-DD HH24:MI'))
      from strata.moves as m join strata.manifests as f on f.move_id = m.move_id
     where m.dataset = p_dataset
       and exists (select from generate_subscripts(f.tids, 1) as o where strata.nth_key(f.keys, o) = v_key);
end
$$;
comment on function strata.explain(text, text[]) is
  'Where one row is as this tier sees it, why it is still here, and what will happen to it when: where, why, next, history. '
  'The key''s values as texts, in the key''s order. ST011: no such dataset. ST050: not a key of it.';
revoke execute on function strata.explain(text, text[]) from public;

create function strata.inventory(p_dataset text)
returns table (key text[], fingerprint text)
language plpgsql
stable
set search_path = ''
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set timezone = 'UTC'
set extra_float_digits = 1
set bytea_output = 'hex'
set lc_monetary = 'C'
set xmlbinary = 'base64'
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
begin
  return query execute format('select %s, encode(strata.fingerprint(%s), ''hex'') from %s as t',
    strata.key_sql(v_dataset.key_columns), strata.content_sql(strata.relation(v_dataset)::regclass, array(
      select a.attname::text from pg_catalog.pg_attribute as a
       where a.attrelid = strata.relation(v_dataset)::regclass and a.attnum > 0 and not a.attisdropped
       order by a.attname collate "C")), strata.relation(v_dataset));
end
$$;
comment on function strata.inventory(text) is
  'Every row of a dataset on this tier: key and fingerprint, the columns taken in the order of their names, so that the '
  'same row has the same fingerprint on every tier. Reads the whole table.';
revoke execute on function strata.inventory(text) from public;

create function strata.status()
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'tier', strata.tier(),
    'is_last', (select s.is_last from strata.self as s),
    'billed_bytes', (select sum(strata.database_bytes(d.oid)) from pg_catalog.pg_database as d where d.datallowconn),
    'links', (select coalesce(jsonb_agg(jsonb_build_object('neighbour', l.neighbour, 'direction', l.direction, 'driver', l.driver,
        'dials', l.server is not null, 'last_ok_at', l.last_ok_at, 'sqlstate', l.trouble_sqlstate, 'trouble', l.trouble,
        'remedy', case when l.trouble is not null then strata.remedy(l.trouble_sqlstate) end, 'next_try_at', l.next_try_at) order by l.direction), '[]') from strata.links as l),
    'datasets', (select count(*) from strata.datasets),
    'troubles', (select coalesce(jsonb_agg(jsonb_build_object('dataset', d.name, 'sqlstate', d.trouble_sqlstate, 'trouble', d.trouble,
        'remedy', d.remedy, 'next_try_at', d.next_try_at) order by d.name), '[]') from strata.datasets as d where d.trouble is not null),
    'open_moves', (select coalesce(jsonb_agg(jsonb_build_object('move_id', m.move_id, 'dataset', m.dataset, 'to_tier', m.to_tier,
        'state', m.state, 'rows', m.rows_claimed, 'started_at', m.started_at, 'attempts', m.attempts, 'last_error', m.last_error)
        order by m.started_at), '[]') from strata.moves as m where m.state <> 'closed'),
    'open_arrivals', (select count(*) from strata.arrivals as a where a.closed_at is null),
    'set_aside', (select count(*) from strata.set_aside),
    'holds', (select count(*) from strata.holds as h where h.released_at is null and (h.hold_until is null or h.hold_until > strata.clock())),
    'last_move_at', (select max(m.finished_at) from strata.moves as m),
    'paused_jobs', (select coalesce(jsonb_agg(s.job order by s.job), '[]') from strata.schedules as s where not s.active and strata.tier() = any (s.tiers)),
    'has_cron', strata.has_cron())
$$;
comment on function strata.status() is 'How this tier is: links, troubles, open moves, rows set aside, paused jobs, size in bytes as billed.';
revoke execute on function strata.status() from public;
