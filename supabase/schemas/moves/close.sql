create function strata.note_left_copies(p_move strata.moves, p_outcomes text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_dataset constant strata.datasets := (select d from strata.datasets as d where d.name = p_move.dataset);
  v_key text[];
  v_is_here boolean;
begin
  for v_key in
    select strata.nth_key(m.keys, k.o) from strata.manifests as m
     cross join lateral unnest(m.kept, m.reasons, case when cardinality(p_outcomes) = p_move.rows_kept
                                                         then p_outcomes end) as k (o, reason, outcome)
     where m.move_id = p_move.move_id and k.reason = 'left' and k.outcome is distinct from 'retracted'
  loop
    v_is_here := false;
    -- else no row is known by it any more
    if strata.key_columns(strata.relation(v_dataset)::regclass) = v_dataset.key_columns then
      execute format('select exists (select from %1$s as t where %2$s)', strata.relation(v_dataset),
                     strata.key_is_sql(v_dataset))
         into v_is_here using v_key;
    end if;
    insert into strata.left_copies (dataset, key, tier, noted_at)
    -- what is here is moved once more
    select p_move.dataset, v_key, p_move.to_tier, strata.clock() where not v_is_here
    on conflict do nothing;
  end loop;
end
$$;
comment on function strata.note_left_copies(strata.moves, text[]) is
  'Notes rows of a move that were deleted here and of which the destination, which had closed the move '
  'before, took nothing back.';
select strata.pin('strata.note_left_copies(strata.moves, text[])');

create function strata.forget_copies(p_dataset text)
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_gone integer;
begin
  delete from strata.left_copies as c where c.dataset = p_dataset;
  get diagnostics v_gone = row_count;
  return v_gone;
end
$$;
comment on function strata.forget_copies(text) is
  'The owner has seen to the copies that were left on a colder tier (left_copies); '
  'returns how many were noted.';

create function strata.close_move(p_move uuid, p_outcomes text[])
returns void
language plpgsql
security definer -- a pulling tier calls it as strata_mover
set search_path = pg_catalog, pg_temp
as $$
declare
  v_move constant strata.moves := strata.open_move(p_move);
begin
  if v_move.state <> 'purged' then
    raise exception 'move % has not been purged', p_move
      using errcode = 'ST030', hint = strata.remedy('ST030');
  end if;
  -- what a crash undoes of it is closed once more, with the same answers
  perform set_config('synchronous_commit', 'off', true);
  perform strata.put_aside(v_move.dataset, strata.nth_key(m.keys, k.o), f.code, f.says)
     from strata.manifests as m
    cross join lateral unnest(m.kept, m.reasons, p_outcomes) as k (o, reason, outcome)
    cross join lateral (select
      case when k.reason = 'differs' and k.outcome = 'retracted' then 'ST046' when k.reason = 'differs'
             then 'ST040' when k.reason = 'undeleted' then 'ST043' when k.reason = 'busy' then '55P03'
           -- else it may never have got there
           when k.reason = 'absent' and v_move.attempts = 1 then 'ST041' end as code,
      case k.reason
        when 'differs'
          then v_move.to_tier || case when k.outcome = 'retracted'
                                        then ' made another value of a column, and gave the copy back'
                                      else ' holds another row under this key' end
        when 'absent' then v_move.to_tier || ' took the row and did not keep it'
        when 'busy' then v_move.from_tier || ' could not delete the row: another session has locked it'
        else v_move.from_tier || ' did not delete the row although nothing refused' end as says) as f
    where m.move_id = p_move and f.code is not null
      and not exists (select from strata.set_aside as a -- refused in this very move: said already
                       where a.dataset = v_move.dataset and a.key = strata.nth_key(m.keys, k.o)
                         and a.last_at >= v_move.purged_at);
  if v_move.rows_kept > 0 and to_regclass((select strata.relation(d) from strata.datasets as d
                                            where d.name = v_move.dataset)) is not null then
    perform strata.note_left_copies(v_move, p_outcomes);
  end if;
  delete from strata.manifests as m where m.move_id = p_move;
  update strata.moves as m set state = 'closed', finished_at = strata.clock() where m.move_id = p_move;
  if v_move.rows_moved > 0 then
    perform strata.note_well(v_move.dataset);
  end if;
end
$$;
comment on function strata.close_move(uuid, text[]) is
  'Ends a purged move after its destination closed the arrival: drops the manifest and sets rows '
  'aside that could not move (p_outcomes: what the destination did about each kept row). ST030: '
  'not open, or not purged.';
grant execute on function strata.close_move(uuid, text[]) to strata_mover;

create function strata.close_arrival(
  p_move uuid, p_dataset text, p_from text, p_columns text[], p_ordinals integer[], p_keys text[],
  p_fingerprints bytea[]
)
returns text[]
language plpgsql
security definer -- a pushing tier calls it as strata_mover
set search_path = pg_catalog, pg_temp
as $$
declare
  v_arrival strata.arrivals;
  v_outcomes text[] := array[]::text[];
  v_context text;
begin
  perform strata.check_asker('hotter', coalesce(p_from, ''));
  perform strata.lock_dataset(p_dataset);
  perform set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off';
  select a.* into v_arrival from strata.arrivals as a where a.move_id = p_move;
  perform strata.check_asker('hotter', v_arrival.from_tier);
  if v_arrival.dataset <> p_dataset then
    raise exception 'move % is not one of "%"', p_move, p_dataset
      using errcode = 'ST030', hint = strata.remedy('ST030');
  end if;
  if v_arrival.closed_at is not null then
    return v_arrival.outcomes;
  end if;
  if v_arrival.move_id is null then -- nothing was copied; shut the door all the same
    v_outcomes := array_fill('absent'::text, array[coalesce(cardinality(p_ordinals), 0)]);
  elsif cardinality(p_ordinals) > 0 then
    begin
      v_outcomes := strata.retract((select d from strata.datasets as d where d.name = p_dataset), p_columns,
                                   p_ordinals, p_keys, p_fingerprints, v_arrival);
    exception when query_canceled or assert_failure or others then -- a trigger
      get stacked diagnostics v_context = pg_exception_context;
      perform strata.blame_owner(sqlstate, sqlerrm, v_context);
      raise;
    end;
  end if;
  perform strata.note_contested(p_dataset, p_columns, p_ordinals, p_keys, v_outcomes)
    where 'other' = any (v_outcomes);
  perform strata.note_came(p_dataset, v_arrival, v_outcomes) where v_arrival.move_id is not null;
  perform strata.settle_met(p_move, p_dataset, p_columns, p_ordinals) where v_arrival.not_ours <> '{}';
  insert into strata.arrivals as a (move_id, dataset, from_tier, opened_at, closed_at, outcomes)
  values (p_move, p_dataset, p_from, strata.clock(), strata.clock(), v_outcomes)
  on conflict (move_id) do update
     set closed_at = excluded.closed_at, outcomes = excluded.outcomes, refused = '[]', brought = '{}',
         versions = '{}', places = null, version = null, file = null,
         rows_retracted = (select count(*) from unnest(excluded.outcomes) as o where o = 'retracted');
  return v_outcomes;
end
$$;
comment on function strata.close_arrival(uuid, text, text, text[], integer[], text[], bytea[]) is
  'Ends an arrival: retracts the rows its source kept (positions, keys, fingerprints) and shuts the door '
  'behind the move. Returns for each: retracted, absent or other. Run again it gives the same answer.';
grant execute on function strata.close_arrival(uuid, text, text, text[], integer[], text[], bytea[])
  to strata_mover;
