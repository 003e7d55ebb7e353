-- Briefings: one spoken message a day for each owner, and the log of them.
--
-- The function `strata-voice` composes, speaks and sends; what it must not forget is here. A briefing is a
-- row per owner and day (of the owner's time zone), so that nobody hears the same day twice:
--
--   due ──▶ composing ──▶ delivering ──▶ sent
--              │              ├──▶ failed     refused for certain: may be tried again the same day
--              └──▶ failed    └──▶ unknown    the answer was lost: it may have arrived, and is not sent again
--
-- Whoever works on one holds its lease. A lease that runs out while composing may be taken over; one that
-- runs out while delivering ends in `unknown`. What was spoken is stored before it is sent, so that another
-- attempt does not pay again.
--
-- pg_net only wakes the function (wake_voice, at the hour of the briefing); what then is not done within
-- minutes is woken for again by watchdog(), and is an alert when it stays undone.
--
-- Affirmations have a table of their own because they are wanted every day, for ever, on core: templates of
-- that kind settle with the others, so learn_affirmations() (personal facts) copies them while they are here.
-- One that was spoken rests 14 days.

create function strata.owner_named(p_owner text)
returns strata.owners
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_owner strata.owners;
begin
  select o.* into v_owner from strata.owners as o where o.owner = p_owner;
  if not found then
    raise exception 'there is no owner "%"', p_owner using errcode = 'ST093', hint = strata.remedy('ST093');
  end if;
  return v_owner;
end
$$;
comment on function strata.owner_named(text) is 'An owner by key. ST093: there is none.';

create function strata.briefing_owners()
returns text[]
language sql
stable
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(o.owner order by o.owner), '{}') from strata.owners as o where o.wants_briefing
$$;
comment on function strata.briefing_owners() is 'Who wants a briefing.';
grant execute on function strata.briefing_owners() to service_role;

-- The one that has rested longest; of several, another one each day.
create function strata.choose_affirmation(
  p_owner text, p_language text, p_day date, out affirmation_id uuid, out says text
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select a.affirmation_id, a.says
    from strata.affirmations as a
    left join lateral (select max(b.day) as day from strata.briefings as b
                        where b.affirmation_id = a.affirmation_id and b.owner = p_owner
                          and b.state in ('delivering', 'sent', 'unknown')) as l on true
   where a.active and a.language = p_language
     and (l.day is null or p_day - l.day > strata.setting('affirmation_rests'))
   order by l.day nulls first, md5(a.affirmation_id::text || p_day) limit 1
$$;
comment on function strata.choose_affirmation(text, text, date) is
  'An affirmation this owner has not heard in the last 14 days, the longest rested first; '
  'nulls when there is none.';

create function strata.open_briefing(
  p_owner text, out day date, out state text, out lease uuid, out says text, out recording_id uuid
)
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
declare
  v_owner constant strata.owners := strata.owner_named(p_owner);
  v_briefing strata.briefings;
begin
  day := (strata.clock() at time zone v_owner.timezone)::date;
  insert into strata.briefings as b (owner, day, state, due_at)
  values (p_owner, open_briefing.day, 'due', strata.clock())
  on conflict on constraint briefings_pkey do nothing;
  select b.* into v_briefing from strata.briefings as b
   where b.owner = p_owner and b.day = open_briefing.day for update;
  if v_briefing.state = 'delivering' and v_briefing.leased_until < strata.clock() then
    update strata.briefings as b
       set state = 'unknown', trouble = 'whoever sent it did not say whether it arrived'
     where b.owner = p_owner and b.day = open_briefing.day returning b.* into v_briefing;
  elsif v_briefing.state in ('due', 'failed')
    or (v_briefing.state = 'composing' and v_briefing.leased_until < strata.clock()) then
    update strata.briefings as b
       set state = 'composing', lease = gen_random_uuid(), attempts = b.attempts + 1,
           leased_until = strata.clock() + make_interval(secs => strata.setting('briefing_lease'))
     where b.owner = p_owner and b.day = open_briefing.day returning b.* into v_briefing;
    lease := v_briefing.lease;
  end if;
  state := v_briefing.state;
  says := coalesce(v_briefing.says, v_briefing.trouble);
  recording_id := v_briefing.recording_id;
end
$$;
comment on function strata.open_briefing(text) is
  'Takes today''s briefing of an owner in hand, with a lease; no lease: it was sent (or may have '
  'been), or somebody is at it. Recording: what an earlier attempt paid for. Two at once: one gets the '
  'lease. ST093: no such owner.';
grant execute on function strata.open_briefing(text) to service_role;

create function strata.start_delivery(
  p_lease uuid, p_says text, p_language text, p_channel text, p_characters integer,
  p_reason text default null, p_seconds numeric default null,
  p_affirmation_id uuid default null, p_cost_id uuid default null, p_recording_id uuid default null
)
returns void
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
begin
  update strata.briefings as b
     set state = 'delivering', says = p_says, language = p_language, channel = p_channel,
         characters = p_characters, reason = p_reason,
         seconds = p_seconds, affirmation_id = p_affirmation_id, cost_id = coalesce(p_cost_id, b.cost_id),
         recording_id = p_recording_id, trouble = null,
         leased_until = strata.clock() + make_interval(secs => strata.setting('briefing_lease'))
   where b.lease = p_lease and b.state = 'composing' and b.leased_until >= strata.clock();
  if not found then
    raise exception 'that briefing is not being composed under this lease'
      using errcode = 'ST094', hint = strata.remedy('ST094');
  end if;
end
$$;
comment on function strata.start_delivery(uuid, text, text, text, integer, text, numeric, uuid, uuid, uuid) is
  'Says that the next thing is to send the briefing: from here on it is not sent a second time unless it is '
  'refused for certain. ST094: not composing under this lease.';
grant execute on function strata.start_delivery(uuid, text, text, text, integer, text, numeric, uuid, uuid,
                                                uuid) to service_role;

create function strata.finish_briefing(
  p_lease uuid, p_message_id text, p_channel text default null, p_reason text default null
)
returns void
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Late is better than never: that it was sent is true whatever somebody concluded meanwhile.
  update strata.briefings as b
     set state = 'sent', sent_at = strata.clock(), message_id = p_message_id, trouble = null,
         channel = coalesce(p_channel, b.channel), reason = coalesce(p_reason, b.reason)
   where b.lease = p_lease and b.state in ('delivering', 'unknown');
  if not found then
    raise exception 'that briefing is not being delivered under this lease'
      using errcode = 'ST094', hint = strata.remedy('ST094');
  end if;
end
$$;
comment on function strata.finish_briefing(uuid, text, text, text) is
  'The briefing was sent, as this message, and after all over this channel. ST094: not '
  'delivering under this lease.';
grant execute on function strata.finish_briefing(uuid, text, text, text) to service_role;

create function strata.fail_briefing(p_lease uuid, p_trouble text, p_may_have_arrived boolean)
returns void
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
begin
  update strata.briefings as b
     set state = case when p_may_have_arrived then 'unknown' else 'failed' end, trouble = left(p_trouble, 500)
   where b.lease = p_lease and b.state in ('composing', 'delivering');
  if not found then
    raise exception 'that briefing is not being worked on under this lease'
      using errcode = 'ST094', hint = strata.remedy('ST094');
  end if;
end
$$;
comment on function strata.fail_briefing(uuid, text, boolean) is
  'The briefing was not sent, and why; or it may have been, and is not sent again. '
  'ST094: not under this lease.';
grant execute on function strata.fail_briefing(uuid, text, boolean) to service_role;
