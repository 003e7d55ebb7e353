-- Room: what keeps the room of rows that have left from being given back, and waiting for it.
--
-- Most transactions are over in a moment, and what outlasts the grace of its alert is somebody's to end.
-- Autovacuum is waited for and blamed for nothing: it is soon done, and comes back when it is ended.

create function strata.room_keepers(p_before xid8)
returns table (says text, statement text, is_vacuum boolean)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select format(
    '%1$s since %2$s (process %3$s)',
    case when a.usename is null or a.backend_type <> 'client backend' then 'the ' || a.backend_type
         else 'a transaction of ' || a.usename end,
    to_char(coalesce(a.xact_start, a.backend_start) at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), a.pid),
         format('select pg_terminate_backend(%s);', a.pid), a.backend_type = 'autovacuum worker'
    from pg_catalog.pg_stat_activity as a
   where a.pid <> pg_backend_pid()
     and greatest(age(a.backend_xid), case when a.datname = current_database() or a.backend_type = 'walsender'
                                           then age(a.backend_xmin) end) > age(p_before::xid)
  union all
  select format('the prepared transaction %s', x.gid), format('rollback prepared %L;', x.gid), false
    from pg_catalog.pg_prepared_xacts as x
   where age(x.transaction) > age(p_before::xid)
  union all
  select format('the replication slot %s', t.slot_name),
         format('select pg_drop_replication_slot(%L);', t.slot_name), false
    from pg_catalog.pg_replication_slots as t where age(t.xmin) > age(p_before::xid)
$$;
comment on function strata.room_keepers(xid8) is
  'What keeps rows that were deleted before a transaction from being given back, as far as this role may '
  'see it, and what ends it.';

create function strata.what_pins(p_before xid8)
returns text
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(p.says, ', ' order by p.says) from strata.room_keepers(p_before) as p
   where not p.is_vacuum
$$;
comment on function strata.what_pins(xid8) is
  'What keeps rows that were deleted before a transaction from being given back, as far as this role may see '
  'it: transactions, prepared ones, slots. Null: nothing but autovacuum, at most.';

create function strata.end_moving(p_drain strata.drains)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  update strata.drains as d
     set state = 'reclaiming', freed_before = pg_current_xact_id(), waits_since = strata.clock()
   where d.drain_id = p_drain.drain_id
$$;
comment on function strata.end_moving(strata.drains) is
  'Ends the first half of a round: what is free is given back once nobody can see the rows that left.';

create function strata.wait_for_room(p_drain strata.drains)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  c_moment constant interval := interval '2 seconds'; -- most transactions are over by then
  v_pins record;
begin
  select count(*) as number, string_agg(p.says, ', ' order by p.says) filter (where not p.is_vacuum) as says,
         string_agg(p.statement, ' ' order by p.says) filter (where not p.is_vacuum) as statements
    into v_pins from strata.room_keepers(p_drain.freed_before) as p;
  if v_pins.number = 0 or p_drain.waits_since < strata.clock() - make_interval(
    mins => strata.setting('drain_wait')::integer) then
    update strata.drains as d set waits_since = null, says = null where d.drain_id = p_drain.drain_id;
    perform strata.clear_alert('drain_blocked');
    perform strata.queue_reclaims('drain');
    return 'again';
  elsif clock_timestamp() < p_drain.waits_since + c_moment then
    return 'wait';
  end if;
  update strata.drains as d set says = 'waits for ' || coalesce(v_pins.says, 'autovacuum')
   where d.drain_id = p_drain.drain_id;
  if v_pins.says is null then
    perform strata.clear_alert('drain_blocked');
  else
    perform strata.raise_alert('drain_blocked', null, null, strata.after_grace('drain_blocked'),
      format('%1$s is at %2$s, and the room of rows that have left it is kept by %3$s', strata.tier(),
             strata.megabytes(strata.billed_bytes()), v_pins.says),
      format('End it, on %1$s, and the drain goes on by itself: %2$s', strata.tier(), v_pins.statements));
  end if;
  return 'rest';
end
$$;
comment on function strata.wait_for_room(strata.drains) is
  'Plans the reclaims of a round once nobody can see the rows that left, or after drain_wait minutes. '
  'Returns again, wait (look again in a moment) or rest.';
