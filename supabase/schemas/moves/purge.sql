-- Purges: the second half of a move at its source. What is proved and unchanged is deleted; the rest is told
-- apart.

-- Why the rows that stayed did: changed by their writer or gone (left: and the copy is there), absent or
-- different there, held, referenced or not due any more, busy (somebody else has a lock on them), or not to
-- be deleted here.
create function strata.reasons(
  p_dataset strata.datasets, p_manifest strata.manifests, p_proofs bytea[], p_kept integer[],
  p_tried integer[]
)
returns text[]
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- each row by its key or place: never the whole table for a batch of it
set enable_mergejoin = off
set enable_memoize = off
as $$
declare
  v_sql constant record := strata.manifest_sql(p_dataset, '$1');
  v_stays constant text := format('%1$s or %2$s or (%3$s) is not true', strata.held_sql(p_dataset, 'move'),
    strata.references_sql(strata.relation(p_dataset)::regclass), strata.due_sql(p_dataset, p_manifest));
  v_asks constant text := format(
    'select array_agg(case when t.ctid is null and m.proof = m.mark then ''left'' '
    'when t.ctid is null then ''changed'' when m.proof is null then ''absent'' '
    '                      when m.proof <> m.mark then ''differs'' when %%s then ''held'' '
    '                      when -(m.o::integer) = any ($7) then ''held'' '
    'when not (m.o::integer = any ($7)) then ''busy'' else ''undeleted'' end order by m.o) '
    '  from unnest(%1$s, $2, $3, $4, $5) with ordinality as m (%2$s, tid, version, mark, proof, o) '
    '  left join %3$s as t on t.ctid = m.tid and t.xmin = m.version and %4$s '
    ' where m.o::integer = any ($6)',
    v_sql.items, v_sql.names, strata.relation(p_dataset), v_sql.same_key);
  v_reasons text[];
  v_context text;
begin
  begin
    execute format(v_asks, v_stays) into v_reasons
      using p_manifest.keys, p_manifest.tids, p_manifest.versions, p_manifest.fingerprints, p_proofs, p_kept,
            p_tried;
  -- a condition that cannot be asked keeps what it is asked of
  exception when query_canceled or assert_failure or others then
    get stacked diagnostics v_context = pg_exception_context;
    if strata.is_our_end(sqlstate, sqlerrm, v_context) then
      raise;
    end if;
    execute format(v_asks, 'true') into v_reasons
      using p_manifest.keys, p_manifest.tids, p_manifest.versions, p_manifest.fingerprints, p_proofs, p_kept,
            p_tried;
  end;
  return v_reasons;
end
$$;
comment on function strata.reasons(strata.datasets, strata.manifests, bytea[], integer[], integer[]) is
  'Why each of the positions of a batch was not purged: left, changed, absent, differs, '
  'held, busy or undeleted.';
select strata.pin('strata.reasons(strata.datasets, strata.manifests, bytea[], integer[], integer[])');

create function strata.open_move(p_move uuid)
returns strata.moves
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_move strata.moves;
begin
  perform strata.check_asker('colder', m.to_tier), strata.lock_dataset(m.dataset) from strata.moves as m
    where m.move_id = p_move;
  select m.* into v_move from strata.moves as m where m.move_id = p_move and m.state <> 'closed' for update;
  if not found then
    raise exception 'there is no open move %', p_move using errcode = 'ST030', hint = strata.remedy('ST030');
  end if;
  return v_move;
end
$$;
comment on function strata.open_move(uuid) is
  'Locks a move''s dataset and the move, and returns it. ST030: no such open move.';

create function strata.kept_of(p_move strata.moves)
returns strata.kept
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select (p_move.rows_moved, m.kept,
            (select array_agg(x.texts order by x.k) from (
               select k, array_agg(m.keys[k][o] order by p) as texts
                 from generate_series(1, array_length(m.keys, 1)) as k,
                      unnest(m.kept) with ordinality as i (o, p)
                group by k) as x),
            (select array_agg(m.fingerprints[o] order by p)
               from unnest(m.kept) with ordinality as i (o, p)))::strata.kept
      from strata.manifests as m where m.move_id = p_move.move_id);
end
$$;
comment on function strata.kept_of(strata.moves) is
  'What a purged move kept: positions, keys and fingerprints.';

create function strata.purge(p_move uuid, p_proofs bytea[], p_refused jsonb default '[]')
returns strata.kept
language plpgsql
security definer -- a pulling tier calls it as strata_mover
set search_path = pg_catalog, pg_temp
as $$
declare
  v_move strata.moves := strata.open_move(p_move);
  v_manifest strata.manifests;
  v_dataset strata.datasets;
  v_proofs bytea[];
  v_done record;
begin
  if v_move.state = 'claimed' then
    perform strata.check_heard('colder', 'a list of refused rows', pg_column_size(p_refused), 'heard_list');
    perform set_config('synchronous_commit', 'on', true)
      where current_setting('synchronous_commit') = 'off'; -- closing must never outlive the purge
    select m.* into v_manifest from strata.manifests as m where m.move_id = p_move;
    v_dataset := strata.dataset(v_move.dataset);
    v_proofs := case when p_proofs = array[v_manifest.batch_proof] then v_manifest.fingerprints
                     else p_proofs end;
    if cardinality(v_proofs) is distinct from v_move.rows_claimed then
      raise exception 'move % claimed % rows, % proofs came', p_move, v_move.rows_claimed,
        cardinality(p_proofs)
        using errcode = 'ST004', hint = strata.remedy('ST004');
    end if;
    perform strata.settle_contested(v_dataset.name);
    v_done := strata.purge_unless_reshaped(v_dataset, v_manifest, v_proofs);
    perform strata.forget_contested(v_dataset);
    if cardinality(v_done.deleted) < v_move.rows_claimed then -- the rule is that all of them went
      v_manifest.kept := array(select o from generate_series(1, v_move.rows_claimed) as o
                               except all select unnest(v_done.deleted) order by 1);
      v_manifest.reasons :=
        case when v_done.why is not null then array_fill(v_done.why, array[v_move.rows_claimed])
             else strata.reasons(v_dataset, v_manifest, v_proofs, v_manifest.kept, v_done.tried) end;
    end if;
    update strata.manifests as m
       set kept = coalesce(v_manifest.kept, '{}'), reasons = coalesce(v_manifest.reasons, '{}')
     where m.move_id = p_move;
    perform strata.put_aside(v_dataset.name, strata.nth_key(v_manifest.keys, (r.it ->> 'ordinal')::integer),
                             r.it ->> 'code', r.it ->> 'says')
       from jsonb_array_elements(coalesce(p_refused, '[]') || v_done.refused) as r (it);
    if exists (select from strata.set_aside as a where a.dataset = v_dataset.name) then
      delete from strata.set_aside as a
       using (select strata.nth_key(v_manifest.keys, o) as key from unnest(v_done.deleted) as o) as d
       where a.dataset = v_dataset.name and a.key = d.key;
    end if;
    update strata.moves as m
       set state = 'purged', purged_at = strata.clock(), rows_moved = cardinality(v_done.deleted),
           rows_kept = m.rows_claimed - cardinality(v_done.deleted)
     where m.move_id = p_move returning m.* into v_move;
  end if;
  return strata.kept_of(v_move);
end
$$;
comment on function strata.purge(uuid, bytea[], jsonb) is
  'Deletes here exactly the rows whose proof equals their manifest''s fingerprint and that are still the '
  'claimed version, and notes in the same transaction what was kept and why. p_proofs: one for each row, '
  'or the batch proof for all. p_refused: rows the destination refused (ordinal, code, says). Run again it '
  'deletes nothing and gives the same answer. ST030: no such open move.';
grant execute on function strata.purge(uuid, bytea[], jsonb) to strata_mover;

create function strata.purge_unless_reshaped(
  p_dataset strata.datasets, p_manifest strata.manifests, p_proofs bytea[],
  out deleted integer[], out refused jsonb, out tried integer[], out why text
)
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  v_context text;
begin
  deleted := '{}';
  refused := '[]';
  if to_regclass(strata.relation(p_dataset)) is null then
    why := 'changed'; -- who drops the table has deleted its rows
    return;
  end if;
  -- Keeps columns from changing between this check and the end of the transaction; readers and writers go on.
  execute format('lock table %s in row exclusive mode', strata.relation(p_dataset));
  if strata.shape(strata.relation(p_dataset)::regclass) <> p_manifest.shape then
    why := 'reshaped';
  elsif exists (select from strata.objections(strata.relation(p_dataset)::regclass, p_dataset.age_column,
                                              p_dataset.delete_triggers)) then
    why := 'held'; -- a trigger or rule that nobody has decided about; the next claim says so
  else
    begin
      select p.deleted, p.refused, p.tried into deleted, refused, tried
        from strata.purge_rows(p_dataset, p_manifest, p_proofs) as p;
    -- a table or a condition that refuses all: taken back as a whole, so that the copies go as well; the
    -- dataset says why
    exception when query_canceled or assert_failure or others then
      get stacked diagnostics v_context = pg_exception_context;
      if strata.is_our_end(sqlstate, sqlerrm, v_context) then
        raise;
      end if;
      if left(sqlstate, 2) in ('40', '53', '55', '58') then
        raise; -- it may go well the next time
      end if;
      why := 'held';
      perform strata.note_failure(p_dataset.name, strata.code_to_note(sqlstate, v_context), sqlerrm);
    end;
  end if;
end
$$;
comment on function strata.purge_unless_reshaped(strata.datasets, strata.manifests, bytea[]) is
  'purge_rows(), unless the table is gone, or a column was added, dropped or retyped since the claim: the '
  'copies lack its value then; or unless there is an objection by now. why: changed, reshaped or held, '
  'when no row was looked at.';
