-- Briefing times: waking the function that speaks, the log it leaves, and what is wrong with it.
--
-- wake_voice() runs at the hour of the briefing: it writes down that today's is due and wakes the function.
-- What is not done is woken for again every 15 minutes (watchdog), a few times, and shows as an alert until
-- one is sent.

create function strata.briefings_due()
returns integer
language sql
set search_path = pg_catalog, pg_temp
as $$
  with due as (
    insert into strata.briefings as b (owner, day, state, due_at)
    select o.owner, (strata.clock() at time zone o.timezone)::date, 'due', strata.clock()
      from strata.owners as o where o.wants_briefing
    on conflict (owner, day) do nothing
    returning 1
  )
  select count(*)::integer from due
$$;
comment on function strata.briefings_due() is
  'Notes that today''s briefings are due; returns how many were not noted yet.';

-- One that failed rests for as long as an attempt may take: waking the function again and again must not use
-- its attempts up.
create function strata.briefings_to_send()
returns text[]
language sql
stable
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(b.owner order by b.owner), '{}')
    from strata.briefings as b join strata.owners as o on o.owner = b.owner and o.wants_briefing
   where b.day = (strata.clock() at time zone o.timezone)::date
     and b.due_at > strata.clock() - interval '6 hours' -- nobody wants to hear it in the evening
     and b.attempts < strata.setting('briefing_attempts')
     and (b.state = 'due'
          or (b.state in ('failed', 'composing', 'delivering') and b.leased_until < strata.clock()))
$$;
comment on function strata.briefings_to_send() is
  'Whose briefing of today is still to be sent, by whoever is woken for it.';
grant execute on function strata.briefings_to_send() to service_role;

create function strata.retry_briefings()
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_owners constant text[] := strata.briefings_to_send();
begin
  if cardinality(v_owners) > 0 then
    perform strata.invoke('strata-voice', '{"action": "send"}');
  end if;
  return cardinality(v_owners);
end
$$;
comment on function strata.retry_briefings() is
  'Wakes the function that speaks when a briefing of today is still to be sent; returns how many are.';

create procedure strata.wake_voice()
language plpgsql
as $$
begin
  perform pg_catalog.set_config('default_transaction_read_only', 'off', false);
  commit;
  perform strata.briefings_due();
  perform strata.retry_briefings();
  commit;
end
$$;
comment on procedure strata.wake_voice() is
  'What cron calls at the hour of the briefing. Works on a read-only database. Commits: must be the only '
  'statement, outside a transaction.';

create function strata.briefing_log(p_owner text, p_limit integer default 14)
returns table (
  day date, state text, channel text, reason text, says text, characters integer, seconds numeric,
  usd numeric, sent_at timestamptz, attempts integer, trouble text, recording_id uuid
)
language sql
stable
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
  select b.day, b.state, b.channel, b.reason, b.says, b.characters, b.seconds, c.usd, b.sent_at, b.attempts,
         b.trouble, b.recording_id
    from strata.briefings as b left join strata.costs as c on c.cost_id = b.cost_id
   where b.owner = (strata.owner_named(p_owner)).owner
   order by b.day desc limit least(greatest(p_limit, 1), 100)
$$;
comment on function strata.briefing_log(text, integer) is
  'The last briefings of an owner, newest first; at most 100. ST093: no such owner.';
grant execute on function strata.briefing_log(text, integer) to service_role;

create function strata.briefing_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'briefing', strata.tier(), b.owner, 'warning',
         format('the briefing of %1$s %2$s', b.day, case b.state
           when 'failed' then 'could not be sent: ' || b.trouble
           when 'unknown' then 'may not have arrived: ' || b.trouble
           when 'due' then 'was due at ' || to_char(b.due_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
                           || ' and nobody has sent it'
           else 'was begun and not finished' end),
         case b.state when 'unknown' then 'Look at the chat; deno task strata voice preview shows it. '
                                          'Tomorrow''s is sent as usual.'
              else 'deno task strata voice send tries again and says what is in the way; '
                   'strata.owners turns briefings off.' end
    from (select distinct on (x.owner) x.* from strata.briefings as x order by x.owner, x.day desc) as b
    join strata.owners as o on o.owner = b.owner and o.wants_briefing
   where b.state in ('failed', 'unknown')
      -- where none was ever sent, nobody has set it up
      or (b.state = 'due' and b.due_at < strata.clock() - interval '1 hour'
          and exists (select from strata.briefings as x where x.owner = b.owner and x.state = 'sent'))
      or (b.state in ('composing', 'delivering') and b.leased_until < strata.clock() - interval '1 hour')
$$;
comment on function strata.briefing_conditions() is 'The alert that an owner''s last briefing was not sent.';

create function strata.prune_briefings()
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  delete from strata.briefings as b
   where b.day < (strata.clock() at time zone 'UTC')::date - strata.setting('keep_briefings')::integer;
  update strata.briefings as b set says = null,
         trouble = coalesce(b.trouble,
                            case b.state when 'delivering' then 'nobody noted whether it arrived' end),
         state = case b.state when 'delivering' then 'unknown' else b.state end
   where b.day < (strata.clock() at time zone 'UTC')::date - strata.setting('keep_briefing_texts')::integer
     and b.says is not null
$$;
comment on function strata.prune_briefings() is
  'Drops briefings older than keep_briefings, and what those said that are older than keep_briefing_texts.';
