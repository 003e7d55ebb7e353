-- Deletions: how the rows of a proved batch are deleted at its source.
--
-- Three ways, each giving up less than the next: all at once (plain); after locking the rows and passing over
-- those somebody else holds (careful: when a lock was not to be had in two seconds, and always where foreign
-- keys point at the table, so that no reference can slip in between the check and the delete, and where
-- triggers may fire); and in halves (when something refuses one of them).

-- The positions of a manifest whose places these are, in its order, with their ages.
create function strata.positions_at(
  p_manifest strata.manifests, p_places tid[], inout ages timestamp[], out deleted integer[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
-- delete_proved() puts it off, and each place of a batch would be compared with all the others
set enable_hashjoin = on
as $$
begin
  if p_places = p_manifest.tids then -- the rule: all of them, and the table lies in the order of its age
    deleted := array(select generate_series(1, cardinality(p_places)));
  else
    select coalesce(array_agg(m.o::integer), '{}'), array_agg(g.age)
      into deleted, ages
      from unnest(p_places, ages) as g (place, age)
      join unnest(p_manifest.tids) with ordinality as m (place, o) on m.place = g.place;
  end if;
  -- a row that is reported as kept is retracted over there
  if cardinality(deleted) <> cardinality(p_places) then
    -- then it is done in halves
    raise exception 'rows were deleted where none was claimed' using errcode = 'XX000';
  end if;
end
$$;
comment on function strata.positions_at(strata.manifests, tid[], timestamp[]) is
  'Which positions of a manifest places belong to, and their ages in the same order.';

-- The source decides again where it deletes: a policy changed while the batch was under way counts, and so
-- does whoever asks for a purge of rows that this tier would not give away. What a drain wanted may go ahead
-- of its age, but not unfinished.
create function strata.due_sql(p_dataset strata.datasets, p_manifest strata.manifests)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_policy constant record := strata.conditions(p_dataset);
  -- over the row alone: a column that the condition names may be called like something of the query around it
  v_ready constant text := case when v_policy.ready in ('true', 'false') then v_policy.ready
                                else format('(select (%s) from (select t.*) as t)', v_policy.ready) end;
begin
  return case when v_policy.action is distinct from 'move' then 'false'
              when p_manifest.for_drain then v_ready
              else format('(%1$s or %2$s) and %3$s', v_policy.aged, v_policy.oversize, v_ready) end;
end
$$;
comment on function strata.due_sql(strata.datasets, strata.manifests) is
  'SQL: is row t, claimed by this manifest, due by the policy and the clock of this tier as they are now?';

-- The rule: a batch is proved as a whole in the run that claimed it, and the table has the file it had then.
-- A row is then the claimed one if it lies in a claimed place and carries the version of any claimed row:
-- claim_rows() has made sure that these numbers are not those of transactions that ran at the time, or of the
-- next two billion. Half the time of the comparison row by row. The places are kept from the planner, which
-- would look each of them up to guess how many there are.
create function strata.at_places_sql(p_dataset strata.datasets, p_manifest strata.manifests)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return format('delete from only %1$s as t where t.ctid = any ((select $1)::tid[]) and t.xmin = any ($2) '
                'and not (%2$s or %3$s) and %4$s',
    strata.relation(p_dataset), strata.held_sql(p_dataset, 'move'),
    strata.references_sql(strata.relation(p_dataset)::regclass, '$1'),
    strata.due_sql(p_dataset, p_manifest));
end
$$;
comment on function strata.at_places_sql(strata.datasets, strata.manifests) is
  'SQL that deletes the rows at places ($1) that are of one of some versions ($2), not held, '
  'not referenced and due.';

-- Most batches go as a whole. That many rows are gone tells then that all are, and to have each told costs as
-- much as to delete it. Not tried where the last batch did not go as a whole: a writer is at work there, and
-- it would be done twice.
create function strata.delete_whole(p_dataset strata.datasets, p_manifest strata.manifests)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off -- the planner would read the whole table for a batch of it
set jit = off -- for what has to be scanned all the same it would compile: a scan that is off counts as dear
set enable_hashjoin = off
set enable_mergejoin = off
set enable_memoize = off
set lock_timeout = '2s'
as $$
declare
  v_count bigint;
begin
  if (select m.rows_kept from strata.moves as m
       where m.dataset = p_dataset.name and m.rows_moved is not null order by m.started_at desc limit 1) > 0
     -- a rule counts what it does instead
     or strata.delete_rules(strata.relation(p_dataset)::regclass) <> '{}' then
    return false;
  end if;
  execute strata.at_places_sql(p_dataset, p_manifest)
    using p_manifest.tids, array(select distinct v from unnest(p_manifest.versions) as v);
  get diagnostics v_count = row_count;
  if v_count <> cardinality(p_manifest.tids) then
    -- no_data: takes back what was deleted
    raise exception 'some rows of the batch stay' using errcode = '02000';
  end if;
  return true;
exception when sqlstate '02000' then
  return false;
end
$$;
comment on function strata.delete_whole(strata.datasets, strata.manifests) is
  'Deletes the rows of a manifest, all proved, in the file in which they were claimed, if all of them are '
  'still the claimed version, not held and not referenced; else none. Says which.';
select strata.pin('strata.delete_whole(strata.datasets, strata.manifests)');

create function strata.delete_at_places(
  p_dataset strata.datasets, p_manifest strata.manifests, out places tid[], out ages timestamp[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off -- the planner would read the whole table for a batch of it
set jit = off -- for what has to be scanned all the same it would compile: a scan that is off counts as dear
set enable_hashjoin = off
set enable_mergejoin = off
set enable_memoize = off
set lock_timeout = '2s'
as $$
begin
  ages := array[p_manifest.oldest, p_manifest.youngest]::timestamp[];
  -- in an `if` of its own: `null and …` would be evaluated
  if date_trunc('month', ages[1]) = date_trunc('month', ages[2]) then
    if strata.delete_whole(p_dataset, p_manifest) then
      places := p_manifest.tids; -- and the ledger needs no other ages
      return;
    end if;
  end if;
  execute format(
    'with gone as (%1$s returning t.ctid as place, t.%2$I::timestamp as age) '
    'select coalesce(array_agg(g.place), ''{}''), array_agg(g.age) from gone as g',
    strata.at_places_sql(p_dataset, p_manifest), p_dataset.age_column)
    into places, ages using p_manifest.tids, array(select distinct v from unnest(p_manifest.versions) as v);
end
$$;
comment on function strata.delete_at_places(strata.datasets, strata.manifests) is
  'Deletes the rows of a manifest, all proved, that are still the claimed version, not held and not '
  'referenced, in the file in which they were claimed; returns their places and ages, or of a whole batch '
  'within one month the oldest and youngest.';
select strata.pin('strata.delete_at_places(strata.datasets, strata.manifests)');

create function strata.is_first_try(p_move uuid)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select coalesce((select m.attempts = 1 from strata.moves as m where m.move_id = p_move), false));
end
$$;
comment on function strata.is_first_try(uuid) is
  'Whether a move is in the run that claimed it; not for an unknown one.';

-- Deletes what a manifest, its proofs and the rows' versions agree on. Returns the positions deleted. A
-- position is looked up among many as an integer like them: a bigint would be compared with one after the
-- other.
create function strata.delete_proved(
  p_dataset strata.datasets, p_manifest strata.manifests, p_proofs bytea[], p_only integer[],
  out deleted integer[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- each row by its key or place: never the whole table for a batch of it
set enable_mergejoin = off
set enable_memoize = off
set lock_timeout = '2s'
as $$
declare
  v_sql constant record := strata.manifest_sql(p_dataset, '$1');
  v_held constant text := strata.held_sql(p_dataset, 'move');
  v_referenced constant text := strata.references_sql(strata.relation(p_dataset)::regclass, '$7');
  v_is_same_file constant boolean :=
    coalesce(p_manifest.file = strata.file_of(strata.relation(p_dataset)::regclass), false);
  v_ages timestamp[];
begin
  perform set_config('strata.purging', 'on', true);
  if p_only is null and v_is_same_file and p_proofs = p_manifest.fingerprints
     and strata.is_first_try(p_manifest.move_id) then
    select a.deleted, a.ages into deleted, v_ages
      from strata.delete_at_places(p_dataset, p_manifest) as g,
           strata.positions_at(p_manifest, g.places, g.ages) as a;
  else
    execute format(
      'with gone as ( '
      '  delete from only %1$s as t using unnest(%2$s$2, $3, $4, $5) with ordinality as m (%3$stid, '
      'version, mark, proof, o) '
      '   where t.ctid = m.tid and t.xmin = m.version and %4$s and m.mark = m.proof '
      '     and ($6 is null or m.o::integer = any ($6)) and not (%5$s or %6$s) and %7$s '
      '  returning m.o::integer as o, t.%8$I::timestamp as age) '
      'select coalesce(array_agg(g.o), ''{}''), array_agg(g.age) from gone as g',
      strata.relation(p_dataset), case when v_is_same_file then '' else v_sql.items || ', ' end,
      case when v_is_same_file then '' else v_sql.names || ', ' end,
      case when v_is_same_file then 'true'
           else format('%1$s and strata.fingerprint(%2$s) = m.mark', v_sql.same_key,
                       strata.content_sql(strata.relation(p_dataset)::regclass, p_manifest.columns)) end,
      v_held, v_referenced, strata.due_sql(p_dataset, p_manifest), p_dataset.age_column)
      into deleted, v_ages
     using p_manifest.keys, p_manifest.tids, p_manifest.versions, p_manifest.fingerprints, p_proofs, p_only,
           array(select p_manifest.tids[o] from unnest(p_only) as o);
  end if;
  -- what a deferred trigger says of a row must be heard here, not at the commit
  set constraints all immediate;
  perform set_config('strata.purging', 'off', true);
  perform strata.note_moved(p_dataset.name, p_manifest, deleted, v_ages);
end
$$;
comment on function strata.delete_proved(strata.datasets, strata.manifests, bytea[], integer[]) is
  'Deletes the rows of a manifest whose proof equals their fingerprint and that are still '
  'the claimed version, not held and not referenced, and writes them into the ledger; p_only '
  'limits it to some positions.';
select strata.pin('strata.delete_proved(strata.datasets, strata.manifests, bytea[], integer[])');

create function strata.lock_claimed(p_dataset strata.datasets, p_manifest strata.manifests)
returns integer[]
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- each row by its key or place: never the whole table for a batch of it
set enable_mergejoin = off
set enable_memoize = off
as $$
declare
  v_sql constant record := strata.manifest_sql(p_dataset, '$1');
  v_locked integer[];
begin
  execute format(
    'select coalesce(array_agg(l.o), ''{}'') from ( '
    '  select m.o::integer as o from unnest(%1$s, $2, $3) with ordinality as m (%2$s, tid, version, o) '
    '    join %3$s as t on t.ctid = m.tid and t.xmin = m.version and %4$s for update of t skip locked) as l',
    v_sql.items, v_sql.names, strata.relation(p_dataset), v_sql.same_key)
    into v_locked using p_manifest.keys, p_manifest.tids, p_manifest.versions;
  return v_locked;
end
$$;
comment on function strata.lock_claimed(strata.datasets, strata.manifests) is
  'Locks the rows of a manifest that are unchanged and that nobody else holds; returns their positions.';
select strata.pin('strata.lock_claimed(strata.datasets, strata.manifests)');

-- A row that is kept because it is gone or another version is taken for one that its owner has deleted or
-- changed, and its copy is retracted. A trigger that may fire can bring that about by itself: it deletes the
-- row, or marks it as deleted, and says that nothing was to be deleted. p_locked: the positions that were as
-- claimed, and nobody else's, when the deletion began.
create function strata.check_kept(
  p_dataset strata.datasets, p_manifest strata.manifests, p_locked integer[], p_deleted integer[]
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- each row by its key: never the whole table for a batch of it
set enable_mergejoin = off
set enable_memoize = off
as $$
declare
  v_sql constant record := strata.manifest_sql(p_dataset, '$1');
  v_is_gone boolean;
begin
  if p_dataset.delete_triggers is distinct from 'fire' or cardinality(p_deleted) = cardinality(p_locked) then
    return;
  end if;
  execute format(
    'select exists (select from unnest(%1$s, $4, $5) with ordinality as m (%2$s, tid, version, o) '
    'where m.o::integer = any ($2) and not m.o::integer = any ($3) '
    '                  and not exists (select from only %3$s as t where %4$s and t.ctid = m.tid '
    'and t.xmin = m.version))',
    v_sql.items, v_sql.names, strata.relation(p_dataset), v_sql.same_key)
    into v_is_gone using p_manifest.keys, p_locked, p_deleted, p_manifest.tids, p_manifest.versions;
  if v_is_gone then
    raise exception 'a trigger on % deleted a row itself, or changed it, and kept Strata from deleting it',
      strata.relation(p_dataset)
      using errcode = 'ST043', hint = strata.remedy('ST043');
  end if;
end
$$;
comment on function strata.check_kept(strata.datasets, strata.manifests, integer[], integer[]) is
  'Refuses (ST043) a deletion in which a trigger deleted or changed a row that is not '
  'among the deleted ones.';
select strata.pin('strata.check_kept(strata.datasets, strata.manifests, integer[], integer[])');

create function strata.purge_rows(
  p_dataset strata.datasets, p_manifest strata.manifests, p_proofs bytea[],
  out deleted integer[], out refused jsonb, out tried integer[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_careful boolean := coalesce(p_dataset.delete_triggers = 'fire', false)
                       or strata.references_sql(strata.relation(p_dataset)::regclass) <> 'false';
  v_context text;
begin
  for v_attempt in 1 .. 2 loop
    begin
      tried := case when v_careful then strata.lock_claimed(p_dataset, p_manifest) end;
      deleted := strata.delete_proved(p_dataset, p_manifest, p_proofs,
        strata.closed_positions(strata.relation(p_dataset)::regclass, p_manifest, p_proofs, tried));
      perform strata.check_kept(p_dataset, p_manifest, tried, deleted) where tried is not null;
      refused := '[]';
      return;
    exception
      when lock_not_available or deadlock_detected or serialization_failure then
        v_careful := true;
      when query_canceled or assert_failure or others then
        get stacked diagnostics v_context = pg_exception_context;
        if strata.is_our_end(sqlstate, sqlerrm, v_context) then
          raise;
        end if;
        exit;
    end;
  end loop;
  select o.deleted, o.refused, o.tried into deleted, refused, tried
    from strata.delete_in_halves(p_dataset, p_manifest, p_proofs) as o;
end
$$;
comment on function strata.purge_rows(strata.datasets, strata.manifests, bytea[]) is
  'Deletes the proved rows of a batch the cheapest way that works: at once, past locked rows, or one by one. '
  'tried: the rows that nobody else held, null when that was not looked at.';
