-- Outbox: what is told to people, once each.
--
-- A message is a row with a key that says what it tells (alert/17/critical, digest/2026-11-22): writing it
-- twice writes it once. A delivery is one message on one channel:
--
--   nothing ──claim──▶ claimed ──note_sent──▶ sent
--                       │  ▲ lease over, or note_unsent: waits, longer each time
--                       ├──┘
--                       └──▶ failed (refused, or too many attempts), dropped (overtaken: cleared, expired)
--
-- The function `strata-notify` claims what is due, sends, and acknowledges. pg_net only wakes it
-- (strata.deliver, every five minutes): whatever goes wrong with a wake-up, the next one finds the same rows.
-- A crash between sending and acknowledging cannot be told from one before sending, so that delivery is at
-- least once; every message carries its number, and one that may have been seen before says so
-- (perhaps_sent).
--
-- Critical alerts go out at once, day and night, and so does the all-clear for each that was told; so do
-- warnings of a kind that does not wait (alert_kinds.at_once), in the quiet hours without a sound. Everything
-- else waits for their end, and other warnings are told once a day: by the daily report, or, where that is
-- switched off, by a digest.
--
-- A tier with a hotter neighbour only tells what that one cannot: that it is silent or cannot be reached.
--
-- Lock order: strata/outbox (advisory), then deliveries.

create function strata.is_quiet()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when q.starts <= q.ends then n.at >= q.starts and n.at < q.ends
              else n.at >= q.starts or n.at < q.ends end
    from strata.quiet_hours as q
    cross join lateral (select (strata.clock() at time zone q.zone)::time as at) as n
$$;
comment on function strata.is_quiet() is 'Whether it is in the quiet hours now.';

create function strata.tell(
  p_key text, p_kind text, p_body jsonb, p_severity text default 'info', p_audience text default 'owner',
  p_alerts bigint[] default '{}', p_due_at timestamptz default null, p_lasts interval default null
)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_due constant timestamptz := coalesce(p_due_at, strata.clock());
  v_message bigint;
begin
  if coalesce(p_key, '') = '' or jsonb_typeof(p_body) is distinct from 'object' then
    raise exception 'there is nothing to tell under key "%"', coalesce(p_key, '')
      using errcode = 'ST111', hint = strata.remedy('ST111');
  end if;
  insert into strata.outbox (key, kind, audience, severity, body, alerts, made_at, due_at, expires_at)
  values (p_key, p_kind, p_audience, p_severity, p_body, p_alerts, strata.clock(), v_due, v_due + p_lasts)
  on conflict (key) do nothing
  returning message_id into v_message;
  return v_message;
end
$$;
comment on function strata.tell(text, text, jsonb, text, text, bigint[], timestamptz, interval) is
  'Puts a message into the outbox, unless one with that key has been there: then null. p_lasts: when it is '
  'not out by then, it is dropped. ST111: no key or no body.';

-- Which alerts are ours to tell: all of them on the hottest tier, elsewhere those about a hotter tier that
-- cannot.
create function strata.alerts_to_tell()
returns setof strata.alerts
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select a.* from strata.alerts as a
    left join strata.links as l on l.direction = 'hotter'
   where a.cleared_at is null
     and (l.neighbour is null or (a.kind in ('silent', 'job_stopped') and a.tier = l.neighbour)
          or (a.kind = 'link_down' and a.subject = l.neighbour))
$$;
comment on function strata.alerts_to_tell() is 'The open alerts that this tier tells people about.';

create function strata.alert_lines(p_alerts bigint[])
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    jsonb_agg(jsonb_build_object('kind', a.kind, 'tier', a.tier, 'subject', a.subject, 'severity', a.severity,
                                 'says', a.says, 'remedy', a.remedy, 'since', a.first_seen_at,
                                 'cleared_at', a.cleared_at)
              order by array_position(array['critical', 'warning', 'info'], a.severity), a.first_seen_at,
                       a.alert_id), '[]')
    from strata.alerts as a where a.alert_id = any (p_alerts)
$$;
comment on function strata.alert_lines(bigint[]) is 'Alerts as a message tells them, the gravest first.';

-- What is critical, and warnings that do not wait for the report.
create function strata.tell_at_once()
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  select strata.tell(format('alert/%1$s/%2$s', a.alert_id, a.severity), 'alert',
                     jsonb_build_object('alerts', strata.alert_lines(array[a.alert_id])),
                     a.severity, 'owner', array[a.alert_id], -- what comes and goes is not told every time
                     greatest(strata.clock(),
                              o.last_due + make_interval(mins => strata.setting('repeat_alerts')::integer)))
    from strata.alerts_to_tell() as a
    join strata.alert_kinds as k on k.kind = a.kind
    left join lateral (
      select max(m.due_at) as last_due
        from strata.alerts as b
        join strata.outbox as m on m.key = format('alert/%1$s/%2$s', b.alert_id, a.severity)
       where (b.kind, b.tier, b.subject) = (a.kind, a.tier, a.subject) and b.alert_id <> a.alert_id) as o
      on true
   where (a.severity = 'critical' or (a.severity = 'warning' and k.at_once))
     and not exists (select from strata.outbox as m
                      where m.key = format('alert/%1$s/%2$s', a.alert_id, a.severity))
$$;
comment on function strata.tell_at_once() is
  'Puts alerts into the outbox that are critical, or of a kind whose warnings do not wait.';

create function strata.lasted(p_time interval)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when m.minutes < 120 then greatest(m.minutes, 1) || ' min'
              when m.minutes < 2880 then m.minutes / 60 || ' hours'
              else m.minutes / 1440 || ' days' end
    from (select (extract(epoch from p_time) / 60)::integer as minutes) as m
$$;
comment on function strata.lasted(interval) is 'A time in a sentence: minutes, hours or days.';

create function strata.resolved(p_alert strata.alerts)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('resolved: %s', coalesce(
           (select format('%1$s → %2$s MB in %3$s', round(s.most / 1048576.0), round(s.last / 1048576.0),
                          strata.lasted(p_alert.cleared_at - p_alert.first_seen_at))
              from (select max(x.billed_bytes) as most,
                           (array_agg(x.billed_bytes order by x.taken_at desc))[1] as last
                      from strata.samples as x
                     where x.taken_at between p_alert.first_seen_at
                             - interval '16 minutes' and p_alert.cleared_at) as s
             where p_alert.kind in ('size_warning', 'size_critical', 'drain_blocked', 'nothing_movable')
               and p_alert.tier = strata.tier()
               and s.most is not null),
           format('%1$s, after %2$s', (select k.says from strata.alert_kinds as k where k.kind = p_alert.kind)
                                      || ': not any more',
                  strata.lasted(p_alert.cleared_at - p_alert.first_seen_at))))
$$;
comment on function strata.resolved(strata.alerts) is
  'What is to be said of an alert that is over: from what size to what, and how long it lasted.';

-- Whoever was told of a critical alert is told when it is over; who was not need not be.
create function strata.tell_clear()
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  select strata.tell(format('alert/%s/clear', a.alert_id), 'clear',
                     jsonb_build_object('resolved', strata.resolved(a),
                                        'alerts', strata.alert_lines(array[a.alert_id])),
                     'info', 'owner', array[a.alert_id], null, interval '1 day')
    from strata.alerts as a
   where a.cleared_at > strata.clock() - interval '1 day'
     and exists (select from strata.outbox as m join strata.deliveries as d on d.message_id = m.message_id
                  where m.kind = 'alert' and m.severity = 'critical' and a.alert_id = any (m.alerts)
                    and (d.state = 'sent' or d.perhaps_sent))
     and not exists (select from strata.outbox as m where m.key = format('alert/%s/clear', a.alert_id))
     and not exists (select from strata.alerts as o where o.cleared_at is null
                        and (o.kind, o.tier, o.subject) = (a.kind, a.tier, a.subject))
$$;
comment on function strata.tell_clear() is
  'Puts the all-clear for critical alerts that people were told of into the outbox.';

-- A neighbour that is down, and a day that has cost too much, do not wait for the next watch to be told of.
create function strata.look_ahead()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from strata.self) then
    return;
  end if;
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('strata/alerts', 0));
  perform strata.settle_alerts(array(select c::strata.condition from strata.cost_conditions() as c),
                               '{cost}');
  perform strata.raise_alert(c.kind, c.tier, c.subject, c.severity, c.says, c.remedy)
     from (select m.* from strata.move_conditions() as m union all select w.*
                                                           from strata.watchdog_conditions() as w) as c
    where c.severity = 'critical'
     and (c.kind in ('link_down', 'silent') or (c.kind = 'job_stopped' and c.tier <> strata.tier()))
      and not exists (select from strata.alerts as a where a.cleared_at is null and a.severity = c.severity
                         and (a.kind, a.tier, a.subject) = (c.kind, c.tier, c.subject));
end
$$;
comment on function strata.look_ahead() is
  'Raises what is to be told at once and costs little to find: a day''s costs, and neighbours that are down.';

create function strata.tell_alerts()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := strata.clock();
  v_day constant date := (v_now at time zone 'UTC')::date;
  v_untold bigint[];
begin
  perform strata.look_ahead();
  perform strata.tell_at_once();
  perform strata.tell_clear();
  -- five minutes after the report, which tells them too
  if (v_now at time zone 'UTC')::time >= make_time((strata.setting('digest_hour') % 24)::integer, 5, 0) then
    v_untold := array(select a.alert_id from strata.alerts_to_tell() as a
                       where not exists (select from strata.outbox as m where a.alert_id = any (m.alerts)));
    if cardinality(v_untold) > 0 then
      perform strata.tell('digest/' || v_day, 'digest',
                          jsonb_build_object('day', v_day, 'alerts', strata.alert_lines(v_untold)),
                          'warning', 'owner', v_untold, null, interval '20 hours');
    end if;
  end if;
end
$$;
comment on function strata.tell_alerts() is
  'Puts alerts nobody was told of into the outbox: at once what is critical or does not wait, with the '
  'all-clear for what was, and once a day what no report has told.';

-- What is to be sent over a channel that works, the gravest first; nothing of it is changed here.
create function strata.due_messages(p_channels text[])
returns table (message_id bigint, channel text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select m.message_id, c.name
    from strata.outbox as m
    join strata.channels as c on c.name = any (p_channels) and coalesce(c.next_try_at <= strata.clock(), true)
    left join strata.deliveries as d on d.message_id = m.message_id and d.channel = c.name
   where m.due_at <= strata.clock() and coalesce(m.expires_at > strata.clock(), true)
     and (m.kind <> 'alert' or exists (select from strata.alerts as a
                                        where a.alert_id = any (m.alerts) and a.cleared_at is null))
     -- without a sound then
     and (m.severity = 'critical' or m.kind in ('alert', 'clear', 'notice') or m.at_once
          or not strata.is_quiet())
     and (d.state is null or (d.state = 'waiting' and d.next_try_at <= strata.clock())
          or (d.state = 'claimed' and d.leased_until <= strata.clock()))
   order by array_position(array['critical', 'warning', 'info'], m.severity), m.due_at, m.message_id, c.name
$$;
comment on function strata.due_messages(text[]) is
  'Which message should go out over which of the given channels now, the gravest first.';

create function strata.forget_messages()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  update strata.outbox as m set body = m.body || jsonb_build_object('alerts', strata.alert_lines(m.alerts))
   where m.kind in ('alert', 'digest', 'report') and m.body ? 'alerts'
     and m.body -> 'alerts' <> strata.alert_lines(m.alerts);
end
$$;
comment on function strata.forget_messages() is 'Messages say of alerts what those say now.';
