-- Health: what an uptime monitor asks, and what keeps a quiet project from being paused.
--
-- The edge function `strata-health` asks health() over REST and adds what only it can see: how fast each tier
-- answers, and whether the services outside do. What it found of those it writes down (strata.outside, made
-- with the heartbeats), because asking them costs a call each time and function workers remember nothing:
-- within five minutes the answer is taken from here. Once a day main wakes core's `strata-health`, with
-- core's wake secret (keep_alive). A free project without any request for a week is paused; core notes that
-- it was asked, tells so in its heartbeat, and main raises an alert when the calls do not arrive.

create function strata.note_outside(p_name text, p_ok boolean, p_says text, p_took_ms integer)
returns void
language sql
security definer -- the edge functions write it down
set search_path = pg_catalog, pg_temp
as $$
  insert into strata.outside (name, checked_at, ok, says, took_ms)
  values (left(p_name, 100), strata.clock(), p_ok, left(p_says, 500), greatest(p_took_ms, 0))
  on conflict (name) do update
     set checked_at = excluded.checked_at, ok = excluded.ok, says = excluded.says, took_ms = excluded.took_ms
$$;
comment on function strata.note_outside(text, boolean, text, integer) is
  'Writes down that a service outside was tried, and what came of it.';
grant execute on function strata.note_outside(text, boolean, text, integer) to service_role;

-- pg_net's worker is a process of the server that can be missing while everything seems in order.
create function strata.net_state()
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  v_queued integer;
  v_last timestamptz;
begin
  if not strata.has_net() then
    return jsonb_build_object('installed', false);
  end if;
  -- its tables are not part of what pg_net promises: a version that keeps its queue elsewhere fails no health
  -- check
  if to_regclass('net.http_request_queue') is null or to_regclass('net._http_response') is null then
    return jsonb_build_object('installed', true);
  end if;
  execute 'select count(*) from (select from net.http_request_queue limit 1000) as q' into v_queued;
  execute 'select max(r.created) from net._http_response as r' into v_last;
  return jsonb_build_object('installed', true, 'queued', v_queued, 'last_answer_at', v_last,
                            'worker', exists (
    select from pg_catalog.pg_stat_activity as a
     where a.backend_type like 'pg\_net%' or a.application_name like 'pg\_net%'));
end
$$;
comment on function strata.net_state() is
  'pg_net: is it there, does its worker run, how many requests wait (1000: that or more), '
  'when the last answer came.';

create function strata.link_health(p_link strata.links)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('neighbour', p_link.neighbour, 'direction', p_link.direction,
                            'driver', p_link.driver,
    'dials', p_link.server is not null, 'ok', p_link.trouble is null, 'last_ok_at', p_link.last_ok_at,
    'sqlstate', p_link.trouble_sqlstate, 'says', p_link.trouble, 'heard_at', h.heard_at,
    'level', h.says ->> 'level',
    -- what the neighbour saw of the line by which we dialled it
    'tls', case when p_link.server is not null and h.says ? 'tls' then coalesce(h.says ->> 'tls', 'none') end,
    'clock_skew_seconds', round(extract(epoch from (h.says ->> 'clock')::timestamptz - h.heard_at), 1))
    from (select) as one left join strata.heartbeats as h on h.neighbour = p_link.neighbour
$$;
comment on function strata.link_health(strata.links) is
  'One link as this tier sees it; tls is known where this tier dials: the version, or "none" '
  'for a line in clear text.';

create function strata.health()
returns jsonb
language sql
stable
security definer -- the edge functions ask
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'tier', (select s.tier from strata.self as s),
    'clock', extract(epoch from clock_timestamp())::double precision,
    'level', case when exists (select from strata.self) then strata.level() end,
    'links', (select coalesce(jsonb_agg(strata.link_health(l) order by l.direction desc), '[]')
                from strata.links as l),
    'cron', jsonb_build_object('installed', strata.has_cron(),
                               'watched_at', (select max(x.taken_at) from strata.samples as x),
      'stopped', (select coalesce(jsonb_agg(j.says order by j.job), '[]')
                    from strata.self, strata.stopped_jobs() as j)),
    'last_move', (select jsonb_build_object('dataset', m.dataset, 'to_tier', m.to_tier, 'rows', m.rows_moved,
                                            'finished_at', m.finished_at)
                    from strata.moves as m
                   where m.finished_at is not null and m.rows_moved > 0 order by m.finished_at desc limit 1),
    'oldest_due', (select jsonb_build_object('dataset', w.dataset, 'since', w.since)
                     from strata.waiting as w order by w.since, w.dataset limit 1),
    'alerts', (select coalesce(jsonb_agg(jsonb_build_object('kind', a.kind, 'tier', a.tier,
                                                            'subject', a.subject, 'severity', a.severity,
                 'says', a.says, 'since', a.first_seen_at) order by a.severity, a.first_seen_at, a.alert_id),
                               '[]')
                 from strata.alerts as a where a.cleared_at is null),
    'net', strata.net_state(),
    'outside', (select coalesce(
      jsonb_object_agg(o.name, jsonb_build_object('ok', o.ok, 'says', o.says, 'took_ms', o.took_ms,
                                                  'age_seconds', round(extract(
                                                    epoch from strata.clock() - o.checked_at)))), '{}')
                  from strata.outside as o))
$$;
comment on function strata.health() is
  'How this tier is, for a monitor: links, pg_cron, the last move, what is due longest, open alerts, pg_net, '
  'services outside. Reads no managed table and dials nobody.';
grant execute on function strata.health() to service_role;

create function strata.keeps_alive()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select strata.has_net() and strata.secret('core_project_url') is not null
         and strata.secret('core_wake_secret') is not null
     and exists (select from strata.links as l where l.neighbour = 'core')
$$;
comment on function strata.keeps_alive() is
  'Whether this tier is core''s neighbour, knows its project''s address and wake secret, and can call it.';

create function strata.wake_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with functions as (
    select string_agg(w.what, ', ' order by w.place) as not_done
      from (values (1, 'project_url', 'wake_secret', 'no message is sent and no briefing spoken'),
                   (2, 'core_project_url', 'core_wake_secret',
                    'core''s project is not kept awake')) as w (place, url, secret, what)
     where strata.secret(w.url) is not null and strata.secret(w.secret) is not null)
  select 'cannot_wake', strata.tier(), '', 'warning',
         case when n.state ->> 'installed' = 'false'
                then 'there is no pg_net in this database, so no function is woken: '
              else format('the worker of pg_net does not run, and requests wait (%s): ',
                          n.state ->> 'queued') end || f.not_done,
         case when n.state ->> 'installed' = 'false' then
           'As its owner (a superuser, '
           'on a Postgres of your own): create extension pg_net with schema extensions; '
           'it has to be installed, and in shared_preload_libraries.'
           else 'select net.worker_restart(); if that does not help, restart the server.' end
    from functions as f cross join lateral (select strata.net_state()) as n (state)
   where f.not_done is not null
     and (n.state ->> 'installed' = 'false'
          or (n.state ->> 'worker' = 'false' and (n.state ->> 'queued')::integer > 0
              and pg_has_role('pg_read_all_stats', 'usage'))) -- others do not see it run
$$;
comment on function strata.wake_conditions() is
  'The alert that functions are configured and cannot be woken: pg_net is missing, or requests wait and '
  'its worker does not run.';

create function strata.health_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'not_kept_alive', 'core', '', 'warning',
         format('the daily call from %1$s has not reached core''s health function since %2$s', strata.tier(),
                to_char(c.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')),
         'Run deno task deploy, then deno task strata setup --init --validate: it says whether core''s '
         'functions take core''s wake secret.'
    from (select coalesce((h.says ->> 'kept_alive_at')::timestamptz, l.joined_at) as at
            from strata.links as l join strata.heartbeats as h on h.neighbour = l.neighbour
           where l.neighbour = 'core') as c
   where strata.keeps_alive()
     and c.at < strata.clock() - make_interval(days => strata.setting('kept_alive_within')::integer)
  union all
  select w.* from strata.wake_conditions() as w
$$;
comment on function strata.health_conditions() is
  'Alerts about functions that are not woken, and about the daily call that keeps core''s '
  'project from being paused.';

-- Unpinned because it commits.
create procedure strata.keep_alive()
language plpgsql
as $$
begin
  perform pg_catalog.set_config('default_transaction_read_only', 'off', false);
  commit;
  if strata.keeps_alive() then
    perform strata.wake(strata.secret('core_project_url'), strata.secret('core_wake_secret'),
                        'strata-health');
  end if;
  commit;
end
$$;
comment on procedure strata.keep_alive() is
  'What cron calls once a day on the tier beside core: asks core''s health function, so that core''s project '
  'is not paused for being quiet. Commits: must be the only statement, outside a transaction.';
