-- Loading: rows that come from a file, as JSON documents, into a dataset of this tier.
--
-- The client reads the file and hands over batches of documents inside one transaction; Postgres turns
-- them into rows. So a number never passes through a double, a date never through another calendar, and
-- columns a document does not name get their defaults. A batch either goes in whole or is halved until
-- the bad documents stand alone; each of those comes back with its place in the batch and its reason.

-- What json_populate_record() would do, except that only the columns a document names are given.
-- p_json_as_text: json columns come as text (from CSV), not as part of the document.
create function strata.insert_documents(
  p_relation text, p_documents text[], p_json_as_text boolean
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_columns text[];
  v_documents text[];
  v_values text;
begin
  for v_columns, v_documents in
    select k.columns, array_agg(d.document order by d.place)
      from unnest(p_documents) with ordinality as d (document, place)
      cross join lateral (
        select array_agg(j.key order by j.key) from pg_catalog.json_object_keys(d.document::json) as j (key)
      ) as k (columns)
     group by k.columns
  loop
    if v_columns is null then
      raise exception 'it names no column' using errcode = '22023';
    end if;
    select string_agg(
             case when p_json_as_text and a.atttypid in ('json'::regtype, 'jsonb'::regtype)
                  then format('(d.document::json ->> %1$L)::%2$s', c.name, a.atttypid::regtype)
                  else format('r.%I', c.name) end, ', ' order by c.place)
      into v_values
      from unnest(v_columns) with ordinality as c (name, place)
      left join pg_catalog.pg_attribute as a
        on a.attrelid = p_relation::regclass and a.attname = c.name and not a.attisdropped;
    execute format(
      'insert into %1$s (%2$s) select %3$s from unnest($1) with ordinality as d (document, place)'
      ' cross join lateral pg_catalog.json_populate_record(null::%1$s, d.document::json) as r '
      'order by d.place',
      p_relation, (select string_agg(quote_ident(c.name), ', ') from unnest(v_columns) as c (name)), v_values)
      using v_documents;
  end loop;
end
$$;
comment on function strata.insert_documents(text, text[], boolean) is
  'Inserts JSON documents as rows of a table; columns a document does not name get their defaults.';

-- Postgres says which value does not fit its type, but not in which column: try them one by one.
create function strata.unfit_column(p_relation text, p_document text)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_column text;
  v_value json;
begin
  for v_column, v_value in select j.key, j.value from pg_catalog.json_each(p_document::json) as j loop
    begin
      execute format('select pg_catalog.json_populate_record(null::%s, $1)', p_relation)
        using pg_catalog.json_build_object(v_column, v_value);
    exception when data_exception then
      return v_column;
    end;
  end loop;
  return null;
exception when data_exception then
  return null; -- the document itself cannot be read, so no column is to blame
end
$$;
comment on function strata.unfit_column(text, text) is
  'The first column of a document whose value does not fit its type; null when none is to blame.';

create function strata.load_rows(
  p_dataset text, p_documents text[], p_json_as_text boolean default false
)
returns table (place integer, code text, says text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation constant text := strata.relation(strata.dataset(p_dataset));
  v_count constant integer := cardinality(p_documents);
  v_half constant integer := v_count / 2;
  v_detail text;
  v_context text;
begin
  perform strata.insert_documents(v_relation, p_documents, p_json_as_text);
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
  -- Data, constraints, names and the owner's triggers speak about a row; anything else about this database.
  if sqlstate !~ '^(21|22|23|42|428|54|P0|0A)' then
    raise;
  end if;
  if v_count > 1 then
    return query
    select r.place, r.code, r.says
      from strata.load_rows(p_dataset, p_documents[1:v_half], p_json_as_text) as r
    union all
    select r.place + v_half, r.code, r.says
      from strata.load_rows(p_dataset, p_documents[v_half + 1:v_count], p_json_as_text) as r;
    return;
  end if;
  get stacked diagnostics v_detail = pg_exception_detail;
  place := 1;
  code := sqlstate;
  says := coalesce(case when code ~ '^22' then
                     'column "' || strata.unfit_column(v_relation, p_documents[1]) || '": ' end, '')
    || sqlerrm
          || case when v_detail <> '' and v_detail !~ '^Failing row' then ' (' || v_detail || ')' else '' end;
  return next;
end
$$;
comment on function strata.load_rows(text, text[], boolean) is
  'Inserts a batch of JSON documents into a dataset and returns the ones that do not fit: their '
  'place in the batch, SQLSTATE and reason. The others are in. Each document''s numbers and texts '
  'cross exactly as written.';
