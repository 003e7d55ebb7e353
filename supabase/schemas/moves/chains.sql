-- Chains: rows of one table that refer to each other leave together.
--
-- A row stays while another refers to it. In a list of revisions all but the last are referred to, and one
-- row would go with each move. So rows whose referrers are all in the same batch go with them: from those
-- that nothing refers to down along what they refer to, and, where there are none, in circles. Only where the
-- foreign key refuses what would be left behind (no action, restrict); one that sets to null would change
-- rows that stay.

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
