-- Relay: the third driver, for two tiers between which there is no Postgres connection in either direction.
--
-- The edge function `relay` takes the steps that advance() takes, over the REST API of both ends: the same functions, in
-- the same order, each call a transaction of its own; and batch after batch in a flow, as the other drivers do. What it carries it does not understand: columns, keys, rows, proofs
-- and kept rows go from one database to the other as the texts these wrote. All of it is callable by service_role, whose
-- key the function holds for both ends, and by nobody else.
--
--   source (hotter)                                          destination (colder)
--   relay_begin                                              relay_open_arrivals, relay_abandon
--   relay_claim                                              relay_receive
--   relay_describe, relay_told                               relay_accept
--   relay_purge, relay_keys                                  relay_prove
--   relay_finish, relay_end                                  relay_close
--
-- One function works on a link at a time: it holds a lease at the source, which runs out by itself when the function
-- dies. A lease that runs out under a function that still lives does no harm: two drivers are what the protocol is made
-- for. pg_cron wakes the function (wake_relay); one that leaves work behind is woken again at once.
-- Batches are small, because every byte passes through the memory of the function.

insert into strata.errors (code, cause, remedy) values
  ('ST006', 'the link is not one that an edge function drives', 'set driver: relay for that link and run setup on both tiers, or stop calling the relay');

create table strata.leases (
  neighbour text not null,
  token uuid not null,
  expires_at timestamptz not null,
  constraint leases_pkey primary key (neighbour),
  constraint leases_link_fkey foreign key (neighbour) references strata.links (neighbour) on delete cascade
);
comment on table strata.leases is 'Which run of the relay works on the link to a colder neighbour, and until when nobody else does.';
revoke all on strata.leases from public;
alter table strata.leases enable row level security;

create function strata.relay_link(p_neighbour text, p_direction text)
returns strata.links
language plpgsql
stable
set search_path = ''
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
comment on function strata.relay_link(text, text) is 'The link to a neighbour, if an edge function drives it. ST006: none, or another driver.';
revoke execute on function strata.relay_link(text, text) from public;

create function strata.relay_hello()
returns jsonb
language sql
stable
security definer -- the relay asks who this is
set search_path = ''
as $$ select strata.hello() $$;
comment on function strata.relay_hello() is 'hello(), for the relay.';
revoke execute on function strata.relay_hello() from public;
grant execute on function strata.relay_hello() to service_role;

-- At the source: whose turn it is.
create function strata.relay_begin(p_neighbour text, p_token uuid, p_seconds integer, p_retry boolean default false)
returns text[]
language plpgsql
security definer -- the relay takes its lease
set search_path = ''
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
  'Takes the lease of the link to a colder neighbour and says which datasets have work; null when another run holds it or '
  'the link is down and pausing (unless p_retry). ST006: no such relay.';
revoke execute on function strata.relay_begin(text, uuid, integer, boolean) from public;
grant execute on function strata.relay_begin(text, uuid, integer, boolean) to service_role;

create function strata.relay_end(p_neighbour text, p_token uuid, p_left boolean)
returns void
language plpgsql
security definer -- the relay gives its lease back
set search_path = ''
as $$
begin
  delete from strata.leases as l where l.neighbour = p_neighbour and l.token = p_token;
  if found and p_left then
    perform strata.invoke('relay', jsonb_build_object('from', strata.tier(), 'to', p_neighbour));
  end if;
end
$$;
comment on function strata.relay_end(text, uuid, boolean) is 'Gives the lease back; p_left: wakes the relay again, because there is more to do.';
revoke execute on function strata.relay_end(text, uuid, boolean) from public;
grant execute on function strata.relay_end(text, uuid, boolean) to service_role;

create function strata.relay_note_link(p_neighbour text, p_code text, p_says text)
returns void
language sql
security definer -- the relay says how the other end is
set search_path = ''
as $$
  select strata.note_link(l.neighbour, p_code, left(p_says, 1000)) from strata.links as l where l.neighbour = p_neighbour and l.driver = 'relay'
$$;
comment on function strata.relay_note_link(text, text, text) is 'note_link(), for the relay: the other end works (null), or why it does not.';
revoke execute on function strata.relay_note_link(text, text, text) from public;
grant execute on function strata.relay_note_link(text, text, text) to service_role;

create function strata.relay_note_failure(p_dataset text, p_code text, p_says text)
returns boolean
language plpgsql
security definer -- the relay writes down what failed
set search_path = ''
as $$
begin
  if strata.is_link_error(p_code) or p_code in ('ST030', 'ST031') then -- another run has taken the move up meanwhile
    return false;
  end if;
  perform strata.note_failure(p_dataset, p_code, left(p_says, 1000));
  return true;
end
$$;
comment on function strata.relay_note_failure(text, text, text) is
  'note_failure(), for the relay; false for an error that is not the dataset''s.';
revoke execute on function strata.relay_note_failure(text, text, text) from public;
grant execute on function strata.relay_note_failure(text, text, text) to service_role;

-- At the source: the steps. A batch that is too long as text is not claimed but tried again smaller; one row that is too
-- long by itself is set aside.
create function strata.relay_claim(p_dataset text, p_neighbour text, p_besides text default '{}')
returns table (status text, move_id uuid, columns text, seal text, lines text)
language plpgsql
security definer -- the relay claims
set search_path = ''
set bytea_output = 'hex'
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
      return query select v_batch.status, v_batch.move_id, v_batch.columns::text, v_batch.seal::text, v_batch.lines;
      return;
    exception when sqlstate 'ST044' then
      if array_length(v_keys, 2) = 1 then
        perform strata.put_aside(p_dataset, strata.nth_key(v_keys, 1), 'ST044',
          format('the row takes %s bytes as text, a relay carries up to %s', octet_length(v_batch.lines), c_most));
      end if;
    end;
  end loop;
  return query select 'blocked', null::uuid, null::text, null::text, null::text; -- more giants than one call sets aside
end
$$;
comment on function strata.relay_claim(text, text, text) is
  'claim(), for the relay: a batch of at most a third more than relay_batch_bytes as texts, or one row of at most '
  'relay_text_bytes. A row longer than that is set aside (ST044).';
revoke execute on function strata.relay_claim(text, text, text) from public;
grant execute on function strata.relay_claim(text, text, text) to service_role;

create function strata.relay_keys(p_move uuid)
returns text
language sql
stable
security definer -- the relay asks for keys
set search_path = ''
as $$ select strata.claimed_keys(p_move)::text $$;
comment on function strata.relay_keys(uuid) is 'claimed_keys(), for the relay.';
revoke execute on function strata.relay_keys(uuid) from public;
grant execute on function strata.relay_keys(uuid) to service_role;

create function strata.relay_describe(p_dataset text)
returns text
language sql
security definer -- the relay tells the colder tier
set search_path = ''
as $$ select strata.describe(p_dataset)::text $$;
comment on function strata.relay_describe(text) is 'describe(), for the relay.';
revoke execute on function strata.relay_describe(text) from public;
grant execute on function strata.relay_describe(text) to service_role;

create function strata.relay_told(p_dataset text, p_description text, p_columns text)
returns void
language sql
security definer -- the relay notes what was agreed
set search_path = ''
as $$
  select strata.note_told(p_dataset, (d.j ->> 'revision')::bigint, d.j ->> 'shape', p_columns::text[]) from (select p_description::jsonb as j) as d
$$;
comment on function strata.relay_told(text, text, text) is 'note_told(), for the relay.';
revoke execute on function strata.relay_told(text, text, text) from public;
grant execute on function strata.relay_told(text, text, text) to service_role;

create function strata.relay_purge(p_move uuid, p_proofs text, p_refused text)
returns table (moved integer, kept text)
language sql
security definer -- the relay brings the proofs
set search_path = ''
set array_nulls = on
set bytea_output = 'hex'
as $$
  select k.moved, k::text from strata.purge(p_move, p_proofs::bytea[], coalesce(p_refused, '[]')::jsonb) as k
$$;
comment on function strata.relay_purge(uuid, text, text) is 'purge(), for the relay: how many rows left, and what was kept, as the colder tier reads it.';
revoke execute on function strata.relay_purge(uuid, text, text) from public;
grant execute on function strata.relay_purge(uuid, text, text) to service_role;

create function strata.relay_finish(p_move uuid, p_outcomes text)
returns void
language sql
security definer -- the relay brings the outcomes
set search_path = ''
set array_nulls = on
as $$ select strata.close_move(p_move, p_outcomes::text[]) $$;
comment on function strata.relay_finish(uuid, text) is 'close_move(), for the relay.';
revoke execute on function strata.relay_finish(uuid, text) from public;
grant execute on function strata.relay_finish(uuid, text) to service_role;

create function strata.relay_not_open(p_moves text)
returns text
language sql
stable
security definer -- the relay asks after arrivals nobody closes
set search_path = ''
as $$ select strata.not_open(p_moves::uuid[])::text $$;
comment on function strata.relay_not_open(text) is 'not_open(), for the relay.';
revoke execute on function strata.relay_not_open(text) from public;
grant execute on function strata.relay_not_open(text) to service_role;

-- At the destination.
create function strata.relay_accept(p_description text, p_from text)
returns text
language sql
security definer -- the relay tells of a table
set search_path = ''
as $$ select strata.accept(p_description::jsonb, l.neighbour)::text from strata.relay_link(p_from, 'hotter') as l $$;
comment on function strata.relay_accept(text, text) is 'accept(), for the relay: the columns'' order here.';
revoke execute on function strata.relay_accept(text, text) from public;
grant execute on function strata.relay_accept(text, text) to service_role;

create function strata.relay_receive(p_move uuid, p_dataset text, p_from text, p_columns text, p_lines text)
returns text
language sql
security definer -- the relay brings the rows
set search_path = ''
set array_nulls = on
as $$
  select strata.receive(p_move, p_dataset, l.neighbour, p_columns::text[], p_lines)::text from strata.relay_link(p_from, 'hotter') as l
$$;
comment on function strata.relay_receive(uuid, text, text, text, text) is 'receive(), for the relay: the rows that were refused.';
revoke execute on function strata.relay_receive(uuid, text, text, text, text) from public;
grant execute on function strata.relay_receive(uuid, text, text, text, text) to service_role;

create function strata.relay_prove(p_move uuid, p_dataset text, p_columns text, p_keys text default null, p_seal text default null)
returns text
language sql
stable
security definer -- the relay asks for proofs
set search_path = ''
set array_nulls = on
set bytea_output = 'hex'
as $$ select strata.prove(p_move, p_dataset, p_columns::text[], p_keys::text[], p_seal::bytea)::text $$;
comment on function strata.relay_prove(uuid, text, text, text, text) is 'prove(), for the relay, the seal as claimed; null: to be asked again with the keys.';
revoke execute on function strata.relay_prove(uuid, text, text, text, text) from public;
grant execute on function strata.relay_prove(uuid, text, text, text, text) to service_role;

create function strata.relay_close(p_move uuid, p_dataset text, p_from text, p_columns text, p_kept text)
returns text
language sql
security definer -- the relay brings what was kept
set search_path = ''
set array_nulls = on
as $$
  select strata.close_arrival(p_move, p_dataset, l.neighbour, p_columns::text[], k.ordinals, k.keys, k.fingerprints)::text
    from strata.relay_link(p_from, 'hotter') as l, (select (p_kept::strata.kept).*) as k
$$;
comment on function strata.relay_close(uuid, text, text, text, text) is 'close_arrival(), for the relay: what became of each kept row.';
revoke execute on function strata.relay_close(uuid, text, text, text, text) from public;
grant execute on function strata.relay_close(uuid, text, text, text, text) to service_role;

-- The REST API begins its transactions read-write, also on a database that is read-only because it is full.
create function strata.relay_open_arrivals(p_from text)
returns text
language plpgsql
stable
security definer -- the relay looks for arrivals nobody closes
set search_path = ''
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
comment on function strata.relay_open_arrivals(text) is 'open_arrivals(), for the relay, which begins with it. 25006: this tier takes nothing in.';
revoke execute on function strata.relay_open_arrivals(text) from public;
grant execute on function strata.relay_open_arrivals(text) to service_role;

create function strata.relay_abandon(p_moves text)
returns integer
language sql
security definer -- the relay closes arrivals their source does not know
set search_path = ''
as $$ select strata.abandon_arrivals(p_moves::uuid[]) $$;
comment on function strata.relay_abandon(text) is 'abandon_arrivals(), for the relay.';
revoke execute on function strata.relay_abandon(text) from public;
grant execute on function strata.relay_abandon(text) to service_role;
