-- Reporting: the report as a whole, and when it goes out.
--
-- report() puts the parts together; the function `strata-report` gives them a form. The daily one is told to
-- the owner at 09:00 UTC, the monthly one to the admin on the first. Each has a key
-- (report/2026-11-22/owner), so that whoever asks for it again, cron or a person, does not send it twice. The
-- daily one tells all open alerts, and so is the warnings' digest.

create function strata.report_tiers()
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_agg(jsonb_build_object('tier', t.name, 'part', p.says, 'made_at', p.made_at,
                                        'here', t.name = strata.tier(),
             'says', case
               when p.says is null then format('%1$s has said nothing yet: %2$s', t.name,
                 coalesce(l.trouble || ' [' || l.trouble_sqlstate || ']',
                          'it reports with its heartbeat, every five minutes'))
               when p.made_at < strata.clock() - 3 * make_interval(
                 mins => strata.setting('report_every')::integer)
                 then format('%1$s was last heard from on %2$s%3$s', t.name,
                             to_char(p.made_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
                             coalesce(': ' || l.trouble || ' [' || l.trouble_sqlstate || ']', '')) end)
             order by t.position)
      from strata.tiers as t
      left join (select strata.tier() as tier, strata.clock() as made_at, strata.report_part() as says
                 union all
                 select x.tier, x.made_at, x.says from strata.report_parts as x
                  where x.tier <> strata.tier()) as p on p.tier = t.name
      left join strata.links as l
        on l.neighbour = coalesce((select x.heard_from from strata.report_parts as x where x.tier = t.name),
                                  t.name)
     where t.name = strata.tier() or p.says is not null or (l.neighbour = t.name and l.direction = 'colder'));
end
$$;
comment on function strata.report_tiers() is
  'Each tier of the chain as far as it is known here: its part of the report, when it was made, and what is '
  'to be said when it is old or missing.';

create function strata.report(p_kind text default 'day')
returns jsonb
language plpgsql
volatile
security definer -- service_role asks
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_kind is null or p_kind not in ('day', 'month') then
    raise exception 'there is no report "%"', coalesce(p_kind, '')
      using errcode = 'ST112', hint = strata.remedy('ST112');
  end if;
  return jsonb_build_object('kind', p_kind, 'tier', strata.tier(), 'made_at', strata.clock(),
    'month', to_char((strata.clock() at time zone 'UTC') - interval '1 month', 'YYYY-MM'),
    'tiers', strata.report_tiers(),
    'alerts', strata.wrong_lines(),
    'channels', (select jsonb_agg(to_jsonb(c)) from strata.channel_states() as c));
end
$$;
comment on function strata.report(text) is
  'How everything is, as seen from this tier: each tier''s part, open alerts, channels. p_kind: day, or '
  'month (the same facts; the form compares months). ST112: no such report.';
grant execute on function strata.report(text) to service_role;

create function strata.tell_report(
  p_kind text default 'day', p_audience text default 'owner', p_asked boolean default false
)
returns text
language plpgsql
security definer -- service_role asks
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamp := strata.clock() at time zone 'UTC';
  v_key constant text := format('report/%1$s/%2$s',
                                case p_kind when 'month' then to_char(v_now - interval '1 month', 'YYYY-MM')
                                            else to_char(v_now, 'YYYY-MM-DD') end, p_audience);
  v_message bigint;
begin
  if p_audience is null or p_audience not in ('owner', 'admin') then
    raise exception 'there is no reader "%"', coalesce(p_audience, '')
      using errcode = 'ST112', hint = strata.remedy('ST112');
  end if;
  if p_asked then -- what still waits for the end of the quiet hours would come with figures of hours ago
    delete from strata.outbox as m
     where m.key = v_key
       and not exists (select from strata.deliveries as d where d.message_id = m.message_id);
  end if;
  if exists (select from strata.outbox as m where m.key = v_key) then
    return null;
  end if;
  v_message := strata.tell(v_key, 'report', strata.report(p_kind), 'info', p_audience,
                           array(select a.alert_id from strata.alerts_to_tell() as a), null,
                           case p_kind when 'month' then interval '7 days' else interval '20 hours' end);
  update strata.outbox as m set at_once = p_asked where m.message_id = v_message;
  return v_message::text;
end
$$;
comment on function strata.tell_report(text, text, boolean) is
  'Puts the report of today, or of last month, into the outbox; null when it has been there. p_asked: a '
  'person waits for it, who gets it as of now, in quiet hours as well. ST112: no such report or reader.';
select strata.pin('strata.tell_report(text, text, boolean)');
grant execute on function strata.tell_report(text, text, boolean) to service_role;

-- Unpinned because they commit: a full database may have been turned read-only.
create procedure strata.report_daily()
language plpgsql
as $$
begin
  perform pg_catalog.set_config('default_transaction_read_only', 'off', false);
  commit;
  perform strata.check_alerts();
  commit;
  perform strata.tell_report('day', 'owner');
  perform strata.invoke('strata-notify');
  commit;
end
$$;
comment on procedure strata.report_daily() is
  'What cron calls at 09:00: looks at every condition for alerts, tells the daily report, and wakes function '
  'notify. Commits: must be the only statement, outside a transaction.';

create procedure strata.report_monthly()
language plpgsql
as $$
begin
  perform pg_catalog.set_config('default_transaction_read_only', 'off', false);
  commit;
  perform strata.tell_report('month', 'admin');
  perform strata.invoke('strata-notify');
  commit;
end
$$;
comment on procedure strata.report_monthly() is
  'What cron calls on the first of a month: tells the admin the report of the last one. Commits: must be the '
  'only statement, outside a transaction.';
