-- Draining: a drain from its beginning to its end, and the rounds between.

create function strata.open_drain(p_reason text default 'asked')
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_drain strata.drains;
begin
  insert into strata.drains (state, reason, target_bytes, billed_before, database_default, started_at)
  values ('moving', p_reason, strata.drain_target(), strata.billed_bytes(), strata.database_default(),
          strata.clock())
  on conflict ((true)) where ended_at is null do nothing
  returning * into v_drain;
  perform strata.keep_writable();
  perform strata.keep_going(true);
  return coalesce(v_drain.drain_id, (strata.open_drain_row()).drain_id);
end
$$;
comment on function strata.open_drain(text) is
  'Opens a drain, or returns the one that is open; strata-continue takes it from there.';

create function strata.megabytes(p_bytes bigint)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when abs(p_bytes) < 10485760 then round(p_bytes / 1048576.0, 1)
              else round(p_bytes / 1048576.0) end || ' MB'
$$;
comment on function strata.megabytes(bigint) is 'A size in a sentence.';

create function strata.end_drain(p_drain strata.drains, p_state text, p_says text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_billed constant bigint := strata.billed_bytes();
  v_pins constant text := strata.what_pins(p_drain.freed_before);
  v_tier strata.tiers;
begin
  update strata.drains as d
     set state = p_state, says = p_says, billed_after = v_billed, ended_at = strata.clock()
   where d.drain_id = p_drain.drain_id;
  update strata.reclaims as r set state = 'dropped', says = 'the drain is over', finished_at = strata.clock()
   where r.state = 'planned' and r.reason = 'drain';
  perform strata.take_sample(); -- so that the forecast sees the step
  perform strata.clear_alert('drain_blocked');
  select t.* into v_tier from strata.tiers as t where t.name = strata.tier();
  if p_state = 'exhausted' and v_billed > v_tier.warn_mb * 1048576::bigint then
    perform strata.raise_alert('nothing_movable', null, null, 'critical',
      format('%1$s is at %2$s of %3$s MB and cannot get any smaller: %4$s. It is filled by %5$s', v_tier.name,
             strata.megabytes(v_billed),
             v_tier.capacity_mb, p_says, (select string_agg(
               format('%1$s (%2$s)', f.part, strata.megabytes(f.bytes)), ', ' order by f.bytes desc)
                                            from (select p.part, p.bytes from strata.parts() as p
                                                   where p.billed and p.kind not in ('catalogue', 'database')
                                                   order by p.bytes desc limit 6) as f))
        || coalesce('. The room of deleted rows is kept by ' || v_pins, ''),
      case when v_pins is not null
             then 'End what keeps the room of deleted rows; then run: deno task strata drain'
           when strata.colder() is null
             then 'Link a colder tier, or get more room and tell strata.set_tier().'
           else 'Release holds, adopt the largest of these tables with strata.manage(), or get more room and '
                'tell strata.set_tier().' end);
  else
    perform strata.clear_alert('nothing_movable');
  end if;
  perform strata.check_alerts();
  perform strata.settle_read_only(p_drain.drain_id);
end
$$;
comment on function strata.end_drain(strata.drains, text, text) is
  'Ends a drain: takes a sample, says so when it is exhausted and the tier still too large. What was '
  'read-only stays writable when its size is no longer critical, else it becomes read-only again.';

create function strata.stop_drain()
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_drain strata.drains;
begin
  -- who tends it at this moment finishes first
  perform pg_advisory_xact_lock(hashtextextended('strata/space', 0));
  perform strata.keep_writable();
  v_drain := strata.open_drain_row();
  if v_drain.drain_id is not null then
    perform strata.end_drain(v_drain, 'stopped', 'stopped by a person');
  end if;
  return v_drain.drain_id is not null;
end
$$;
comment on function strata.stop_drain() is
  'Ends the open drain where it is; false when none is open. A tier that is still critical begins the next '
  'one after drain_again minutes.';

-- The beginning of a round: what is needed, and where it shall come from.
create function strata.begin_round(p_drain strata.drains)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_billed constant bigint := strata.billed_bytes();
  v_gain constant bigint := (select coalesce(sum(p.gain_bytes), 0) from strata.plan_reclaims(true) as p);
  v_need bigint := v_billed - p_drain.target_bytes - v_gain;
  v_movable bigint := 0;
begin
  delete from strata.drain_shares as s where s.drain_id = p_drain.drain_id;
  -- What is still missing is not worth a round: a table is not reclaimed for less than a megabyte, nor twice
  -- for half of one.
  if v_billed <= greatest(p_drain.target_bytes * 1.02, p_drain.target_bytes + 262144) then
    perform strata.end_drain(p_drain, 'done', format(
      'from %1$s to %2$s', strata.megabytes(p_drain.billed_before), strata.megabytes(v_billed)));
    return;
  elsif p_drain.round >= strata.setting('drain_rounds') then
    perform strata.end_drain(p_drain, 'exhausted', format('%s rounds were not enough', p_drain.round)
      || coalesce((select format(' (%1$s %2$s: %3$s)', r.relation, r.state, r.says) from strata.reclaims as r
                    where r.state in ('gave way', 'failed', 'no room') and r.planned_at >= p_drain.started_at
                    order by r.reclaim_id desc limit 1), ''));
    return;
  end if;
  if v_need > p_drain.target_bytes / 100 and strata.colder() is not null then
    insert into strata.drain_shares (drain_id, dataset, until, row_bytes, weight_factor, movable_bytes,
                                     share_bytes)
    select p_drain.drain_id, s.dataset, s.until, s.row_bytes, s.weight_factor, s.movable_bytes, s.share_bytes
      from strata.plan_drain(v_need) as s;
    select coalesce(sum(s.share_bytes), 0) into v_movable from strata.drain_shares as s
     where s.drain_id = p_drain.drain_id;
  end if;
  if v_movable = 0 and v_gain = 0 then
    perform strata.end_drain(p_drain, 'exhausted',
                             case when strata.colder() is null then 'there is no colder tier'
                                  else 'nothing on it may move' end);
    return;
  end if;
  update strata.drains as d
     set round = d.round + 1, round_at = strata.clock(), need_bytes = greatest(v_need, 0), state = 'moving'
   where d.drain_id = p_drain.drain_id;
  if v_movable = 0 then
    perform strata.end_moving(p_drain);
  end if;
end
$$;
comment on function strata.begin_round(strata.drains) is
  'Measures the bill and begins the next round of a drain: moving, or only reclaiming when that is enough or '
  'nothing may move; ends the drain when its target is reached or nothing is left to do.';

create function strata.drain_obstacle()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when l.neighbour is null then 'there is no colder tier'
    when l.trouble is not null
      then format('the link to %1$s is down: %2$s [%3$s]', l.neighbour, l.trouble, l.trouble_sqlstate)
    when l.server is null and l.driver <> 'relay'
         and coalesce(h.heard_at, l.joined_at) < strata.clock() - make_interval(
           mins => strata.setting('drain_patience')::integer)
      then format('%1$s has not been heard from since %2$s', l.neighbour,
                  to_char(coalesce(h.heard_at, l.joined_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI')) end
    from strata.self as s
    left join strata.links as l on l.direction = 'colder'
    left join strata.heartbeats as h on h.neighbour = l.neighbour
$$;
comment on function strata.drain_obstacle() is 'Why rows cannot leave this tier now; null when they can.';

create function strata.drain_progress()
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('state', d.state, 'reason', d.reason, 'round', d.round,
                            'started_at', d.started_at,
           'billed_before', d.billed_before::text, 'target_bytes', d.target_bytes::text,
           'need_bytes', d.need_bytes::text,
           'freed_bytes', least(greatest(d.need_bytes - strata.drain_left(d), 0), d.need_bytes)::text,
           'waits_for', case
             when d.round = 0 then 'its first round'
             when d.state = 'moving' then coalesce(
               case when o.says is not null then format('%1$s (%2$s)', strata.colder(), o.says) end, d.says)
             when d.waits_since is not null then coalesce(d.says, 'transactions that still see the rows')
             else d.says end)
    from strata.drains as d left join lateral (select strata.drain_obstacle() as says) as o on true
   where d.ended_at is null
$$;
comment on function strata.drain_progress() is
  'The drain that is open, null when none is: its state, how much of what its round needs has been '
  'freed, what it waits for.';

-- Without anything having left since then, what is free by now is worth more than waiting.
create function strata.has_stalled(p_drain strata.drains)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select count(*) > 0 and max(m.finished_at) < strata.clock() - make_interval(
    mins => strata.setting('drain_stall')::integer)
    from strata.drain_moves as f join strata.moves as m on m.move_id = f.move_id
   where f.drain_id = p_drain.drain_id and f.round = p_drain.round and m.rows_moved > 0
$$;
comment on function strata.has_stalled(strata.drains) is
  'Whether a round of a drain has moved rows, but none for drain_stall minutes.';

create function strata.tend_drain(p_drain strata.drains)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_obstacle constant text := strata.drain_obstacle();
begin
  if p_drain.round = 0 then
    perform strata.begin_round(p_drain);
    return 'again';
  elsif p_drain.state = 'moving' then
    if v_obstacle is null then
      perform strata.clear_alert('drain_blocked');
    else
      perform strata.raise_alert('drain_blocked', null, null, strata.after_grace('drain_blocked'),
        format('%1$s is at %2$s and has to give rows away, but %3$s', strata.tier(),
               strata.megabytes(strata.billed_bytes()), v_obstacle),
        'Bring the next tier back: the drain goes on by itself. Nothing has been deleted meanwhile.');
    end if;
    if strata.has_stalled(p_drain)
       or (v_obstacle is null
           and not exists (select from strata.drain_moves as f join strata.moves as m on m.move_id = f.move_id
                            where f.drain_id = p_drain.drain_id and m.state = 'claimed')
           and not exists (select from strata.datasets as d where strata.has_drainable(d))) then
      perform strata.end_moving(p_drain);
      return 'again';
    end if;
    return 'rest';
  elsif p_drain.waits_since is not null then
    return strata.wait_for_room(p_drain);
  elsif strata.billed_bytes() <= p_drain.target_bytes
    or not exists (select from strata.reclaims as r where r.state = 'planned') then
    perform strata.begin_round(p_drain);
    return 'again';
  elsif not strata.has_cron() then
    perform strata.raise_alert('drain_blocked', null, null, 'warning',
                               format('%1$s could be given back on %2$s, which has no pg_cron to do it',
                                      (select strata.megabytes(sum(r.gain_bytes)::bigint)
                                         from strata.reclaims as r where r.state = 'planned'), strata.tier()),
      'Run: deno task strata reclaim');
    return 'rest';
  end if;
  return null;
end
$$;
comment on function strata.tend_drain(strata.drains) is
  'Brings a drain one state forward. Returns again, rest (others have to do their part first), or '
  'null: a reclaim may begin.';
