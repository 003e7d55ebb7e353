-- Retractions: an arrival is closed, and what its source kept is taken back.

-- A row of this tier that refers to a copy keeps it, as it would keep a row from moving: it would go with it,
-- or refuse. The copies are locked by now, so that none can begin to.
create function strata.unreferenced(
  p_dataset strata.datasets, p_keys text[], inout ordinals bigint[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- each row by its key: never the whole table for a batch of it
set enable_mergejoin = off
set enable_memoize = off
set row_security = off
as $$
declare
  v_relation constant text := strata.relation(p_dataset);
  v_places tid[];
  v_parts oid[];
  v_found bigint[];
  v_sql constant record := strata.manifest_sql(p_dataset, '$1');
begin
  if strata.references_sql(v_relation::regclass) = 'false' then
    return;
  end if;
  execute format(
    'select coalesce(array_agg(t.ctid), ''{}''), coalesce(array_agg(t.tableoid), ''{}''), '
    'coalesce(array_agg(m.o), ''{}'') '
    '  from unnest(%1$s) with ordinality as m (%2$s, o) join %3$s as t on %4$s '
    'where m.o = any ($2) and not (%5$s)',
    v_sql.items, v_sql.names, v_relation, v_sql.same_key, strata.references_sql(v_relation::regclass, 'all'))
    into v_places, v_parts, v_found using p_keys, ordinals;
  ordinals := array(select v_found[c.o]
                      from unnest(strata.closed_at(v_relation::regclass, v_places, v_parts)) as c (o));
end
$$;
comment on function strata.unreferenced(strata.datasets, text[], bigint[]) is
  'Those of some copies (positions among keys) that no other row of this tier refers to.';
select strata.pin('strata.unreferenced(strata.datasets, text[], bigint[])');

-- Takes back what the source kept: only rows this move brought (as is known by their keys), and only where
-- they still are what it brought, or nobody has touched them since, whatever this tier has made of them. A
-- source that names other rows deletes nothing.
create function strata.retract(
  p_dataset strata.datasets, p_columns text[], p_ordinals integer[], p_keys text[], p_fingerprints bytea[],
  p_arrival strata.arrivals
)
returns text[]
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- each row by its key or place: never the whole table for a batch of it
set enable_mergejoin = off
set enable_memoize = off
set row_security = off
as $$
declare
  v_sql constant record := strata.manifest_sql(p_dataset, '$1');
  v_retracted bigint[];
  v_outcomes text[];
begin
  if strata.missing_columns(p_dataset, p_columns) <> '{}' then
    -- what is left of the copies is not what was copied
    return array_fill('other'::text, array[cardinality(p_ordinals)]);
  end if;
  perform set_config('strata.purging', 'on', true);
  execute format(
    'select coalesce(array_agg(g.o), ''{}'') from ( '
    '  select m.o from unnest(%1$s, $2, $3) with ordinality as m (%2$s, ordinal, mark, o) '
    'join %3$s as t on %4$s '
    '   where not (m.ordinal = any ($4)) and %5$s = any ($5) '
    '     and (t.xmin = any ($7) or strata.fingerprint(%6$s) = m.mark) for update of t) as g',
    v_sql.items, v_sql.names, strata.relation(p_dataset), v_sql.same_key,
    strata.brought_sql(p_dataset, '$6'),
    strata.content_sql(strata.relation(p_dataset)::regclass, p_columns))
    into v_retracted using p_keys, p_ordinals, p_fingerprints, p_arrival.not_ours, p_arrival.brought,
                           p_arrival.seed,
      case when p_arrival.file = strata.file_of(strata.twin(p_dataset))
             then array_append(p_arrival.versions, p_arrival.version) else '{}' end;
  v_retracted := strata.unreferenced(p_dataset, p_keys, v_retracted);
  perform strata.unbook_copies(p_dataset, p_keys, v_retracted);
  execute format( -- by key: in a table of parts a place is one of each part
    'delete from %1$s as t using unnest(%2$s) with ordinality as m (%3$s, o) where %4$s and m.o = any ($2)',
    strata.relation(p_dataset), v_sql.items, v_sql.names, v_sql.same_key) using p_keys, v_retracted;
  perform set_config('strata.purging', 'off', true);
  execute format( -- a trigger of this tier's may have kept one
    'select array_agg(case when t.ctid is not null then ''other'' when m.o = any ($2) then ''retracted'' '
    'else ''absent'' end order by m.o) '
    '  from unnest(%1$s) with ordinality as m (%2$s, o) left join %3$s as t on %4$s',
    v_sql.items, v_sql.names, strata.relation(p_dataset), v_sql.same_key)
    into v_outcomes using p_keys, v_retracted;
  return v_outcomes;
end
$$;
comment on function strata.retract(strata.datasets, text[], integer[], text[], bytea[], strata.arrivals) is
  'Deletes copies their source kept, where they are still exactly what was copied, or the version that was '
  'written then, and nothing here refers to them; says for each: retracted, absent, other.';
select strata.pin('strata.retract(strata.datasets, text[], integer[], text[], bytea[], strata.arrivals)');
