-- Stock: what there is of a dataset on this tier, month by month, beside what the ledger says has left.

-- From month to month through the age column's index: as many look-ups as there are months.
create function strata.stock_months(p_dataset text)
returns text[]
language plpgsql
volatile
security definer -- a hotter tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_months text[] := array[]::text[];
  v_month text;
  v_from timestamp := timestamp '1970-01-01';
  v_there boolean;
begin
  perform strata.check_asker('hotter'), strata.check_settled(p_dataset);
  perform strata.settle_contested(p_dataset) where current_setting('transaction_read_only') = 'off';
  if to_regclass(strata.relation(v_dataset)) is null then
    return v_months;
  end if;
  foreach v_month in array array['before 1970', 'from 2100', 'no age'] loop
    execute format('select exists (select from %1$s as t where %2$s)', strata.relation(v_dataset),
                   strata.month_sql(v_dataset, v_month)) into v_there;
    if v_there then
      v_months := v_months || v_month;
    end if;
  end loop;
  loop
    execute format('select date_trunc(''month'', t.%1$I::timestamp) from %2$s as t where t.%1$I >= $1 '
                   'and t.%1$I < $2 order by t.%1$I limit 1',
                   v_dataset.age_column, strata.relation(v_dataset)) into v_from
      using v_from, timestamp '2100-01-01';
    exit when v_from is null;
    v_months := v_months || strata.month_of(v_from);
    v_from := v_from + interval '1 month';
  end loop;
  return v_months;
end
$$;
comment on function strata.stock_months(text) is 'The months of a dataset''s rows on this tier.';
select strata.pin('strata.stock_months(text)');
grant execute on function strata.stock_months(text) to strata_mover;

-- A column that is gone from here alone, or has another type here alone, has lost what came in it.
create function strata.shape_entry(p_dataset strata.datasets, p_columns text[], p_names text[])
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'shape', (select md5(string_agg(n, ',' order by n collate "C")) from unnest(p_names) as n
               where left(n, -33) = any (p_columns)),
    'differs', (select jsonb_agg((regexp_match(o.says, '^column "(.*?)" '))[1])
                  from strata.twin_objections(p_dataset.accepted, p_dataset.accepted,
                                              strata.twin(p_dataset)) as o
                 where p_dataset.accepted is not null and strata.twin(p_dataset) is not null
                   and o.code in ('ST021', 'ST022'))))
$$;
comment on function strata.shape_entry(strata.datasets, text[], text[]) is
  'What these columns are by name and type, and which of the dataset''s are not as the '
  'hotter tier describes them.';

-- Stable, and so all of it as of one moment: rows, arrivals, ledger and book agree with each other.
create function strata.count_stock(p_dataset strata.datasets, p_month text, p_columns text[])
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_relation constant text := strata.relation(p_dataset);
  v_columns text[] := p_columns;
  v_book constant strata.books := (select b from strata.books as b
                                    where b.dataset = p_dataset.name and b.month = p_month);
  v_key constant record := strata.book_key(p_dataset.name);
  v_names constant text[] := strata.book_columns(p_dataset, v_key.name);
  v_rows bigint := 0;
  v_strips bigint[] := strata.no_strips();
  v_marks bigint[];
begin
  if strata.twin(p_dataset) is not null then
    v_columns := coalesce(p_columns, array(
      select a.attname::text from pg_catalog.pg_attribute as a
       where a.attrelid = strata.twin(p_dataset) and a.attnum > 0 and not a.attisdropped order by a.attnum));
    if strata.missing_columns(p_dataset, v_columns) <> '{}' or strata.asks_for_part(p_dataset, v_columns) then
      v_columns := null;
    end if;
    execute format(
      'select coalesce(sum(s.rows), 0), case when $1 then %1$s end, array[%2$s]::bigint[] '
      '  from (select get_byte(z.mark, 8) & 31 as at, count(*) as rows, '
      'bit_xor(strata.digest(z.mark)) as digest, %3$s '
      '          from (select %4$s as mark, %5$s from %6$s as t where %7$s offset 0) as z group by 1) as s',
      strata.strips_sql(), strata.gather_sql('s', v_names), strata.marks_sql('z', v_names, true),
      case when v_columns is null then 'repeat(''\000'', 9)::bytea'
           else format('strata.fingerprint(%s)', strata.content_sql(strata.twin(p_dataset), v_columns)) end,
      strata.value_hashes_sql(p_dataset, '$2'), v_relation, strata.month_sql(p_dataset, p_month))
      into v_rows, v_strips, v_marks using v_columns is not null, v_key.seed;
  else
    v_columns := null;
  end if;
  return jsonb_build_object('rows', v_rows, 'digest', (select coalesce(bit_xor(d), 0)
                                                         from unnest(v_strips[33:]) as d), 'strips', v_strips,
           'columns', v_columns, 'open', exists (select from strata.arrivals as a
                                                  where a.dataset = p_dataset.name and a.closed_at is null))
         || strata.ledger_entry(p_dataset.name, '{moved,deleted}', p_month, 'left')
         || strata.ledger_entry(p_dataset.name, '{met}', p_month, 'met')
         || strata.book_entry(p_dataset.name, p_month, v_book, v_names, v_marks)
         || strata.shape_entry(p_dataset, v_columns, v_names);
end
$$;
comment on function strata.count_stock(strata.datasets, text, text[]) is
  'take_stock(), with the marks of what is there, which are for this tier''s book alone.';
select strata.pin('strata.count_stock(strata.datasets, text, text[])');

create function strata.take_stock(p_dataset text, p_month text, p_columns text[])
returns jsonb
language plpgsql
security definer -- a hotter tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
as $$
declare
  v_stock jsonb;
begin
  perform strata.check_asker('hotter'), strata.check_settled(p_dataset), strata.check_month(p_month);
  perform strata.make_ledger_key();
  v_stock := strata.count_stock(strata.dataset(p_dataset), p_month, p_columns);
  return (v_stock - array['marks', 'names', 'turn'])
         || jsonb_build_object('to_book', strata.keep_seen(p_dataset, p_month, v_stock));
end
$$;
comment on function strata.take_stock(text, text, text[]) is
  'What there is of a dataset''s month on this tier: rows, their digest and strips over the given columns '
  '(null: the table''s own; the answer has none where one is missing), whether an arrival is open, the '
  'ledger''s entries, and what this tier''s book says. Reads every row of the month. to_book: whether '
  'book_stock() may put what was seen into the book. ST066: no such month.';
select strata.pin('strata.take_stock(text, text, text[])');
grant execute on function strata.take_stock(text, text, text[]) to strata_mover;
