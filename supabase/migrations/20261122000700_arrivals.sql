-- Arrivals: moves as their destination sees them: receive, prove, close.
--
-- A batch arrives in one transaction together with its arrival row, so the arrival is open exactly when the copy is
-- committed. While it is open this tier neither moves that dataset on nor deletes from it: a copy could otherwise
-- travel out of reach of its retraction. A closed arrival is remembered for a month, so that a straggler (the
-- same batch from a line that was thought dead) finds the door shut instead of bringing rows back.
-- Nothing is ever overwritten here: a row that is there already and identical is fine, any other is a conflict.

create table strata.arrivals (
  move_id uuid not null,
  dataset text not null,
  from_tier text not null,
  opened_at timestamptz not null,
  closed_at timestamptz,
  rows_received integer not null default 0,
  rows_retracted integer not null default 0,
  bytes bigint not null default 0,
  not_ours integer[] not null default '{}',
  refused jsonb not null default '[]',
  outcomes text[],
  places tid[],
  version xid,
  versions xid[] not null default '{}',
  seed bigint not null default 0,
  brought bigint[] not null default '{}',
  file text,
  constraint arrivals_pkey primary key (move_id),
  constraint arrivals_closed_with_outcomes check ((closed_at is null) = (outcomes is null))
);
comment on table strata.arrivals is
  'Moves into this tier, open until their source closes them. not_ours: positions whose row was here before. refused: '
  'rows this tier would not take (ordinal, code, says), until it is closed. bytes: of text received. places, version, file: where its rows were '
  'put, as which version (xmin), in which file of the table; null when they came one by one, and once closed. versions: as which they came then. seed, brought: of the keys of all rows '
  'it brought, however they came, hashes; only these may be taken back; none once closed.';
revoke all on strata.arrivals from public;
alter table strata.arrivals enable row level security;
alter table strata.arrivals alter column places set storage external; -- it lives for a second
alter table strata.arrivals alter column brought set storage external;
create index arrivals_open_idx on strata.arrivals (dataset) where closed_at is null;
create index arrivals_closed_idx on strata.arrivals (closed_at);

-- What is not written to the log is gone after a crash, however often it was committed.
create function strata.check_logged(p_relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan -- asked for every batch, and the planning takes longer than the answer
as $$
begin
  -- Each by its number, in a select list: the planner would read all of pg_class for the few there are.
  if exists (select from (select p_relation as relid union all select p.relid from pg_catalog.pg_partition_tree(p_relation) as p) as r
              where (select c.relpersistence from pg_catalog.pg_class as c where c.oid = r.relid) <> 'p') then
    raise exception 'the twin % on % is unlogged: a crash would empty it', p_relation, strata.tier()
      using errcode = 'ST027', hint = strata.remedy('ST027');
  end if;
end
$$;
comment on function strata.check_logged(regclass) is 'Refuses (ST027) a table, or one with a partition, that a crash would empty.';
revoke execute on function strata.check_logged(regclass) from public;

create function strata.check_columns(p_dataset strata.datasets, p_columns text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_here text[];
  v_objection record;
begin
  if to_regclass(strata.relation(p_dataset)) is null then
    raise exception '%', strata.twin_is_gone(p_dataset)
      using errcode = 'ST020', hint = strata.remedy('ST020', p_dataset.name);
  end if;
  -- Keeps columns from changing between this check and the end of the transaction.
  execute format('lock table %s in row exclusive mode', strata.relation(p_dataset));
  perform strata.check_logged(strata.relation(p_dataset)::regclass);
  select array_agg(a.attname::text order by a.attnum) into v_here
    from pg_catalog.pg_attribute as a
   where a.attrelid = strata.relation(p_dataset)::regclass and a.attnum > 0 and not a.attisdropped;
  if cardinality(v_here) <> cardinality(p_columns)
     or exists (select from unnest(v_here, p_columns) as c (here, sent) where c.sent <> c.here) then
    raise exception 'the columns of % on % are (%), the batch has (%)', strata.relation(p_dataset), strata.tier(),
      array_to_string(v_here, ', '), array_to_string(p_columns, ', ', '-')
      using errcode = 'ST032', hint = strata.remedy('ST032');
  end if;
  -- A column that was narrowed here would cut values off without a word.
  for v_objection in
    select * from strata.twin_objections(p_dataset.accepted, p_dataset.accepted, strata.relation(p_dataset)::regclass)
     where p_dataset.accepted is not null limit 1
  loop
    raise exception '%', v_objection.says using errcode = v_objection.code, hint = strata.remedy(v_objection.code);
  end loop;
end
$$;
comment on function strata.check_columns(strata.datasets, text[]) is
  'Refuses a batch whose columns are not this twin''s, in its order, or a twin that is no longer what was accepted. '
  'ST020 to ST025: no twin, or it has changed. ST027: it is unlogged. ST032: other columns.';
revoke execute on function strata.check_columns(strata.datasets, text[]) from public;

create function strata.check_source(p_dataset strata.datasets, p_from text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_dataset.accepted_from is distinct from p_from then
    raise exception 'dataset "%" of % is not one that % settles into it', p_dataset.name, strata.tier(), p_from
      using errcode = 'ST029', hint = strata.remedy('ST029');
  end if;
end
$$;
comment on function strata.check_source(strata.datasets, text) is 'ST029: rows come for a dataset that is this tier''s own, or another neighbour''s.';
revoke execute on function strata.check_source(strata.datasets, text) from public;

create function strata.random_seed()
returns bigint
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$ select ('x' || encode(substr(uuid_send(gen_random_uuid()), 9, 8), 'hex'))::bit(64)::bigint $$;
comment on function strata.random_seed() is 'A seed for hashes that nobody can guess: 62 random bits.';
revoke execute on function strata.random_seed() from public;

create function strata.receive(p_move uuid, p_dataset text, p_from text, p_columns text[], p_lines text)
returns jsonb
language plpgsql
security definer -- a pushing tier calls it as strata_mover
set search_path = pg_catalog, pg_temp
as $$
declare
  v_dataset strata.datasets;
  v_arrival strata.arrivals;
  v_lines text[];
  v_insertion strata.insertion;
  v_seed constant bigint := strata.random_seed();
begin
  perform strata.check_asker('hotter', coalesce(p_from, ''));
  perform strata.lock_dataset(p_dataset);
  v_dataset := strata.dataset(p_dataset);
  perform strata.check_source(v_dataset, p_from);
  select a.* into v_arrival from strata.arrivals as a where a.move_id = p_move;
  if v_arrival.closed_at is not null then
    raise exception 'move % was closed already', p_move using errcode = 'ST031', hint = strata.remedy('ST031');
  elsif v_arrival.move_id is not null then
    return v_arrival.refused;
  end if;
  perform strata.keep_memory(octet_length(p_lines)), strata.check_columns(v_dataset, p_columns);
  perform set_config('synchronous_commit', 'on', true)
    where current_setting('synchronous_commit') = 'off'; -- a proof promises that the row is on disk
  begin
    if strata.is_read_back(strata.relation(v_dataset)::regclass) then
      v_lines := strata.lines_of(p_move, p_columns, p_lines);
      select i.inserted, i.brought, i.versions into v_arrival.rows_received, v_arrival.brought, v_arrival.versions
        from strata.insert_lines(v_dataset, p_columns, v_lines, v_seed, strata.way_in(v_dataset, p_columns)) as i;
      if v_arrival.rows_received < cardinality(v_lines) then
        raise exception 'some rows are here already' using errcode = 'ST040';
      end if;
    else
      v_insertion := strata.insert_batch(v_dataset, p_move, p_columns, p_lines, v_seed);
      v_arrival.places := v_insertion.places;
      v_arrival.brought := v_insertion.brought;
      v_arrival.rows_received := cardinality(v_arrival.places);
      v_lines := strata.lines_of(p_move, p_columns, p_lines) where strata.file_of(strata.relation(v_dataset)::regclass) is null; -- a place is one of each part
    end if;
    v_arrival.not_ours := '{}'; v_arrival.refused := '[]';
  exception when others then
    if sqlstate <> 'ST040' and not strata.is_row_error(sqlstate) and not strata.may_be_of_value(sqlstate) then
      raise;
    end if;
    v_lines := strata.lines_of(p_move, p_columns, p_lines);
    v_arrival.places := null;
    select o.inserted, o.brought, o.versions, o.not_ours, o.refused
      into v_arrival.rows_received, v_arrival.brought, v_arrival.versions, v_arrival.not_ours, v_arrival.refused
      from strata.insert_one_by_one(v_dataset, p_columns, v_lines, v_seed, strata.way_in(v_dataset, p_columns)) as o;
    perform strata.note_met(p_move, v_dataset, p_columns, v_lines, v_arrival.not_ours);
  end;
  insert into strata.arrivals (move_id, dataset, from_tier, opened_at, rows_received, bytes, not_ours, refused, places, version, versions, file, seed, brought)
  select p_move, p_dataset, p_from, strata.clock(), v_arrival.rows_received, octet_length(p_lines), v_arrival.not_ours, v_arrival.refused,
         p.places, p.version, strata.distinct_versions(v_arrival.versions), p.file, v_seed, coalesce(v_arrival.brought, '{}')
    from strata.place(strata.relation(v_dataset)::regclass, v_arrival.places) as p;
  perform strata.book_arrival(v_dataset, v_insertion, v_lines, v_arrival);
  return v_arrival.refused;
end
$$;
comment on function strata.receive(uuid, text, text, text[], text) is
  'Takes a batch in, in one transaction with its arrival, and says which rows it refuses. Run again it changes nothing. '
  'Never overwrites. ST020 to ST027, ST032: the twin does not fit. ST031: the move was closed.';
revoke execute on function strata.receive(uuid, text, text, text[], text) from public;
grant execute on function strata.receive(uuid, text, text, text[], text) to strata_mover;

create function strata.distinct_versions(p_versions xid[])
returns xid[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select coalesce(array_agg(v.version), '{}') from (select distinct x.version from unnest(p_versions) as x (version) where x.version is not null) as v $$;
comment on function strata.distinct_versions(xid[]) is 'Each version once.';
revoke execute on function strata.distinct_versions(xid[]) from public;

create function strata.place(p_relation regclass, inout places tid[], out version xid, out file text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  file := strata.file_of(p_relation);
  if file is null or coalesce(cardinality(places), 0) = 0 then
    places := null;
  else
    execute format('select t.xmin from only %s as t where t.ctid = $1', p_relation) into version using places[1];
  end if;
end
$$;
comment on function strata.place(regclass, tid[]) is
  'What is written down of where a batch was put; nothing where that would not be enough to find it again.';
revoke execute on function strata.place(regclass, tid[]) from public;

-- How the rows of an arrival are read in the order in which they were put, the cheapest way first: page by page where they
-- fill the pages between the first and the last of them, one by one as they lie, or place by place. Whether they lie so
-- is a guess at 64 of them: only the batch proof tells for certain.
create function strata.places_sql(p_relation text, p_arrival strata.arrivals, p_one_by_one boolean default false)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_last constant integer := cardinality(p_arrival.places);
  v_step constant integer := greatest(v_last / 64, 1);
  v_ascend constant boolean := (
    select bool_and(p_arrival.places[n] < p_arrival.places[least(n + v_step, v_last)]) from generate_series(1, v_last - 1, v_step) as n);
  v_pages constant float := (p_arrival.places[v_last]::text::point)[0] - (p_arrival.places[1]::text::point)[0];
begin
  return case when p_one_by_one or not coalesce(v_ascend, false)
              then format('(select t.* from unnest($1) with ordinality as m (place, o) join only %s as t on t.ctid = m.place and t.xmin = $2 order by m.o)', p_relation)
              when v_pages * current_setting('block_size')::integer <= 4 * p_arrival.bytes
              then format('(select t.* from only %s as t where t.ctid >= $1[1] and t.ctid <= $1[%s] and t.xmin = $2)', p_relation, v_last)
              else format('(select t.* from only %s as t where t.ctid = any ((select $1)::tid[]) and t.xmin = $2)', p_relation) end;
end
$$;
comment on function strata.places_sql(text, strata.arrivals, boolean) is
  'SQL for the rows of an arrival at their places ($1), as the version it brought ($2): a FROM item, without an alias. '
  'p_one_by_one: place by place, however they lie.';
revoke execute on function strata.places_sql(text, strata.arrivals, boolean) from public;
select strata.pin('strata.places_sql(text, strata.arrivals, boolean)');

-- Looked for by place and version, a row costs half of what it costs by its key, and no key crosses. What is found there is
-- proved by its content, the key in it, as everywhere: by one hash over all of them, or by one for each if that is not the
-- one expected. Not by one hash where the rows are huge: they would be held once more for it.
create function strata.prove_places(p_move uuid, p_dataset strata.datasets, p_columns text[], p_proof_hash bytea)
returns bytea[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- each row by its place: never the whole table for a batch of it
set enable_seqscan = off -- the planner takes xmin = $2 for few rows, and would read a small table once for each place
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
                     then format('strata.contents_hash(string_agg(%s, ''''))', v_content) else 'null::bytea' end;
  if v_hash_sql <> 'null::bytea' then
    execute format('select %s from %s as t', v_hash_sql, strata.places_sql(v_relation, v_arrival))
      into v_hash using v_arrival.places, v_arrival.version;
    v_proof := strata.batch_proof(p_move, v_hash);
    if sha256(v_proof) = p_proof_hash then
      return array[v_proof];
    end if;
  end if;
  execute format('select array_agg(strata.fingerprint(%s)), %s from %s as t',
    v_content, v_hash_sql, strata.places_sql(v_relation, v_arrival, true)) into v_proofs, v_hash using v_arrival.places, v_arrival.version;
  v_proof := strata.batch_proof(p_move, v_hash);
  return case when sha256(v_proof) = p_proof_hash then array[v_proof] when cardinality(v_proofs) = cardinality(v_arrival.places) then v_proofs end;
end
$$;
comment on function strata.prove_places(uuid, strata.datasets, text[], bytea) is
  'The fingerprints of what an arrival brought, in its order, or the batch proof if it is the one of which the hash was given, if every row is '
  'where it was put; otherwise null.';
revoke execute on function strata.prove_places(uuid, strata.datasets, text[], bytea) from public;
select strata.pin('strata.prove_places(uuid, strata.datasets, text[], bytea)');

-- Columns are taken by name: their order may have changed since the copy. Where nothing of the move can be here
-- (it never arrived, or the twin is gone or was given up), there is nothing to prove, and the source claims anew.
create function strata.prove(p_move uuid, p_dataset text, p_columns text[], p_keys text[] default null, p_proof_hash bytea default null)
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
  perform strata.check_asker('hotter', (select a.from_tier from strata.arrivals as a where a.move_id = p_move)),
          strata.check_settled(p_dataset);
  if strata.twin(v_dataset) is null or strata.asks_for_part(v_dataset, p_columns) or (v_missing <> '{}' and v_dataset.accepted is null)
     or not exists (select from strata.arrivals as a where a.move_id = p_move and a.dataset = p_dataset) then
    return case when p_keys is not null then array_fill(null::bytea, array[array_length(p_keys, 2)]) end;
  elsif v_missing <> '{}' then
    raise exception 'column "%" is gone from twin % on %', v_missing[1], strata.relation(v_dataset), strata.tier()
      using errcode = 'ST021', hint = strata.remedy('ST021');
  end if;
  perform strata.check_logged(strata.twin(v_dataset));
  if p_keys is null then
    return strata.prove_places(p_move, v_dataset, p_columns, p_proof_hash);
  end if;
  v_sql := strata.manifest_sql(v_dataset, '$1');
  execute format(
    'select array_agg(case when t.ctid is not null then strata.fingerprint(%s) end order by m.o) '
    '  from unnest(%s) with ordinality as m (%s, o) left join %s as t on %s',
    strata.content_sql(strata.twin(v_dataset), p_columns), v_sql.items, v_sql.names, strata.relation(v_dataset), v_sql.same_key)
    into v_proofs using p_keys;
  return v_proofs;
end
$$;
comment on function strata.prove(uuid, text, text[], text[], bytea) is
  'The fingerprints of the rows this tier has committed under a move''s keys, in their order; null where there is none, '
  'and everywhere when the move never arrived. Without keys, those of the rows where receive() has put them; null instead '
  'of an array when not all are found there: ask again with keys; only the batch proof, if it is the one of which the hash was given. Called in a later transaction than receive(). ST021: a column is gone. '
  'ST027: the twin is unlogged.';
revoke execute on function strata.prove(uuid, text, text[], text[], bytea) from public;
select strata.pin('strata.prove(uuid, text, text[], text[], bytea)');
grant execute on function strata.prove(uuid, text, text[], text[], bytea) to strata_mover;
