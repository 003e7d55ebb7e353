-- Heartbeats: what neighbours tell each other about themselves, and what follows from hearing it, or nothing.

-- In plpgsql, because drains come in a later chapter.
create function strata.heartbeat()
returns jsonb
language plpgsql
stable
security definer -- strata_mover asks
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select jsonb_build_object(
    'tier', s.tier, 'version', strata.version(), 'protocols', strata.protocols(), 'clock', strata.clock(),
    'level', strata.level(),
    'drains', exists (select from strata.drains as d where d.ended_at is null),
    'watched_at', (select max(x.taken_at) from strata.samples as x),
    -- of the line it is asked by
    'tls', (select t.version from pg_catalog.pg_stat_ssl as t where t.pid = pg_backend_pid()),
    'kept_alive_at', (select o.checked_at from strata.outside as o where o.name = 'keep_alive'),
    'stopped', (select coalesce(jsonb_agg(to_jsonb(j)), '[]') from strata.stopped_jobs() as j),
    'overdue', (select coalesce(jsonb_agg(to_jsonb(o)), '[]') from strata.overdue() as o),
    'report', case when exists (select from strata.links as l where l.direction = 'hotter')
                   then (select jsonb_agg(p.says) from strata.report_parts as p) end,
    'alerts',
    (select coalesce(jsonb_agg(jsonb_build_object('kind', a.kind, 'tier', a.tier, 'subject', a.subject,
                                                  'severity', a.severity, 'says', a.says,
                                                  'remedy', a.remedy)), '[]')
       from (select x.* from strata.alerts as x where x.cleared_at is null
              order by array_position(array['critical', 'warning', 'info'], x.severity), x.alert_id
              limit strata.setting('heard_alerts')) as a))
    from strata.self as s where strata.check_asker(null));
end
$$;
comment on function strata.heartbeat() is
  'How this tier is, for its neighbours, as of now: level, last sample, jobs that do not run, '
  'datasets overdue, open alerts.';
grant execute on function strata.heartbeat() to strata_mover;

create function strata.check_heartbeat(p_from text, p_heartbeat jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_direction constant text := (select l.direction from strata.links as l where l.neighbour = p_from);
begin
  perform strata.check_heard(v_direction, 'a heartbeat', pg_column_size(p_heartbeat), 'heard_heartbeat'),
          strata.check_heard(v_direction, 'heartbeats within an hour',
                             coalesce((select h.hour_bytes from strata.heartbeats as h
                                        where h.neighbour = p_from
                                          and h.hour = date_trunc('hour', strata.clock())),
                                      0) + pg_column_size(p_heartbeat), 'heard_hourly');
  if jsonb_typeof(p_heartbeat -> 'alerts') = 'array' then
    perform strata.check_heard(v_direction, 'alerts', jsonb_array_length(p_heartbeat -> 'alerts'),
                               'heard_alerts'),
            strata.check_heard(v_direction, 'new alerts', (select count(*) from strata.alerts as a
              where a.heard_from = p_from and a.first_seen_at > strata.clock() - interval '1 day'),
                               'heard_alerts_daily');
  end if;
end
$$;
comment on function strata.check_heartbeat(text, jsonb) is
  'Refuses a heartbeat that is too large, or has too many alerts. ST065: it is.';

-- Only what we know how to read, and of the type that we read it as: a neighbour must not make the alerts of
-- this tier fail.
create function strata.plain_heartbeat(p_heartbeat jsonb)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(jsonb_object_agg(k.key, case
             when k.kind = 'list' then (select coalesce(jsonb_agg(e.it), '[]')
               from jsonb_array_elements(case jsonb_typeof(p_heartbeat -> k.key)
                                           when 'array' then p_heartbeat -> k.key else '[]' end) as e (it)
              where jsonb_typeof(e.it) = 'object')
             when k.kind = 'time' then to_jsonb(strata.as_time(p_heartbeat ->> k.key))
             when k.kind = 'boolean' then to_jsonb(p_heartbeat -> k.key = 'true')
             else to_jsonb(strata.plain_text(p_heartbeat ->> k.key, 200)) end), '{}')
      from (values ('tier', 'text'), ('version', 'text'), ('protocols', 'text'), ('clock', 'time'),
                   ('level', 'text'), ('drains', 'boolean'), ('watched_at', 'time'), ('tls', 'text'),
                   ('kept_alive_at', 'time'), ('stopped', 'list'), ('overdue', 'list')) as k (key, kind)
     where p_heartbeat ? k.key);
end
$$;
comment on function strata.plain_heartbeat(jsonb) is
  'What is kept of a heartbeat: its known parts, each of its type; null where it is none.';

create function strata.may_tell_of(p_from text, p_tier text)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return p_tier = strata.tier()
    or coalesce((select o.position >= n.position from strata.tiers as n, strata.tiers as o
                  where n.name = p_from and o.name = p_tier), false);
end
$$;
comment on function strata.may_tell_of(text, text) is
  'Whether a tier lies behind the colder neighbour that tells of it, or is this one, '
  'whose jobs may have stopped.';

-- A colder tier's alerts become ours, marked with where they came from; those it no longer has are cleared.
create function strata.hear(p_from text, p_heartbeat jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_heartbeat ->> 'tier' is distinct from p_from
     or not exists (select from strata.links as l where l.neighbour = p_from) then
    raise exception 'a heartbeat of % came from %, which is no neighbour of %',
      coalesce(p_heartbeat ->> 'tier', 'no tier'), p_from, strata.tier()
      using errcode = 'ST061', hint = strata.remedy('ST061');
  end if;
  perform strata.check_heartbeat(p_from, p_heartbeat);
  insert into strata.heartbeats as h (neighbour, heard_at, says, hour, hour_bytes)
  values (p_from, strata.clock(), strata.plain_heartbeat(p_heartbeat), date_trunc('hour', strata.clock()),
          pg_column_size(p_heartbeat))
  on conflict (neighbour) do update
     set heard_at = excluded.heard_at, says = excluded.says, hour = excluded.hour,
         hour_bytes = excluded.hour_bytes + case when h.hour = excluded.hour then h.hour_bytes else 0 end;
  if p_from is distinct from strata.colder() then
    perform strata.keep_going(true) where strata.wants_space(); -- it drains, and it is we who dial
    return;
  end if;
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('strata/alerts', 0));
  perform strata.hear_parts(p_from, p_heartbeat -> 'report');
  perform strata.raise_alert(a.kind, strata.plain_text(a.tier, 40), strata.plain_text(a.subject, 200),
                             a.severity, a.says, a.remedy, p_from)
     from (select x.* from jsonb_to_recordset(p_heartbeat -> 'alerts')
             as x (kind text, tier text, subject text, severity text, says text, remedy text)
             -- a newer neighbour may know more kinds than we do
             join strata.alert_kinds as k on k.kind = x.kind
            where strata.may_tell_of(p_from, x.tier) -- and what is found here is ours to tell
              and not exists (select from strata.alerts as own
                               where own.heard_from is null and own.cleared_at is null
                                and (own.kind, own.tier, own.subject) = (
                                  x.kind, strata.plain_text(x.tier, 40), strata.plain_text(x.subject, 200)))
            order by x.kind, x.tier, x.subject) as a;
  update strata.alerts as a set cleared_at = strata.clock()
   where a.heard_from = p_from and a.cleared_at is null
     and not exists (select from jsonb_to_recordset(p_heartbeat -> 'alerts')
                              as x (kind text, tier text, subject text)
                      where (x.kind, strata.plain_text(x.tier, 40),
                             strata.plain_text(x.subject, 200)) = (a.kind, a.tier, a.subject));
end
$$;
comment on function strata.hear(text, jsonb) is
  'Keeps what a neighbour says of itself; from the colder one its open alerts too. ST061: not a '
  'neighbour. ST065: too much.';

create function strata.exchange_heartbeats(p_from text, p_heartbeat jsonb)
returns jsonb
language plpgsql
security definer -- the neighbour that dials calls it as strata_mover
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.check_asker(null, p_from);
  perform strata.note_waiting(); -- here nothing may run any more
  perform strata.rescue();
  perform strata.hear(p_from, p_heartbeat);
  return strata.heartbeat();
end
$$;
comment on function strata.exchange_heartbeats(text, jsonb) is
  'Called by the neighbour that dials, with its own heartbeat; returns ours. ST061: not a neighbour.';
grant execute on function strata.exchange_heartbeats(text, jsonb) to strata_mover;

create function strata.contact(p_neighbour text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.hear(p_neighbour, strata.ask(p_neighbour,
    format('select strata.exchange_heartbeats(%L, strata.take_over(''heartbeat'')::jsonb)::text',
           strata.tier()),
    strata.unlogged_sql(strata.handing_sql('heartbeat', strata.heartbeat()::text)))::jsonb);
  perform strata.agree(p_neighbour);
  perform strata.note_link(p_neighbour, null, null);
  return true;
exception when others then
  if sqlstate = 'ST065' then
    return false; -- the link is all right; that too much came over it is an alert by itself
  end if;
  -- A function that is not there, or not for us: the neighbour has other migrations.
  perform strata.note_link(p_neighbour,
                           case when sqlstate in ('42883', '42501') then 'ST004' else sqlstate end, sqlerrm);
  return false;
end
$$;
comment on function strata.contact(text) is
  'Exchanges heartbeats with a neighbour this tier dials; false, and noted with the link, when that fails.';

create function strata.watchdog_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with told as ( -- by ourselves, and by whoever was heard
    select strata.tier() as tier, o.dataset, o.says, null as job, false as dead from strata.overdue() as o
    union all select strata.tier(), null, j.says, j.job, j.dead from strata.stopped_jobs() as j
    union all select h.neighbour, x.dataset, x.says, null, false
                from strata.heartbeats as h
                cross join lateral jsonb_to_recordset(h.says -> 'overdue') as x (dataset text, says text)
    union all select h.neighbour, null, x.says, x.job, x.dead = 'true'
                from strata.heartbeats as h
                cross join lateral jsonb_to_recordset(h.says -> 'stopped')
                  as x (job text, says text, dead text)
  )
  select case when t.job is null then 'overdue' else 'job_stopped' end, t.tier, coalesce(t.job, t.dataset),
         case when t.dead then 'critical' else 'warning' end, t.says,
         case when t.job is null then 'deno task strata sync moves it now; setup --validate on that tier '
                                      'says what is in the way.'
              else 'Look at that tier: is its server up, is pg_cron running, and what does setup --validate '
                   'say? On a Supabase project: is it paused?' end
    from told as t
  union all
  select 'silent', l.neighbour, '', 'critical',
         case when l.driver = 'relay' then format('no relay has come from %1$s to %2$s since %3$s',
                                                  l.neighbour, strata.tier(), h.since)
              else format('%1$s dials %2$s every few minutes, but has not since %3$s', l.neighbour,
                          strata.tier(), h.since) end,
         case when l.driver = 'relay'
                then 'Is the function relay deployed, has it the addresses and keys of both tiers, and does '
                     'its log complain? Until then nothing settles over that link.'
              else 'Look at that tier: is its server up, is pg_cron running there, does its line work? Until '
                   'then nothing settles over that link.' end
    from strata.links as l
    cross join lateral (select coalesce((select b.heard_at from strata.heartbeats as b
                                          where b.neighbour = l.neighbour), l.joined_at) as at) as x
    cross join lateral (select x.at, to_char(x.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as since) as h
   where l.server is null
     and h.at < strata.clock() - make_interval(mins => strata.setting('silent_after')::integer)
$$;
comment on function strata.watchdog_conditions() is
  'Alerts about this tier and its neighbours: datasets overdue, jobs that do not run, a neighbour that '
  'should dial and does not.';

-- Unpinned because they commit.
create procedure strata.look(p_retry boolean default true)
language plpgsql
as $$
declare
  v_neighbour text;
  v_heard text[] := array[]::pg_catalog.text[];
begin
  perform pg_catalog.set_config('default_transaction_read_only', 'off', false);
  commit;
  perform strata.note_waiting();
  perform strata.settle_aside();
  perform strata.look_for_circles();
  perform strata.settle_contested(d.name) from strata.datasets as d where d.accepted is not null;
  commit;
  foreach v_neighbour in array strata.driven_links(p_retry) loop
    if strata.contact(v_neighbour) then
      v_heard := v_heard || v_neighbour;
      perform strata.settle_conflicts(v_neighbour);
    end if;
    commit;
    perform strata.check_link(v_neighbour);
    commit;
  end loop;
  perform strata.check_alerts();
  commit;
  foreach v_neighbour in array v_heard loop
    if v_neighbour is distinct from strata.colder() then
      perform strata.contact(v_neighbour); -- once more: what was just found should be known there now
      commit;
    end if;
    perform strata.hang_up(v_neighbour);
  end loop;
  commit;
end
$$;
comment on procedure strata.look(boolean) is
  'Looks at everything that can be wrong as it is now, the neighbours that this tier dials included, and '
  'raises or clears the alerts that follow. p_retry: also at a link that is not to be dialled yet. Commits: '
  'must be the only statement, outside a transaction.';

create procedure strata.watchdog()
language plpgsql
as $$
begin
  perform pg_catalog.set_config('default_transaction_read_only', 'off', false);
  commit;
  perform strata.note_waiting();
  commit;
  perform strata.note_part();
  update strata.self as s set looked_at = strata.clock() where true;
  commit;
  perform strata.call_registered('watchdog');
  call strata.look(false);
end
$$;
comment on procedure strata.watchdog() is
  'What cron calls every five minutes: notes what is due and does not move, exchanges heartbeats over every '
  'link this tier drives, and raises what follows, here and on the hotter tier. Commits: must be the only '
  'statement, outside a transaction.';
