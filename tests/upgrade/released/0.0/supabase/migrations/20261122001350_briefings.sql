-- Briefings: one spoken message a day for each owner, and the log of them.
--
-- The function `voice` composes, speaks and sends; what it must not forget is here. A briefing is a row per owner and day
-- (of the owner's time zone), so that nobody hears the same day twice:
--
--   due ──▶ composing ──▶ delivering ──▶ sent
--              │              ├──▶ failed     refused for certain: may be tried again the same day
--              └──▶ failed    └──▶ unknown    the answer was lost: it may have arrived, so it is not sent again
--
-- Whoever works on one holds its lease. A lease that runs out while composing may be taken over; one that runs out while
-- delivering ends in `unknown`. What was spoken is stored before it is sent, so that another attempt does not pay again.
--
-- pg_net only wakes the function (wake_voice, at the hour of the briefing); what then is not done within minutes is woken for
-- again by watchdog(), and is an alert when it stays undone.
--
-- Affirmations have a table of their own because they are wanted every day, for ever, on core: templates of that kind settle
-- with the others, so learn_affirmations() (personal facts) copies them while they are here. One that was spoken rests 14 days.

insert into strata.errors (code, cause, remedy) values
  ('ST093', 'there is no such owner', 'select owner from strata.owners; add one with an INSERT'),
  ('ST094', 'the briefing is not in that step, or somebody else is working on it', 'nothing: whoever holds it goes on, and it is looked at again');

insert into strata.settings (name, value, unit, says) values
  ('affirmation_rests', 14, 'days', 'how long an affirmation is not repeated'),
  ('briefing_lease', 180, 'seconds', 'how long whoever composes or delivers a briefing has for it; more than a function may run'),
  ('briefing_attempts', 5, 'attempts', 'how often a day''s briefing is tried, by itself'),
  ('keep_briefings', 400, 'days', 'how long briefings stay in the log');

insert into strata.alert_kinds (kind, is_condition, says) values
  ('briefing', true, 'the last briefing was not sent');

create table strata.owners (
  owner text not null default 'owner',
  name text,
  language text not null default 'en',
  timezone text not null default 'UTC',
  wants_briefing boolean not null default true,
  voice_id text,
  model text not null default 'eleven_flash_v2_5',
  chat_id text,
  constraint owners_pkey primary key (owner),
  constraint owners_language_is_known check (language in ('en', 'de')),
  constraint owners_are_named check (owner ~ '^[a-z0-9_-]{1,40}$'),
  constraint owners_timezone_is_known check ((timestamptz 'epoch' at time zone timezone) is not null),
  constraint owners_names_are_short check (length(name) between 1 and 60)
);
comment on table strata.owners is
  'Who hears the briefing: by which name (null: none), in which language (en, de) and time zone; voice, model and chat are those '
  'of the function''s environment unless named here.';
revoke all on strata.owners from public;
alter table strata.owners enable row level security;

insert into strata.owners default values;

create table strata.affirmations (
  affirmation_id uuid not null default gen_random_uuid(),
  language text not null,
  says text not null,
  active boolean not null default true,
  template_id uuid,
  constraint affirmations_pkey primary key (affirmation_id),
  constraint affirmations_are_said_once unique (language, says),
  constraint affirmations_template_key unique (template_id),
  constraint affirmations_language_is_known check (language in ('en', 'de')),
  constraint affirmations_are_a_sentence check (length(says) between 3 and 300)
);
comment on table strata.affirmations is
  'Sentences the briefing chooses from; add with INSERT, silence with active = false. template_id: the template one was copied from.';
revoke all on strata.affirmations from public;
alter table strata.affirmations enable row level security;

insert into strata.affirmations (language, says) values
  ('en', 'One thing at a time is enough.'),
  ('en', 'I may begin before I feel ready.'),
  ('en', 'What I finish today does not wait for me tomorrow.'),
  ('en', 'I can be kind and clear at the same time.'),
  ('en', 'Rest is part of the work.'),
  ('en', 'I do not have to carry everything at once.'),
  ('en', 'A small step still moves me forward.'),
  ('en', 'I can ask for help, and I can say no.'),
  ('en', 'My worth is not the length of my list.'),
  ('en', 'I notice what went well.'),
  ('en', 'I choose what gets my attention.'),
  ('en', 'Today I can do something that I will be glad of.'),
  ('en', 'I am allowed to change my mind.'),
  ('en', 'Done is better than perfect.'),
  ('en', 'I have got through hard days before.'),
  ('en', 'I can let go of what is not mine to do.'),
  ('en', 'There is time for what matters.'),
  ('en', 'I learn from what did not work.'),
  ('en', 'I breathe first and answer then.'),
  ('en', 'I keep the promises I make to myself.'),
  ('en', 'Slow is fine as long as I do not stop.'),
  ('en', 'I am further than I was a year ago.'),
  ('en', 'I can enjoy this day before it is perfect.'),
  ('en', 'What I need to know next, I can find out.'),
  ('de', 'Eins nach dem anderen genügt.'),
  ('de', 'Ich darf anfangen, bevor ich mich bereit fühle.'),
  ('de', 'Was ich heute abschließe, wartet morgen nicht auf mich.'),
  ('de', 'Ich kann freundlich und klar zugleich sein.'),
  ('de', 'Ausruhen gehört zur Arbeit.'),
  ('de', 'Ich muss nicht alles auf einmal tragen.'),
  ('de', 'Auch ein kleiner Schritt bringt mich weiter.'),
  ('de', 'Ich darf um Hilfe bitten, und ich darf nein sagen.'),
  ('de', 'Mein Wert hängt nicht von der Länge meiner Liste ab.'),
  ('de', 'Ich bemerke, was gut gelaufen ist.'),
  ('de', 'Ich entscheide, worauf ich achte.'),
  ('de', 'Heute kann ich etwas tun, über das ich mich freuen werde.'),
  ('de', 'Ich darf meine Meinung ändern.'),
  ('de', 'Fertig ist besser als vollkommen.'),
  ('de', 'Ich habe schon schwere Tage überstanden.'),
  ('de', 'Ich kann loslassen, was nicht meine Aufgabe ist.'),
  ('de', 'Für das Wichtige ist Zeit.'),
  ('de', 'Ich lerne aus dem, was nicht gelungen ist.'),
  ('de', 'Ich atme erst und antworte dann.'),
  ('de', 'Ich halte, was ich mir selbst verspreche.'),
  ('de', 'Langsam ist in Ordnung, solange ich nicht stehen bleibe.'),
  ('de', 'Ich bin weiter als vor einem Jahr.'),
  ('de', 'Ich kann diesen Tag genießen, bevor er vollkommen ist.'),
  ('de', 'Was ich als Nächstes wissen muss, kann ich herausfinden.');

create table strata.briefings (
  owner text not null,
  day date not null,
  state text not null,
  due_at timestamptz not null,
  attempts integer not null default 0,
  lease uuid,
  leased_until timestamptz,
  language text,
  channel text,
  reason text,
  says text,
  characters integer,
  seconds numeric,
  affirmation_id uuid,
  cost_id uuid,
  recording_id uuid,
  message_id text,
  sent_at timestamptz,
  trouble text,
  constraint briefings_pkey primary key (owner, day),
  constraint briefings_state_is_known check (state in ('due', 'composing', 'delivering', 'sent', 'failed', 'unknown')),
  constraint briefings_channel_is_known check (channel in ('voice', 'text')),
  constraint briefings_are_leased_while_worked_on check (state not in ('composing', 'delivering') or (lease is not null and leased_until is not null)),
  constraint briefings_say_something check (state not in ('delivering', 'sent') or (says is not null and channel is not null)),
  constraint briefings_are_sent_at_a_time check ((state = 'sent') = (sent_at is not null)),
  constraint briefings_fail_for_a_reason check (state not in ('failed', 'unknown') or trouble is not null)
);
comment on table strata.briefings is
  'One row per owner and day: state, what was said, spoken or written and why (reason: which limit made it text, or shorter), '
  'what it cost (strata.costs), the recording, Telegram''s message, and what went wrong.';
revoke all on strata.briefings from public;
alter table strata.briefings enable row level security;
create index briefings_affirmation_idx on strata.briefings (affirmation_id, day);

create function strata.owner_named(p_owner text)
returns strata.owners
language plpgsql
stable
set search_path = ''
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
revoke execute on function strata.owner_named(text) from public;

create function strata.briefing_owners()
returns text[]
language sql
stable
security definer -- the edge functions call it as service_role
set search_path = ''
as $$ select coalesce(array_agg(o.owner order by o.owner), '{}') from strata.owners as o where o.wants_briefing $$;
comment on function strata.briefing_owners() is 'Who wants a briefing.';
revoke execute on function strata.briefing_owners() from public;
grant execute on function strata.briefing_owners() to service_role;

-- The one that has rested longest; of several, another one each day.
create function strata.choose_affirmation(p_owner text, p_language text, p_day date, out affirmation_id uuid, out says text)
language sql
stable
set search_path = ''
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
  'An affirmation this owner has not heard in the last 14 days, the longest rested first; nulls when there is none.';
revoke execute on function strata.choose_affirmation(text, text, date) from public;

create function strata.open_briefing(p_owner text, out day date, out state text, out lease uuid, out says text, out recording_id uuid)
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = ''
as $$
declare
  v_owner constant strata.owners := strata.owner_named(p_owner);
  v_briefing strata.briefings;
begin
  day := (strata.clock() at time zone v_owner.timezone)::date;
  insert into strata.briefings as b (owner, day, state, due_at)
  values (p_owner, open_briefing.day, 'due', strata.clock()) on conflict on constraint briefings_pkey do nothing;
  select b.* into v_briefing from strata.briefings as b where b.owner = p_owner and b.day = open_briefing.day for update;
  if v_briefing.state = 'delivering' and v_briefing.leased_until < strata.clock() then
    update strata.briefings as b
       set state = 'unknown', trouble = 'whoever sent it did not say whether it arrived'
     where b.owner = p_owner and b.day = open_briefing.day returning b.* into v_briefing;
  elsif v_briefing.state in ('due', 'failed') or (v_briefing.state = 'composing' and v_briefing.leased_until < strata.clock()) then
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
  'Takes today''s briefing of an owner in hand, with a lease; no lease: it was sent (or may have been), or somebody is at it. '
  'Recording: what an earlier attempt paid for. Two at once: one gets the lease. ST093: no such owner.';
revoke execute on function strata.open_briefing(text) from public;
grant execute on function strata.open_briefing(text) to service_role;

create function strata.start_delivery(
  p_lease uuid, p_says text, p_language text, p_channel text, p_characters integer, p_reason text default null, p_seconds numeric default null,
  p_affirmation_id uuid default null, p_cost_id uuid default null, p_recording_id uuid default null
)
returns void
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = ''
as $$
begin
  update strata.briefings as b
     set state = 'delivering', says = p_says, language = p_language, channel = p_channel, characters = p_characters, reason = p_reason,
         seconds = p_seconds, affirmation_id = p_affirmation_id, cost_id = coalesce(p_cost_id, b.cost_id),
         recording_id = p_recording_id, trouble = null,
         leased_until = strata.clock() + make_interval(secs => strata.setting('briefing_lease'))
   where b.lease = p_lease and b.state = 'composing' and b.leased_until >= strata.clock();
  if not found then
    raise exception 'that briefing is not being composed under this lease' using errcode = 'ST094', hint = strata.remedy('ST094');
  end if;
end
$$;
comment on function strata.start_delivery(uuid, text, text, text, integer, text, numeric, uuid, uuid, uuid) is
  'Says that the next thing is to send the briefing: from here on it is not sent a second time unless it is refused for '
  'certain. ST094: not composing under this lease.';
revoke execute on function strata.start_delivery(uuid, text, text, text, integer, text, numeric, uuid, uuid, uuid) from public;
grant execute on function strata.start_delivery(uuid, text, text, text, integer, text, numeric, uuid, uuid, uuid) to service_role;

create function strata.finish_briefing(p_lease uuid, p_message_id text, p_channel text default null, p_reason text default null)
returns void
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = ''
as $$
begin
  -- Late is better than never: that it was sent is true whatever somebody concluded meanwhile.
  update strata.briefings as b
     set state = 'sent', sent_at = strata.clock(), message_id = p_message_id, trouble = null,
         channel = coalesce(p_channel, b.channel), reason = coalesce(p_reason, b.reason)
   where b.lease = p_lease and b.state in ('delivering', 'unknown');
  if not found then
    raise exception 'that briefing is not being delivered under this lease' using errcode = 'ST094', hint = strata.remedy('ST094');
  end if;
end
$$;
comment on function strata.finish_briefing(uuid, text, text, text) is
  'The briefing was sent, as this message, and after all over this channel. ST094: not delivering under this lease.';
revoke execute on function strata.finish_briefing(uuid, text, text, text) from public;
grant execute on function strata.finish_briefing(uuid, text, text, text) to service_role;

create function strata.fail_briefing(p_lease uuid, p_trouble text, p_may_have_arrived boolean)
returns void
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = ''
as $$
begin
  update strata.briefings as b
     set state = case when p_may_have_arrived then 'unknown' else 'failed' end, trouble = left(p_trouble, 500)
   where b.lease = p_lease and b.state in ('composing', 'delivering');
  if not found then
    raise exception 'that briefing is not being worked on under this lease' using errcode = 'ST094', hint = strata.remedy('ST094');
  end if;
end
$$;
comment on function strata.fail_briefing(uuid, text, boolean) is
  'The briefing was not sent, and why; or it may have been, and is not sent again. ST094: not under this lease.';
revoke execute on function strata.fail_briefing(uuid, text, boolean) from public;
grant execute on function strata.fail_briefing(uuid, text, boolean) to service_role;
