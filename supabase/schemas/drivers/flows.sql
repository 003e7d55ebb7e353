-- Flows: batch after batch, both tiers at work at once.
--
-- A flow takes the same steps with the same functions as a batch by itself, but of up to four batches at a
-- time, in an order in which neither tier waits for the other: while the colder tier takes one batch in and
-- proves it, the hotter one purges the batch before and claims the one after.
--
--   step    push: the hotter tier drives                     pull: the colder tier drives
--   turn    sends close, and receive and prove of the        reads the batch it asked for; sends finish,
--           next, on the idle one of two lines; reads        purge and the next claim; receives the batch
--           what the other says of the batch before          here
--   check                                                    proves it here
--   end     finishes what is closed                          reads what purge kept; closes here
--   clear   purges the proved batch here, and claims the
--           next one: one commit for both
--
-- A message holds several statements, each a transaction of its own there; its answers come when the last is
-- done. The rows of a batch are held by the driver for one step only: every further one would copy them. All
-- batches of a flow are open moves like any other: if the run dies, they are taken up one by one. A flow
-- pauses after some batches, so that the same dataset's next hop gets its turn: while an arrival is open,
-- nothing of it moves on.

create function strata.may_flow(p_journey strata.journey)
returns boolean
language sql
volatile -- the clock
set search_path = pg_catalog, pg_temp
as $$
  select p_journey.went_well and coalesce(clock_timestamp() < p_journey.flows_until, false)
         and coalesce(p_journey.batches_left, 1) > 0
         and coalesce((p_journey.pace).share, 100) = 100
$$;
comment on function strata.may_flow(strata.journey) is
  'Whether another batch may be claimed while one is under way; not beside others.';

create function strata.begin_flow(p_journey strata.journey, p_neighbour text)
returns strata.journey
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_next strata.journey := strata.journey_of(p_journey.dataset, p_journey.flows_until, p_journey.went_well,
                                             p_journey.pace);
begin
  v_next.next := p_journey.batch;
  v_next.batches_left := strata.setting('flow_batches');
  v_next.lines := p_journey.lines;
  v_next.is_asked := false;
  v_next.line := p_neighbour;
  v_next.step := 'turn';
  return v_next;
end
$$;
comment on function strata.begin_flow(strata.journey, text) is 'A flow whose first batch has been claimed.';

-- The batch has been closed; the one on its way takes its place.
create function strata.next_in_flow(p_journey strata.journey)
returns strata.journey
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_next strata.journey := p_journey;
begin
  if (p_journey.batch).move_id is not null then
    v_next.went_well := (p_journey.kept).moved > 0;
  end if;
  v_next.batch := p_journey.sent;
  v_next.refused := p_journey.sent_refused;
  v_next.proofs := p_journey.sent_proofs;
  v_next.kept := null;
  v_next.outcomes := null;
  v_next.sent := null;
  v_next.sent_refused := null;
  v_next.sent_proofs := null;
  v_next.lines := null;
  return v_next;
end
$$;
comment on function strata.next_in_flow(strata.journey) is 'Moves a flow''s batches one place on.';

create function strata.end_flow(p_journey strata.journey)
returns strata.journey
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_next strata.journey := strata.journey_of(p_journey.dataset, p_journey.flows_until, p_journey.went_well,
                                             p_journey.pace);
begin
  if not p_journey.went_well then
    v_next.step := 'later'; -- writers are faster than we are: no use in trying on and on
  end if;
  return v_next;
end
$$;
comment on function strata.end_flow(strata.journey) is 'What comes after the last batch of a flow.';

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
  if (p_journey.next).move_id is null then
    return strata.unlogged_sql(v_kept);
  end if;
  return strata.lines_handing(p_journey.next, p_lines, v_kept || strata.prove_handing(p_journey.next));
end
$$;
comment on function strata.push_handing(strata.journey, text) is 'What is handed over for push_message().';

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
      if (p_journey.batch).move_id is not null then
        v_next.kept := strata.purge((p_journey.batch).move_id, p_journey.proofs, p_journey.refused);
      end if;
      v_began := clock_timestamp();
      v_next.next := strata.claim_next(p_link, p_journey);
      v_next.pace := strata.seen(p_journey.pace, (v_next.next).share, v_began);
      v_next.lines := (v_next.next).lines;
      v_next.next.lines := null;
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
exception when others then
  return null;
end
$$;
comment on function strata.claim_next(strata.links, strata.journey) is
  'The batch after those of a flow, claimed here; null when there is none, or when that fails.';

create function strata.read_next_batch(p_link strata.links, p_journey strata.journey, p_lines text)
returns strata.batch
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_batch strata.batch := p_journey.next;
begin
  v_batch.lines := p_lines;
  if p_journey.is_asked then
    v_batch := strata.read_batch(p_link.neighbour, p_journey.dataset);
  end if;
  if v_batch.status = 'claimed' then
    return v_batch;
  end if;
  return null;
exception when others then
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
