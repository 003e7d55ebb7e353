-- A flow that the colder tier drives.

create function strata.read_next_batch(p_link strata.links, p_journey strata.journey, p_lines text)
returns strata.batch
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_batch strata.batch := p_journey.next;
  v_context text;
begin
  v_batch.lines := p_lines;
  if p_journey.is_asked then
    v_batch := strata.read_batch(p_link.neighbour, p_journey.dataset);
  end if;
  if v_batch.status = 'claimed' then
    return v_batch;
  end if;
  return null;
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
  return null;
end
$$;
comment on function strata.read_next_batch(strata.links, strata.journey, text) is
  'The batch after those of a flow, claimed over there; null when there is none, or when that failed.';

create function strata.pull_turn(p_link strata.links, p_journey strata.journey, p_lines text)
returns strata.journey
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_next strata.journey := p_journey;
  v_batch constant strata.batch := strata.read_next_batch(p_link, p_journey, p_lines);
  v_began constant timestamptz := clock_timestamp();
  v_finishes constant boolean := p_journey.closed_move is not null;
  v_purges constant boolean := (p_journey.batch).move_id is not null;
begin
  v_next.pace.share := coalesce(v_batch.share, (p_journey.pace).share);
  v_next.is_asked := v_batch.move_id is not null and strata.may_flow(v_next);
  v_next.batches_left := p_journey.batches_left - 1;
  if v_finishes or v_purges or v_next.is_asked then
    perform strata.dial(p_link.neighbour);
    perform strata.send(p_link.neighbour, concat(
      case when v_finishes then strata.committed_sql(
        strata.finish_question(p_journey.closed_move, p_journey.closed_outcomes)) end,
      case when v_purges then strata.committed_sql(
        strata.purge_question(p_journey.batch, p_journey.proofs, p_journey.refused)) end,
      case when v_next.is_asked then strata.claim_question(p_journey.dataset,
        array_remove(array[(p_journey.batch).move_id, v_batch.move_id], null),
        v_began - (p_journey.pace).looked_at) end),
      case when v_purges then strata.purge_handing(p_journey.proofs, p_journey.refused) end);
  end if;
  if v_next.is_asked then
    v_next.pace.looked_at := v_began;
  end if;
  v_next.next := null;
  if v_batch.move_id is not null then
    v_next.sent_refused := strata.receive(v_batch.move_id, v_batch.dataset, p_link.neighbour, v_batch.columns,
                                          v_batch.lines);
    v_next.sent := v_batch;
    v_next.sent.lines := null;
  end if;
  v_next.step := 'check';
  return v_next;
end
$$;
comment on function strata.pull_turn(strata.links, strata.journey, text) is
  'Reads the batch that was asked for, sends what the hotter tier is to do next, and '
  'receives the batch here.';

create function strata.pull_on(p_link strata.links, p_journey strata.journey, p_lines text)
returns strata.journey
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_next strata.journey := p_journey;
begin
  case p_journey.step
    when 'turn' then
      v_next := strata.pull_turn(p_link, p_journey, p_lines);
    when 'check' then
      if (p_journey.sent).move_id is not null then
        v_next.sent_proofs := coalesce(strata.drive_prove(p_link, p_journey.sent),
                                       strata.drive_prove_keys(p_link, p_journey.sent));
      end if;
      v_next.step := 'end';
    when 'end' then
      if p_journey.closed_move is not null then
        perform strata.read_committed(p_link.neighbour);
      end if;
      v_next.closed_move := (p_journey.batch).move_id;
      if v_next.closed_move is not null then
        v_next.kept := strata.read_committed(p_link.neighbour)::strata.kept;
        v_next.closed_outcomes := strata.drive_close(p_link, p_journey.batch, v_next.kept);
      end if;
      if not p_journey.is_asked and (p_journey.closed_move is not null or v_next.closed_move is not null) then
        perform strata.read_next(p_link.neighbour); -- the end of the message
      end if;
      v_next := strata.next_in_flow(v_next);
      v_next.step := 'turn';
      if (v_next.batch).move_id is null and v_next.closed_move is null and not v_next.is_asked then
        v_next := strata.end_flow(v_next);
      end if;
  end case;
  return v_next;
end
$$;
comment on function strata.pull_on(strata.links, strata.journey, text) is
  'One step of a flow that the colder tier drives.';
