-- Keys: which rows are here, asked by their keys.

create function strata.nth_key(p_keys text[], p_position integer)
returns text[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(p_keys[k][p_position] order by k) from generate_series(1, array_length(p_keys, 1)) as k
$$;
comment on function strata.nth_key(text[], integer) is 'The key at one position of a manifest.';

create function strata.keys_here(p_dataset text, p_keys text[])
returns integer[]
language plpgsql
stable
security definer -- a hotter tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_sql record;
  v_found integer[] := array[]::integer[];
begin
  perform strata.check_asker('hotter'), strata.check_settled(p_dataset);
  if strata.twin(v_dataset) is not null then
    v_sql := strata.manifest_sql(v_dataset, '$1');
    execute format('select coalesce(array_agg(m.o::integer order by m.o), ''{}'') '
                   'from unnest(%1$s) with ordinality as m (%2$s, o) join %3$s as t on %4$s',
                   v_sql.items, v_sql.names, strata.relation(v_dataset), v_sql.same_key) into v_found
      using p_keys;
  end if;
  return v_found;
end
$$;
comment on function strata.keys_here(text, text[]) is
  'The positions of those keys under which there is a row on this tier.';
select strata.pin('strata.keys_here(text, text[])');
grant execute on function strata.keys_here(text, text[]) to strata_mover;

-- Which of some keys have no row here. Keys that cannot be read as keys of the table any more are those of no
-- row.
create function strata.keys_gone(p_dataset text, p_keys text[])
returns integer[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_here integer[] := array[]::integer[];
  v_context text;
begin
  begin
    v_here := strata.keys_here(p_dataset, p_keys);
  exception
    when data_exception or integrity_constraint_violation or sqlstate 'ST011' then null;
    when query_canceled or assert_failure or others then
      get stacked diagnostics v_context = pg_exception_context;
      if strata.is_our_end(sqlstate, sqlerrm, v_context) then
        raise;
      end if;
      -- a table that cannot be read tells of no row that it is gone, and stops no other's upkeep
      return array[]::integer[];
  end;
  return array(select o from generate_series(1, array_length(p_keys, 2)) as o
               except all select unnest(v_here));
end
$$;
comment on function strata.keys_gone(text, text[]) is
  'The positions of those keys under which there is no row on this tier.';

create function strata.keys_side_by_side(p_keys jsonb)
returns text[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(c.texts order by c.k)
    from (select k.o as k, array_agg(k.text order by r.o) as texts
            from jsonb_array_elements(p_keys) with ordinality as r (key, o)
           cross join lateral jsonb_array_elements_text(r.key) with ordinality as k (text, o)
          group by k.o) as c
$$;
comment on function strata.keys_side_by_side(jsonb) is
  'Keys of rows as a manifest has them: a row of texts per key column.';
