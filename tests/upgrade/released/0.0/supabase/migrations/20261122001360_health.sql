-- Health: what an uptime monitor asks, and what keeps a quiet project from being paused.
--
-- The edge function `health` asks health() over REST and adds what only it can see: how fast each tier answers, and
-- whether the services outside do. What it found of those it writes down (strata.outside, made with the heartbeats), because asking them costs a
-- call each time and function workers remember nothing: within five minutes the answer is taken from here.
-- Once a day main calls core's `health` with core's key (keep_alive). A free project without any request for a week is
-- paused; core notes that it was asked, tells so in its heartbeat, and main raises an alert when the calls do not arrive.

insert into strata.settings (name, value, unit, says) values
  ('kept_alive_within', 3, 'days', 'an alert is raised when the daily call of core''s health function has not arrived for so long');

insert into strata.alert_kinds (kind, is_condition, says) values
  ('not_kept_alive', true, 'the daily call that keeps the hotter tier''s project from being paused does not arrive there');

create function strata.note_outside(p_name text, p_ok boolean, p_says text, p_took_ms integer)
returns void
language sql
security definer -- the edge functions write it down
set search_path = ''
as $$
  insert into strata.outside (name, checked_at, ok, says, took_ms)
  values (left(p_name, 100), strata.clock(), p_ok, left(p_says, 500), greatest(p_took_ms, 0))
  on conflict (name) do update set checked_at = excluded.checked_at, ok = excluded.ok, says = excluded.says, took_ms = excluded.took_ms
$$;
comment on function strata.note_outside(text, boolean, text, integer) is 'Writes down that a service outside was tried, and what came of it.';
revoke execute on function strata.note_outside(text, boolean, text, integer) from public;
grant execute on function strata.note_outside(text, boolean, text, integer) to service_role;

-- pg_net's worker is a process of the server that can be missing while everything seems in order.
create function strata.net_state()
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_queued integer;
  v_last timestamptz;
begin
  if to_regclass('net.http_request_queue') is null then
    return jsonb_build_object('installed', false);
  end if;
  execute 'select count(*) from (select from net.http_request_queue limit 1000) as q' into v_queued;
  execute 'select max(r.created) from net._http_response as r' into v_last;
  return jsonb_build_object('installed', true, 'queued', v_queued, 'last_answer_at', v_last, 'worker', exists (
    select from pg_catalog.pg_stat_activity as a where a.backend_type like 'pg\_net%' or a.application_name like 'pg\_net%'));
end
$$;
comment on function strata.net_state() is
  'pg_net: is it there, does its worker run, how many requests wait (1000: that or more), when the last answer came.';
revoke execute on function strata.net_state() from public;

create function strata.link_health(p_link strata.links)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object('neighbour', p_link.neighbour, 'direction', p_link.direction, 'driver', p_link.driver,
    'dials', p_link.server is not null, 'ok', p_link.trouble is null, 'last_ok_at', p_link.last_ok_at,
    'sqlstate', p_link.trouble_sqlstate, 'says', p_link.trouble, 'heard_at', h.heard_at, 'level', h.says ->> 'level',
    -- what the neighbour saw of the line by which we dialled it
    'tls', case when p_link.server is not null and h.says ? 'tls' then coalesce(h.says ->> 'tls', 'none') end,
    'clock_skew_seconds', round(extract(epoch from (h.says ->> 'clock')::timestamptz - h.heard_at), 1))
    from (select) as one left join strata.heartbeats as h on h.neighbour = p_link.neighbour
$$;
comment on function strata.link_health(strata.links) is
  'One link as this tier sees it; tls is known where this tier dials: the version, or "none" for a line in clear text.';
revoke execute on function strata.link_health(strata.links) from public;

create function strata.health()
returns jsonb
language sql
stable
security definer -- the edge functions ask
set search_path = ''
as $$
  select jsonb_build_object(
    'tier', (select s.tier from strata.self as s),
    'clock', extract(epoch from clock_timestamp())::double precision,
    'level', case when exists (select from strata.self) then strata.level() end,
    'links', (select coalesce(jsonb_agg(strata.link_health(l) order by l.direction desc), '[]') from strata.links as l),
    'cron', jsonb_build_object('installed', strata.has_cron(), 'watched_at', (select max(x.taken_at) from strata.samples as x),
      'stopped', (select coalesce(jsonb_agg(j.says order by j.job), '[]') from strata.self, strata.stopped_jobs() as j)),
    'last_move', (select jsonb_build_object('dataset', m.dataset, 'to_tier', m.to_tier, 'rows', m.rows_moved, 'finished_at', m.finished_at)
                    from strata.moves as m where m.finished_at is not null and m.rows_moved > 0 order by m.finished_at desc limit 1),
    'oldest_due', (select jsonb_build_object('dataset', w.dataset, 'since', w.since) from strata.waiting as w order by w.since, w.dataset limit 1),
    'alerts', (select coalesce(jsonb_agg(jsonb_build_object('kind', a.kind, 'tier', a.tier, 'subject', a.subject, 'severity', a.severity,
                 'says', a.says, 'since', a.first_seen_at) order by a.severity, a.first_seen_at, a.alert_id), '[]')
                 from strata.alerts as a where a.cleared_at is null),
    'net', strata.net_state(),
    'outside', (select coalesce(jsonb_object_agg(o.name, jsonb_build_object('ok', o.ok, 'says', o.says, 'took_ms', o.took_ms,
                  'age_seconds', round(extract(epoch from strata.clock() - o.checked_at)))), '{}') from strata.outside as o))
$$;
comment on function strata.health() is
  'How this tier is, for a monitor: links, pg_cron, the last move, what is due longest, open alerts, pg_net, services outside. '
  'Reads no managed table and dials nobody.';
revoke execute on function strata.health() from public;
grant execute on function strata.health() to service_role;

create function strata.keeps_alive()
returns boolean
language sql
stable
set search_path = ''
as $$
  select to_regnamespace('net') is not null and strata.secret('core_project_url') is not null and strata.secret('core_secret_key') is not null
     and exists (select from strata.links as l where l.neighbour = 'core')
$$;
comment on function strata.keeps_alive() is 'Whether this tier is core''s neighbour, knows its project''s address and key, and can call it.';
revoke execute on function strata.keeps_alive() from public;

create function strata.health_conditions()
returns setof strata.condition
language sql
stable
set search_path = ''
as $$
  select 'not_kept_alive', 'core', '', 'warning',
         format('the daily call from %s has not reached core''s health function since %s', strata.tier(), to_char(c.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')),
         'Is the function deployed (supabase functions deploy health), and are the secrets core_project_url and core_secret_key right?'
    from (select coalesce((h.says ->> 'kept_alive_at')::timestamptz, l.joined_at) as at
            from strata.links as l join strata.heartbeats as h on h.neighbour = l.neighbour where l.neighbour = 'core') as c
   where strata.keeps_alive() and c.at < strata.clock() - make_interval(days => strata.setting('kept_alive_within')::integer)
$$;
comment on function strata.health_conditions() is 'Alerts about the daily call that keeps core''s project from being paused.';
revoke execute on function strata.health_conditions() from public;

-- Unpinned because it commits.
create procedure strata.keep_alive()
language plpgsql
as $$
begin
  perform pg_catalog.set_config('default_transaction_read_only', 'off', false);
  commit;
  if strata.keeps_alive() then
    perform strata.http_post(pg_catalog.rtrim(strata.secret('core_project_url'), '/') || '/functions/v1/health', '{}',
                             pg_catalog.jsonb_build_object('apikey', strata.secret('core_secret_key')));
  end if;
  commit;
end
$$;
comment on procedure strata.keep_alive() is
  'What cron calls once a day on the tier beside core: asks core''s health function, so that core''s project is not paused '
  'for being quiet. Commits: must be the only statement, outside a transaction.';
revoke execute on procedure strata.keep_alive() from public;

insert into strata.schedules (job, cron, command, tiers, says) values
  ('strata-keep-alive', '30 5 * * *', 'call strata.keep_alive()', '{main,archive}', 'calls core''s health function, so that a quiet free project is not paused');
