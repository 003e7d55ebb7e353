-- Book: what a colder tier has taken in, month by month, as it saw it itself.
--
-- The hotter tier's ledger says what must be here. Two things it cannot say. Put back from an old backup, it
-- has forgotten moves: this tier's book still knows how many rows came. And its digests are over the columns
-- there were: when a column has been added, dropped or given another type, they fit nothing that is here. So
-- the book has a mark for each column, to which each row that comes in adds a hash of its value; what is
-- there is compared with those of the columns that are as they were. It is weaker evidence, on the same tier
-- as the rows, and counts where there is no other.
--
-- A mark is keyed by a secret of this tier and bound to the row's key and never leaves this tier: a neighbour
-- hears only which columns differ. Marks are anew what is there whenever a month was found in order
-- (book_stock). Rows that leave are not taken out of them: in a month that rows have left since, only rows
-- are counted.

create function strata.book_key(p_dataset text, out seed bigint, out name text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key constant bytea := strata.make_ledger_key();
begin
  seed := strata.mask(v_key, 'book', p_dataset);
  name := strata.key_name(v_key);
end
$$;
comment on function strata.book_key(text) is
  'What this tier''s marks of a dataset are keyed by, and what tells by which key: marks of another '
  'one cannot be compared.';

create function strata.book_columns(p_dataset strata.datasets, p_key_name text)
returns text[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
begin
  return (
    select coalesce(array_agg(a.attname || ' ' || md5(
      concat_ws('/', p_dataset.key_columns, p_key_name, format_type(a.atttypid, a.atttypmod),
                case when coalesce(e.typnamespace, t.typnamespace) <> 'pg_catalog'::regnamespace
                       then strata.describe_type(coalesce(e.oid, t.oid)) end))
             order by a.attnum), '{}')
      from pg_catalog.pg_attribute as a
      join pg_catalog.pg_type as t on t.oid = a.atttypid
      left join pg_catalog.pg_type as e on e.oid = t.typelem and e.typarray = t.oid
     where a.attrelid = strata.twin(p_dataset) and a.attnum > 0 and not a.attisdropped);
end
$$;
comment on function strata.book_columns(strata.datasets, text) is
  'The columns of a table as the book calls them: their name, and a hash that changes with their type.';
select strata.pin('strata.book_columns(strata.datasets, text)');

-- A mark is a row's share in it: the hash of the value under that of the row's key. Each of the two is taken
-- once for a row, under the seed, so that an INSERT can return them.
create function strata.value_hashes_sql(p_dataset strata.datasets, p_seed text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
declare
  v_twin constant regclass := strata.twin(p_dataset);
begin
  return strata.key_hash_sql(v_twin, p_dataset.key_columns, p_seed) || ' as strata_key, ' || (
    select string_agg(format('%1$s as h%2$s', strata.value_hash_sql(a.atttypid, a.attname, p_seed), a.o),
                      ', ' order by a.o)
      from (select x.atttypid, x.attname, row_number() over (order by x.attnum) as o
              from pg_catalog.pg_attribute as x
             where x.attrelid = v_twin and x.attnum > 0 and not x.attisdropped) as a);
end
$$;
comment on function strata.value_hashes_sql(strata.datasets, text) is
  'SQL: hashes of row t under a seed (SQL): strata_key of its key, and h1, … of its '
  'values, one of each column.';

create function strata.marks_sql(p_alias text, p_names text[], p_is_named boolean default false)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select string_agg(
      format('bit_xor(coalesce(hashint8extended(%1$s.h%2$s, %1$s.strata_key), ~%1$s.strata_key))', p_alias, n)
      || case when p_is_named then ' as m' || n else '' end, ', ' order by n)
      from generate_series(1, cardinality(p_names)) as n);
end
$$;
comment on function strata.marks_sql(text, text[], boolean) is
  'SQL: the marks (m1, …) of all rows of an alias, of which it has the value_hashes_sql().';

create function strata.gather_sql(p_alias text, p_names text[])
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('bit_xor(%1$s.m%2$s)', p_alias, n), ', ' order by n)
    from generate_series(1, cardinality(p_names)) as n
$$;
comment on function strata.gather_sql(text, text[]) is 'SQL: the marks m1, … of an alias together.';

create function strata.strips_sql()
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select 'array[' || string_agg(format('coalesce(max(s.rows) filter (where s.at = %s), 0)', n),
                                ', ' order by n) || ']::bigint[] || array['
         || string_agg(format('coalesce(max(s.digest) filter (where s.at = %s), 0)', n), ', ' order by n)
         || ']::bigint[]'
    from generate_series(0, 31) as n
$$;
comment on function strata.strips_sql() is
  'SQL: the strips of rows that were counted by strip (s.at, s.rows, s.digest).';

-- Marks of the columns that both have under the same name and type.
create function strata.add_marks(
  p_names text[], p_marks bigint[], p_new_names text[], p_new_marks bigint[]
)
returns bigint[]
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select array_agg(m.mark # n.mark order by m.o)
      from unnest(p_names, p_marks) with ordinality as m (name, mark, o)
      left join unnest(p_new_names, p_new_marks) as n (name, mark) on n.name = m.name);
end
$$;
comment on function strata.add_marks(text[], bigint[], text[], bigint[]) is
  'Marks with those of other rows added; null from then on for a column these have not.';

create function strata.add_to_book(
  p_dataset text, p_month text, p_rows bigint, p_names text[], p_marks bigint[]
)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into strata.books as b (dataset, month, came, changes, names, marks)
  values (p_dataset, p_month, p_rows, 1, p_names, p_marks)
  on conflict (dataset, month) do update
     set came = b.came + excluded.came, changes = b.changes + 1,
         marks = strata.add_marks(b.names, b.marks, excluded.names, excluded.marks),
         seen_marks = strata.add_marks(b.seen_names, b.seen_marks, excluded.names, excluded.marks)
$$;
comment on function strata.add_to_book(text, text, bigint, text[], bigint[]) is
  'Adds rows of a month that came (or, with fewer than none, were taken back) to the book.';

-- p_rows: SQL for the rows, t, as a FROM item; p_places and p_lines are its $1, whichever it needs.
create function strata.book_rows(
  p_dataset strata.datasets, p_rows text, p_places tid[], p_lines text[], p_sign integer
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_key constant record := strata.book_key(p_dataset.name);
  v_names constant text[] := strata.book_columns(p_dataset, v_key.name);
  v_month timestamp;
  v_rows bigint;
  v_marks bigint[];
begin
  for v_month, v_rows, v_marks in execute format(
    'select date_trunc(''month'', z.age) as month, count(*) as rows, array[%1$s]::bigint[] as marks '
    '  from (select t.%2$I::timestamp as age, %3$s from %4$s) as z group by 1 order by 1',
    strata.marks_sql('z', v_names), p_dataset.age_column, strata.value_hashes_sql(p_dataset, '$2'), p_rows)
    using p_places, v_key.seed, p_lines
  loop
    perform strata.add_to_book(p_dataset.name, strata.month_of(v_month), p_sign * v_rows, v_names, v_marks);
  end loop;
end
$$;
comment on function strata.book_rows(strata.datasets, text, tid[], text[], integer) is
  'Enters rows of this tier into the book, which came (1) or are about to be taken back (-1).';
select strata.pin('strata.book_rows(strata.datasets, text, tid[], text[], integer)');

-- The rule is a batch of one month, of which the INSERT has told the marks.
create function strata.book_arrival(
  p_dataset strata.datasets, p_insertion strata.insertion, p_lines text[],
  p_arrival strata.arrivals
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off -- each row by its place or key: never the whole table for a batch of it
set jit = off -- a scan that is off counts as dear, and would be compiled
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_relation constant text := strata.relation(p_dataset);
begin
  if p_lines is not null then
    perform strata.book_rows(p_dataset, format('unnest($3) as l (line) join %1$s as t on %2$s', v_relation,
                                               strata.same_line_sql(p_dataset)), null,
      array(select l.line from unnest(p_lines) with ordinality as l (line, o)
             where not l.o = any (p_arrival.not_ours)
               and not l.o in (select (r.it ->> 'ordinal')::integer
                                 from jsonb_array_elements(p_arrival.refused) as r (it))), 1);
  elsif strata.month_of(p_insertion.oldest) = strata.month_of(p_insertion.youngest) then
    perform strata.add_to_book(p_dataset.name, strata.month_of(p_insertion.oldest),
                               cardinality(p_insertion.places), p_insertion.names, p_insertion.marks);
  else
    perform strata.book_rows(p_dataset, format('(select t.* from only %s as t where t.ctid = any ($1)) as t',
                                               v_relation), p_insertion.places, null, 1);
  end if;
end
$$;
comment on function strata.book_arrival(strata.datasets, strata.insertion, text[], strata.arrivals) is
  'Enters what an arrival has brought into the book: what was inserted at once, or, where they were '
  'put one by one, its lines.';

-- By key: in a table of parts a place is one of each part.
create function strata.unbook_copies(p_dataset strata.datasets, p_keys text[], p_ordinals bigint[])
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  select strata.book_rows(p_dataset, format('unnest(%1$s) as m (%2$s) join %3$s as t on %4$s', s.items,
                                            s.names, strata.relation(p_dataset), s.same_key), null,
           (select array_agg(x.texts order by x.k)
              from (select k, array_agg(p_keys[k][o] order by o) as texts
                      from generate_series(1, array_length(p_keys, 1)) as k, unnest(p_ordinals) as o
                     group by k) as x), -1)
    from strata.manifest_sql(p_dataset, '$3') as s where p_ordinals <> '{}'
$$;
comment on function strata.unbook_copies(strata.datasets, text[], bigint[]) is
  'Takes rows, of which these are positions among keys, out of the book: they are about to be taken back.';

create function strata.book_entry(
  p_dataset text, p_month text, p_book strata.books, p_names text[], p_marks bigint[]
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
  select jsonb_build_object('arrived_rows', coalesce(p_book.came, 0), 'names', p_names, 'marks', p_marks,
                            'turn', coalesce(p_book.changes, 0),
           'differs', to_jsonb(c.differs), 'unseen', to_jsonb(c.unseen))
    from (select case when l.has_book then coalesce(array_agg(n.column_name) filter (where b.mark <> n.mark),
                                                    '{}') end as differs,
                 case when l.has_book then coalesce(array_agg(
                   n.column_name) filter (where n.name is not null and b.mark is null), '{}') end as unseen
            from (select p_book.marks is not null and exists (
                           select from unnest(p_names, p_marks) as u (name, mark)
                             join unnest(p_book.names, p_book.marks) as b (name, mark)
                             on b.name = u.name and b.mark is not null)
                         and p_book.left_rows = coalesce(sum(x.rows), 0) as has_book
                    from strata.ledger as x
                   where x.dataset = p_dataset and x.month = p_month and x.what in ('moved', 'deleted')) as l
            left join (select u.name, u.mark, left(u.name, -33) as column_name
                         from unnest(p_names, p_marks) as u (name, mark)) as n on true
            left join unnest(p_book.names, p_book.marks) as b (name, mark) on b.name = n.name
           group by l.has_book) as c);
end
$$;
comment on function strata.book_entry(text, text, strata.books, text[], bigint[]) is
  'What the book says of a month: how many rows came, which columns differ from what was entered, and which '
  'it does not know (null: it cannot be compared).';

create function strata.keep_seen(p_dataset text, p_month text, p_stock jsonb)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_seen constant strata.books := jsonb_populate_record(null::strata.books,
    jsonb_build_object('seen_names', p_stock -> 'names', 'seen_marks', p_stock -> 'marks',
                       'seen_left', p_stock -> 'left_rows'));
begin
  if exists (select from strata.books as b where (b.dataset, b.month) = (p_dataset, p_month)
              and (b.names, b.marks, b.left_rows)
                  is not distinct from (v_seen.seen_names, v_seen.seen_marks, v_seen.seen_left)) then
    return false;
  end if;
  insert into strata.books as b (dataset, month, seen_names, seen_marks, seen_left)
  select p_dataset, p_month, v_seen.seen_names, v_seen.seen_marks, v_seen.seen_left
   where v_seen.seen_names <> '{}'
  on conflict (dataset, month) do update
     set seen_names = excluded.seen_names, seen_marks = excluded.seen_marks, seen_left = excluded.seen_left
   where b.changes = (p_stock ->> 'turn')::bigint; -- else rows have come since they were read
  return found;
end
$$;
comment on function strata.keep_seen(text, text, jsonb) is
  'Keeps the marks of what was seen of a month, in case it is found right; false when '
  'the book has them already.';

create function strata.book_stock(p_dataset text, p_month text)
returns void
language plpgsql
security definer -- a hotter tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.check_asker('hotter'), strata.check_settled(p_dataset);
  update strata.books as b
     set names = b.seen_names, marks = b.seen_marks, left_rows = b.seen_left, seen_names = null,
         seen_marks = null
   where (b.dataset, b.month) = (p_dataset, p_month) and b.seen_marks is not null;
end
$$;
comment on function strata.book_stock(text, text) is
  'The audit found a month right: the book goes by what was seen of it from now on.';
grant execute on function strata.book_stock(text, text) to strata_mover;

create function strata.note_forgotten(p_dataset text, p_month text, p_rows bigint)
returns void
language plpgsql
security definer -- a colder tier that audits tells as strata_mover
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.check_asker('colder'), strata.dataset(p_dataset), strata.check_month(p_month);
  insert into strata.forgotten as f (dataset, month, rows, noted_at)
  values (p_dataset, p_month, greatest(p_rows, 0), clock_timestamp())
  on conflict (dataset, month) do update set rows = excluded.rows, noted_at = excluded.noted_at
   where f.rows <> excluded.rows;
end
$$;
comment on function strata.note_forgotten(text, text, bigint) is
  'The colder neighbour has so many rows of a month more than the ledger here says have moved there. Stops '
  'no audit that is under way: one that has begun before is due again when it is done. ST066: no such month.';
grant execute on function strata.note_forgotten(text, text, bigint) to strata_mover;
