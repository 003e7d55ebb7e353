-- Arrivals: moves as their destination sees them: receive, prove, close.
--
-- A batch arrives in one transaction together with its arrival row, so the arrival is open exactly when the
-- copy is committed. While it is open this tier neither moves that dataset on nor deletes from it: a copy
-- could otherwise travel out of reach of its retraction. A closed arrival is remembered for a month, so that
-- a straggler (the same batch from a line that was thought dead) finds the door shut instead of bringing rows
-- back. Nothing is ever overwritten here: a row that is there already and identical is fine, any other is a
-- conflict.

-- What is not written to the log is gone after a crash, however often it was committed.
create function strata.check_logged(p_relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
begin
  -- Each by its number, in a select list: the planner would read all of pg_class for the few there are.
  if exists (select from (select p_relation as relid
                          union all select p.relid from pg_catalog.pg_partition_tree(p_relation) as p) as r
              where (select c.relpersistence from pg_catalog.pg_class as c where c.oid = r.relid) <> 'p') then
    raise exception 'the twin % on % is unlogged: a crash would empty it', p_relation, strata.tier()
      using errcode = 'ST027', hint = strata.remedy('ST027');
  end if;
end
$$;
comment on function strata.check_logged(regclass) is
  'Refuses (ST027) a table, or one with a partition, that a crash would empty.';

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
    raise exception 'the columns of % on % are (%), the batch has (%)', strata.relation(p_dataset),
      strata.tier(),
      array_to_string(v_here, ', '), array_to_string(p_columns, ', ', '-')
      using errcode = 'ST032', hint = strata.remedy('ST032');
  end if;
  -- A column that was narrowed here would cut values off without a word.
  for v_objection in
    select * from strata.twin_objections(p_dataset.accepted, p_dataset.accepted,
                                         strata.relation(p_dataset)::regclass)
     where p_dataset.accepted is not null limit 1
  loop
    raise exception '%', v_objection.says
      using errcode = v_objection.code, hint = strata.remedy(v_objection.code);
  end loop;
end
$$;
comment on function strata.check_columns(strata.datasets, text[]) is
  'Refuses a batch whose columns are not this twin''s, in its order, or a twin that is no longer what was '
  'accepted. ST020 to ST025: no twin, or it has changed. ST027: it is unlogged. ST032: other columns.';

create function strata.check_source(p_dataset strata.datasets, p_from text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_dataset.accepted_from is distinct from p_from then
    raise exception 'dataset "%" of % is not one that % settles into it', p_dataset.name, strata.tier(),
      p_from
      using errcode = 'ST029', hint = strata.remedy('ST029');
  end if;
end
$$;
comment on function strata.check_source(strata.datasets, text) is
  'ST029: rows come for a dataset that is this tier''s own, or another neighbour''s.';

create function strata.random_seed()
returns bigint
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$ select ('x' || encode(substr(uuid_send(gen_random_uuid()), 9, 8), 'hex'))::bit(64)::bigint $$;
comment on function strata.random_seed() is 'A seed for hashes that nobody can guess: 62 random bits.';

create function strata.keep_arrival(
  p_arrival strata.arrivals, p_dataset strata.datasets, p_from text, p_bytes integer
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into strata.arrivals (move_id, dataset, from_tier, opened_at, rows_received, bytes, not_ours,
                               refused, places, version, versions, file, seed, brought)
  select p_arrival.move_id, p_dataset.name, p_from, strata.clock(), p_arrival.rows_received, p_bytes,
         p_arrival.not_ours, p_arrival.refused, p.places, p.version,
         strata.distinct_versions(p_arrival.versions), p.file, p_arrival.seed,
         coalesce(p_arrival.brought, '{}')
    from strata.place(strata.relation(p_dataset)::regclass, p_arrival.places) as p;
end
$$;
comment on function strata.keep_arrival(strata.arrivals, strata.datasets, text, integer) is
  'Writes down what a batch of so many bytes has brought, and where it lies.';

create function strata.arrival_of(p_move uuid)
returns strata.arrivals
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_arrival strata.arrivals;
begin
  select a.* into v_arrival from strata.arrivals as a where a.move_id = p_move;
  if v_arrival.closed_at is not null then
    raise exception 'move % was closed already', p_move
      using errcode = 'ST031', hint = strata.remedy('ST031');
  end if;
  return v_arrival;
end
$$;
comment on function strata.arrival_of(uuid) is
  'What is known here of a move, nulls for nothing. ST031: it was closed.';

create function strata.take_one_by_one(
  p_arrival strata.arrivals, p_dataset strata.datasets, p_columns text[], p_lines text[]
)
returns strata.arrivals
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_arrival strata.arrivals := p_arrival;
begin
  v_arrival.places := null;
  select o.inserted, o.brought, o.versions, o.not_ours, o.refused
    into v_arrival.rows_received, v_arrival.brought, v_arrival.versions, v_arrival.not_ours, v_arrival.refused
    from strata.insert_one_by_one(p_dataset, p_columns, p_lines, p_arrival.seed,
                                  strata.way_in(p_dataset, p_columns)) as o;
  perform strata.note_met(p_arrival.move_id, p_dataset, p_columns, p_lines, v_arrival.not_ours);
  return v_arrival;
end
$$;
comment on function strata.take_one_by_one(strata.arrivals, strata.datasets, text[], text[]) is
  'The careful way in, for a batch of which something was refused: what it has brought, and what not.';

create function strata.receive(
  p_move uuid, p_dataset text, p_from text, p_columns text[], p_lines text
)
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
  v_context text;
begin
  perform strata.check_asker('hotter', coalesce(p_from, '')), strata.lock_dataset(p_dataset);
  v_dataset := strata.dataset(p_dataset);
  perform strata.check_source(v_dataset, p_from);
  v_arrival := strata.arrival_of(p_move);
  if v_arrival.move_id is not null then
    return v_arrival.refused;
  end if;
  v_arrival.move_id := p_move; v_arrival.seed := strata.random_seed();
  perform strata.keep_memory(octet_length(p_lines)), strata.check_columns(v_dataset, p_columns);
  -- a proof promises that the row is on disk
  perform set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off';
  begin
    if strata.is_read_back(strata.relation(v_dataset)::regclass) then
      v_lines := strata.lines_of(p_move, p_columns, p_lines);
      select i.inserted, i.brought, i.versions into v_arrival.rows_received, v_arrival.brought,
                                                    v_arrival.versions
        from strata.insert_lines(v_dataset, p_columns, v_lines, v_arrival.seed,
                                 strata.way_in(v_dataset, p_columns)) as i;
      if v_arrival.rows_received < cardinality(v_lines) then
        raise exception 'some rows are here already' using errcode = 'ST040';
      end if;
    else
      v_insertion := strata.insert_batch(v_dataset, p_move, p_columns, p_lines, v_arrival.seed);
      v_arrival.places := v_insertion.places; v_arrival.brought := v_insertion.brought;
      v_arrival.rows_received := cardinality(v_arrival.places);
      v_lines := strata.lines_of(p_move, p_columns, p_lines) -- a place is one of each part
        where strata.file_of(strata.relation(v_dataset)::regclass) is null;
    end if;
    v_arrival.not_ours := '{}'; v_arrival.refused := '[]';
  exception when query_canceled or assert_failure or others then
    get stacked diagnostics v_context = pg_exception_context;
    if strata.is_our_end(sqlstate, sqlerrm, v_context)
       or (sqlstate <> 'ST040' and not strata.is_row_error(strata.code_to_note(sqlstate, v_context))
           and not strata.may_be_of_value(sqlstate)) then
      raise;
    end if;
    v_lines := strata.lines_of(p_move, p_columns, p_lines);
    v_arrival := strata.take_one_by_one(v_arrival, v_dataset, p_columns, v_lines);
  end;
  perform strata.keep_arrival(v_arrival, v_dataset, p_from, octet_length(p_lines)),
          strata.book_arrival(v_dataset, v_insertion, v_lines, v_arrival);
  return v_arrival.refused;
end
$$;
comment on function strata.receive(uuid, text, text, text[], text) is
  'Takes a batch in, in one transaction with its arrival, and says which rows it refuses. Run '
  'again it changes nothing. Never overwrites. ST020 to ST027, ST032: the twin does not fit. '
  'ST031: the move was closed.';
grant execute on function strata.receive(uuid, text, text, text[], text) to strata_mover;
