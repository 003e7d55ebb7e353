-- Chains: rows of one table that refer to each other leave together.
--
-- A row stays while another refers to it. In a list of revisions all but the last are referred to, and one
-- row would go with each move. So rows whose referrers are all in the same batch go with them: from those
-- that nothing refers to down along what they refer to, and, where there are none, in circles. Only where the
-- foreign key refuses what would be left behind (no action, restrict); one that sets to null would change
-- rows that stay.
--
-- A circle goes whole or not at all: one that is larger than a batch may be is set aside, so that somebody
-- hears of it.

-- The pieces: what a row refers with, as columns w1, …; and whether row t is what such a row w refers to.
-- Null without such a key.
create function strata.chain_sql(
  p_relation regclass, p_with text, out columns text, out names text, out is_referred text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  select string_agg(distinct format('t.%1$I as w%2$s', a.attname, a.attnum), ', '),
         string_agg(distinct format('w%s', a.attnum), ', ')
    into columns, names
    from strata.foreign_keys_to(p_relation) as f, unnest(f.conkey) as k
    join pg_catalog.pg_attribute as a on a.attrelid = p_relation and a.attnum = k
   where f.conrelid = p_relation and f.confdeltype in ('a', 'r');
  select string_agg(format('(%s)', (
           select string_agg(format('t.%1$I operator(%2$s.%3$s) %4$s', ta.attname,
                                    o.oprnamespace::regnamespace::text, o.oprname,
                                    case p_with when 'w' then 'w.w' || k.theirs
                                                else format('r.%I', ra.attname) end), ' and ')
             from unnest(f.conkey, f.confkey, f.conpfeqop) as k (theirs, ours, equals)
             join pg_catalog.pg_operator as o on o.oid = k.equals
             join pg_catalog.pg_attribute as ra on ra.attrelid = f.conrelid and ra.attnum = k.theirs
             join pg_catalog.pg_attribute as ta on ta.attrelid = f.confrelid and ta.attnum = k.ours)),
                    ' or ' order by f.conname)
    into is_referred
    from strata.foreign_keys_to(p_relation) as f
   where f.conrelid = p_relation and f.confdeltype in ('a', 'r');
end
$$;
comment on function strata.chain_sql(regclass, text) is
  'SQL for rows that refer to rows of their own table: their columns, the names of these, and whether '
  'row t is referred to by row w (p_with: w, of those columns; r, of the table). Nulls for a table that '
  'does not refer to itself.';
select strata.pin('strata.chain_sql(regclass, text)');

-- Without those that a row outside refers to, and without what those refer to in turn. A place is one of each
-- part of a table.
create function strata.closed_at(p_relation regclass, p_tids tid[], p_parts oid[])
returns integer[]
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = on -- for who refers to them, of whom there need not be an index
set enable_mergejoin = off
set row_security = off
as $$
declare
  v_chain constant record := strata.chain_sql(p_relation, 'w');
  v_stay tid[];
  v_stay_parts oid[];
  v_closed integer[];
begin
  if v_chain.columns is null or p_tids = '{}' then
    return array(select o from generate_subscripts(p_tids, 1) as o);
  end if;
  execute format('select coalesce(array_agg(t.ctid), ''{}''), coalesce(array_agg(t.tableoid), '
                 '''{}'') from %1$s as t '
                 ' where t.ctid = any ($1) and (t.tableoid, t.ctid) in (select m.part, m.tid '
                 'from unnest($1, $2) as m (tid, part)) and exists ( '
                 '  select from %1$s as r where (%2$s) and (r.tableoid, r.ctid) not in (select m.part, m.tid '
                 'from unnest($1, $2) as m (tid, part)))',
                 p_relation, (strata.chain_sql(p_relation, 'r')).is_referred) into v_stay, v_stay_parts
    using p_tids, p_parts;
  -- by the key that is referred to: not the whole table once more on each level
  perform set_config('enable_hashjoin', 'off', true);
  execute format(
    'with recursive stay as ( '
    '  select t.tableoid as part, t.ctid as tid, %1$s from unnest($3, $4) as m (tid, part) join %2$s as t '
    'on t.ctid = m.tid and t.tableoid = m.part '
    '  union select t.tableoid, t.ctid, %1$s from stay as w join %2$s as t on %3$s) '
    'select array(select m.o::integer from unnest($1, $2) with ordinality as m (tid, part, o) '
    '              where (m.part, m.tid) not in (select s.part, s.tid from stay as s))',
    v_chain.columns, p_relation, v_chain.is_referred) into v_closed
    using p_tids, p_parts, v_stay, v_stay_parts;
  return v_closed;
end
$$;
comment on function strata.closed_at(regclass, tid[], oid[]) is
  'Which of some rows (by their positions; places, and in which part of the table) only rows among them '
  'refer to, as far as their own table is concerned.';
select strata.pin('strata.closed_at(regclass, tid[], oid[])');

create function strata.closed(p_relation regclass, p_tids tid[])
returns tid[]
language sql
set search_path = pg_catalog, pg_temp
as $$
  select array(select p_tids[c.o] from unnest(
    strata.closed_at(p_relation, p_tids, array_fill(p_relation::oid, array[cardinality(p_tids)]))) as c (o))
$$;
comment on function strata.closed(regclass, tid[]) is
  'closed_at() for a table that is no part of another and has none: the rows by their places.';

create function strata.closed_positions(
  p_relation regclass, p_manifest strata.manifests, p_proofs bytea[], p_positions integer[]
)
returns integer[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_proved integer[];
  v_closed tid[];
begin
  if (strata.chain_sql(p_relation, 'w')).columns is null then
    return p_positions;
  end if;
  v_proved := array(select o from unnest(p_positions) as o where p_manifest.fingerprints[o] = p_proofs[o]);
  v_closed := strata.closed(p_relation, array(select p_manifest.tids[o] from unnest(v_proved) as o));
  return array(select o from unnest(v_proved) as o
                 join unnest(v_closed) as c (tid) on c.tid = p_manifest.tids[o]);
end
$$;
comment on function strata.closed_positions(regclass, strata.manifests, bytea[], integer[]) is
  'Those of some positions of a manifest that are proved and, of its table, only '
  'referred to by others of them.';

-- From rows that nothing refers to, level by level down to what they refer to, as long as that may go as well
-- ($1 rows, $2 bytes).
create function strata.reached(
  p_relation regclass, p_age text, p_leaves text, p_others text, p_rows bigint, p_bytes bigint
)
returns tid[]
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- each row by its key: the planner cannot know how few there are on a level
set enable_mergejoin = off
set row_security = off
as $$
declare
  v_chain constant record := strata.chain_sql(p_relation, 'w');
  v_tids tid[];
begin
  execute format(
    'with recursive reached as ( '
    '  (select t.ctid as strata_tid, (%1$s) as strata_bytes, %2$s from %3$s as t where %4$s '
    'order by t.%5$I limit $1) '
    '  union select t.ctid, (%1$s), %2$s from reached as w join %3$s as t on (%6$s) '
    'and t.ctid <> w.strata_tid where %7$s) '
    'select coalesce(array_agg(b.strata_tid) filter (where b.strata_sum < $2), ''{}'') '
    '  from (select l.strata_tid, sum(l.strata_bytes) over (rows between unbounded preceding '
    'and current row) - l.strata_bytes as strata_sum '
    '          from (select r.strata_tid, r.strata_bytes from reached as r limit $1) as l) as b',
    strata.weight_sql(p_relation), v_chain.columns, p_relation, p_leaves, p_age, v_chain.is_referred,
    p_others)
    into v_tids using p_rows, p_bytes;
  return v_tids;
end
$$;
comment on function strata.reached(regclass, text, text, text, bigint, bigint) is
  'Rows that meet p_leaves, oldest first, and of those they refer to, over any number of '
  'others, such as meet p_others.';
select strata.pin('strata.reached(regclass, text, text, text, bigint, bigint)');

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

create function strata.goes_along_sql(p_dataset strata.datasets)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_policy constant record := strata.conditions(p_dataset);
begin
  return format('%1$s and %2$s and not (%3$s or (%4$s) or %5$s)', v_policy.aged, v_policy.ready,
                strata.references_sql(strata.relation(p_dataset)::regclass, 'all'), v_policy.held,
                v_policy.set_aside);
end
$$;
comment on function strata.goes_along_sql(strata.datasets) is
  'SQL: may row t go together with the rows of its table that refer to it, if all of those may?';

-- Found by going up from a row: over a thousand rows at most, the nearest first.
create function strata.chain_keeper(
  p_dataset strata.datasets, p_key text[], out key text, out age timestamptz
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_relation constant regclass := strata.relation(p_dataset)::regclass;
  v_chain constant record := strata.chain_sql(v_relation, 'r');
begin
  if v_chain.columns is null then
    return;
  end if;
  execute format(
    'with recursive up as ( '
    '  select t.tableoid as part, t.ctid as place from %1$s as t where %2$s '
    '  union select r.tableoid, r.ctid from up as u join %1$s as t on t.tableoid = u.part '
    'and t.ctid = u.place join %1$s as r on %3$s) '
    'select array_to_string(%4$s, '' ''), t.%5$I::timestamptz from (select u.*, row_number() over () as n '
    'from up as u limit 1000) as u '
    '  join %1$s as t on t.tableoid = u.part and t.ctid = u.place where u.n > 1 '
    'and (%6$s) is not true order by u.n limit 1',
    v_relation, strata.key_is_sql(p_dataset), v_chain.is_referred, strata.key_sql(p_dataset.key_columns),
    p_dataset.age_column,
    strata.goes_along_sql(p_dataset)) into key, age using p_key;
end
$$;
comment on function strata.chain_keeper(strata.datasets, text[]) is
  'Of the rows that refer to the row under a key, directly or over others of its table, the nearest that '
  'stays, and its age; null for none.';
select strata.pin('strata.chain_keeper(strata.datasets, text[])');

create function strata.look_for_circles()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_dataset strata.datasets;
  v_found boolean;
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
    exception when others then
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

create function strata.claim_chains(
  p_dataset strata.datasets, p_to text, p_rows bigint, p_bytes bigint
)
returns strata.batch
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation constant regclass := strata.relation(p_dataset)::regclass;
  v_policy constant record := strata.conditions(p_dataset);
  v_others constant text := strata.goes_along_sql(p_dataset);
  v_tids tid[];
begin
  if (strata.chain_sql(v_relation, 'w')).columns is null then
    return null;
  end if;
  v_tids := strata.closed(v_relation, strata.reached(v_relation, p_dataset.age_column,
                                                     v_policy.aged || ' and ' || v_policy.due, v_others,
                                                     p_rows, p_bytes));
  if v_tids = '{}' then
    v_tids := strata.circle_to_go(p_dataset, p_to, p_rows, p_bytes);
    update strata.circled as c set found = false
     where c.dataset = p_dataset.name and c.found and v_tids = '{}';
  end if;
  if v_tids = '{}' then
    return null;
  end if;
  return strata.claim_rows(p_dataset, p_to,
                           format('t.ctid = any (%1$L) and %2$s and not (%3$s)', v_tids, v_others,
                                  -- as a whole: it was measured
                                  strata.references_sql(v_relation, quote_literal(v_tids) || '::tid[]')),
                           cardinality(v_tids), 1::bigint << 40);
end
$$;
comment on function strata.claim_chains(strata.datasets, text, bigint, bigint) is
  'Claims due rows of a table that refers to itself, together with those they refer to; null when there are '
  'none, or for another table.';
