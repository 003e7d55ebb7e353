-- Contested: rows of this tier under whose keys the hotter tier has others, and what was here of a dataset
-- that is gone.
--
-- Its owner is told to delete one of the two (ST040). If it is the one here, it has left this tier by the
-- book: the ledger gets it when its key is found without it, so that no audit takes it for lost. And of each
-- dataset it is counted what came, so that, when a twin is gone, it can be said how many rows are gone with
-- it.

create function strata.contested_row(
  p_dataset strata.datasets, p_key text[], p_columns text[], out month text, out fingerprint bytea
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
begin
  execute format('select strata.month_of(t.%1$I::timestamp), strata.fingerprint(%2$s) '
                 'from %3$s as t where %4$s', p_dataset.age_column,
                 strata.content_sql(strata.relation(p_dataset)::regclass, p_columns),
                 strata.relation(p_dataset), strata.key_is_sql(p_dataset))
     into month, fingerprint using p_key;
end
$$;
comment on function strata.contested_row(strata.datasets, text[], text[]) is
  'Month and fingerprint of the row under a key here; nulls when there is none.';
select strata.pin('strata.contested_row(strata.datasets, text[], text[])');

create function strata.note_contested(
  p_dataset text, p_columns text[], p_ordinals integer[], p_keys text[], p_outcomes text[]
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most constant integer := 1000; -- of a batch
  v_dataset strata.datasets;
  v_context text;
begin
  select d.* into v_dataset from strata.datasets as d where d.name = p_dataset;
  insert into strata.contested (dataset, key, month, fingerprint, columns, noted_at)
  select p_dataset, k.key, r.month, r.fingerprint, array_remove(p_columns, null), strata.clock()
    from (select strata.nth_key(p_keys, o) as key from generate_series(1, cardinality(p_ordinals)) as o
           where p_outcomes[o] = 'other' limit c_most) as k
   cross join lateral strata.contested_row(v_dataset, k.key, array_remove(p_columns, null)) as r
   where r.fingerprint is not null
  on conflict (dataset, key) do update
     set month = excluded.month, fingerprint = excluded.fingerprint, columns = excluded.columns,
         noted_at = excluded.noted_at;
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
  return; -- a row that cannot be read here is no reason to keep an arrival open
end
$$;
comment on function strata.note_contested(text, text[], integer[], text[], text[]) is
  'Writes down the rows here that differ from those a move brought under their keys.';

-- One at a time: two would enter the same row twice. A column that is gone from here says nothing of a row.
create function strata.settle_contested(p_dataset text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_dataset constant strata.datasets := (select d from strata.datasets as d where d.name = p_dataset);
  v_row strata.contested;
  v_now record;
  v_context text;
begin
  if not exists (select from strata.contested as c where c.dataset = p_dataset) then
    return;
  end if;
  begin
    perform strata.lock_dataset(p_dataset);
  exception when lock_not_available then
    return; -- a move is at it, and looks itself
  end;
  for v_row in select c.* from strata.contested as c where c.dataset = p_dataset order by c.key loop
    begin
      continue when strata.missing_columns(v_dataset, v_row.columns) <> '{}';
      v_now := strata.contested_row(v_dataset, v_row.key, v_row.columns);
      if v_now.fingerprint is distinct from v_row.fingerprint then
        perform strata.add_to_ledger(p_dataset, 'deleted', v_row.month, array[v_row.fingerprint],
                                     v_row.columns, v_row.columns::text);
        delete from strata.contested as c where c.dataset = v_row.dataset and c.key = v_row.key;
      end if;
    exception when query_canceled or assert_failure or others then
      get stacked diagnostics v_context = pg_exception_context;
      if strata.is_our_end(sqlstate, sqlerrm, v_context) then
        raise;
      end if;
      continue; -- the table cannot be read now
    end;
  end loop;
  -- the hotter tier tries again within three days: it has found another way
  delete from strata.contested as c
   where c.dataset = p_dataset and c.noted_at < strata.clock() - interval '7 days';
end
$$;
comment on function strata.settle_contested(text) is
  'Writes contested rows that have been deleted here into the ledger, and forgets those that are no '
  'longer in the way of others.';

create function strata.forget_contested(p_dataset strata.datasets)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from strata.contested as c where c.dataset = p_dataset.name)
     or strata.twin(p_dataset) is null then
    return;
  end if;
  delete from strata.contested as c
   where c.dataset = p_dataset.name
     and strata.missing_columns(p_dataset, p_dataset.key_columns || p_dataset.age_column) = '{}'
     and (strata.contested_row(p_dataset, c.key, c.columns)).fingerprint is null;
end
$$;
comment on function strata.forget_contested(strata.datasets) is
  'After this tier has moved or deleted rows, which is in the ledger: forgets the contested ones among them. '
  'settle_contested() comes before.';

create function strata.note_came(p_dataset text, p_arrival strata.arrivals, p_outcomes text[])
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into strata.came as c (dataset, rows)
  select p_dataset, greatest(p_arrival.rows_received - (select count(*) from unnest(p_outcomes) as o
                                                         where o = 'retracted'), 0)
  on conflict (dataset) do update set rows = c.rows + excluded.rows
$$;
comment on function strata.note_came(text, strata.arrivals, text[]) is
  'Counts what an arrival has brought for good.';
