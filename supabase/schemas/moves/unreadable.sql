-- Unreadable rows: a batch that cannot be written down because of one of its values.
--
-- A type may refuse to write what is stored (a label that is gone, bytes that are no text, a damaged page).
-- Such a row is looked for in halves and set aside, so that the others go.

-- Where due rows lie, by one rule: the oldest first, as many as a batch may have.
create function strata.places_due(p_dataset strata.datasets, p_due text)
returns tid[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_places tid[];
begin
  execute format('select array(select t.ctid from %1$s as t where %2$s order by t.%3$I limit %4$s)',
                 strata.relation(p_dataset), p_due, p_dataset.age_column, strata.setting('batch_rows'))
     into v_places;
  return v_places;
end
$$;
comment on function strata.places_due(strata.datasets, text) is
  'The places of the oldest rows that meet a condition.';

create function strata.read_error(p_relation text, p_text text, p_places tid[])
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_context text;
begin
  execute format('select count(convert_to(%1$s, ''UTF8'')) from %2$s as t where t.ctid = any ($1)', p_text,
                 p_relation) using p_places;
  return null;
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
  if left(sqlstate, 2) in ('08', '25', '28', '40', '53', '55', '57', '58', 'ST') then
    raise;
  end if;
  return sqlerrm;
end
$$;
comment on function strata.read_error(text, text, tid[]) is
  'What Postgres says when some text of the rows at these places is read; null when nothing.';
select strata.pin('strata.read_error(text, text, tid[])');

create function strata.put_aside_unreadable(p_dataset strata.datasets, p_place tid)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation constant text := strata.relation(p_dataset);
  v_key text[];
  v_column record;
  v_says text;
begin
  execute format('select %1$s from %2$s as t where t.ctid = $1', strata.key_sql(p_dataset.key_columns),
                 v_relation) into v_key using p_place;
  for v_column in
    select a.attname as name,
           strata.read_error(v_relation, strata.value_sql(a.atttypid, a.attname), array[p_place]) as says
      from pg_catalog.pg_attribute as a
     where a.attrelid = v_relation::regclass and a.attname = any (p_dataset.twin_columns)
       and not a.attisdropped order by a.attnum
  loop
    continue when v_column.says is null or v_key is null;
    perform strata.put_aside(p_dataset.name, v_key, 'ST048', format(
      'column "%1$s" cannot be read: %2$s', v_column.name, left(v_column.says, 1000)));
    return;
  end loop;
  v_says := strata.read_error(v_relation, strata.content_sql(v_relation::regclass, p_dataset.twin_columns),
                              array[p_place]);
  perform strata.put_aside(p_dataset.name, v_key, 'ST048',
                           'the row cannot be read as a whole: ' || left(v_says, 1000))
    where v_key is not null and v_says is not null; -- left where it is, it would stop every claim
end
$$;
comment on function strata.put_aside_unreadable(strata.datasets, tid) is
  'Sets the row at a place aside, if it cannot be read, and names the column that is the '
  'reason, where it is one.';
select strata.pin('strata.put_aside_unreadable(strata.datasets, tid)');

create function strata.count_unreadable(p_dataset strata.datasets, p_places tid[])
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most constant integer := 100; -- of one look; the next one finds more
  v_content constant text := strata.content_sql(strata.relation(p_dataset)::regclass, p_dataset.twin_columns);
  v_left strata.span[] := array[row(1, cardinality(p_places))]::strata.span[];
  v_span strata.span;
  v_found integer := 0;
begin
  while cardinality(v_left) > 0 and cardinality(p_places) > 0 and v_found < c_most loop
    v_span := v_left[cardinality(v_left)];
    v_left := v_left[: cardinality(v_left) - 1];
    if strata.read_error(strata.relation(p_dataset), v_content,
                         p_places[v_span.first : v_span.last]) is null then
      continue;
    elsif v_span.first < v_span.last then
      v_left := v_left || array[row((v_span.first + v_span.last) / 2 + 1, v_span.last),
                                row(v_span.first, (v_span.first + v_span.last) / 2)]::strata.span[];
    else
      perform strata.put_aside_unreadable(p_dataset, p_places[v_span.first]);
      v_found := v_found + 1;
    end if;
  end loop;
  return v_found;
end
$$;
comment on function strata.count_unreadable(strata.datasets, tid[]) is
  'Sets the rows at some places aside that cannot be read; how many there were.';

create function strata.set_aside_unreadable(
  p_dataset strata.datasets, p_sqlstate text, p_besides uuid[]
)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_policy record;
  v_rule text;
  v_context text;
begin
  if p_dataset.twin_columns is null or not strata.may_be_of_value(p_sqlstate) then
    return false;
  end if;
  perform strata.lock_dataset(p_dataset.name); -- what failed gave it back
  v_policy := strata.conditions(p_dataset);
  -- as they are claimed; the last one is a drain's
  foreach v_rule in array array[v_policy.aged, v_policy.oversize, 'true'] loop
    if strata.count_unreadable(p_dataset, strata.places_due(p_dataset, format(
         '%1$s and %2$s%3$s', v_rule, v_policy.due, strata.besides_sql(p_dataset, p_besides, true)))) > 0 then
      return true;
    end if;
  end loop;
  return false;
exception when query_canceled or assert_failure or others then -- a condition, asked once more
  get stacked diagnostics v_context = pg_exception_context;
  perform strata.blame_owner(sqlstate, sqlerrm, v_context);
  raise;
end
$$;
comment on function strata.set_aside_unreadable(strata.datasets, text, uuid[]) is
  'After a claim failed: sets the rows aside that cannot be read (ST048), so that the others go on; '
  'whether there were any.';
