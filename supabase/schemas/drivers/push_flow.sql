-- A flow that the hotter tier drives.

create function strata.push_message(p_journey strata.journey)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select nullif(concat(
    case when (p_journey.batch).move_id is not null
           then strata.committed_sql(strata.close_question(p_journey.batch, p_journey.kept)) end,
    case when (p_journey.next).move_id is not null
         then strata.committed_sql(strata.receive_question(p_journey.next))
              || strata.prove_question(p_journey.next) end), '')
$$;
comment on function strata.push_message(strata.journey) is
  'What the colder tier is to do next for a flow: close the batch that was purged, receive and prove the one '
  'that was claimed; null for nothing.';

create function strata.push_handing(p_journey strata.journey, p_lines text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_kept constant text :=
    case when (p_journey.batch).move_id is not null then strata.close_handing(p_journey.kept) else '' end;
begin
  if (p_journey.next).move_id is null or p_journey.is_handed then
    return strata.unlogged_sql(v_kept);
  end if;
  return strata.lines_handing(p_journey.next, p_lines, v_kept || strata.prove_handing(p_journey.next));
end
$$;
comment on function strata.push_handing(strata.journey, text) is
  'What is still to be handed over for push_message(); null for nothing.';

-- Connections are counted over there. Where a second line would take one of the last two, which another run,
-- a heartbeat or the audit may need, the first has to do.
create function strata.can_dial(p_line text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_spare integer;
begin
  if 'strata_' || p_line = any (coalesce(extensions.dblink_get_connections(), '{}')) then
    return true;
  end if;
  perform strata.dial(p_line);
  if p_line <> strata.neighbour_of(p_line) then
    select r.spare into v_spare from extensions.dblink('strata_' || p_line,
      'select nullif(u.rolconnlimit, -1) - (select count(*) from pg_catalog.pg_stat_activity as a '
      'where a.usename = u.rolname)'
      '  from pg_catalog.pg_roles as u where u.rolname = session_user') as r (spare integer);
    if v_spare < 2 then
      perform strata.hang_up(p_line);
      return false;
    end if;
  end if;
  return true;
exception when others then
  if p_line = strata.neighbour_of(p_line) then
    raise;
  end if;
  return false;
end
$$;
comment on function strata.can_dial(text) is
  'Opens a line, as dial() does; false when it is a second one and cannot be had, or would leave '
  'fewer than two connections.';

-- The neighbour takes as long to read a batch as it takes to purge one here. Nothing comes of it if this
-- transaction fails: the lines are closed then, and what was handed over goes with them.
create function strata.hand_early(p_line text, p_batch strata.batch, p_lines text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_lines is null or not strata.can_dial(p_line) then
    return false;
  end if;
  perform strata.send(p_line, strata.lines_handing(p_batch, p_lines, strata.prove_handing(p_batch)));
  return true;
end
$$;
comment on function strata.hand_early(text, strata.batch, text) is
  'Sends the rows of a batch ahead of the question that takes them in, and does not wait: '
  'read_handing() does. False: not yet.';

create function strata.push_turn(p_link strata.links, p_journey strata.journey, p_lines text)
returns strata.journey
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_next strata.journey := p_journey;
  v_message constant text := strata.push_message(p_journey);
  v_is_sent constant boolean := v_message is null or strata.can_dial(p_journey.line);
  v_keys text[];
begin
  if p_journey.is_handed then
    perform strata.read_handing(p_journey.line);
  end if;
  -- before the other line is read: the colder tier goes on with it at once
  if v_is_sent and v_message is not null then
    perform strata.send(p_journey.line, v_message, strata.push_handing(p_journey, p_lines));
  end if;
  v_next.line := p_link.neighbour || case when p_journey.line = p_link.neighbour then '/2' else '' end;
  if p_journey.closed_move is not null then
    v_next.closed_outcomes := strata.read_committed(v_next.line)::text[];
  end if;
  if (p_journey.sent).move_id is not null then
    v_next.sent_refused := strata.read_committed(v_next.line)::jsonb;
    v_next.sent_proofs := strata.read_next(v_next.line)::bytea[];
  end if;
  if p_journey.closed_move is not null or (p_journey.sent).move_id is not null then
    perform strata.read_next(v_next.line); -- the end of the message
  end if;
  if (p_journey.sent).move_id is not null and v_next.sent_proofs is null then
    v_keys := strata.claimed_keys((p_journey.sent).move_id);
    v_next.sent_proofs := strata.ask(v_next.line, strata.prove_question(p_journey.sent, v_keys),
                                     strata.unlogged_sql(
                                       strata.prove_handing(p_journey.sent, v_keys)))::bytea[];
  end if;
  if not v_is_sent then
    perform strata.dial(v_next.line);
    perform strata.send(v_next.line, v_message, strata.push_handing(p_journey, p_lines));
    v_next.line := p_journey.line;
  end if;
  v_next.step := 'end';
  return v_next;
end
$$;
comment on function strata.push_turn(strata.links, strata.journey, text) is
  'Sends what the colder tier is to do next on one line, and reads what came of the last message on the '
  'other: the proof of the batch on its way above all.';

create function strata.push_on(p_link strata.links, p_journey strata.journey, p_lines text)
returns strata.journey
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_began timestamptz;
  v_next strata.journey := p_journey;
begin
  case p_journey.step
    when 'turn' then
      v_next := strata.push_turn(p_link, p_journey, p_lines);
    when 'end' then
      if p_journey.closed_move is not null then
        perform strata.close_move(p_journey.closed_move, p_journey.closed_outcomes);
      end if;
      v_next := strata.next_in_flow(p_journey);
      v_next.closed_move := (p_journey.batch).move_id;
      v_next.closed_outcomes := null;
      v_next.sent := p_journey.next;
      v_next.next := null;
      v_next.step := 'clear';
      if (v_next.batch).move_id is null and (v_next.sent).move_id is null and v_next.closed_move is null then
        v_next := strata.end_flow(v_next);
      end if;
    when 'clear' then
      v_began := clock_timestamp();
      v_next.next := strata.claim_next(p_link, p_journey);
      v_next.pace := strata.seen(p_journey.pace, (v_next.next).share, v_began);
      v_next.lines := (v_next.next).lines;
      v_next.next.lines := null;
      v_next.is_handed := strata.hand_early(p_journey.line, v_next.next, v_next.lines);
      if v_next.is_handed then
        v_next.lines := null;
      end if;
      if (p_journey.batch).move_id is not null then
        v_next.kept := strata.purge((p_journey.batch).move_id, p_journey.proofs, p_journey.refused);
      end if;
      v_next.batches_left := case when (v_next.next).move_id is null then 0
                                  else p_journey.batches_left - 1 end;
      v_next.step := 'turn';
  end case;
  return v_next;
end
$$;
comment on function strata.push_on(strata.links, strata.journey, text) is
  'One step of a flow that the hotter tier drives.';

-- The next batch is a convenience: what is wrong with it will be said when it is asked for in earnest.
create function strata.claim_next(p_link strata.links, p_journey strata.journey)
returns strata.batch
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_batch strata.batch;
  v_context text;
begin
  if strata.may_flow(p_journey) then
    v_batch := strata.claim(p_journey.dataset, p_link.neighbour,
                            array_remove(array[p_journey.closed_move, (p_journey.batch).move_id,
                                               (p_journey.sent).move_id], null));
  end if;
  if v_batch.status = 'claimed' then
    v_batch.share := strata.share_now(clock_timestamp() - (p_journey.pace).looked_at);
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
comment on function strata.claim_next(strata.links, strata.journey) is
  'The batch after those of a flow, claimed here; null when there is none, or when that fails.';
