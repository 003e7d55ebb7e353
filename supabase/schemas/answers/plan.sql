-- Answers: what will happen (plan), what is there (inventory), how are you (status). None of them changes
-- anything.

-- In plpgsql, because what is said of a reference is in a later chapter.
create function strata.referenced_by(p_dataset strata.datasets)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_relation constant regclass := strata.relation(p_dataset)::regclass;
  v_now constant record := strata.conditions(p_dataset);
  v_others constant text := strata.references_sql(v_relation, 'all');
  v_stays text;
  v_key text[];
  v_says text[];
begin
  v_stays := (strata.chain_sql(v_relation, 'r')).is_referred;
  v_stays := case when v_stays is null then 'false'
                  else format('exists (select from (select t.* from %1$s as t '
                              'where (%2$s) is not true) as r where %3$s)',
                              v_relation, strata.goes_along_sql(p_dataset), v_stays) end;
  execute format('select %1$s from %2$s as t where (%3$s or %4$s) and %5$s and (%6$s or %7$s) and not (%8$s '
                 'or %9$s) order by coalesce((%6$s), false) desc, t.%10$I limit 1',
                 strata.key_sql(p_dataset.key_columns), v_relation, v_now.aged, v_now.oversize, v_now.ready,
                 v_others, v_stays,
                 v_now.held, v_now.set_aside, p_dataset.age_column) into v_key;
  v_says := array(select r.says from strata.reference_reasons(
    p_dataset, v_key) with ordinality as r (says, until, once, n) order by r.n);
  return 'row ' || array_to_string(v_key, ' ') || ' stays: '
         || case when v_says[cardinality(v_says)] like 'it goes together%' then v_says[cardinality(v_says)]
                 else array_to_string(v_says, '; ') end;
end
$$;
comment on function strata.referenced_by(strata.datasets) is
  'The oldest due row that another refers to, and what keeps it: of rows that go together with those that '
  'refer to them, the one that stays.';
select strata.pin('strata.referenced_by(strata.datasets)');

create function strata.plan_dataset(p_dataset strata.datasets)
returns table (
  tier text, dataset text, action text, to_tier text,
  rows_now bigint, bytes_now bigint, rows_7d bigint, bytes_7d bigint, rows_30d bigint, bytes_30d bigint,
  held bigint, set_aside bigint, referenced bigint, without_age bigint, past_deletion bigint,
  past_next bigint, referenced_by text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_relation constant regclass := strata.relation(p_dataset)::regclass;
  v_now constant record := strata.conditions(p_dataset);
  v_7d constant record := strata.conditions(p_dataset, strata.clock() + interval '7 days');
  v_30d constant record := strata.conditions(p_dataset, strata.clock() + interval '30 days');
  v_past constant text := case v_now.action when 'move' then format('t.%1$I <= %2$s', p_dataset.age_column,
    strata.cutoff_sql(p_dataset, p_dataset.delete_after_days, strata.clock())) else 'false' end;
  v_next constant text := case strata.colder() when 'main' then format('t.%1$I <= %2$s', p_dataset.age_column,
    strata.cutoff_sql(p_dataset, p_dataset.main_retention_days, strata.clock())) end;
  v_context text;
begin
  return query execute format(
    'select %1$L::text, %2$L::text, %3$L::text, %4$L::text, n.now, n.now * w.width, n.d7, n.d7 * w.width, '
    '       n.d30, n.d30 * w.width, n.held, n.aside, n.referenced, n.ageless, n.past, n.next, '
    '       case when n.referenced > 0 then strata.referenced_by($1) end '
    '  from (select count(*) as rows, '
    '               count(*) filter (where (%5$s) and %6$s) as now, '
    '               count(*) filter (where %8$s) as d7, '
    '               count(*) filter (where %9$s) as d30, '
    '               count(*) filter (where (%5$s) and %7$s and (%10$s)) as held, '
    '               count(*) filter (where (%5$s) and %7$s and (%11$s)) as aside, '
    '               count(*) filter (where (%5$s) and %7$s and (%12$s)) as referenced, '
    '               count(*) filter (where t.%13$I is null) as ageless, '
    '               count(*) filter (where (%5$s) and %6$s and %14$s) as past, '
    '               count(*) filter (where (%5$s) and %6$s and %15$s) as next from %16$s as t) as n '
    -- Exact sizes would mean reading every row; the table's average on disk does.
    ' cross join lateral (select case when greatest(n.now, n.d7, n.d30) = 0 then 0 '
    '                                 else strata.filled_bytes(%16$L::regclass, '
    'n.rows) / n.rows end as width) as w',
    strata.tier(), p_dataset.name, v_now.action, case v_now.action when 'move' then strata.colder() end,
    concat(v_now.aged, ' or ', v_now.oversize), v_now.due, v_now.ready,
    format('(%1$s or %2$s) and %3$s', v_7d.aged, v_7d.oversize, v_7d.due),
    format('(%1$s or %2$s) and %3$s', v_30d.aged, v_30d.oversize, v_30d.due),
    v_now.held, v_now.set_aside, v_now.referenced, p_dataset.age_column, v_past, coalesce(v_next, 'false'),
    v_relation) using p_dataset;
-- an owner's condition may raise anything; the claim says what is wrong; the others have plans
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
  return query select strata.tier(), p_dataset.name, (strata.retention(p_dataset)).action, strata.colder(),
    null::bigint, null::bigint, null::bigint, null::bigint, null::bigint, null::bigint, null::bigint,
    null::bigint, null::bigint, null::bigint, null::bigint, null::bigint, null::text;
end
$$;
comment on function strata.plan_dataset(strata.datasets) is
  'plan() for one dataset; nulls for one that cannot be read as its policy says.';
select strata.pin('strata.plan_dataset(strata.datasets)');

-- In plpgsql, because what could be given back is in a later chapter.
create function strata.plan(p_dataset text default null)
returns table (
  tier text, dataset text, action text, to_tier text,
  rows_now bigint, bytes_now bigint, rows_7d bigint, bytes_7d bigint, rows_30d bigint, bytes_30d bigint,
  held bigint, set_aside bigint, referenced bigint, without_age bigint, past_deletion bigint,
  past_next bigint, referenced_by text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select p.*
      from strata.datasets as d
      cross join lateral strata.plan_dataset(d) as p
     where (p_dataset is null or d.name = p_dataset) and to_regclass(strata.relation(d)) is not null
     order by d.priority, d.name;
  return query
    select strata.tier(), coalesce(r.dataset, r.relation), 'reclaim', null::text, 0::bigint, r.gain_bytes,
           0::bigint, 0::bigint,
           0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, null::text
      from strata.plan_reclaims() as r where p_dataset is null or r.dataset = p_dataset;
end
$$;
comment on function strata.plan(text) is
  'What would move or be deleted on this tier now and in 7 and 30 days, per dataset: rows (counted) and '
  'bytes (rows times the table''s average on disk, without the room that deleted rows have left); of '
  'those due now how many are held, set aside or referenced and so stay; how many rows have no age and '
  'are never due; and how many of those to move now are past their deletion age as well, so that they are '
  'deleted where they end up, and how many will go on from main at once (past_next); what keeps the oldest '
  'of the referenced (referenced_by). Then, as action reclaim, the bytes that upkeep would give back to '
  'the disk. Changes nothing.';

create function strata.inventory(p_dataset text)
returns table (key text[], fingerprint text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
begin
  return query execute format('select %1$s, encode(strata.fingerprint(%2$s), ''hex'') from %3$s as t',
    strata.key_sql(v_dataset.key_columns), strata.content_sql(strata.relation(v_dataset)::regclass, array(
      select a.attname::text from pg_catalog.pg_attribute as a
       where a.attrelid = strata.relation(v_dataset)::regclass and a.attnum > 0 and not a.attisdropped
       order by a.attname collate "C")), strata.relation(v_dataset));
end
$$;
comment on function strata.inventory(text) is
  'Every row of a dataset on this tier: key and fingerprint, the columns taken in the order of their names, '
  'so that the same row has the same fingerprint on every tier. Reads the whole table.';
select strata.pin('strata.inventory(text)');

-- In plpgsql, because drains are in a later chapter.
create function strata.status()
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select jsonb_build_object(
    'tier', strata.tier(),
    'version', strata.version(),
    'is_last', (select s.is_last from strata.self as s),
    'billed_bytes', (select sum(strata.database_bytes(d.oid)) from pg_catalog.pg_database as d
                      where d.datallowconn),
    'links', (select coalesce(
      jsonb_agg(jsonb_build_object('neighbour', l.neighbour, 'direction', l.direction, 'driver', l.driver,
                                   'version', (select h.says ->> 'version' from strata.heartbeats as h
                                                where h.neighbour = l.neighbour),
                                   'dials', l.server is not null,
                                   'sslmode', (select s.sslmode from strata.line_security(l.neighbour) as s),
                                   'insecure_because', l.insecure_because, 'last_ok_at', l.last_ok_at,
                                   'sqlstate', l.trouble_sqlstate, 'trouble', l.trouble,
                                   'remedy', case when l.trouble is not null
                                                    then strata.remedy(l.trouble_sqlstate) end,
                                   'next_try_at', l.next_try_at) order by l.direction), '[]')
                from strata.links as l),
    'datasets', (select count(*) from strata.datasets),
    'troubles', (select coalesce(
      jsonb_agg(jsonb_build_object('dataset', d.name, 'sqlstate', d.trouble_sqlstate, 'trouble', d.trouble,
                                   'remedy', d.remedy, 'next_try_at', d.next_try_at) order by d.name), '[]')
                   from strata.datasets as d where d.trouble is not null),
    'open_moves', (select coalesce(
      jsonb_agg(jsonb_build_object('move_id', m.move_id, 'dataset', m.dataset, 'to_tier', m.to_tier,
                                   'state', m.state, 'rows', m.rows_claimed, 'started_at', m.started_at,
                                   'attempts', m.attempts, 'last_error', m.last_error)
                order by m.started_at), '[]') from strata.moves as m where m.state <> 'closed'),
    'open_arrivals', (select count(*) from strata.arrivals as a where a.closed_at is null),
    'set_aside', (select count(*) from strata.set_aside),
    'holds', (select count(*) from strata.holds as h
               where h.released_at is null and (h.hold_until is null or h.hold_until > strata.clock())),
    'drain', strata.drain_progress(),
    'last_move_at', (select max(m.finished_at) from strata.moves as m),
    'paused_jobs', (select coalesce(jsonb_agg(s.job order by s.job), '[]') from strata.schedules as s
                     where not s.active and strata.tier() = any (s.tiers)),
    'has_cron', strata.has_cron()));
end
$$;
comment on function strata.status() is
  'How this tier is: its release, links, troubles, open moves, rows set aside, drain, paused jobs, '
  'size in bytes as billed.';
