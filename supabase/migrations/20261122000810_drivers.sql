-- Drivers: push and pull, one step at a time.
--
-- Once a batch has gone well, a run that has time left claims the next batch while the colder tier is busy with this one: a pusher sends the rows and
-- claims while they are received; a puller asks for the next batch and receives this one while that is claimed. The
-- batch ahead is an open move like any other; if the run dies it is taken up, proved absent and claimed anew.

create type strata.journey as (
  step text,
  dataset text,
  batch strata.batch,
  refused jsonb,
  proofs bytea[],
  kept strata.kept,
  outcomes text[],
  description jsonb,
  columns text[],
  ahead strata.batch,
  is_asked boolean,
  went_well boolean,
  ahead_until timestamptz
);
comment on type strata.journey is
  'A batch between two steps of its driver. step: what comes next (claim; tell, told; copy, ahead, copied, prove, purge, '
  'close, finish), or why the dataset''s turn is over (done, blocked, later, failed, link down). ahead: the next batch, '
  'claimed meanwhile until ahead_until (null: not at all), if the last one went well; is_asked: the neighbour owes an answer.';

create function strata.journey_of(p_dataset text, p_ahead_until timestamptz default null, p_went_well boolean default false)
returns strata.journey
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_journey strata.journey;
begin
  v_journey.step := 'claim';
  v_journey.dataset := p_dataset;
  v_journey.ahead_until := p_ahead_until;
  v_journey.went_well := p_went_well;
  return v_journey;
end
$$;
comment on function strata.journey_of(text, timestamptz, boolean) is 'A journey about to begin: its next step is to claim a batch.';
revoke execute on function strata.journey_of(text, timestamptz, boolean) from public;

create function strata.drive_claim(p_link strata.links, p_dataset text)
returns strata.batch
language plpgsql
set search_path = ''
as $$
begin
  if p_link.direction = 'colder' then
    return strata.claim(p_dataset, p_link.neighbour);
  end if;
  perform strata.ask_for_batch(p_link.neighbour, p_dataset, null);
  return strata.read_batch(p_link.neighbour);
end
$$;
comment on function strata.drive_claim(strata.links, text) is 'claim() at the hotter end of a link.';
revoke execute on function strata.drive_claim(strata.links, text) from public;

-- The colder tier has not heard of a dataset, or not of its changes: it is told, and in a step of its own (no lock is
-- held across a call) the hotter one notes what was agreed.
create function strata.drive_tell(p_link strata.links, p_dataset text, out description jsonb, out columns text[])
language plpgsql
set search_path = ''
as $$
begin
  if p_link.direction = 'colder' then
    description := strata.describe(p_dataset);
    columns := strata.ask(p_link.neighbour, format('select strata.accept(%L, %L)', description, strata.tier()))::text[];
  else
    description := strata.ask(p_link.neighbour, format('select strata.describe(%L)', p_dataset))::jsonb;
    columns := strata.accept(description, p_link.neighbour);
  end if;
end
$$;
comment on function strata.drive_tell(strata.links, text) is
  'describe() at the hotter end, accept() at the colder one: what was said, and the columns'' order there.';
revoke execute on function strata.drive_tell(strata.links, text) from public;

create function strata.drive_told(p_link strata.links, p_dataset text, p_description jsonb, p_columns text[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_link.direction = 'colder' then
    perform strata.note_told(p_dataset, (p_description ->> 'revision')::bigint, p_description ->> 'shape', p_columns);
  else
    perform strata.ask(p_link.neighbour, format('select strata.note_told(%L, %L, %L, %L)::text', p_dataset,
      p_description ->> 'revision', p_description ->> 'shape', p_columns));
  end if;
end
$$;
comment on function strata.drive_told(strata.links, text, jsonb, text[]) is 'note_told() at the hotter end of a link.';
revoke execute on function strata.drive_told(strata.links, text, jsonb, text[]) from public;

-- A pusher sends the batch and goes on; a puller receives it here, having asked for the next one.
create function strata.drive_copy(p_link strata.links, p_journey strata.journey)
returns strata.journey
language plpgsql
set search_path = ''
as $$
declare
  v_next strata.journey := p_journey;
  v_batch constant strata.batch := p_journey.batch;
  v_ahead constant boolean := p_journey.went_well and coalesce(clock_timestamp() < p_journey.ahead_until, false);
  -- The rows go as one dollar-quoted text: nothing in them is escaped, scanned for quotes or doubled on the way.
  v_quote constant text := '$m' || replace(v_batch.move_id::text, '-', '') || '$';
begin
  v_next.batch.lines := null;
  v_next.step := 'prove';
  if p_link.direction = 'colder' then
    perform strata.dial(p_link.neighbour);
    perform strata.send(p_link.neighbour, format('select strata.receive(%L, %L, %L, %L, ', v_batch.move_id, v_batch.dataset,
      strata.tier(), v_batch.columns) || v_quote || v_batch.lines || v_quote || ')');
    if v_ahead then
      v_next.step := 'ahead';
    else
      v_next.refused := strata.read_answer(p_link.neighbour)::jsonb;
    end if;
  else
    if v_ahead then
      v_next.is_asked := true;
      perform strata.ask_for_batch(p_link.neighbour, p_journey.dataset, v_batch.move_id);
    end if;
    v_next.refused := strata.receive(v_batch.move_id, v_batch.dataset, p_link.neighbour, v_batch.columns, v_batch.lines);
  end if;
  return v_next;
end
$$;
comment on function strata.drive_copy(strata.links, strata.journey) is
  'receive() at the colder end of a link; a run reads the answer of a far one in a later step.';
revoke execute on function strata.drive_copy(strata.links, strata.journey) from public;

-- The next batch is a convenience: what is wrong with it will be said when it is asked for in earnest.
create function strata.drive_ahead(p_link strata.links, p_journey strata.journey)
returns strata.batch
language plpgsql
set search_path = ''
as $$
begin
  if p_link.direction = 'colder' then
    return strata.claim(p_journey.dataset, p_link.neighbour, (p_journey.batch).move_id);
  end if;
  return strata.read_batch(p_link.neighbour);
exception when others then
  return null;
end
$$;
comment on function strata.drive_ahead(strata.links, strata.journey) is
  'The batch after this one, claimed here or asked for before; null when that fails.';
revoke execute on function strata.drive_ahead(strata.links, strata.journey) from public;

create function strata.drive_prove(p_link strata.links, p_batch strata.batch)
returns bytea[]
language sql
set search_path = ''
as $$
  select case when p_link.direction = 'hotter' 
    then strata.prove(p_batch.move_id, p_batch.dataset, p_batch.columns, p_batch.keys)
    else strata.ask(p_link.neighbour, format('select strata.prove(%L, %L, %L, %L)', p_batch.move_id, p_batch.dataset,
      p_batch.columns, p_batch.keys))::bytea[] end
$$;
comment on function strata.drive_prove(strata.links, strata.batch) is 'prove() at the colder end of a link.';
revoke execute on function strata.drive_prove(strata.links, strata.batch) from public;

create function strata.drive_purge(p_link strata.links, p_batch strata.batch, p_proofs bytea[], p_refused jsonb)
returns strata.kept
language sql
set search_path = ''
as $$
  select case when p_link.direction = 'colder' then strata.purge(p_batch.move_id, p_proofs, p_refused)
    else strata.ask(p_link.neighbour, format('select strata.purge(%L, %L, %L)', p_batch.move_id, p_proofs, p_refused))::strata.kept end
$$;
comment on function strata.drive_purge(strata.links, strata.batch, bytea[], jsonb) is 'purge() at the hotter end of a link.';
revoke execute on function strata.drive_purge(strata.links, strata.batch, bytea[], jsonb) from public;

create function strata.drive_close(p_link strata.links, p_batch strata.batch, p_kept strata.kept)
returns text[]
language sql
set search_path = ''
as $$
  select case when p_link.direction = 'hotter'
    then strata.close_arrival(p_batch.move_id, p_batch.dataset, p_link.neighbour, p_batch.columns,
                              p_kept.ordinals, p_kept.keys, p_kept.fingerprints)
    else strata.ask(p_link.neighbour, format('select strata.close_arrival(%L, %L, %L, %L, %L, %L, %L)', p_batch.move_id,
      p_batch.dataset, strata.tier(), p_batch.columns, p_kept.ordinals, p_kept.keys, p_kept.fingerprints))::text[] end
$$;
comment on function strata.drive_close(strata.links, strata.batch, strata.kept) is
  'close_arrival() at the colder end of a link; its commit comes before close_move(), which drops the manifest.';
revoke execute on function strata.drive_close(strata.links, strata.batch, strata.kept) from public;

create function strata.drive_finish(p_link strata.links, p_batch strata.batch, p_outcomes text[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_link.direction = 'colder' then
    perform strata.close_move(p_batch.move_id, p_outcomes);
  else
    perform strata.ask(p_link.neighbour, format('select strata.close_move(%L, %L)::text', p_batch.move_id, p_outcomes));
  end if;
end
$$;
comment on function strata.drive_finish(strata.links, strata.batch, text[]) is 'close_move() at the hotter end of a link.';
revoke execute on function strata.drive_finish(strata.links, strata.batch, text[]) from public;

-- Exactly one step. What it changes on either side is one transaction there; the caller commits before the next.
create function strata.take_step(p_link strata.links, p_journey strata.journey)
returns strata.journey
language plpgsql
set search_path = ''
as $$
declare
  v_next strata.journey := p_journey;
begin
  case p_journey.step
    when 'claim' then
      v_next.batch := strata.drive_claim(p_link, p_journey.dataset);
      v_next.step := case (v_next.batch).status when 'claimed' then 'copy' when 'open' then 'prove' when 'purged' then 'purge'
                       when 'unknown' then 'tell' when 'nothing' then 'done' else 'blocked' end;
    when 'tell' then
      select t.description, t.columns into v_next.description, v_next.columns from strata.drive_tell(p_link, p_journey.dataset) as t;
      v_next.step := 'told';
    when 'told' then
      perform strata.drive_told(p_link, p_journey.dataset, p_journey.description, p_journey.columns);
      v_next := strata.journey_of(p_journey.dataset, p_journey.ahead_until);
    when 'copy' then
      v_next := strata.drive_copy(p_link, p_journey);
    when 'ahead' then
      v_next.ahead := strata.drive_ahead(p_link, p_journey);
      v_next.step := 'copied';
    when 'copied' then
      v_next.refused := strata.read_answer(p_link.neighbour)::jsonb;
      v_next.step := 'prove';
    when 'prove' then
      v_next.proofs := strata.drive_prove(p_link, p_journey.batch);
      v_next.step := 'purge';
    when 'purge' then
      if p_journey.is_asked then -- the line is needed; the batch asked for is read off it first
        v_next.ahead := strata.drive_ahead(p_link, p_journey);
        v_next.is_asked := false;
      end if;
      v_next.kept := strata.drive_purge(p_link, p_journey.batch, p_journey.proofs, p_journey.refused);
      v_next.step := 'close';
    when 'close' then
      v_next.outcomes := strata.drive_close(p_link, p_journey.batch, p_journey.kept);
      v_next.step := 'finish';
    when 'finish' then
      perform strata.drive_finish(p_link, p_journey.batch, p_journey.outcomes);
      v_next := strata.journey_of(p_journey.dataset, p_journey.ahead_until, (p_journey.kept).moved > 0);
      if (p_journey.ahead).status = 'claimed' then
        v_next.batch := p_journey.ahead;
        v_next.step := 'copy';
      elsif (p_journey.batch).status = 'claimed' and (p_journey.kept).moved = 0 then
        v_next.step := 'later'; -- writers are faster than we are: no use in trying on and on
      end if;
  end case;
  return v_next;
end
$$;
comment on function strata.take_step(strata.links, strata.journey) is
  'Takes one step of a journey and says what comes next.';
revoke execute on function strata.take_step(strata.links, strata.journey) from public;

create function strata.advance(p_neighbour text, p_journey strata.journey)
returns strata.journey
language plpgsql
set search_path = ''
set lock_timeout = '10s'
set array_nulls = on
as $$
declare
  v_link strata.links;
  v_next strata.journey := p_journey;
begin
  select l.* into v_link from strata.links as l where l.neighbour = p_neighbour;
  return strata.take_step(v_link, p_journey);
exception when others then
  perform strata.hang_up(p_neighbour); -- an answer may still be on its way; it must not be taken for another
  v_next.batch := null;
  v_next.step := case when strata.is_link_error(sqlstate) then 'link down' else 'failed' end;
  perform strata.note_step_failure(v_link, p_journey.dataset, sqlstate,
                                   format('%s: %s', p_journey.step, sqlerrm));
  return v_next;
end
$$;
comment on function strata.advance(text, strata.journey) is
  'take_step(), with an error written down and turned into the end of the dataset''s turn (failed) or of the link''s (link down).';
revoke execute on function strata.advance(text, strata.journey) from public;

create function strata.note_step_failure(p_link strata.links, p_dataset text, p_code text, p_says text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_code in ('ST030', 'ST031') then
    return; -- another run has taken the move up meanwhile; it says what there is to say
  elsif strata.is_link_error(p_code) then
    perform strata.note_link(p_link.neighbour, p_code, p_says);
    if p_link.direction = 'colder' then
      update strata.moves as m set last_sqlstate = p_code, last_error = p_says where m.dataset = p_dataset and m.state <> 'closed';
    end if;
  elsif p_link.direction = 'colder' then
    perform strata.note_failure(p_dataset, p_code, p_says);
  else
    perform strata.ask(p_link.neighbour, format('select strata.note_failure(%L, %L, %L)::text', p_dataset, p_code, p_says));
  end if;
exception when others then -- the line is gone as well: that is what is worth noting
  perform strata.note_link(p_link.neighbour, sqlstate, sqlerrm);
end
$$;
comment on function strata.note_step_failure(strata.links, text, text, text) is
  'Writes a failed step down where it belongs: with the link, or with the dataset on the hotter tier.';
revoke execute on function strata.note_step_failure(strata.links, text, text, text) from public;
