-- Deliveries: the outbox as the function `strata-notify` sees it, and what cron does about it.
--
-- claim_messages(), note_sent(), note_unsent() and preview_messages() are called over the API with the secret
-- key, that is by service_role; each call is a transaction. Numbers of messages travel as text, and so does
-- JSON on its way in.

create function strata.note_channels(p_channels jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if jsonb_typeof(p_channels) is distinct from 'object'
     or exists (select from jsonb_object_keys(p_channels) as k
                 where k not in (select c.name from strata.channels as c)) then
    raise exception 'there is no channel among %', coalesce(left(p_channels::text, 200), 'nothing')
      using errcode = 'ST110', hint = strata.remedy('ST110');
  end if;
  update strata.channels as c
     set is_configured = k.value is not null, configuration = k.value, seen_at = strata.clock(),
         stopped_at = case when c.configuration is not distinct from k.value then c.stopped_at end,
         next_try_at = case when c.configuration is not distinct from k.value then c.next_try_at end,
         trouble_code = case when c.configuration is not distinct from k.value then c.trouble_code end,
         trouble = case when c.configuration is not distinct from k.value then c.trouble end
    from jsonb_each_text(p_channels) as k where k.key = c.name;
  perform strata.see_key(k.key, k.value) from jsonb_each_text(p_channels) as k where k.value is not null;
end
$$;
comment on function strata.note_channels(jsonb) is
  'Notes which channels are configured: name and hash of the configuration, null: it is not. Another hash '
  'lifts a stop. ST110: unknown channel.';

create function strata.drop_overtaken()
returns void
language sql
set search_path = pg_catalog, pg_temp
-- tables that nobody analyses look large: compiling took half a second, running takes a millisecond
set jit = off
as $$
  insert into strata.deliveries as d (message_id, channel, state, last_error, changed_at)
  select m.message_id, c.name, 'dropped', o.says, strata.clock()
    from strata.outbox as m
    join strata.channels as c on c.is_configured
    cross join lateral (
      select case when m.expires_at <= strata.clock() then 'it was not sent while it was of use'
                  when m.kind = 'alert' and not exists (
                    select from strata.alerts as a where a.alert_id = any (m.alerts) and a.cleared_at is null)
                    then 'its cause was gone before it was sent' end as says) as o
   where o.says is not null
  on conflict (message_id, channel) do update
     set state = 'dropped', lease = null, leased_until = null, last_error = excluded.last_error,
         changed_at = excluded.changed_at
   where d.state = 'waiting' or (d.state = 'claimed' and d.leased_until <= strata.clock())
$$;
comment on function strata.drop_overtaken() is
  'Drops what was not sent while it was of use: it has expired, or the alert is cleared.';

create function strata.as_message(p_message bigint)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object('message', m.message_id::text, 'key', m.key, 'kind', m.kind,
                            'audience', m.audience,
           'severity', m.severity, 'tier', strata.tier(), 'made_at', m.made_at,
           'silent', m.severity <> 'critical' and strata.is_quiet(), 'body', m.body)
    from strata.outbox as m where m.message_id = p_message
$$;
comment on function strata.as_message(bigint) is 'A message as the function that sends it gets it.';

create function strata.claim_messages(p_telegram text, p_webhook text, p_limit integer default 5)
returns jsonb
language plpgsql
security definer -- service_role asks
set search_path = pg_catalog, pg_temp
as $$
declare
  v_claimed jsonb;
begin
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('strata/outbox', 0));
  perform strata.note_channels(jsonb_build_object('telegram', p_telegram, 'webhook', p_webhook));
  perform strata.tell_alerts();
  perform strata.drop_overtaken();
  -- Whoever sent it so often and never said how it went must not do so for ever.
  update strata.deliveries as d
     set state = 'failed', lease = null, leased_until = null, changed_at = strata.clock(),
         last_code = coalesce(d.last_code, 'lost'),
         last_error = coalesce(d.last_error, 'nobody noted how it went')
   where d.state = 'claimed' and d.leased_until <= strata.clock()
     and d.attempts >= strata.setting('delivery_attempts');
  with claimed as (
    insert into strata.deliveries as d (message_id, channel, state, attempts, lease, leased_until, changed_at)
    select m.message_id, m.channel, 'claimed', 1, gen_random_uuid(),
           strata.clock() + make_interval(secs => strata.setting('delivery_lease')), strata.clock()
      from strata.due_messages(array_remove(array[case when p_telegram is not null then 'telegram' end,
                                            case when p_webhook is not null then 'webhook' end], null)) as m
     limit least(greatest(p_limit, 1), 20)
    on conflict (message_id, channel) do update
       set state = 'claimed', attempts = d.attempts + 1, lease = excluded.lease,
           leased_until = excluded.leased_until,
           perhaps_sent = d.perhaps_sent or d.state = 'claimed', changed_at = excluded.changed_at
    returning d.*
  )
  select coalesce(jsonb_agg(strata.as_message(c.message_id) || jsonb_build_object(
           'channel', c.channel, 'lease', c.lease, 'attempt', c.attempts, 'parts_sent', c.parts_sent,
           'perhaps_sent', c.perhaps_sent)
           order by array_position(array['critical', 'warning', 'info'], m.severity), m.due_at, m.message_id),
                  '[]')
    into v_claimed
    from claimed as c join strata.outbox as m on m.message_id = c.message_id;
  return v_claimed;
end
$$;
comment on function strata.claim_messages(text, text, integer) is
  'Takes messages that are due, at most so many, and leases them to the caller, who gives a hash of '
  'each channel''s configuration (null: it is not configured). perhaps_sent: an earlier attempt may '
  'have reached its reader.';
grant execute on function strata.claim_messages(text, text, integer) to service_role;

create function strata.note_sent(
  p_message bigint, p_channel text, p_lease uuid, p_parts integer default 1, p_done boolean default true,
  p_receipt text default null
)
returns boolean
language plpgsql
security definer -- service_role asks
set search_path = pg_catalog, pg_temp
as $$
begin
  update strata.deliveries as d
     set parts_sent = p_parts, receipt = coalesce(d.receipt, '[]') || coalesce(p_receipt::jsonb, '[]'),
         changed_at = strata.clock(),
         state = case when p_done then 'sent' else 'claimed' end,
         sent_at = case when p_done then strata.clock() end,
         lease = case when not p_done then d.lease end,
         leased_until = case when not p_done then strata.clock() + make_interval(
           secs => strata.setting('delivery_lease')) end
   where d.message_id = p_message and d.channel = p_channel and d.lease = p_lease;
  if found then
    update strata.channels as c
       set last_ok_at = strata.clock(), stopped_at = null, next_try_at = null, trouble_code = null,
           trouble = null
     where c.name = p_channel;
    perform strata.clear_alert('channel_down', p_subject => p_channel);
    return true;
  end if;
  return false;
end
$$;
comment on function strata.note_sent(bigint, text, uuid, integer, boolean, text) is
  'Notes that so many parts of a claimed message are out, and the lease with it; p_done: all of them. False: '
  'the lease is somebody else''s by now.';
grant execute on function strata.note_sent(bigint, text, uuid, integer, boolean, text) to service_role;

create function strata.note_unsent(
  p_message bigint, p_channel text, p_lease uuid, p_outcome text, p_code text, p_says text,
  p_retry_after integer default null
)
returns boolean
language plpgsql
security definer -- service_role asks
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := strata.clock();
  v_most constant integer := strata.setting('delivery_attempts');
  v_says constant text := left(coalesce(p_says, 'no reason given'), 500);
  v_pause constant interval := case when p_retry_after is not null then make_interval(
    secs => least(greatest(p_retry_after, 0), 86400)) end;
begin
  if p_outcome is null or p_outcome not in ('retry', 'uncertain', 'refused', 'stop') then
    raise exception 'there is no outcome "%" of a delivery', coalesce(p_outcome, '')
      using errcode = 'ST110', hint = strata.remedy('ST110');
  end if;
  update strata.deliveries as d
     set state = case when p_outcome = 'refused'
                        or (p_outcome <> 'stop' and d.attempts >= v_most) then 'failed' else 'waiting' end,
         -- that was not the message's fault
         attempts = d.attempts - case p_outcome when 'stop' then 1 else 0 end,
         perhaps_sent = d.perhaps_sent or p_outcome = 'uncertain',
         lease = null, leased_until = null, last_code = coalesce(p_code, ''), last_error = v_says,
         changed_at = v_now,
         next_try_at = case when p_outcome = 'stop' then v_now
                            else v_now + coalesce(v_pause, least(
                              interval '1 hour', make_interval(secs => strata.setting('delivery_retry'))
                                                 * power(2, least(d.attempts, 10) - 1))) end
   where d.message_id = p_message and d.channel = p_channel and d.lease = p_lease;
  if not found then
    return false;
  end if;
  if p_outcome = 'stop' then
    update strata.channels as c
       set stopped_at = coalesce(c.stopped_at, v_now), trouble_code = coalesce(p_code, ''), trouble = v_says,
           next_try_at = v_now + make_interval(mins => strata.setting('channel_retry')::integer)
     where c.name = p_channel;
  elsif v_pause is not null then
    update strata.channels as c set next_try_at = v_now + v_pause where c.name = p_channel;
  end if;
  perform strata.raise_alert(c.kind, c.tier, c.subject, c.severity, c.says, c.remedy)
     from strata.channel_conditions() as c
    where c.subject = p_channel;
  return true;
end
$$;
comment on function strata.note_unsent(bigint, text, uuid, text, text, text, integer) is
  'Notes that a claimed message is not out: retry (nothing was sent), uncertain (perhaps it was), refused '
  '(this message never will be), stop (this channel takes nothing from us). p_retry_after: seconds the '
  'channel asked for. False: the lease is somebody else''s by now. ST110: unknown outcome.';
grant execute on function strata.note_unsent(bigint, text, uuid, text, text, text, integer) to service_role;

create function strata.channel_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'channel_down', strata.tier(), c.name, 'warning',
         format('%1$s takes no messages since %2$s: %3$s [%4$s]', c.name,
                to_char(c.stopped_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), c.trouble, c.trouble_code),
         case c.trouble_code
           when '401' then 'The token or secret is wrong or was revoked: set the right one (supabase '
                           'secrets set) and deploy again.'
           when '403' then 'The receiver does not let us in: open the chat with the bot and press Start, or '
                           'add it to the group again.'
           else 'Read the message; set the channel''s address or secret anew. It is tried again by '
                'itself every few hours.' end
    from strata.channels as c where c.stopped_at is not null and c.is_configured
  union all
  select 'undelivered', strata.tier(), d.channel, 'warning',
         format('%1$s not be delivered over %2$s in the last 24 hours, the last because: %3$s [%4$s]',
                case d.number when 1 then 'one message could' else d.number || ' messages could' end,
                d.channel, d.last_error, d.last_code),
         'Read the message; what was to be told is in the report and under: deno task strata alerts.'
    from (select distinct on (x.channel) count(*) over (partition by x.channel) as number, x.*
            from strata.deliveries as x
           where x.state = 'failed' and x.changed_at > strata.clock() - interval '24 hours'
           order by x.channel, x.changed_at desc, x.message_id desc) as d
$$;
comment on function strata.channel_conditions() is
  'Alerts about channels that refuse us and messages that were given up.';

create function strata.channel_states()
returns table (channel text, state text, says text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select c.name, case when c.is_configured is null then 'unknown' when not c.is_configured then 'off'
                        when c.stopped_at is not null then 'stopped' else 'on' end,
           case when c.is_configured is null then case
                  when strata.secret('project_url') is null or strata.secret('wake_secret') is null
                    then 'nobody delivers: Vault has no project_url and wake_secret'
                  else 'function notify has not been heard from yet' end
                when not c.is_configured then 'not configured'
                when c.stopped_at is not null then format('takes no messages since %1$s: %2$s [%3$s]',
                       to_char(c.stopped_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), c.trouble,
                       c.trouble_code)
                when c.last_ok_at is null then 'configured, nothing sent yet'
                else format('last used %s',
                            to_char(c.last_ok_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')) end
      from strata.channels as c order by c.name;
end
$$;
comment on function strata.channel_states() is
  'Each way to a person in words: unknown, off, stopped or on, and why.';

create function strata.preview_messages()
returns jsonb
language sql
stable
security definer -- service_role asks
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'channels', (select jsonb_agg(to_jsonb(c)) from strata.channel_states() as c),
    'messages', (select coalesce(jsonb_agg(strata.as_message(m.message_id) order by m.message_id), '[]')
                   from (select distinct d.message_id
                           from strata.due_messages(array(select c.name
                                                            from strata.channels as c)) as d) as m))
$$;
comment on function strata.preview_messages() is
  'What would be sent now, and over which channels; changes nothing.';
grant execute on function strata.preview_messages() to service_role;

create function strata.tell_notice(p_key text, p_title text, p_text text)
returns jsonb
language plpgsql
security definer -- service_role asks
set search_path = pg_catalog, pg_temp
as $$
declare
  v_message constant bigint := strata.tell('notice/' || nullif(p_key, ''), 'notice',
    jsonb_build_object('title', left(p_title, 200), 'text', left(p_text, 2000)), p_lasts => interval '1 day');
begin
  return strata.as_message(v_message) - 'body';
end
$$;
comment on function strata.tell_notice(text, text, text) is
  'Puts a line of somebody else''s into the outbox and returns the message without its body; null when there '
  'has been one under that key. ST111: no key.';
grant execute on function strata.tell_notice(text, text, text) to service_role;

create function strata.prune_outbox()
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  delete from strata.outbox as m
   where m.made_at < strata.clock() - make_interval(days => strata.setting('keep_messages')::integer)
$$;
comment on function strata.prune_outbox() is 'Drops messages made long ago, with their deliveries.';

-- Unpinned because it commits: a full database may have been turned read-only.
create procedure strata.deliver()
language plpgsql
as $$
begin
  perform pg_catalog.set_config('default_transaction_read_only', 'off', false);
  commit;
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('strata/outbox', 0));
  perform strata.tell_alerts();
  -- one that was not configured may be by now: only the function knows
  if exists (select from strata.due_messages(array(
       select c.name from strata.channels as c
        where coalesce(c.is_configured, true) or c.seen_at < strata.clock() - interval '1 hour'))) then
    perform strata.invoke('strata-notify');
  end if;
  commit;
end
$$;
comment on procedure strata.deliver() is
  'What cron calls every five minutes: puts what people should know into the outbox and wakes function '
  'notify when something is to be sent. Works on a read-only database. Commits: must be the only '
  'statement, outside a transaction.';
