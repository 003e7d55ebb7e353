-- Inserts: two ways for a batch into its twin.
--
-- The fast one takes all rows by one statement, a text per column. The careful one takes rows written as record literals:
-- one by one, to find out which of them is refused or was here before, and wherever triggers of the owner's see rows as
-- they arrive. Neither ever overwrites a row.

-- The columns of a batch side by side again: a FROM item u (c1, …), in the order in which they were written. Its first row is
-- left out, because a text that begins with its separator begins with nothing. In a select list the values are handed on
-- one by one; a function in FROM would write all of them down first. The columns are kept from the planner, which would
-- take the batch apart once for each.
create function strata.unpack_sql(p_move uuid, p_columns text[])
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select format('(select %s from (select string_to_array((select $1), %L) as texts offset 0) as b offset 1) as u',
                  string_agg(format('unnest(string_to_array(b.texts[%s], %L, %L)) as c%s', n.position, m.between_values, m.for_null, n.position),
                             ', ' order by n.position), m.between_columns)
      from unnest(p_columns) with ordinality as n (name, position), strata.marks(p_move) as m
     group by m.between_columns);
end
$$;
comment on function strata.unpack_sql(uuid, text[]) is
  'SQL that makes rows of texts of a batch, which is $1.';
revoke execute on function strata.unpack_sql(uuid, text[]) from public;

-- The fast way in: all rows of a batch by one statement. A row that is here already is an error (unique_violation), and the
-- careful way finds out which; asking for each row first costs a tenth of the time.
create function strata.insert_batch(p_dataset strata.datasets, p_move uuid, p_columns text[], p_batch text)
returns tid[]
language plpgsql
set search_path = ''
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set timezone = 'UTC'
set extra_float_digits = 1
set bytea_output = 'hex'
set lc_monetary = 'C'
set xmlbinary = 'base64'
set xmloption = 'content'
set array_nulls = on
set row_security = off
as $$
declare
  v_relation constant text := strata.relation(p_dataset);
  v_names text;
  v_values text;
  v_places tid[];
begin
  select string_agg(quote_ident(c.name), ', ' order by c.position),
         string_agg(format('u.c%s::%s', c.position, format_type(a.atttypid, a.atttypmod)), ', ' order by c.position)
    into v_names, v_values
    from unnest(p_columns) with ordinality as c (name, position)
    join pg_catalog.pg_attribute as a on a.attrelid = v_relation::regclass and a.attname = c.name and a.attgenerated = '';
  execute format('with i as (insert into %s as t (%s) overriding system value select %s from %s returning t.ctid as place) '
                 'select coalesce(array_agg(i.place), ''{}'') from i',
    v_relation, v_names, v_values, strata.unpack_sql(p_move, p_columns)) into v_places using p_batch;
  set constraints all immediate;
  return v_places;
end
$$;
comment on function strata.insert_batch(strata.datasets, uuid, text[], text) is
  'Inserts the rows of a batch (a text per column), all or none; returns where each was put. 23505: one is here already.';
revoke execute on function strata.insert_batch(strata.datasets, uuid, text[], text) from public;

create function strata.lines_of(p_move uuid, p_columns text[], p_batch text)
returns text[]
language plpgsql
stable
set search_path = ''
as $$
declare
  v_lines text[];
begin
  execute format('select array_agg(n.line order by n.o) from (select row(%s)::text as line, row_number() over () as o from %s) as n',
    (select string_agg('u.c' || n, ', ' order by n) from generate_series(1, cardinality(p_columns)) as n),
    strata.unpack_sql(p_move, p_columns)) into v_lines using p_batch;
  return v_lines;
end
$$;
comment on function strata.lines_of(uuid, text[], text) is 'A batch row by row, each as a record literal: for when rows must be looked at one by one.';
revoke execute on function strata.lines_of(uuid, text[], text) from public;

create function strata.has_insert_triggers(p_relation regclass)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select exists (select from pg_catalog.pg_trigger as g
                    where g.tgrelid = p_relation and not g.tgisinternal and g.tgenabled <> 'D' and g.tgtype::integer & 4 = 4));
end
$$;
comment on function strata.has_insert_triggers(regclass) is 'Whether a trigger of the owner''s sees rows as they arrive, and may change them.';
revoke execute on function strata.has_insert_triggers(regclass) from public;

create function strata.same_line_sql(p_dataset strata.datasets)
returns text
language sql
stable
set search_path = ''
as $$
  select string_agg(format('t.%I %s (l.line::%s).%I', k.name, strata.equals_sql(strata.relation(p_dataset)::regclass, k.name),
                           strata.relation(p_dataset), k.name), ' and ' order by k.position)
    from unnest(p_dataset.key_columns) with ordinality as k (name, position)
$$;
comment on function strata.same_line_sql(strata.datasets) is 'SQL: has row t the key of l.line, a row written as a record literal?';
revoke execute on function strata.same_line_sql(strata.datasets) from public;

-- The careful way in: rows written as record literals. A twin with insert triggers is read back in the same
-- transaction: a row they changed must not stay. Returns how many rows were inserted unchanged.
create function strata.insert_lines(p_dataset strata.datasets, p_columns text[], p_lines text[])
returns integer
language plpgsql
set search_path = ''
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set timezone = 'UTC'
set extra_float_digits = 1
set bytea_output = 'hex'
set lc_monetary = 'C'
set xmlbinary = 'base64'
set xmloption = 'content'
set array_nulls = on
set row_security = off
as $$
declare
  v_relation constant text := strata.relation(p_dataset);
  v_watched constant boolean := strata.has_insert_triggers(v_relation::regclass);
  v_here constant text := format('select count(*) filter (where %s = l.line), count(*) from unnest($1) as l (line) join %s as t on %s',
    (select 'row(' || string_agg(coalesce(format('t.%I', c.name), 'null'), ', ' order by c.position) || ')::text'
       from unnest(p_columns) with ordinality as c (name, position)), v_relation, strata.same_line_sql(p_dataset));
  v_names text;
  v_values text;
  v_same integer;
  v_before integer;
  v_count integer;
begin
  if v_watched then -- triggers make of the number of inserted rows what they like
    execute v_here into v_same, v_before using p_lines;
    if v_before > 0 then
      return cardinality(p_lines) - v_before;
    end if;
  end if;
  select string_agg(quote_ident(c.name), ', ' order by c.position), string_agg(format('(s.r).%I', c.name), ', ' order by c.position)
    into v_names, v_values
    from unnest(p_columns) with ordinality as c (name, position)
    join pg_catalog.pg_attribute as a on a.attrelid = v_relation::regclass and a.attname = c.name and a.attgenerated = '';
  execute format(
    'insert into %s as t (%s) overriding system value '
    'select %s from (select l.line::%s as r from unnest($1) as l (line) offset 0) as s '
    'on conflict (%s) do nothing',
    v_relation, v_names, v_values, v_relation,
    (select string_agg(quote_ident(k), ', ') from unnest(p_dataset.key_columns) as k)) using p_lines;
  get diagnostics v_count = row_count;
  set constraints all immediate; -- deferred triggers change rows as well
  if v_watched then
    execute v_here into v_same, v_count using p_lines;
    if v_same < cardinality(p_lines) then
      raise exception 'a trigger on % changes or drops rows as they arrive', strata.tier() using errcode = 'ST042';
    end if;
  end if;
  return v_count;
end
$$;
comment on function strata.insert_lines(strata.datasets, text[], text[]) is
  'Inserts rows written as texts, never over an existing key; returns how many went in, or with triggers how many were not '
  'here before (then none goes in beside those that were). ST042: a trigger changed one.';
revoke execute on function strata.insert_lines(strata.datasets, text[], text[]) from public;

-- An error that tells of one row's content, not of the table, the disk or the server.
create function strata.is_row_error(p_sqlstate text)
returns boolean
language sql
immutable
set search_path = ''
as $$ select p_sqlstate = 'ST042' or left(p_sqlstate, 2) not in ('08', '25', '28', '40', '42', '53', '55', '57', '58', 'XX', 'ST') $$;
comment on function strata.is_row_error(text) is 'Whether an error is about one row, so that the others may go on.';
revoke execute on function strata.is_row_error(text) from public;

create function strata.insert_one_by_one(
  p_dataset strata.datasets, p_columns text[], p_lines text[],
  out inserted integer, out not_ours integer[], out refused jsonb
)
language plpgsql
set search_path = ''
as $$
begin
  inserted := 0;
  not_ours := '{}';
  refused := '[]';
  for v_position in 1 .. coalesce(cardinality(p_lines), 0) loop
    begin
      if strata.insert_lines(p_dataset, p_columns, p_lines[v_position : v_position]) = 1 then
        inserted := inserted + 1;
      else
        not_ours := not_ours || v_position;
      end if;
    exception when others then
      if not strata.is_row_error(sqlstate) then
        raise;
      end if;
      refused := refused || jsonb_build_object('ordinal', v_position, 'code', sqlstate, 'says', strata.tier() || ' refuses the row: ' || sqlerrm);
    end;
  end loop;
end
$$;
comment on function strata.insert_one_by_one(strata.datasets, text[], text[]) is
  'insert_lines() for one row after the other: which were here before, and which are refused and why.';
revoke execute on function strata.insert_one_by_one(strata.datasets, text[], text[]) from public;
