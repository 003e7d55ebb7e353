create function strata.distinct_versions(p_versions xid[])
returns xid[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(v.version), '{}')
    from (select distinct x.version from unnest(p_versions) as x (version) where x.version is not null) as v
$$;
comment on function strata.distinct_versions(xid[]) is 'Each version once.';

create function strata.place(
  p_relation regclass, inout places tid[], out version xid, out file text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  file := strata.file_of(p_relation);
  if file is null or coalesce(cardinality(places), 0) = 0 then
    places := null;
  else
    execute format('select t.xmin from only %s as t where t.ctid = $1', p_relation) into version
      using places[1];
  end if;
end
$$;
comment on function strata.place(regclass, tid[]) is
  'What is written down of where a batch was put; nothing where that would not be enough to find it again.';

-- How the rows of an arrival are read in the order in which they were put, the cheapest way first: page by
-- page where they fill the pages between the first and the last of them, one by one as they lie, or place by
-- place. Whether they lie so is a guess at 64 of them: only the batch proof tells for certain.
create function strata.places_sql(
  p_relation text, p_arrival strata.arrivals, p_one_by_one boolean default false
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_last constant integer := cardinality(p_arrival.places);
  v_step constant integer := greatest(v_last / 64, 1);
  v_ascend constant boolean := (
    select bool_and(p_arrival.places[n] < p_arrival.places[least(n + v_step, v_last)])
      from generate_series(1, v_last - 1, v_step) as n);
  v_pages constant float :=
    (p_arrival.places[v_last]::text::point)[0] - (p_arrival.places[1]::text::point)[0];
begin
  return case when p_one_by_one or not coalesce(v_ascend, false)
              then format('(select t.* from unnest($1) with ordinality as m (place, o) join only %s as t '
                          'on t.ctid = m.place and t.xmin = $2 order by m.o)', p_relation)
              when v_pages * current_setting('block_size')::integer <= 4 * p_arrival.bytes
              then format('(select t.* from only %1$s as t where t.ctid >= $1[1] '
                          'and t.ctid <= $1[%2$s] and t.xmin = $2)', p_relation, v_last)
              else format('(select t.* from only %s as t '
                          'where t.ctid = any ((select $1)::tid[]) and t.xmin = $2)', p_relation) end;
end
$$;
comment on function strata.places_sql(text, strata.arrivals, boolean) is
  'SQL for the rows of an arrival at their places ($1), as the version it brought ($2): a FROM item, without '
  'an alias. p_one_by_one: place by place, however they lie.';
select strata.pin('strata.places_sql(text, strata.arrivals, boolean)');

-- Looked for by place and version, a row costs half of what it costs by its key, and no key crosses. What is
-- found there is proved by its content, the key in it, as everywhere: by one hash over all of them, or by one
-- for each if that is not the one expected. Not by one hash where the rows are huge: they would be held once
-- more for it.
create function strata.prove_places(
  p_move uuid, p_dataset strata.datasets, p_columns text[], p_proof_hash bytea
)
returns bytea[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- each row by its place: never the whole table for a batch of it
-- the planner takes xmin = $2 for few rows, and would read a small table once for each place
set enable_seqscan = off
set jit = off -- a scan that is off counts as dear, and would be compiled
set enable_mergejoin = off
set enable_memoize = off
set row_security = off
as $$
declare
  v_relation constant text := strata.relation(p_dataset);
  v_content constant text := strata.content_sql(strata.twin(p_dataset), p_columns);
  v_arrival strata.arrivals;
  v_hash_sql text;
  v_hash bytea;
  v_proof bytea;
  v_proofs bytea[];
begin
  select a.* into v_arrival from strata.arrivals as a where a.move_id = p_move and a.closed_at is null;
  if v_arrival.file is distinct from strata.file_of(strata.twin(p_dataset)) or v_arrival.places is null then
    return null;
  end if;
  v_hash_sql := case when p_proof_hash is not null and v_arrival.bytes < 67108864
                     then format('strata.contents_hash(string_agg(%s, ''''))', v_content)
                     else 'null::bytea' end;
  if v_hash_sql <> 'null::bytea' then
    execute format('select %1$s from %2$s as t', v_hash_sql, strata.places_sql(v_relation, v_arrival))
      into v_hash using v_arrival.places, v_arrival.version;
    v_proof := strata.batch_proof(p_move, v_hash);
    if sha256(v_proof) = p_proof_hash then
      return array[v_proof];
    end if;
  end if;
  execute format('select array_agg(strata.fingerprint(%1$s)), %2$s from %3$s as t',
    v_content, v_hash_sql, strata.places_sql(v_relation, v_arrival, true)) into v_proofs, v_hash
    using v_arrival.places, v_arrival.version;
  v_proof := strata.batch_proof(p_move, v_hash);
  return case when sha256(v_proof) = p_proof_hash then array[v_proof]
              when cardinality(v_proofs) = cardinality(v_arrival.places) then v_proofs end;
end
$$;
comment on function strata.prove_places(uuid, strata.datasets, text[], bytea) is
  'The fingerprints of what an arrival brought, in its order, or the batch proof if it is the one of which '
  'the hash was given, if every row is where it was put; otherwise null.';
select strata.pin('strata.prove_places(uuid, strata.datasets, text[], bytea)');

-- Columns are taken by name: their order may have changed since the copy. Where nothing of the move can be
-- here (it never arrived, or the twin is gone or was given up), there is nothing to prove, and the source
-- claims anew.
create function strata.prove(
  p_move uuid, p_dataset text, p_columns text[], p_keys text[] default null,
  p_proof_hash bytea default null
)
returns bytea[]
language plpgsql
stable
security definer -- a pushing tier calls it as strata_mover
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- each row by its key or place: never the whole table for a batch of it
set enable_mergejoin = off
set enable_memoize = off
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := (select d from strata.datasets as d where d.name = p_dataset);
  v_missing constant text[] := strata.missing_columns(v_dataset, p_columns);
  v_sql record;
  v_proofs bytea[];
begin
  perform strata.check_asker('hotter',
                             (select a.from_tier from strata.arrivals as a where a.move_id = p_move)),
          strata.check_settled(p_dataset);
  if strata.twin(v_dataset) is null or strata.asks_for_part(v_dataset, p_columns)
     or (v_missing <> '{}' and v_dataset.accepted is null)
     or not exists (select from strata.arrivals as a where a.move_id = p_move and a.dataset = p_dataset) then
    return case when p_keys is not null then array_fill(null::bytea, array[array_length(p_keys, 2)]) end;
  elsif v_missing <> '{}' then
    raise exception 'column "%" is gone from twin % on %', v_missing[1], strata.relation(v_dataset),
      strata.tier()
      using errcode = 'ST021', hint = strata.remedy('ST021');
  end if;
  perform strata.check_logged(strata.twin(v_dataset));
  if p_keys is null then
    return strata.prove_places(p_move, v_dataset, p_columns, p_proof_hash);
  end if;
  v_sql := strata.manifest_sql(v_dataset, '$1');
  execute format(
    'select array_agg(case when t.ctid is not null then strata.fingerprint(%1$s) end order by m.o) '
    '  from unnest(%2$s) with ordinality as m (%3$s, o) left join %4$s as t on %5$s',
    strata.content_sql(strata.twin(v_dataset), p_columns), v_sql.items, v_sql.names,
    strata.relation(v_dataset), v_sql.same_key)
    into v_proofs using p_keys;
  return v_proofs;
end
$$;
comment on function strata.prove(uuid, text, text[], text[], bytea) is
  'The fingerprints of the rows this tier has committed under a move''s keys, in their order; null where '
  'there is none, and everywhere when the move never arrived. Without keys, those of the rows where '
  'receive() has put them; null instead of an array when not all are found there: ask again with keys; '
  'only the batch proof, if it is the one of which the hash was given. Called in a later transaction than '
  'receive(). ST021: a column is gone. ST027: the twin is unlogged.';
select strata.pin('strata.prove(uuid, text, text[], text[], bytea)');
grant execute on function strata.prove(uuid, text, text[], text[], bytea) to strata_mover;
