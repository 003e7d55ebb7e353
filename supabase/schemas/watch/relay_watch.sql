-- Waking the relay, and the heartbeats it carries: what the driving tier's cron does for the other two
-- drivers.

create function strata.relay_heartbeat()
returns text
language sql
stable
security definer -- the relay carries it to the neighbour
set search_path = pg_catalog, pg_temp
as $$ select strata.heartbeat()::text where strata.check_relay(null) $$;
comment on function strata.relay_heartbeat() is 'heartbeat(), for the relay.';
grant execute on function strata.relay_heartbeat() to service_role;

create function strata.relay_hear(p_from text, p_heartbeat text)
returns text
language plpgsql
security definer -- the relay brings the neighbour's
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.check_relay(null, p_from);
  return strata.exchange_heartbeats(p_from, p_heartbeat::jsonb)::text;
end
$$;
comment on function strata.relay_hear(text, text) is
  'exchange_heartbeats(), for the relay: takes the neighbour''s, returns ours. ST006: no such relay.';
grant execute on function strata.relay_hear(text, text) to service_role;

create function strata.relays_to_wake()
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(l.neighbour), '{}')
    from strata.links as l
   where l.driver = 'relay' and l.direction = 'colder'
     and (l.next_try_at is null or l.next_try_at <= strata.clock())
     and not exists (select from strata.leases as x
                      where x.neighbour = l.neighbour and x.expires_at > clock_timestamp())
     and (strata.datasets_with_work() <> '{}'
          or not exists (select from strata.heartbeats as h where h.neighbour = l.neighbour
                            and h.heard_at > strata.clock() - interval '4 minutes'))
$$;
comment on function strata.relays_to_wake() is
  'Colder neighbours for whom there are rows or a heartbeat to carry, and nobody at it.';

-- Unpinned because it commits.
create procedure strata.wake_relay()
language plpgsql
as $$
declare
  v_neighbour text;
begin
  perform pg_catalog.set_config('default_transaction_read_only', 'off', false);
  commit;
  foreach v_neighbour in array strata.relays_to_wake() loop
    perform strata.invoke('strata-relay',
                          pg_catalog.jsonb_build_object('from', strata.tier(), 'to', v_neighbour));
  end loop;
  commit;
end
$$;
comment on procedure strata.wake_relay() is
  'What cron calls every five minutes: wakes the edge function relay of this tier''s project when there is '
  'something to carry. Commits: must be the only statement, outside a transaction.';
