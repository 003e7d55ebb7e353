-- Circles: rows that refer to each other, so that none of them is due by itself.
--
-- A circle goes whole or not at all: one that is larger than a batch may be is set aside, so that somebody
-- hears of it.

-- What is left when there are no such rows: all that cannot be reached from a row that stays.
create function strata.circles(
  p_relation regclass, p_age text, p_others text, p_rows bigint, p_bytes bigint
)
returns tid[]
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- by the key that is referred to: not the whole table once more on each level
set enable_mergejoin = off
set row_security = off
as $$
declare
  v_chain constant record := strata.chain_sql(p_relation, 'w');
  v_tids tid[];
begin
  execute format(
    'with recursive stay as ( '
    '  select t.ctid as strata_tid, %1$s from (select %1$s from %2$s as t where (%3$s) is not true) as w '
    'join %2$s as t on %4$s '
    '  union select t.ctid, %1$s from stay as w join %2$s as t on %4$s) '
    'select coalesce(array_agg(b.tid order by b.n) filter (where b.sum < $2), ''{}'') '
    '  from (select l.tid, l.n, sum(l.bytes) over (order by l.n rows between unbounded preceding '
    'and current row) - l.bytes as sum '
    '          from (select t.ctid as tid, (%6$s) as bytes, row_number() over (order by t.%5$I, '
    't.ctid) as n from %2$s as t '
    '                 where %3$s and t.ctid not in (select s.strata_tid from stay as s) '
    'order by n limit $1) as l) as b',
    v_chain.columns, p_relation, p_others, v_chain.is_referred, p_age, strata.weight_sql(p_relation))
     into v_tids using p_rows, p_bytes;
  return v_tids;
end
$$;
comment on function strata.circles(regclass, text, text, bigint, bigint) is
  'Rows that meet p_others, oldest first, and that no row refers to, directly or over '
  'others, which does not.';
select strata.pin('strata.circles(regclass, text, text, bigint, bigint)');

-- Who refers to it, who refers to those, and so on: what has to go with it.
create function strata.together(
  p_relation regclass, p_tid tid, p_most bigint, out tids tid[], out bytes bigint
)
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- by the key that refers: not the whole table once more on each level
set enable_mergejoin = off
set row_security = off
as $$
begin
  execute format(
    'with recursive up as ( '
    '  select $1 as tid union select r.ctid from up as u join %1$s as t on t.ctid = u.tid '
    'join %1$s as r on %2$s) '
    'select array_agg(l.tid), sum(%3$s) from (select u.tid from up as u limit $2) as l '
    'join %1$s as t on t.ctid = l.tid',
    p_relation, (strata.chain_sql(p_relation, 'r')).is_referred, strata.weight_sql(p_relation))
     into tids, bytes using p_tid, p_most;
end
$$;
comment on function strata.together(regclass, tid, bigint) is
  'A row and all those of its table that refer to it, directly or over others, up to '
  'so many; and their bytes.';
select strata.pin('strata.together(regclass, tid, bigint)');

-- Not as small as the first batch is: a circle cannot be cut.
create function strata.circle_trouble(p_to text, p_rows bigint, p_bytes bigint)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_is_relay constant boolean := exists (select from strata.links as l
                                          where l.neighbour = p_to and l.driver = 'relay');
  v_name constant text := case when v_is_relay then 'relay_batch_bytes' else 'batch_bytes' end;
begin
  return case
    when p_rows > strata.setting('batch_rows')
      then format('rows that refer to each other in a circle go together, and these are more than '
                  'batch_rows, which is %s', strata.setting('batch_rows'))
    when p_bytes > strata.setting(v_name) >> coalesce(
      nullif(current_setting('strata.smaller', true), '')::integer, 0)
      then format('rows that refer to each other in a circle go together, and these %1$s take '
                  '%2$s bytes; %3$s is %4$s', p_rows, p_bytes,
                  v_name, strata.setting(v_name)) end;
end
$$;
comment on function strata.circle_trouble(text, bigint, bigint) is
  'Why a circle of so many rows and bytes is more than a batch for a neighbour may hold; null: it is not.';

create function strata.circle_to_go(
  p_dataset strata.datasets, p_to text, p_rows bigint, p_bytes bigint
)
returns tid[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most constant integer := 10; -- of one claim; the next one goes on
  v_relation constant regclass := strata.relation(p_dataset)::regclass;
  v_tids tid[];
  v_closed tid[];
  v_circle record;
  v_trouble text;
  v_key text[];
begin
  for v_try in 1 .. c_most loop
    v_tids := strata.circles(v_relation, p_dataset.age_column, strata.goes_along_sql(p_dataset), p_rows,
                             p_bytes);
    v_closed := strata.closed(v_relation, v_tids);
    if v_tids = '{}' or v_closed <> '{}' then
      return v_closed;
    end if;
    select t.tids, t.bytes into v_circle
      from strata.together(v_relation, v_tids[1], strata.setting('batch_rows') + 1) as t;
    v_trouble := strata.circle_trouble(p_to, cardinality(v_circle.tids), v_circle.bytes);
    if v_trouble is null then
      return v_circle.tids;
    end if;
    execute format('select %1$s from %2$s as t where t.ctid = $1', strata.key_sql(p_dataset.key_columns),
                   v_relation) into v_key using v_tids[1];
    -- what is reached from a row set aside stays, and others have their turn
    perform strata.put_aside(p_dataset.name, v_key, 'ST049', v_trouble);
  end loop;
  return '{}'::tid[];
end
$$;
comment on function strata.circle_to_go(strata.datasets, text, bigint, bigint) is
  'Rows that refer to each other in circles and may go, oldest first, as many as a batch holds, or one '
  'circle that needs a larger one. Of a circle that is too large the oldest row is set aside (ST049).';
select strata.pin('strata.circle_to_go(strata.datasets, text, bigint, bigint)');

create function strata.look_for_circles()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_dataset strata.datasets;
  v_found boolean;
  v_context text;
begin
  delete from strata.circled as c
   where not exists (select from strata.datasets as d where d.name = c.dataset);
  for v_dataset in
    select d.* from strata.datasets as d
     where (strata.retention(d)).action = 'move' and to_regclass(strata.relation(d)) is not null
       and (strata.chain_sql(to_regclass(strata.relation(d)), 'w')).columns is not null
       and not exists (select from strata.circled as c
                        where c.dataset = d.name and c.looked_at > strata.clock() - interval '1 hour')
  loop
    begin
      v_found := strata.circles(strata.relation(v_dataset)::regclass, v_dataset.age_column,
                                strata.goes_along_sql(v_dataset), 1, 1) <> '{}';
      insert into strata.circled as c (dataset, looked_at, found)
      values (v_dataset.name, strata.clock(), v_found)
      on conflict (dataset) do update set looked_at = excluded.looked_at, found = excluded.found;
      perform strata.keep_going(true) where v_found;
    exception when query_canceled or assert_failure or others then
      get stacked diagnostics v_context = pg_exception_context;
      if strata.is_our_end(sqlstate, sqlerrm, v_context) then
        raise;
      end if;
      continue; -- the claim says what is wrong with it
    end;
  end loop;
end
$$;
comment on function strata.look_for_circles() is
  'Finds out, for tables that refer to themselves, whether there are circles of rows that may go; such '
  'a dataset has work then.';

create function strata.has_circle(p_dataset text)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (select from strata.circled as c where c.dataset = p_dataset and c.found)
      or exists (select from strata.set_aside as s
                  where s.dataset = p_dataset and s.code = 'ST049' and s.next_try_at <= strata.clock());
end
$$;
comment on function strata.has_circle(text) is
  'Whether there is a circle of rows to be claimed, or one whose pause is over.';
