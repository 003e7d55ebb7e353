-- The careful way in: rows written as record literals, read back where the twin may store other values than
-- it is given, and looked at one by one when one of them is refused.

create function strata.line_sql(p_relation regclass, p_columns text[])
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select 'row(' || string_agg(strata.value_sql(a.atttypid, c.name), ', ' order by c.position) || ')::text'
      from unnest(p_columns) with ordinality as c (name, position)
      left join pg_catalog.pg_attribute as a
        on a.attrelid = p_relation and a.attname = c.name and not a.attisdropped);
end
$$;
comment on function strata.line_sql(regclass, text[]) is
  'SQL for row t as a record literal of its values'' texts.';

-- A field of a record literal is quoted where it is empty or would be taken apart; NULL has no text at all.
create function strata.fields_of(p_line text)
returns text[]
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
begin
  return array(
    select case when f.found[1] = '' then null
                when f.found[1] like '"%'
                  then replace(replace(substr(f.found[1], 2, length(f.found[1]) - 2), '""', '"'), '\\', '\')
                else f.found[1] end
      from regexp_matches(substr(p_line, 2, length(p_line) - 2) || ',', '("(?:[^"\\]|""|\\\\)*"|[^",]*),',
                          'g') as f (found)
     where octet_length(p_line) < 67108864); -- a longer one takes too much memory for the sake of a name
end
$$;
comment on function strata.fields_of(text) is 'The texts of a record literal; none of a very long one.';

-- Which column of a row is not stored as it was given. Of several one that is not computed: the others may be
-- made of it.
create function strata.other_column(
  p_dataset strata.datasets, p_columns text[], p_line text, out name text, out computed text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation constant regclass := strata.relation(p_dataset)::regclass;
  v_fields constant text[] := strata.fields_of(p_line);
  v_stored text[];
begin
  execute format('select array[%1$s]::text[] from unnest(array[$1]) as l (line) join %2$s as t on %3$s',
    (select string_agg(strata.value_sql(a.atttypid, c.name), ', ' order by c.position)
       from unnest(p_columns) with ordinality as c (name, position)
       left join pg_catalog.pg_attribute as a
         on a.attrelid = v_relation and a.attname = c.name and not a.attisdropped),
    v_relation, strata.same_line_sql(p_dataset)) into v_stored using p_line;
  if cardinality(v_stored) = cardinality(v_fields) then
    select c.column_name, a.attgenerated into name, computed
      from unnest(p_columns, v_fields, v_stored) with ordinality as c (column_name, given, stored, position)
      join pg_catalog.pg_attribute as a
        on a.attrelid = v_relation and a.attname = c.column_name and not a.attisdropped
     where c.given is distinct from c.stored order by a.attgenerated <> '', c.position limit 1;
  end if;
end
$$;
comment on function strata.other_column(strata.datasets, text[], text) is
  'The column of a row that arrived whose value is another one than it was given; null '
  'when the row is not there.';
select strata.pin('strata.other_column(strata.datasets, text[], text)');

create function strata.refuse_other(p_dataset strata.datasets, p_columns text[], p_lines text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_other record;
begin
  if cardinality(p_lines) > 1 then -- they are looked at one by one
    raise exception 'rows are not stored as they were given' using errcode = 'ST046';
  end if;
  v_other := strata.other_column(p_dataset, p_columns, p_lines[1]);
  if v_other.computed <> '' then
    raise exception '% computes column "%" itself and gets another value', strata.tier(), v_other.name
      using errcode = case v_other.computed when 'v' then 'ST039' else 'ST046' end;
  elsif v_other.name is null or strata.has_insert_triggers(strata.relation(p_dataset)::regclass) then
    raise exception 'a trigger on % changes or drops rows as they arrive%', strata.tier(),
      coalesce(' (column "' || v_other.name || '")', '')
      using errcode = 'ST042';
  end if;
  raise exception 'column "%" would be another value on %', v_other.name, strata.tier()
    using errcode = 'ST047';
end
$$;
comment on function strata.refuse_other(strata.datasets, text[], text[]) is
  'Raises what is wrong with rows that were not stored as they were given. ST042: a trigger. ST046: a '
  'computed column (ST039: a virtual one). ST047: a name.';

create function strata.way_in(p_dataset strata.datasets, p_columns text[])
returns strata.way_in
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation constant text := strata.relation(p_dataset);
  v_version constant text := case when strata.file_of(v_relation::regclass) is null then 'null::xid'
                                  else 't.xmin' end;
  v_brought constant text := strata.brought_sql(p_dataset, '$2');
  v_sql constant record := strata.insert_sql(p_dataset, p_columns);
begin
  return row(strata.is_read_back(v_relation::regclass),
    format('select count(*) filter (where %1$s = l.line), count(*), array_agg(%2$s), array_agg(%3$s) '
           'from unnest($1) as l (line) join %4$s as t on %5$s',
           strata.line_sql(v_relation::regclass, p_columns), v_brought, v_version, v_relation,
           strata.same_line_sql(p_dataset)),
    format('select count(*) from unnest($1) as l (line) join %1$s as t on %2$s '
           'where not strata.is_own(t.xmin)', v_relation, strata.same_line_sql(p_dataset)),
    format('with i as (insert into %1$s as t (%2$s) overriding system value '
           '  select %3$s from (select l.line::%1$s as r from unnest($1) as l (line) offset 0) as s '
           '  on conflict (%4$s) do nothing returning %5$s as brought, %6$s as version) '
           'select count(*), array_agg(i.brought), array_agg(i.version) from i',
           v_relation, v_sql.names, v_sql.fields,
           (select string_agg(quote_ident(k), ', ') from unnest(p_dataset.key_columns) as k), v_brought,
           v_version))::strata.way_in;
end
$$;
comment on function strata.way_in(strata.datasets, text[]) is
  'How rows come into the twin of a dataset with these columns.';

-- Visible, and of a transaction that is under way: then it is this one. Numbers count on from that of the
-- transaction, over 2^32 as well.
create function strata.is_own(p_version xid)
returns boolean
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(pg_xact_status((case when v.ahead < 2147483648 then v.top + v.ahead end)::text::xid8)
                    = 'in progress', false)
    from (select x.top, (p_version::text::bigint - x.top % 4294967296 + 4294967296) % 4294967296 as ahead
            from (select pg_current_xact_id()::text::numeric as top) as x) as v
$$;
comment on function strata.is_own(xid) is
  'Whether this very transaction has written a row that it sees, of which this is the version.';

create function strata.insert_lines(
  p_dataset strata.datasets, p_columns text[], p_lines text[], p_seed bigint, p_way strata.way_in,
  out inserted integer, out brought bigint[], out versions xid[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_same integer;
  v_before integer;
  v_went_in integer;
begin
  if p_way.is_read_back then -- triggers make of the number of inserted rows what they like
    execute p_way.here into v_same, v_before, brought, versions using p_lines, p_seed;
    if v_before > 0 then
      inserted := cardinality(p_lines) - v_before;
      brought := '{}';
      versions := '{}';
      return;
    end if;
  end if;
  execute p_way.insertion into inserted, brought, versions using p_lines, p_seed;
  set constraints all immediate; -- deferred triggers change rows as well
  if p_way.is_read_back then
    v_went_in := inserted;
    -- none was here before, so all of them are ours
    execute p_way.here into v_same, inserted, brought, versions using p_lines, p_seed;
    if v_went_in < cardinality(p_lines) then -- but for those that somebody else wrote meanwhile
      execute p_way.theirs into v_before using p_lines;
      if v_before > 0 then
        inserted := cardinality(p_lines) - v_before;
        brought := '{}';
        versions := '{}';
        return;
      end if;
    end if;
    if v_same < cardinality(p_lines) then
      perform strata.refuse_other(p_dataset, p_columns, p_lines);
    end if;
  end if;
end
$$;
comment on function strata.insert_lines(strata.datasets, text[], text[], bigint, strata.way_in) is
  'Inserts rows written as texts, never over an existing key; returns how many went in (the hashes of their '
  'keys, and as which versions, where the table has one file), or where they are read back how many nobody '
  'else had written (when there are others, none is to stay). ST039, ST042, ST046, ST047: one was not '
  'stored as it was given.';
select strata.pin('strata.insert_lines(strata.datasets, text[], text[], bigint, strata.way_in)');

create function strata.insert_sql(
  p_dataset strata.datasets, p_columns text[], out names text, out fields text, out texts text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
begin
  select string_agg(quote_ident(c.name), ', ' order by c.position),
         string_agg(format('(s.r).%I', c.name), ', ' order by c.position),
         string_agg(format('u.c%1$s::%2$s', c.position, format_type(a.atttypid, a.atttypmod)),
                    ', ' order by c.position)
    into names, fields, texts
    from unnest(p_columns) with ordinality as c (name, position)
    join pg_catalog.pg_attribute as a
      on a.attrelid = strata.relation(p_dataset)::regclass and a.attname = c.name and a.attgenerated = '';
end
$$;
comment on function strata.insert_sql(strata.datasets, text[]) is
  'The columns that an INSERT names, as fields of a record (s.r) and as texts of a batch (u.c1, …); a '
  'computed column is none of them.';
select strata.pin('strata.insert_sql(strata.datasets, text[])');

-- An error that tells of one row's content, not of the table, the disk or the server.
create function strata.is_row_error(p_sqlstate text)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select p_sqlstate in ('ST015', 'ST039', 'ST042', 'ST046', 'ST047', 'ST048')
      or (left(p_sqlstate, 2) not in ('08', '25', '28', '40', '42', '53', '55', '57', '58', 'ST')
          -- what is damaged is the table; other internal errors come from functions
          and p_sqlstate not in ('XX001', 'XX002'))
$$;
comment on function strata.is_row_error(text) is
  'Whether an error is about one row, so that the others may go on.';

-- These may be about one value, or about the table: only reading the values one by one tells.
create function strata.may_be_of_value(p_sqlstate text)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select left(p_sqlstate, 2) in ('0A', '22', '23', '2F', '3F', '42', '54', 'XX') $$;
comment on function strata.may_be_of_value(text) is
  'Whether a type may have raised such an error as it read or wrote a value.';

-- Which value of a row its type does not read. A text is read as the one element of an array, because some
-- types have a cast from text that is another function than the one that reads them. p_first: the column to
-- begin with.
create function strata.unread_column(
  p_dataset strata.datasets, p_columns text[], p_line text, p_first text
)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_column record;
  v_context text;
begin
  for v_column in
    select c.name, c.given, case when t.typarray = 0 then format_type(t.oid, a.atttypmod)
                                 else format_type(t.typarray, a.atttypmod) end as typ,
           t.typarray <> 0 as is_element
      from unnest(p_columns, strata.fields_of(p_line)) with ordinality as c (name, given, position)
      join pg_catalog.pg_attribute as a
        on a.attrelid = strata.relation(p_dataset)::regclass and a.attname = c.name and not a.attisdropped
      join pg_catalog.pg_type as t on t.oid = a.atttypid
     order by c.name = p_first desc, c.position
  loop
    begin
      execute format('select (%1$s)::%2$s',
                     case when v_column.is_element then 'array[$1]::text' else '$1' end, v_column.typ)
        using v_column.given;
    exception when query_canceled or assert_failure or others then
      get stacked diagnostics v_context = pg_exception_context;
      if strata.is_our_end(sqlstate, sqlerrm, v_context) then
        raise;
      end if;
      return v_column.name;
    end;
  end loop;
  return null;
end
$$;
comment on function strata.unread_column(strata.datasets, text[], text, text) is
  'The column of a row, written as a record literal, whose value cannot be read here; null when all can.';
select strata.pin('strata.unread_column(strata.datasets, text[], text, text)');

create function strata.refusal(p_sqlstate text, p_says text, p_column text, p_ordinal integer)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('ordinal', p_ordinal,
    'code', case when p_column is not null and left(p_sqlstate, 2) in ('3F', '42', 'XX') then 'ST047'
                 else p_sqlstate end,
    'says', format('%1$s refuses the row: %2$s%3$s', strata.tier(),
                   coalesce('column "' || p_column || '": ', ''), left(p_says, 1000)))
$$;
comment on function strata.refusal(text, text, text, integer) is
  'What is told of a row that this tier does not take: its position, a code and a sentence.';

create function strata.insert_one_by_one(
  p_dataset strata.datasets, p_columns text[], p_lines text[], p_seed bigint, p_way strata.way_in,
  out inserted integer, out brought bigint[], out versions xid[], out not_ours integer[], out refused jsonb
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- at so many rows, column by column; after that only at the column that was found last
  c_looks constant integer := 100;
  v_one record;
  v_column text;
  v_found text;
  v_looks integer := 0;
  v_context text;
  v_code text;
begin
  inserted := 0;
  brought := '{}';
  versions := '{}';
  not_ours := '{}';
  refused := '[]';
  for v_position in 1 .. coalesce(cardinality(p_lines), 0) loop
    begin
      v_one := strata.insert_lines(p_dataset, p_columns, p_lines[v_position : v_position], p_seed, p_way);
      if v_one.inserted = 1 then
        inserted := inserted + 1;
        brought := brought || v_one.brought;
        versions := versions || v_one.versions;
      else
        not_ours := not_ours || v_position;
      end if;
    exception when query_canceled or assert_failure or others then
      get stacked diagnostics v_context = pg_exception_context;
      if strata.is_our_end(sqlstate, sqlerrm, v_context) then
        raise;
      end if;
      v_column := null;
      if strata.may_be_of_value(sqlstate) and (v_looks < c_looks or not strata.is_row_error(sqlstate)) then
        v_column := strata.unread_column(p_dataset, p_columns, p_lines[v_position], v_found);
        v_looks := v_looks + (v_column is distinct from v_found or v_column is null)::integer;
        v_found := coalesce(v_column, v_found);
      end if;
      v_code := strata.code_to_note(sqlstate, v_context);
      if v_column is null and not strata.is_row_error(v_code) then
        raise;
      end if;
      refused := refused || strata.refusal(v_code, sqlerrm, v_column, v_position);
    end;
  end loop;
end
$$;
comment on function strata.insert_one_by_one(strata.datasets, text[], text[], bigint, strata.way_in) is
  'insert_lines() for one row after the other: which were here before, and which are refused and why.';
