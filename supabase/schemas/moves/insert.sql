-- Inserts: two ways for a batch into its twin.
--
-- The fast one takes all rows by one statement, a text per column. The careful one (next chapter) takes rows
-- written as record literals: one by one, to find out which of them is refused or was here before, and
-- wherever the twin may store other values than it is given. Neither ever overwrites a row.

-- The columns of a batch side by side again: a FROM item u (c1, …), in the order in which they were written.
-- Its first row is left out, because a text that begins with its separator begins with nothing. In a select
-- list the values are handed on one by one; a function in FROM would write all of them down first. The
-- columns are kept from the planner, which would take the batch apart once for each.
create function strata.unpack_sql(p_move uuid, p_columns text[])
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select format('(select %1$s '
                  'from (select string_to_array((select $1), %2$L) as texts offset 0) as b offset 1) as u',
                  string_agg(format('unnest(string_to_array(b.texts[%1$s], %2$L, %3$L)) as c%1$s', n.position,
                                    m.between_values, m.for_null),
                             ', ' order by n.position), m.between_columns)
      from unnest(p_columns) with ordinality as n (name, position), strata.marks(p_move) as m
     group by m.between_columns);
end
$$;
comment on function strata.unpack_sql(uuid, text[]) is
  'SQL that makes rows of texts of a batch, which is $1.';

-- What a batch brought is remembered by the hashes of its keys, under a seed that its source does not know:
-- only what has come with a move is ever taken back for it, whatever became of the row's version meanwhile.
create function strata.brought_sql(p_dataset strata.datasets, p_seed text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return strata.key_hash_sql(strata.relation(p_dataset)::regclass, p_dataset.key_columns, p_seed);
end
$$;
comment on function strata.brought_sql(strata.datasets, text) is
  'SQL for the hash of row t''s key under a seed.';

-- The fast way in: all rows of a batch by one statement. A row that is here already is an error
-- (unique_violation), and the careful way finds out which; asking for each row first costs a tenth of the
-- time. What the book enters of the rows is told by the same statement: reading them again costs another
-- tenth.
create function strata.insert_batch(
  p_dataset strata.datasets, p_move uuid, p_columns text[], p_batch text, p_seed bigint
)
returns strata.insertion
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_relation constant text := strata.relation(p_dataset);
  v_sql constant record := strata.insert_sql(p_dataset, p_columns);
  v_key constant record := strata.book_key(p_dataset.name);
  v_names constant text[] := strata.book_columns(p_dataset, v_key.name);
  v_done strata.insertion;
begin
  execute format('with i as (insert into %1$s as t (%2$s) overriding system value select %3$s from %4$s '
                 '             returning t.ctid as place, %5$s as brought, t.%6$I as age, %7$s) '
                 'select coalesce(array_agg(i.place), ''{}''), coalesce(array_agg(i.brought), ''{}''), '
                 '       case when count(i.age) = count(*) then min(i.age)::timestamp end, '
                 'max(i.age)::timestamp, array[%8$s]::bigint[] from i',
    v_relation, v_sql.names, v_sql.texts, strata.unpack_sql(p_move, p_columns),
    strata.brought_sql(p_dataset, '$2'), p_dataset.age_column,
    strata.value_hashes_sql(p_dataset, '$3'), strata.marks_sql('i', v_names))
    into v_done.places, v_done.brought, v_done.oldest, v_done.youngest, v_done.marks
   using p_batch, p_seed, v_key.seed;
  v_done.names := v_names;
  set constraints all immediate;
  return v_done;
end
$$;
comment on function strata.insert_batch(strata.datasets, uuid, text[], text, bigint) is
  'Inserts the rows of a batch (a text per column), all or none; returns where each was put, the hash of its '
  'key, and marks. 23505: one is here already.';
select strata.pin('strata.insert_batch(strata.datasets, uuid, text[], text, bigint)');

create function strata.lines_of(p_move uuid, p_columns text[], p_batch text)
returns text[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_lines text[];
begin
  execute format('select array_agg(n.line order by n.o) '
                 'from (select row(%1$s)::text as line, row_number() over () as o from %2$s) as n',
    (select string_agg('u.c' || n, ', ' order by n) from generate_series(1, cardinality(p_columns)) as n),
    strata.unpack_sql(p_move, p_columns)) into v_lines using p_batch;
  return v_lines;
end
$$;
comment on function strata.lines_of(uuid, text[], text) is
  'A batch row by row, each as a record literal: for when rows must be looked at one by one.';
select strata.pin('strata.lines_of(uuid, text[], text)');

create function strata.same_line_sql(p_dataset strata.datasets)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('t.%1$I %2$s (l.line::%3$s).%1$I', k.name,
                           strata.equals_sql(strata.relation(p_dataset)::regclass, k.name),
                           strata.relation(p_dataset)), ' and ' order by k.position)
    from unnest(p_dataset.key_columns) with ordinality as k (name, position)
$$;
comment on function strata.same_line_sql(strata.datasets) is
  'SQL: has row t the key of l.line, a row written as a record literal?';
