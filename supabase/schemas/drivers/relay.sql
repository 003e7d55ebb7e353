-- Relay: the third driver, for two tiers between which there is no Postgres connection in either direction.
--
-- The edge function `strata-relay` takes the steps that advance() takes, over the REST API of both ends: the
-- same functions, in the same order, each call a transaction of its own; and batch after batch in a flow, as
-- the other drivers do. What it carries it does not understand: columns, keys, rows, proofs and kept rows go
-- from one database to the other as the texts these wrote. All of it is callable by service_role, whose key
-- the function holds for both ends, and by nobody else.
--
--   source (hotter)                                          destination (colder)
--   relay_begin                                              relay_open_arrivals, relay_abandon
--   relay_claim                                              relay_receive
--   relay_describe, relay_told                               relay_accept
--   relay_purge, relay_keys                                  relay_prove
--   relay_finish, relay_end                                  relay_close
--
-- One function works on a link at a time: it holds a lease at the source, which runs out by itself when the
-- function dies. A lease that runs out under a function that still lives does no harm: two drivers are what
-- the protocol is made for. pg_cron wakes the function (wake_relay); one that leaves work behind is woken
-- again at once. Batches are small, because every byte passes through the memory of the function.

create function strata.relay_link(p_neighbour text, p_direction text)
returns strata.links
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_link strata.links;
begin
  select l.* into v_link from strata.links as l
   where l.neighbour = p_neighbour and l.direction = p_direction and l.driver = 'relay';
  if not found then
    raise exception 'no relay leads from % to its % neighbour %', strata.tier(), p_direction, p_neighbour
      using errcode = 'ST006', hint = strata.remedy('ST006');
  end if;
  return v_link;
end
$$;
comment on function strata.relay_link(text, text) is
  'The link to a neighbour, if an edge function drives it. ST006: none, or another driver.';

-- Every call is about a link that an edge function drives, from the right side; a move, an arrival or a
-- dataset is that link's.
create function strata.check_relay(p_direction text, p_neighbour text default null)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from strata.links as l
                  where l.driver = 'relay' and (p_direction is null or l.direction = p_direction)
                                                and l.neighbour = coalesce(p_neighbour, l.neighbour)) then
    raise exception 'no relay leads from % to %', strata.tier(),
      coalesce(p_neighbour, 'its ' || p_direction || ' neighbour', 'any neighbour')
      using errcode = 'ST006', hint = strata.remedy('ST006');
  end if;
  return true;
end
$$;
comment on function strata.check_relay(text, text) is
  'True if an edge function drives the link to a neighbour in that direction (null: in either; to '
  'any). ST006: it does not.';

create function strata.relay_hello()
returns jsonb
language sql
stable
security definer -- the relay asks who this is
set search_path = pg_catalog, pg_temp
as $$ select strata.hello() where strata.check_relay(null) $$;
comment on function strata.relay_hello() is 'hello(), for the relay.';
grant execute on function strata.relay_hello() to service_role;

-- At the source: whose turn it is.
create function strata.relay_begin(
  p_neighbour text, p_token uuid, p_seconds integer, p_retry boolean default false
)
returns text[]
language plpgsql
security definer -- the relay takes its lease
set search_path = pg_catalog, pg_temp
as $$
declare
  v_link constant strata.links := strata.relay_link(p_neighbour, 'colder');
begin
  if v_link.next_try_at > strata.clock() and not p_retry then
    return null;
  end if;
  insert into strata.leases as l (neighbour, token, expires_at)
  values (p_neighbour, p_token, clock_timestamp() + make_interval(secs => least(p_seconds, 300)))
  on conflict (neighbour) do update set token = excluded.token, expires_at = excluded.expires_at
   where l.token = excluded.token or l.expires_at < clock_timestamp();
  if not found then
    return null;
  end if;
  return strata.datasets_with_work();
end
$$;
comment on function strata.relay_begin(text, uuid, integer, boolean) is
  'Takes the lease of the link to a colder neighbour and says which datasets have work; null when another '
  'run holds it or the link is down and pausing (unless p_retry). ST006: no such relay.';
grant execute on function strata.relay_begin(text, uuid, integer, boolean) to service_role;

create function strata.relay_end(p_neighbour text, p_token uuid, p_left boolean)
returns void
language plpgsql
security definer -- the relay gives its lease back
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from strata.leases as l where l.neighbour = p_neighbour and l.token = p_token;
  if found and p_left then
    perform strata.invoke('strata-relay', jsonb_build_object('from', strata.tier(), 'to', p_neighbour));
  end if;
end
$$;
comment on function strata.relay_end(text, uuid, boolean) is
  'Gives the lease back; p_left: wakes the relay again, because there is more to do.';
grant execute on function strata.relay_end(text, uuid, boolean) to service_role;

create function strata.relay_note_link(p_neighbour text, p_code text, p_says text)
returns void
language sql
security definer -- the relay says how the other end is
set search_path = pg_catalog, pg_temp
as $$
  select strata.note_link(l.neighbour, p_code, left(p_says, 1000)) from strata.links as l
   where l.neighbour = p_neighbour and l.driver = 'relay'
$$;
comment on function strata.relay_note_link(text, text, text) is
  'note_link(), for the relay: the other end works (null), or why it does not.';
grant execute on function strata.relay_note_link(text, text, text) to service_role;

create function strata.relay_note_failure(p_dataset text, p_code text, p_says text)
returns boolean
language plpgsql
security definer -- the relay writes down what failed
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.check_relay('colder');
  -- another run has taken the move up meanwhile
  if strata.is_link_error(p_code) or p_code in ('ST030', 'ST031') then
    return false;
  end if;
  perform strata.note_failure(p_dataset, p_code, left(p_says, 1000));
  return true;
end
$$;
comment on function strata.relay_note_failure(text, text, text) is
  'note_failure(), for the relay; false for an error that is not the dataset''s.';
grant execute on function strata.relay_note_failure(text, text, text) to service_role;

create function strata.relay_agreed(p_neighbour text)
returns text
language sql
stable
security definer -- the relay carries it to the neighbour
set search_path = pg_catalog, pg_temp
as $$ select strata.agreed(p_neighbour)::text where strata.check_relay(null, p_neighbour) $$;
comment on function strata.relay_agreed(text) is 'agreed(), for the relay.';
grant execute on function strata.relay_agreed(text) to service_role;

create function strata.relay_agree(p_from text, p_said text)
returns text
language plpgsql
security definer -- the relay brings the neighbour's
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.check_relay(null, p_from);
  return strata.exchange_agreements(p_from, p_said::jsonb)::text;
end
$$;
comment on function strata.relay_agree(text, text) is
  'exchange_agreements(), for the relay: takes the neighbour''s, returns ours. ST006: no such relay.';
grant execute on function strata.relay_agree(text, text) to service_role;

-- At the source: the steps. A batch that is too long as text is not claimed but tried again smaller; one row
-- that is too long by itself is set aside.
create function strata.relay_claim(p_dataset text, p_neighbour text, p_besides text default '{}')
returns table (status text, move_id uuid, columns text, proof_hash text, lines text)
language plpgsql
security definer -- the relay claims
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most constant bigint := strata.setting('relay_text_bytes');
  v_link constant strata.links := strata.relay_link(p_neighbour, 'colder');
  v_batch strata.batch;
  v_keys text[];
begin
  for v_smaller in 0 .. 20 loop
    begin
      perform set_config('strata.smaller', v_smaller::text, true);
      v_batch := strata.claim(p_dataset, v_link.neighbour, p_besides::uuid[]);
      if octet_length(v_batch.lines) > least(c_most, strata.setting('relay_batch_bytes') * 4 / 3) then
        v_keys := strata.claimed_keys(v_batch.move_id);
        if array_length(v_keys, 2) > 1 or octet_length(v_batch.lines) > c_most then
          raise exception 'the batch is too long' using errcode = 'ST044'; -- takes the claim back
        end if;
      end if;
      return query
        select v_batch.status, v_batch.move_id, v_batch.columns::text, v_batch.proof_hash::text,
               v_batch.lines;
      return;
    exception when sqlstate 'ST044' then
      if array_length(v_keys, 2) = 1 then
        perform strata.put_aside(p_dataset, strata.nth_key(v_keys, 1), 'ST044',
          format('the row takes %1$s bytes as text, a relay carries up to %2$s', octet_length(v_batch.lines),
                 c_most));
      end if;
    end;
  end loop;
  -- more giants than one call sets aside
  return query select 'blocked', null::uuid, null::text, null::text, null::text;
end
$$;
comment on function strata.relay_claim(text, text, text) is
  'claim(), for the relay: a batch of at most a third more than relay_batch_bytes as texts, or one row of at '
  'most relay_text_bytes. A row longer than that is set aside (ST044).';
select strata.pin('strata.relay_claim(text, text, text)');
grant execute on function strata.relay_claim(text, text, text) to service_role;

create function strata.relay_keys(p_move uuid)
returns text
language sql
stable
security definer -- the relay asks for keys
set search_path = pg_catalog, pg_temp
as $$
  select strata.claimed_keys(m.move_id)::text from strata.moves as m
   where m.move_id = p_move and strata.check_relay('colder', m.to_tier)
$$;
comment on function strata.relay_keys(uuid) is 'claimed_keys(), for the relay.';
grant execute on function strata.relay_keys(uuid) to service_role;

create function strata.relay_describe(p_dataset text)
returns text
language sql
security definer -- the relay tells the colder tier
set search_path = pg_catalog, pg_temp
as $$ select strata.offer(p_dataset)::text where strata.check_relay('colder') $$;
comment on function strata.relay_describe(text) is 'offer(), for the relay.';
grant execute on function strata.relay_describe(text) to service_role;

create function strata.relay_told(p_dataset text, p_description text, p_columns text)
returns void
language sql
security definer -- the relay notes what was agreed
set search_path = pg_catalog, pg_temp
as $$
  select strata.note_told(p_dataset, (d.j ->> 'revision')::bigint, d.j ->> 'shape', p_columns::text[])
    from (select p_description::jsonb as j) as d where strata.check_relay('colder')
$$;
comment on function strata.relay_told(text, text, text) is 'note_told(), for the relay.';
grant execute on function strata.relay_told(text, text, text) to service_role;

create function strata.relay_purge(p_move uuid, p_proofs text, p_refused text)
returns table (moved integer, kept text)
language sql
security definer -- the relay brings the proofs
set search_path = pg_catalog, pg_temp
as $$
  select k.moved, k::text
    from (select strata.check_relay('colder', (select m.to_tier from strata.moves as m
                                                where m.move_id = p_move)) as is_ours offset 0) as c,
         strata.purge(case when c.is_ours then p_move end, p_proofs::bytea[],
                      coalesce(p_refused, '[]')::jsonb) as k
$$;
comment on function strata.relay_purge(uuid, text, text) is
  'purge(), for the relay: how many rows left, and what was kept, as the colder tier reads it.';
select strata.pin('strata.relay_purge(uuid, text, text)');
grant execute on function strata.relay_purge(uuid, text, text) to service_role;

create function strata.relay_finish(p_move uuid, p_outcomes text)
returns void
language sql
security definer -- the relay brings the outcomes
set search_path = pg_catalog, pg_temp
as $$
  select strata.close_move(case when strata.check_relay(
    'colder', (select m.to_tier from strata.moves as m where m.move_id = p_move)) then p_move end,
                           p_outcomes::text[])
$$;
comment on function strata.relay_finish(uuid, text) is 'close_move(), for the relay.';
select strata.pin('strata.relay_finish(uuid, text)');
grant execute on function strata.relay_finish(uuid, text) to service_role;

create function strata.relay_not_open(p_moves text)
returns text
language sql
stable
security definer -- the relay asks after arrivals nobody closes
set search_path = pg_catalog, pg_temp
as $$ select strata.not_open(p_moves::uuid[])::text where strata.check_relay('colder') $$;
comment on function strata.relay_not_open(text) is 'not_open(), for the relay.';
grant execute on function strata.relay_not_open(text) to service_role;

-- At the destination.
create function strata.relay_accept(p_description text, p_from text)
returns text
language sql
security definer -- the relay tells of a table
set search_path = pg_catalog, pg_temp
as $$
  select strata.accept(p_description::jsonb, l.neighbour)::text from strata.relay_link(p_from, 'hotter') as l
$$;
comment on function strata.relay_accept(text, text) is 'accept(), for the relay: the columns'' order here.';
grant execute on function strata.relay_accept(text, text) to service_role;

create function strata.relay_receive(
  p_move uuid, p_dataset text, p_from text, p_columns text, p_lines text
)
returns text
language sql
security definer -- the relay brings the rows
set search_path = pg_catalog, pg_temp
as $$
  select strata.receive(p_move, p_dataset, l.neighbour, p_columns::text[], p_lines)::text
    from strata.relay_link(p_from, 'hotter') as l
$$;
comment on function strata.relay_receive(uuid, text, text, text, text) is
  'receive(), for the relay: the rows that were refused.';
select strata.pin('strata.relay_receive(uuid, text, text, text, text)');
grant execute on function strata.relay_receive(uuid, text, text, text, text) to service_role;

create function strata.relay_prove(
  p_move uuid, p_dataset text, p_columns text, p_keys text default null,
  p_proof_hash text default null
)
returns text
language sql
stable
security definer -- the relay asks for proofs
set search_path = pg_catalog, pg_temp
as $$
  select strata.prove(p_move, p_dataset, p_columns::text[], p_keys::text[], p_proof_hash::bytea)::text
   where strata.check_relay('hotter', (select a.from_tier from strata.arrivals as a where a.move_id = p_move))
$$;
comment on function strata.relay_prove(uuid, text, text, text, text) is
  'prove(), for the relay, with the hash of the batch proof as claimed; null: to be '
  'asked again with the keys.';
select strata.pin('strata.relay_prove(uuid, text, text, text, text)');
grant execute on function strata.relay_prove(uuid, text, text, text, text) to service_role;

create function strata.relay_close(
  p_move uuid, p_dataset text, p_from text, p_columns text, p_kept text
)
returns text
language sql
security definer -- the relay brings what was kept
set search_path = pg_catalog, pg_temp
as $$
  select strata.close_arrival(p_move, p_dataset, l.neighbour, p_columns::text[], k.ordinals, k.keys,
                              k.fingerprints)::text
    from strata.relay_link(p_from, 'hotter') as l, (select (p_kept::strata.kept).*) as k
$$;
comment on function strata.relay_close(uuid, text, text, text, text) is
  'close_arrival(), for the relay: what became of each kept row.';
select strata.pin('strata.relay_close(uuid, text, text, text, text)');
grant execute on function strata.relay_close(uuid, text, text, text, text) to service_role;

-- The REST API begins its transactions read-write, also on a database that is read-only because it is full.
create function strata.relay_open_arrivals(p_from text)
returns text
language plpgsql
stable
security definer -- the relay looks for arrivals nobody closes
set search_path = pg_catalog, pg_temp
as $$
declare
  v_link constant strata.links := strata.relay_link(p_from, 'hotter');
begin
  if current_setting('default_transaction_read_only') = 'on' then
    raise exception '% is read-only: nothing is taken in', strata.tier() using errcode = '25006';
  end if;
  return strata.open_arrivals(v_link.neighbour);
end
$$;
comment on function strata.relay_open_arrivals(text) is
  'open_arrivals(), for the relay, which begins with it. 25006: this tier takes nothing in.';
grant execute on function strata.relay_open_arrivals(text) to service_role;

create function strata.relay_abandon(p_moves text)
returns integer
language sql
security definer -- the relay closes arrivals their source does not know
set search_path = pg_catalog, pg_temp
as $$
  select strata.abandon_arrivals(array(select a.move_id from strata.arrivals as a
    where a.move_id = any (p_moves::uuid[]) and strata.check_relay('hotter', a.from_tier)))
$$;
comment on function strata.relay_abandon(text) is 'abandon_arrivals(), for the relay.';
grant execute on function strata.relay_abandon(text) to service_role;
