-- Purges: the second half of a move at its source. What is proved and unchanged is deleted; the rest is told apart.

-- Why the rows that stayed did: changed by their writer or gone, absent or different there, held or referenced, busy
-- (somebody else has a lock on them), or not to be deleted here.
create function strata.reasons(
  p_dataset strata.datasets, p_manifest strata.manifests, p_proofs bytea[], p_kept integer[], p_tried integer[]
)
returns text[]
language plpgsql
set search_path = ''
set enable_hashjoin = off -- each row by its key or place: never the whole table for a batch of it
set enable_mergejoin = off
set enable_memoize = off
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
  v_sql constant record := strata.manifest_sql(p_dataset, '$1');
  v_reasons text[];
begin
  execute format(
    'select array_agg(case when t.ctid is null then ''changed'' when m.proof is null then ''absent'' '
    '                      when m.proof <> m.mark then ''differs'' when %s or %s then ''held'' '
    '                      when not (m.o::integer = any ($7)) then ''busy'' else ''undeleted'' end order by m.o) '
    '  from unnest(%s, $2, $3, $4, $5) with ordinality as m (%s, tid, version, mark, proof, o) '
    '  left join %s as t on t.ctid = m.tid and t.xmin = m.version and %s '
    ' where m.o::integer = any ($6)',
    strata.held_sql(p_dataset, 'move'), strata.references_sql(strata.relation(p_dataset)::regclass),
    v_sql.items, v_sql.names, strata.relation(p_dataset), v_sql.same_key)
    into v_reasons
   using p_manifest.keys, p_manifest.tids, p_manifest.versions, p_manifest.fingerprints, p_proofs, p_kept, p_tried;
  return v_reasons;
end
$$;
comment on function strata.reasons(strata.datasets, strata.manifests, bytea[], integer[], integer[]) is
  'Why each of the positions of a batch was not purged: changed, absent, differs, held, busy or undeleted.';
revoke execute on function strata.reasons(strata.datasets, strata.manifests, bytea[], integer[], integer[]) from public;

create function strata.open_move(p_move uuid)
returns strata.moves
language plpgsql
set search_path = ''
as $$
declare
  v_move strata.moves;
begin
  perform strata.lock_dataset(m.dataset) from strata.moves as m where m.move_id = p_move;
  select m.* into v_move from strata.moves as m where m.move_id = p_move and m.state <> 'closed' for update;
  if not found then
    raise exception 'there is no open move %', p_move using errcode = 'ST030', hint = strata.remedy('ST030');
  end if;
  return v_move;
end
$$;
comment on function strata.open_move(uuid) is 'Locks a move''s dataset and the move, and returns it. ST030: no such open move.';
revoke execute on function strata.open_move(uuid) from public;

create function strata.kept_of(p_move strata.moves)
returns strata.kept
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select (p_move.rows_moved, m.kept,
            (select array_agg(x.texts order by x.k) from (
               select k, array_agg(m.keys[k][o] order by p) as texts
                 from generate_series(1, array_length(m.keys, 1)) as k, unnest(m.kept) with ordinality as i (o, p)
                group by k) as x),
            (select array_agg(m.fingerprints[o] order by p) from unnest(m.kept) with ordinality as i (o, p)))::strata.kept
      from strata.manifests as m where m.move_id = p_move.move_id);
end
$$;
comment on function strata.kept_of(strata.moves) is 'What a purged move kept: positions, keys and fingerprints.';
revoke execute on function strata.kept_of(strata.moves) from public;

create function strata.purge(p_move uuid, p_proofs bytea[], p_refused jsonb default '[]')
returns strata.kept
language plpgsql
security definer -- a pulling tier calls it as strata_mover
set search_path = ''
as $$
declare
  v_move strata.moves := strata.open_move(p_move);
  v_manifest strata.manifests;
  v_dataset strata.datasets;
  v_proofs bytea[];
  v_done record;
begin
  if v_move.state = 'claimed' then
    perform set_config('synchronous_commit', 'on', true)
      where current_setting('synchronous_commit') = 'off'; -- closing must never outlive the purge
    select m.* into v_manifest from strata.manifests as m where m.move_id = p_move;
    v_dataset := strata.dataset(v_move.dataset);
    v_proofs := case when p_proofs = array[v_manifest.seal] then v_manifest.fingerprints else p_proofs end;
    if cardinality(v_proofs) is distinct from v_move.rows_claimed then
      raise exception 'move % claimed % rows, % proofs came', p_move, v_move.rows_claimed, cardinality(p_proofs)
        using errcode = 'ST004', hint = strata.remedy('ST004');
    end if;
    v_done := strata.purge_unless_reshaped(v_dataset, v_manifest, v_proofs);
    if cardinality(v_done.deleted) < v_move.rows_claimed then -- the rule is that all of them went
      v_manifest.kept := array(select o from generate_series(1, v_move.rows_claimed) as o
                               except all select unnest(v_done.deleted) order by 1);
      v_manifest.reasons := case when v_done.why is not null then array_fill(v_done.why, array[v_move.rows_claimed])
                                 else strata.reasons(v_dataset, v_manifest, v_proofs, v_manifest.kept, v_done.tried) end;
    end if;
    update strata.manifests as m
       set kept = coalesce(v_manifest.kept, '{}'), reasons = coalesce(v_manifest.reasons, '{}') where m.move_id = p_move;
    perform strata.put_aside(v_dataset.name, strata.nth_key(v_manifest.keys, (r.it ->> 'ordinal')::integer), r.it ->> 'code', r.it ->> 'says')
       from jsonb_array_elements(coalesce(p_refused, '[]') || v_done.refused) as r (it);
    if exists (select from strata.set_aside as a where a.dataset = v_dataset.name) then
      delete from strata.set_aside as a
       using (select strata.nth_key(v_manifest.keys, o) as key from unnest(v_done.deleted) as o) as d
       where a.dataset = v_dataset.name and a.key = d.key;
    end if;
    update strata.moves as m
       set state = 'purged', purged_at = strata.clock(), rows_moved = cardinality(v_done.deleted),
           rows_kept = m.rows_claimed - cardinality(v_done.deleted), digest = lpad(to_hex(v_done.digest), 16, '0')
     where m.move_id = p_move returning m.* into v_move;
  end if;
  return strata.kept_of(v_move);
end
$$;
comment on function strata.purge(uuid, bytea[], jsonb) is
  'Deletes here exactly the rows whose proof equals their manifest''s fingerprint and that are still the claimed version, '
  'and notes in the same transaction what was kept and why. p_proofs: one for each row, or the seal for all. p_refused: rows the destination refused (ordinal, code, says). '
  'Run again it deletes nothing and gives the same answer. ST030: no such open move.';
revoke execute on function strata.purge(uuid, bytea[], jsonb) from public;
grant execute on function strata.purge(uuid, bytea[], jsonb) to strata_mover;

create function strata.purge_unless_reshaped(
  p_dataset strata.datasets, p_manifest strata.manifests, p_proofs bytea[],
  out deleted integer[], out digest bigint, out refused jsonb, out tried integer[], out why text
)
language plpgsql
set search_path = ''
set lock_timeout = '2s'
as $$
begin
  deleted := '{}';
  digest := 0;
  refused := '[]';
  if to_regclass(strata.relation(p_dataset)) is null then
    why := 'changed'; -- who drops the table has deleted its rows
    return;
  end if;
  -- Keeps columns from changing between this check and the end of the transaction; readers and writers go on.
  execute format('lock table %s in row exclusive mode', strata.relation(p_dataset));
  if strata.shape(strata.relation(p_dataset)::regclass) <> p_manifest.shape then
    why := 'reshaped';
  else
    select p.deleted, p.digest, p.refused, p.tried into deleted, digest, refused, tried
      from strata.purge_rows(p_dataset, p_manifest, p_proofs) as p;
  end if;
end
$$;
comment on function strata.purge_unless_reshaped(strata.datasets, strata.manifests, bytea[]) is
  'purge_rows(), unless the table is gone, or a column was added, dropped or retyped since the claim: the copies lack its '
  'value then. why: changed or reshaped, when no row was looked at.';
revoke execute on function strata.purge_unless_reshaped(strata.datasets, strata.manifests, bytea[]) from public;

create function strata.nth_key(p_keys text[], p_position integer)
returns text[]
language sql
immutable
set search_path = ''
as $$ select array_agg(p_keys[k][p_position] order by k) from generate_series(1, array_length(p_keys, 1)) as k $$;
comment on function strata.nth_key(text[], integer) is 'The key at one position of a manifest.';
revoke execute on function strata.nth_key(text[], integer) from public;

create function strata.close_move(p_move uuid, p_outcomes text[])
returns void
language plpgsql
security definer -- a pulling tier calls it as strata_mover
set search_path = ''
as $$
declare
  v_move constant strata.moves := strata.open_move(p_move);
begin
  if v_move.state <> 'purged' then
    raise exception 'move % has not been purged', p_move using errcode = 'ST030', hint = strata.remedy('ST030');
  end if;
  perform set_config('synchronous_commit', 'off', true); -- what a crash undoes of it is closed once more, with the same answers
  perform strata.put_aside(v_move.dataset, strata.nth_key(m.keys, k.o), f.code, f.says)
     from strata.manifests as m
    cross join lateral unnest(m.kept, m.reasons, p_outcomes) as k (o, reason, outcome)
    cross join lateral (select
      case when k.reason = 'differs' then 'ST040' when k.reason = 'undeleted' then 'ST043' when k.reason = 'busy' then '55P03'
           when k.reason = 'absent' and v_move.attempts = 1 then 'ST041' end as code, -- else it may never have got there
      case k.reason when 'differs' then v_move.to_tier || ' holds another row under this key'
        when 'absent' then v_move.to_tier || ' took the row and did not keep it'
        when 'busy' then v_move.from_tier || ' could not delete the row: another session has locked it'
        else v_move.from_tier || ' did not delete the row although nothing refused' end as says) as f
    where m.move_id = p_move and f.code is not null
      and not exists (select from strata.set_aside as a -- refused in this very move: said already
                       where a.dataset = v_move.dataset and a.key = strata.nth_key(m.keys, k.o) and a.last_at >= v_move.purged_at);
  delete from strata.manifests as m where m.move_id = p_move;
  update strata.moves as m set state = 'closed', finished_at = strata.clock() where m.move_id = p_move;
  if v_move.rows_moved > 0 then
    perform strata.note_well(v_move.dataset);
  end if;
end
$$;
comment on function strata.close_move(uuid, text[]) is
  'Ends a purged move after its destination closed the arrival: drops the manifest and sets rows aside that could not '
  'move (p_outcomes: what the destination did about each kept row). ST030: not open, or not purged.';
revoke execute on function strata.close_move(uuid, text[]) from public;
grant execute on function strata.close_move(uuid, text[]) to strata_mover;
