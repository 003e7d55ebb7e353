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
  file text,
  constraint arrivals_pkey primary key (move_id),
  constraint arrivals_closed_with_outcomes check ((closed_at is null) = (outcomes is null))
);
comment on table strata.arrivals is
  'Moves into this tier, open until their source closes them. not_ours: positions whose row was here before. refused: '
  'rows this tier would not take (ordinal, code, says). bytes: of text received. places, version, file: where its rows were '
  'put, as which version (xmin), in which file of the table; null when they came one by one, and once closed.';
revoke all on strata.arrivals from public;
alter table strata.arrivals enable row level security;
alter table strata.arrivals alter column places set storage external; -- it lives for a second
create index arrivals_open_idx on strata.arrivals (dataset) where closed_at is null;
create index arrivals_closed_idx on strata.arrivals (closed_at);

-- What is not written to the log is gone after a crash, however often it was committed.
create function strata.check_logged(p_relation regclass)
returns void
language plpgsql
stable
set search_path = ''
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
set search_path = ''
as $$
declare
  v_here text[];
  v_objection record;
begin
  if to_regclass(strata.relation(p_dataset)) is null then
    raise exception 'the twin % is gone from %', strata.relation(p_dataset), strata.tier()
      using errcode = 'ST020', hint = strata.remedy('ST020');
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

create function strata.receive(p_move uuid, p_dataset text, p_from text, p_columns text[], p_lines text)
returns jsonb
language plpgsql
security definer -- a pushing tier calls it as strata_mover
set search_path = ''
as $$
declare
  v_dataset strata.datasets;
  v_arrival strata.arrivals;
  v_lines text[];
begin
  perform strata.lock_dataset(p_dataset);
  v_dataset := strata.dataset(p_dataset);
  select a.* into v_arrival from strata.arrivals as a where a.move_id = p_move;
  if v_arrival.closed_at is not null then
    raise exception 'move % was closed already', p_move using errcode = 'ST031', hint = strata.remedy('ST031');
  elsif v_arrival.move_id is not null then
    return v_arrival.refused;
  end if;
  perform strata.keep_memory(octet_length(p_lines));
  perform strata.check_columns(v_dataset, p_columns);
  perform set_config('synchronous_commit', 'on', true)
    where current_setting('synchronous_commit') = 'off'; -- a proof promises that the row is on disk
  begin
    if strata.has_insert_triggers(strata.relation(v_dataset)::regclass) then
      v_lines := strata.lines_of(p_move, p_columns, p_lines);
      v_arrival.rows_received := strata.insert_lines(v_dataset, p_columns, v_lines);
      if v_arrival.rows_received < cardinality(v_lines) then
        raise exception 'some rows are here already' using errcode = 'ST040';
      end if;
    else
      v_arrival.places := strata.insert_batch(v_dataset, p_move, p_columns, p_lines);
      v_arrival.rows_received := cardinality(v_arrival.places);
    end if;
    v_arrival.not_ours := '{}';
    v_arrival.refused := '[]';
  exception when others then
    if sqlstate <> 'ST040' and not strata.is_row_error(sqlstate) then
      raise;
    end if;
    v_lines := strata.lines_of(p_move, p_columns, p_lines);
    v_arrival.places := null;
    select o.inserted, o.not_ours, o.refused into v_arrival.rows_received, v_arrival.not_ours, v_arrival.refused
      from strata.insert_one_by_one(v_dataset, p_columns, v_lines) as o;
    perform strata.note_met(p_move, v_dataset, p_columns, v_lines, v_arrival.not_ours);
  end;
  insert into strata.arrivals (move_id, dataset, from_tier, opened_at, rows_received, bytes, not_ours, refused, places, version, file)
  select p_move, p_dataset, p_from, strata.clock(), v_arrival.rows_received, octet_length(p_lines), v_arrival.not_ours, v_arrival.refused,
         p.places, p.version, p.file
    from strata.place(strata.relation(v_dataset)::regclass, v_arrival.places) as p;
  return v_arrival.refused;
end
$$;
comment on function strata.receive(uuid, text, text, text[], text) is
  'Takes a batch in, in one transaction with its arrival, and says which rows it refuses. Run again it changes nothing. '
  'Never overwrites. ST020 to ST027, ST032: the twin does not fit. ST031: the move was closed.';
revoke execute on function strata.receive(uuid, text, text, text[], text) from public;
grant execute on function strata.receive(uuid, text, text, text[], text) to strata_mover;

create function strata.place(p_relation regclass, inout places tid[], out version xid, out file text)
language plpgsql
stable
set search_path = ''
as $$
begin
  file := case when cardinality(places) > 0 then strata.file_of(p_relation) end;
  if file is null then
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
-- is a guess at 64 of them: only the seal tells for certain.
create function strata.places_sql(p_relation text, p_arrival strata.arrivals, p_one_by_one boolean default false)
returns text
language plpgsql
stable
set search_path = ''
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

-- Looked for by place and version, a row costs half of what it costs by its key, and no key crosses. What is found there is
-- proved by its content, the key in it, as everywhere: by one hash over all of them, or by one for each if that is not the
-- one expected. Not by one hash where the rows are huge: they would be held once more for it.
create function strata.prove_places(p_move uuid, p_dataset strata.datasets, p_columns text[], p_seal bytea)
returns bytea[]
language plpgsql
stable
set search_path = ''
set enable_hashjoin = off -- each row by its place: never the whole table for a batch of it
set enable_seqscan = off -- the planner takes xmin = $2 for few rows, and would read a small table once for each place
set enable_mergejoin = off
set enable_memoize = off
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set timezone = 'UTC'
set extra_float_digits = 1
set bytea_output = 'hex'
set lc_monetary = 'C'
set xmlbinary = 'base64'
set row_security = off
as $$
declare
  v_relation constant text := strata.relation(p_dataset);
  v_content constant text := strata.content_sql(strata.twin(p_dataset), p_columns);
  v_arrival strata.arrivals;
  v_seal_sql text;
  v_seal bytea;
  v_proofs bytea[];
begin
  select a.* into v_arrival from strata.arrivals as a where a.move_id = p_move and a.closed_at is null;
  if v_arrival.file is distinct from strata.file_of(strata.twin(p_dataset)) or v_arrival.places is null then
    return null;
  end if;
  v_seal_sql := case when p_seal is not null and v_arrival.bytes < 67108864 then format('strata.seal(string_agg(%s, ''''))', v_content) else 'null::bytea' end;
  if v_seal_sql <> 'null::bytea' then
    execute format('select %s from %s as t', v_seal_sql, strata.places_sql(v_relation, v_arrival))
      into v_seal using v_arrival.places, v_arrival.version;
    if v_seal = p_seal then
      return array[p_seal];
    end if;
  end if;
  execute format('select array_agg(strata.fingerprint(%s)), %s from %s as t',
    v_content, v_seal_sql, strata.places_sql(v_relation, v_arrival, true)) into v_proofs, v_seal using v_arrival.places, v_arrival.version;
  return case when v_seal = p_seal then array[p_seal] when cardinality(v_proofs) = cardinality(v_arrival.places) then v_proofs end;
end
$$;
comment on function strata.prove_places(uuid, strata.datasets, text[], bytea) is
  'The fingerprints of what an arrival brought, in its order, or the seal of all if that is the one given, if every row is '
  'where it was put; otherwise null.';
revoke execute on function strata.prove_places(uuid, strata.datasets, text[], bytea) from public;

-- Columns are taken by name: their order may have changed since the copy. Where nothing of the move can be here
-- (it never arrived, or the twin is gone or was given up), there is nothing to prove, and the source claims anew.
create function strata.prove(p_move uuid, p_dataset text, p_columns text[], p_keys text[] default null, p_seal bytea default null)
returns bytea[]
language plpgsql
stable
security definer -- a pushing tier calls it as strata_mover
set search_path = ''
set enable_hashjoin = off -- each row by its key or place: never the whole table for a batch of it
set enable_mergejoin = off
set enable_memoize = off
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set timezone = 'UTC'
set extra_float_digits = 1
set bytea_output = 'hex'
set lc_monetary = 'C'
set xmlbinary = 'base64'
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := (select d from strata.datasets as d where d.name = p_dataset);
  v_missing constant text[] := strata.missing_columns(v_dataset, p_columns);
  v_sql record;
  v_proofs bytea[];
begin
  if strata.twin(v_dataset) is null or (v_missing <> '{}' and v_dataset.accepted is null)
     or not exists (select from strata.arrivals as a where a.move_id = p_move) then
    return case when p_keys is not null then array_fill(null::bytea, array[array_length(p_keys, 2)]) end;
  elsif v_missing <> '{}' then
    raise exception 'column "%" is gone from twin % on %', v_missing[1], strata.relation(v_dataset), strata.tier()
      using errcode = 'ST021', hint = strata.remedy('ST021');
  end if;
  perform strata.check_logged(strata.twin(v_dataset));
  if p_keys is null then
    return strata.prove_places(p_move, v_dataset, p_columns, p_seal);
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
  'of an array when not all are found there: ask again with keys; only the seal, if theirs is the one given. Called in a later transaction than receive(). ST021: a column is gone. '
  'ST027: the twin is unlogged.';
revoke execute on function strata.prove(uuid, text, text[], text[], bytea) from public;
grant execute on function strata.prove(uuid, text, text[], text[], bytea) to strata_mover;

-- Takes back what the source kept: only rows this move brought, and only where they still are what it brought.
create function strata.retract(
  p_dataset strata.datasets, p_columns text[], p_ordinals integer[], p_keys text[], p_fingerprints bytea[], p_not_ours integer[]
)
returns text[]
language plpgsql
set search_path = ''
set enable_hashjoin = off -- each row by its key or place: never the whole table for a batch of it
set enable_mergejoin = off
set enable_memoize = off
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set timezone = 'UTC'
set extra_float_digits = 1
set bytea_output = 'hex'
set lc_monetary = 'C'
set xmlbinary = 'base64'
set row_security = off
as $$
declare
  v_sql constant record := strata.manifest_sql(p_dataset, '$1');
  v_retracted bigint[];
  v_outcomes text[];
begin
  if strata.missing_columns(p_dataset, p_columns) <> '{}' then
    return array_fill('other'::text, array[cardinality(p_ordinals)]); -- what is left of the copies is not what was copied
  end if;
  perform set_config('strata.purging', 'on', true);
  execute format(
    'with gone as (delete from %s as t using unnest(%s, $2, $3) with ordinality as m (%s, ordinal, mark, o) '
    '  where %s and not (m.ordinal = any ($4)) and strata.fingerprint(%s) = m.mark returning m.o) '
    'select coalesce(array_agg(g.o), ''{}'') from gone as g',
    strata.relation(p_dataset), v_sql.items, v_sql.names, v_sql.same_key,
    strata.content_sql(strata.relation(p_dataset)::regclass, p_columns))
    into v_retracted using p_keys, p_ordinals, p_fingerprints, p_not_ours;
  perform set_config('strata.purging', 'off', true);
  execute format(
    'select array_agg(case when m.o = any ($2) then ''retracted'' when t.ctid is null then ''absent'' else ''other'' end order by m.o) '
    '  from unnest(%s) with ordinality as m (%s, o) left join %s as t on %s',
    v_sql.items, v_sql.names, strata.relation(p_dataset), v_sql.same_key)
    into v_outcomes using p_keys, v_retracted;
  return v_outcomes;
end
$$;
comment on function strata.retract(strata.datasets, text[], integer[], text[], bytea[], integer[]) is
  'Deletes copies their source kept, where they are still exactly what was copied; says for each: retracted, absent, other.';
revoke execute on function strata.retract(strata.datasets, text[], integer[], text[], bytea[], integer[]) from public;

create function strata.close_arrival(
  p_move uuid, p_dataset text, p_from text, p_columns text[], p_ordinals integer[], p_keys text[], p_fingerprints bytea[]
)
returns text[]
language plpgsql
security definer -- a pushing tier calls it as strata_mover
set search_path = ''
as $$
declare
  v_arrival strata.arrivals;
  v_outcomes text[] := array[]::text[];
begin
  perform strata.lock_dataset(p_dataset);
  perform set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off';
  select a.* into v_arrival from strata.arrivals as a where a.move_id = p_move;
  if v_arrival.closed_at is not null then
    return v_arrival.outcomes;
  end if;
  if v_arrival.move_id is null then -- nothing was copied; shut the door all the same
    v_outcomes := array_fill('absent'::text, array[coalesce(cardinality(p_ordinals), 0)]);
  elsif cardinality(p_ordinals) > 0 then
    v_outcomes := strata.retract((select d from strata.datasets as d where d.name = p_dataset), p_columns, p_ordinals, p_keys, p_fingerprints, v_arrival.not_ours);
  end if;
  perform strata.settle_met(p_move, p_dataset, p_columns, p_ordinals) where v_arrival.not_ours <> '{}';
  insert into strata.arrivals as a (move_id, dataset, from_tier, opened_at, closed_at, outcomes)
  values (p_move, p_dataset, p_from, strata.clock(), strata.clock(), v_outcomes)
  on conflict (move_id) do update
     set closed_at = excluded.closed_at, outcomes = excluded.outcomes, places = null, version = null, file = null,
         rows_retracted = (select count(*) from unnest(excluded.outcomes) as o where o = 'retracted');
  return v_outcomes;
end
$$;
comment on function strata.close_arrival(uuid, text, text, text[], integer[], text[], bytea[]) is
  'Ends an arrival: retracts the rows its source kept (positions, keys, fingerprints) and shuts the door behind the move. '
  'Returns for each: retracted, absent or other. Run again it gives the same answer.';
revoke execute on function strata.close_arrival(uuid, text, text, text[], integer[], text[], bytea[]) from public;
grant execute on function strata.close_arrival(uuid, text, text, text[], integer[], text[], bytea[]) to strata_mover;
