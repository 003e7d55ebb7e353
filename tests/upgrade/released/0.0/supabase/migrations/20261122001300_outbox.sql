-- Outbox: what is told to people, once each.
--
-- A message is a row with a key that says what it tells (alert/17/critical, digest/2026-11-22): writing it twice writes it
-- once. A delivery is one message on one channel:
--
--   nothing ──claim──▶ claimed ──note_sent──▶ sent
--                       │  ▲ lease over, or note_unsent: waits, longer each time
--                       ├──┘
--                       └──▶ failed (refused, or too many attempts), dropped (overtaken: cleared, expired)
--
-- The function `notify` claims what is due, sends, and acknowledges. pg_net only wakes it (strata.deliver, every five
-- minutes): whatever goes wrong with a wake-up, the next one finds the same rows. A crash between sending and
-- acknowledging cannot be told from one before sending, so that delivery is at least once; every message carries its
-- number, and one that may have been seen before says so (perhaps_sent).
--
-- Critical alerts go out at once, day and night. Everything else waits for the end of the quiet hours, and warnings are
-- told once a day: by the daily report, or, where that is switched off, by a digest.
--
-- A tier with a hotter neighbour only tells what that one cannot: that it is silent or cannot be reached.
--
-- Lock order: strata/outbox (advisory), then deliveries.

insert into strata.errors (code, cause, remedy) values
  ('ST110', 'there is no such channel or no such outcome', 'channels are in strata.channels; outcomes are retry, uncertain, refused, stop'),
  ('ST111', 'a message needs a key and a body', 'give a key that says what is told, and what to tell as a JSON object');

insert into strata.settings (name, value, unit, says) values
  ('digest_hour', 9, 'hour (UTC)', 'after which warnings nobody was told of today are told in one message'),
  ('delivery_attempts', 8, 'attempts', 'after so many a message is given up on that channel'),
  ('delivery_lease', 180, 'seconds', 'how long a claimed message is nobody else''s'),
  ('delivery_retry', 60, 'seconds', 'the pause before the second attempt; doubles, up to an hour'),
  ('channel_retry', 360, 'minutes', 'how long a channel that refuses us is left alone, unless its configuration changes'),
  ('repeat_alerts', 60, 'minutes', 'the same thing is not told again as critical before so long'),
  ('keep_messages', 35, 'days', 'how long messages stay after they were made');

insert into strata.alert_kinds (kind, is_condition, says) values
  ('channel_down', true, 'a channel does not take our messages'),
  ('undelivered', true, 'messages were given up');

create table strata.quiet_hours (
  only_row boolean not null default true,
  starts time not null default '22:00',
  ends time not null default '07:00',
  zone text not null default 'UTC',
  constraint quiet_hours_pkey primary key (only_row),
  constraint quiet_hours_are_one_row check (only_row),
  constraint quiet_hours_zone_is_known check ((timestamptz 'epoch' at time zone zone) is not null)
);
comment on table strata.quiet_hours is
  'When only critical messages go out (one row, change it with an UPDATE): from, until, in which time zone. The same time '
  'twice: never quiet.';
revoke all on strata.quiet_hours from public;
alter table strata.quiet_hours enable row level security;
insert into strata.quiet_hours default values;

create function strata.is_quiet()
returns boolean
language sql
stable
set search_path = ''
as $$
  select case when q.starts <= q.ends then n.at >= q.starts and n.at < q.ends else n.at >= q.starts or n.at < q.ends end
    from strata.quiet_hours as q
    cross join lateral (select (strata.clock() at time zone q.zone)::time as at) as n
$$;
comment on function strata.is_quiet() is 'Whether it is in the quiet hours now.';
revoke execute on function strata.is_quiet() from public;

create table strata.channels (
  name text not null,
  is_configured boolean,
  configuration text,
  seen_at timestamptz,
  last_ok_at timestamptz,
  stopped_at timestamptz,
  next_try_at timestamptz,
  trouble_code text,
  trouble text,
  constraint channels_pkey primary key (name),
  constraint channels_name_is_known check (name in ('telegram', 'webhook')),
  constraint channels_trouble_has_its_code check ((trouble is null) = (trouble_code is null)),
  constraint channels_stop_for_a_reason check (stopped_at is null or trouble is not null)
);
comment on table strata.channels is
  'The ways to a person, as the function that uses them told at seen_at: is_configured (null: it has not been heard from yet), '
  'a hash of its configuration (another one lifts a stop), stopped_at and trouble when it refuses us.';
revoke all on strata.channels from public;
alter table strata.channels enable row level security;
insert into strata.channels (name) values ('telegram'), ('webhook');

create table strata.outbox (
  message_id bigint generated always as identity,
  key text not null,
  kind text not null,
  audience text not null,
  severity text not null,
  body jsonb not null,
  alerts bigint[] not null default '{}',
  made_at timestamptz not null,
  due_at timestamptz not null,
  expires_at timestamptz,
  constraint outbox_pkey primary key (message_id),
  constraint outbox_key_is_unique unique (key),
  constraint outbox_kind_is_known check (kind in ('alert', 'digest', 'report', 'notice')),
  constraint outbox_audience_is_known check (audience in ('owner', 'admin')),
  constraint outbox_severity_is_known check (severity in ('info', 'warning', 'critical'))
);
comment on table strata.outbox is
  'Messages to people: key (what is told; unique), body (what to render), alerts (the ids of those it tells of), when it is '
  'due and when it is of no use any more.';
revoke all on strata.outbox from public;
alter table strata.outbox enable row level security;
create index outbox_made_idx on strata.outbox (made_at);

create table strata.deliveries (
  message_id bigint not null,
  channel text not null,
  state text not null,
  attempts integer not null default 0,
  parts_sent integer not null default 0,
  perhaps_sent boolean not null default false,
  lease uuid,
  leased_until timestamptz,
  next_try_at timestamptz,
  sent_at timestamptz,
  receipt jsonb,
  last_code text,
  last_error text,
  changed_at timestamptz not null,
  constraint deliveries_pkey primary key (message_id, channel),
  constraint deliveries_message_fkey foreign key (message_id) references strata.outbox (message_id) on delete cascade,
  constraint deliveries_channel_fkey foreign key (channel) references strata.channels (name),
  constraint deliveries_state_is_known check (state in ('waiting', 'claimed', 'sent', 'failed', 'dropped')),
  constraint deliveries_leased_iff_claimed check ((state = 'claimed') = (lease is not null and leased_until is not null)),
  constraint deliveries_sent_iff_sent check ((state = 'sent') = (sent_at is not null))
);
comment on table strata.deliveries is
  'One message on one channel: state, attempts, the lease of whoever is sending it, how many parts of a long message are '
  'out, whether it may have been seen already. No row: nobody has tried yet.';
revoke all on strata.deliveries from public;
alter table strata.deliveries enable row level security;
create index deliveries_channel_idx on strata.deliveries (channel);

create function strata.tell(
  p_key text, p_kind text, p_body jsonb, p_severity text default 'info', p_audience text default 'owner',
  p_alerts bigint[] default '{}', p_due_at timestamptz default null, p_lasts interval default null
)
returns bigint
language plpgsql
set search_path = ''
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
  'Puts a message into the outbox, unless one with that key has been there: then null. p_lasts: when it is not out by then, '
  'it is dropped. ST111: no key or no body.';
revoke execute on function strata.tell(text, text, jsonb, text, text, bigint[], timestamptz, interval) from public;

-- Which alerts are ours to tell: all of them on the hottest tier, elsewhere those about a hotter tier that cannot.
create function strata.alerts_to_tell()
returns setof strata.alerts
language sql
stable
set search_path = ''
as $$
  select a.* from strata.alerts as a
    left join strata.links as l on l.direction = 'hotter'
   where a.cleared_at is null
     and (l.neighbour is null or (a.kind in ('silent', 'job_stopped') and a.tier = l.neighbour)
          or (a.kind = 'link_down' and a.subject = l.neighbour))
$$;
comment on function strata.alerts_to_tell() is 'The open alerts that this tier tells people about.';
revoke execute on function strata.alerts_to_tell() from public;

create function strata.alert_lines(p_alerts bigint[])
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('kind', a.kind, 'tier', a.tier, 'subject', a.subject, 'severity', a.severity,
                    'says', a.says, 'remedy', a.remedy, 'since', a.first_seen_at, 'cleared_at', a.cleared_at)
                    order by array_position(array['critical', 'warning', 'info'], a.severity), a.first_seen_at, a.alert_id), '[]')
    from strata.alerts as a where a.alert_id = any (p_alerts)
$$;
comment on function strata.alert_lines(bigint[]) is 'Alerts as a message tells them, the gravest first.';
revoke execute on function strata.alert_lines(bigint[]) from public;

create function strata.tell_alerts()
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_now constant timestamptz := strata.clock();
  v_day constant date := (v_now at time zone 'UTC')::date;
  v_untold bigint[];
begin
  perform strata.tell('alert/' || a.alert_id || '/critical', 'alert', jsonb_build_object('alerts', strata.alert_lines(array[a.alert_id])),
                      'critical', 'owner', array[a.alert_id], -- what comes and goes is not told every time
                      greatest(v_now, o.last_due + make_interval(mins => strata.setting('repeat_alerts')::integer)))
     from strata.alerts_to_tell() as a
     left join lateral (
       select max(m.due_at) as last_due
         from strata.alerts as b
         join strata.outbox as m on m.key = 'alert/' || b.alert_id || '/critical'
        where (b.kind, b.tier, b.subject) = (a.kind, a.tier, a.subject) and b.alert_id <> a.alert_id) as o on true
    where a.severity = 'critical' and not exists (select from strata.outbox as m where m.key = 'alert/' || a.alert_id || '/critical');
  -- five minutes after the report, which tells them too
  if (v_now at time zone 'UTC')::time >= make_time((strata.setting('digest_hour') % 24)::integer, 5, 0) then
    v_untold := array(select a.alert_id from strata.alerts_to_tell() as a
                       where not exists (select from strata.outbox as m where a.alert_id = any (m.alerts)));
    if cardinality(v_untold) > 0 then
      perform strata.tell('digest/' || v_day, 'digest', jsonb_build_object('day', v_day, 'alerts', strata.alert_lines(v_untold)),
                          'warning', 'owner', v_untold, null, interval '20 hours');
    end if;
  end if;
end
$$;
comment on function strata.tell_alerts() is
  'Puts critical alerts nobody was told of into the outbox, and once a day what no report has told.';
revoke execute on function strata.tell_alerts() from public;

-- What is to be sent over a channel that works, the gravest first; nothing of it is changed here.
create function strata.due_messages(p_channels text[])
returns table (message_id bigint, channel text)
language sql
stable
set search_path = ''
as $$
  select m.message_id, c.name
    from strata.outbox as m
    join strata.channels as c on c.name = any (p_channels) and coalesce(c.next_try_at <= strata.clock(), true)
    left join strata.deliveries as d on d.message_id = m.message_id and d.channel = c.name
   where m.due_at <= strata.clock() and coalesce(m.expires_at > strata.clock(), true)
     and (m.kind <> 'alert' or exists (select from strata.alerts as a where a.alert_id = any (m.alerts) and a.cleared_at is null))
     and (m.severity = 'critical' or m.kind = 'notice' or not strata.is_quiet()) -- a notice comes without a sound then
     and (d.state is null or (d.state = 'waiting' and d.next_try_at <= strata.clock())
          or (d.state = 'claimed' and d.leased_until <= strata.clock()))
   order by array_position(array['critical', 'warning', 'info'], m.severity), m.due_at, m.message_id, c.name
$$;
comment on function strata.due_messages(text[]) is 'Which message should go out over which of the given channels now, the gravest first.';
revoke execute on function strata.due_messages(text[]) from public;
