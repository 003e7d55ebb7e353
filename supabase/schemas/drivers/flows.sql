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
--   clear   claims the next batch here, hands its rows over,
--           and purges the proved one while they are on
--           their way: one commit for both
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
