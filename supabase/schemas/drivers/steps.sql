-- Steps: push and pull, one step at a time.
--
-- Both drivers take the same five steps with the same functions; what differs is which half is local. Each
-- step is one call of advance(), followed by a commit in move_due(); no transaction here spans two steps, no
-- lock is held while the neighbour works, and a kill between any two of them leaves what claim() takes up
-- next time. Errors end one dataset's turn, or the link's, are written down, and the others go on.
--
-- A batch by itself takes the steps of this chapter. Once one has gone well and there is time left, a run
-- takes the next ones in a flow (the chapter after this), so that both tiers are at work at once.

create function strata.journey_of(
  p_dataset text, p_flows_until timestamptz default null, p_went_well boolean default false,
  p_pace strata.pace default null
)
returns strata.journey
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_journey strata.journey;
begin
  v_journey.step := 'claim';
  v_journey.dataset := p_dataset;
  v_journey.flows_until := p_flows_until;
  v_journey.went_well := p_went_well;
  v_journey.pace := p_pace;
  return v_journey;
end
$$;
comment on function strata.journey_of(text, timestamptz, boolean, strata.pace) is
  'A journey about to begin: its next step is to claim a batch.';

create function strata.drive_claim(p_link strata.links, p_dataset text, p_since interval)
returns strata.batch
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_batch strata.batch;
begin
  if p_link.direction = 'colder' then
    v_batch := strata.claim(p_dataset, p_link.neighbour);
    v_batch.share := strata.share_now(p_since);
    return v_batch;
  end if;
  perform strata.dial(p_link.neighbour);
  perform strata.send(p_link.neighbour, strata.claim_question(p_dataset, '{}', p_since));
  return strata.read_batch(p_link.neighbour, p_dataset);
end
$$;
comment on function strata.drive_claim(strata.links, text, interval) is
  'claim() and share_now() at the hotter end of a link.';

-- The colder tier has not heard of a dataset, or not of its changes: it is told, and in a step of its own (no
-- lock is held across a call) the hotter one notes what was agreed.
create function strata.drive_tell(
  p_link strata.links, p_dataset text, out description jsonb, out columns text[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_link.direction = 'colder' then
    description := strata.describe(p_dataset);
    columns := strata.ask(p_link.neighbour, format(
      'select strata.accept(strata.take_over(''description'')::jsonb, %L)', strata.tier()),
                          strata.unlogged_sql(strata.handing_sql('description', description::text)))::text[];
  else
    description := strata.ask(p_link.neighbour, format('select strata.offer(%L)', p_dataset))::jsonb;
    columns := strata.accept(description, p_link.neighbour);
  end if;
end
$$;
comment on function strata.drive_tell(strata.links, text) is
  'describe() at the hotter end, accept() at the colder one: what was said, and the columns'' order there.';
select strata.pin('strata.drive_tell(strata.links, text)');

create function strata.drive_told(
  p_link strata.links, p_dataset text, p_description jsonb, p_columns text[]
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_link.direction = 'colder' then
    perform strata.note_told(p_dataset, (p_description ->> 'revision')::bigint, p_description ->> 'shape',
                             p_columns);
  else
    perform strata.ask(p_link.neighbour,
                       format('select strata.note_told(%1$L, %2$L, %3$L, %4$L)::text', p_dataset,
                              p_description ->> 'revision', p_description ->> 'shape', p_columns));
  end if;
end
$$;
comment on function strata.drive_told(strata.links, text, jsonb, text[]) is
  'note_told() at the hotter end of a link.';
select strata.pin('strata.drive_told(strata.links, text, jsonb, text[])');

create function strata.drive_copy(p_link strata.links, p_batch strata.batch, p_lines text)
returns jsonb
language sql
set search_path = pg_catalog, pg_temp
as $$
  select case when p_link.direction = 'hotter'
    then strata.receive(p_batch.move_id, p_batch.dataset, p_link.neighbour, p_batch.columns, p_lines)
    else strata.ask(p_link.neighbour, strata.receive_question(p_batch),
                    strata.lines_handing(p_batch, p_lines))::jsonb end
$$;
comment on function strata.drive_copy(strata.links, strata.batch, text) is
  'receive() at the colder end of a link.';

create function strata.drive_prove(
  p_link strata.links, p_batch strata.batch, p_keys text[] default null
)
returns bytea[]
language sql
set search_path = pg_catalog, pg_temp
as $$
  select case when p_link.direction = 'hotter'
    then strata.prove(p_batch.move_id, p_batch.dataset, p_batch.columns, p_keys, p_batch.proof_hash)
    else strata.ask(p_link.neighbour, strata.prove_question(p_batch, p_keys),
                    strata.unlogged_sql(strata.prove_handing(p_batch, p_keys)))::bytea[] end
$$;
comment on function strata.drive_prove(strata.links, strata.batch, text[]) is
  'prove() at the colder end of a link, by place or by key.';

-- Rows that came one by one, or have been somewhere else since, are looked for by their keys.
create function strata.drive_prove_keys(p_link strata.links, p_batch strata.batch)
returns bytea[]
language sql
set search_path = pg_catalog, pg_temp
as $$
  select strata.drive_prove(p_link, p_batch,
                            case when p_link.direction = 'colder' then strata.claimed_keys(p_batch.move_id)
                                 -- in a flow the neighbour is at work on the first line
                                 else strata.ask(p_link.neighbour || '/2', format(
                                   'select strata.claimed_keys(%L)::text', p_batch.move_id))::text[] end)
$$;
comment on function strata.drive_prove_keys(strata.links, strata.batch) is
  'prove() at the colder end of a link, with the keys from the hotter one.';
select strata.pin('strata.drive_prove_keys(strata.links, strata.batch)');

create function strata.drive_purge(
  p_link strata.links, p_batch strata.batch, p_proofs bytea[], p_refused jsonb
)
returns strata.kept
language sql
set search_path = pg_catalog, pg_temp
as $$
  select case when p_link.direction = 'colder' then strata.purge(p_batch.move_id, p_proofs, p_refused)
    else strata.ask(p_link.neighbour, strata.purge_question(p_batch, p_proofs, p_refused),
                    strata.purge_handing(p_proofs, p_refused))::strata.kept end
$$;
comment on function strata.drive_purge(strata.links, strata.batch, bytea[], jsonb) is
  'purge() at the hotter end of a link.';

create function strata.drive_close(p_link strata.links, p_batch strata.batch, p_kept strata.kept)
returns text[]
language sql
set search_path = pg_catalog, pg_temp
as $$
  select case when p_link.direction = 'hotter'
    then strata.close_arrival(p_batch.move_id, p_batch.dataset, p_link.neighbour, p_batch.columns,
                              p_kept.ordinals, p_kept.keys, p_kept.fingerprints)
    else strata.ask(p_link.neighbour, strata.close_question(p_batch, p_kept),
                    strata.unlogged_sql(strata.close_handing(p_kept)))::text[] end
$$;
comment on function strata.drive_close(strata.links, strata.batch, strata.kept) is
  'close_arrival() at the colder end of a link; its commit comes before close_move(), '
  'which drops the manifest.';

create function strata.drive_finish(p_link strata.links, p_batch strata.batch, p_outcomes text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_link.direction = 'colder' then
    perform strata.close_move(p_batch.move_id, p_outcomes);
  else
    perform strata.ask(p_link.neighbour, strata.finish_question(p_batch.move_id, p_outcomes));
  end if;
end
$$;
comment on function strata.drive_finish(strata.links, strata.batch, text[]) is
  'close_move() at the hotter end of a link.';

-- Exactly one step. What it changes on either side is one transaction there; the caller commits before the
-- next.
create function strata.take_step(p_link strata.links, p_journey strata.journey, p_lines text)
returns strata.journey
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_next strata.journey := p_journey;
begin
  case p_journey.step
    when 'claim' then
      v_next.pace.looked_at := clock_timestamp();
      v_next.batch := strata.drive_claim(p_link, p_journey.dataset,
                                         (v_next.pace).looked_at - (p_journey.pace).looked_at);
      v_next.pace.share := (v_next.batch).share;
      v_next.lines := (v_next.batch).lines;
      v_next.batch.lines := null;
      v_next.step := case (v_next.batch).status when 'claimed' then 'copy' when 'open' then 'prove'
                                                when 'purged' then 'purge'
                       when 'unknown' then 'tell' when 'nothing' then 'done' else 'blocked' end;
      if v_next.step = 'copy' and strata.may_flow(v_next) then
        v_next := strata.begin_flow(v_next, p_link.neighbour);
      end if;
    when 'tell' then
      if p_link.direction = 'colder' and strata.is_new_offer(p_journey.dataset) then
        return v_next; -- once this is committed: what was accepted there must be known here, whatever fails
      end if;
      select t.description, t.columns into v_next.description, v_next.columns
        from strata.drive_tell(p_link, p_journey.dataset) as t;
      v_next.step := 'told';
    when 'told' then
      perform strata.drive_told(p_link, p_journey.dataset, p_journey.description, p_journey.columns);
      v_next := strata.journey_of(p_journey.dataset, p_journey.flows_until, false, p_journey.pace);
    when 'copy' then
      v_next.refused := strata.drive_copy(p_link, p_journey.batch, p_lines);
      v_next.step := 'prove';
    when 'prove' then
      v_next.proofs := coalesce(strata.drive_prove(p_link, p_journey.batch),
                                strata.drive_prove_keys(p_link, p_journey.batch));
      v_next.step := 'purge';
    when 'purge' then
      v_next.kept := strata.drive_purge(p_link, p_journey.batch, p_journey.proofs, p_journey.refused);
      v_next.step := 'close';
    when 'close' then
      v_next.outcomes := strata.drive_close(p_link, p_journey.batch, p_journey.kept);
      v_next.step := 'finish';
    when 'finish' then
      perform strata.drive_finish(p_link, p_journey.batch, p_journey.outcomes);
      v_next := strata.journey_of(p_journey.dataset, p_journey.flows_until, (p_journey.kept).moved > 0,
                                  p_journey.pace);
      if (p_journey.batch).status = 'claimed' and (p_journey.kept).moved = 0 then
        v_next.step := 'later'; -- writers are faster than we are: no use in trying on and on
      end if;
    else
      v_next := case p_link.direction when 'colder' then strata.push_on(p_link, p_journey, p_lines)
                                      else strata.pull_on(p_link, p_journey, p_lines) end;
  end case;
  return v_next;
end
$$;
comment on function strata.take_step(strata.links, strata.journey, text) is
  'Takes one step of a journey and says what comes next.';

create function strata.advance(
  p_neighbour text, p_journey strata.journey, p_lines text default null
)
returns strata.journey
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '10s'
-- or a batch is copied into the plan of each statement that it is a parameter of
set plan_cache_mode = force_generic_plan
as $$
declare
  v_link strata.links;
  v_next strata.journey;
  v_context text;
begin
  select l.* into v_link from strata.links as l where l.neighbour = p_neighbour;
  return strata.take_step(v_link, p_journey, coalesce(p_lines, p_journey.lines));
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
  perform strata.hang_up(p_neighbour); -- an answer may still be on its way; it must not be taken for another
  v_next := strata.journey_of(p_journey.dataset);
  v_next.step := case when strata.is_link_error(sqlstate) then 'link down' else 'failed' end;
  perform strata.note_step_failure(v_link, p_journey.dataset, sqlstate,
                                   format('%1$s: %2$s', p_journey.step, sqlerrm));
  return v_next;
end
$$;
comment on function strata.advance(text, strata.journey, text) is
  'take_step(), with an error written down and turned into the end of the dataset''s turn (failed) or of '
  'the link''s (link down).';
select strata.pin('strata.advance(text, strata.journey, text)');

create function strata.note_step_failure(
  p_link strata.links, p_dataset text, p_code text, p_says text
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_code in ('ST030', 'ST031') then
    return; -- another run has taken the move up meanwhile; it says what there is to say
  elsif strata.is_link_error(p_code) then
    perform strata.note_link(p_link.neighbour, p_code, p_says);
    if p_link.direction = 'colder' then
      update strata.moves as m set last_sqlstate = p_code, last_error = p_says
       where m.dataset = p_dataset and m.state <> 'closed';
    end if;
  elsif p_link.direction = 'colder' then
    perform strata.note_failure(p_dataset, p_code, p_says);
  else
    perform strata.ask(p_link.neighbour, format(
      'select strata.note_failure(%1$L, %2$L, strata.take_over(''says''))::text', p_dataset, p_code),
                       strata.unlogged_sql(strata.handing_sql('says', p_says)));
  end if;
exception when others then -- the line is gone as well: that is what is worth noting
  perform strata.note_link(p_link.neighbour, sqlstate, sqlerrm);
end
$$;
comment on function strata.note_step_failure(strata.links, text, text, text) is
  'Writes a failed step down where it belongs: with the link, or with the dataset on the hotter tier.';
