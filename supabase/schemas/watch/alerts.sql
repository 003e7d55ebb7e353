-- Alerts: what a person should know, once each.
--
-- What is wrong at this moment is decided in one place, strata.what_is_wrong() (troubles); status, report,
-- sync, validate and the command alerts show it. An alert is what is kept of it: since when, who was told,
-- and when it was over.
--
-- An alert is one row per (kind, tier, subject) for as long as it is open, however often it is noticed; when
-- its cause is gone it is cleared and stays as history. Most kinds are conditions: questions this tier can
-- answer about itself and its neighbours at any time (alert_conditions). check_alerts() asks them all, raises
-- what is true and clears what is not. The other kinds belong to the functions that find them, which raise
-- and clear them by themselves. A colder tier's open alerts are passed up to the hotter one (watchdog), so
-- that core knows them all; heard_from says through which neighbour one came, and only that neighbour's
-- silence about it clears it.
--
-- Lock order: strata/waiting (watchdog), strata/alerts (both advisory), then alerts by kind, tier, subject.

create function strata.raise_alert(
  p_kind text, p_tier text, p_subject text, p_severity text, p_says text, p_remedy text default null,
  p_heard_from text default null
)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_alert bigint;
begin
  insert into strata.alerts as a (kind, tier, subject, severity, says, remedy, heard_from, first_seen_at,
                                  last_seen_at)
  values (p_kind, coalesce(p_tier, strata.tier()), coalesce(p_subject, ''), p_severity,
          strata.plain_text(p_says, 2000), strata.plain_text(p_remedy, 1000), p_heard_from, strata.clock(),
          strata.clock())
  on conflict (kind, tier, subject) where cleared_at is null do update
     set severity = excluded.severity, says = excluded.says, remedy = excluded.remedy,
         last_seen_at = excluded.last_seen_at, seen_count = a.seen_count + 1,
         -- what is found here is ours
         heard_from = case when a.heard_from is not null then excluded.heard_from end
  returning a.alert_id into v_alert;
  return v_alert;
exception when foreign_key_violation or check_violation then
  raise exception 'there is no alert of kind "%" with severity "%"', p_kind, p_severity
    using errcode = 'ST060', hint = strata.remedy('ST060');
end
$$;
comment on function strata.raise_alert(text, text, text, text, text, text, text) is
  'Opens an alert, or notes that the open one was seen again; returns its id. p_tier null: this tier; '
  'p_subject null: the tier itself. ST060: unknown kind or severity.';

create function strata.clear_alert(
  p_kind text, p_tier text default null, p_subject text default null
)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  update strata.alerts as a set cleared_at = strata.clock()
   where a.kind = p_kind and a.tier = coalesce(p_tier, strata.tier()) and a.subject = coalesce(p_subject, '')
     and a.cleared_at is null;
  return found;
end
$$;
comment on function strata.clear_alert(text, text, text) is
  'Clears an alert whose cause is gone; false when none was open. Nulls as in raise_alert().';

create function strata.note_key(p_name text, p_rotated_at timestamptz default strata.clock())
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into strata.keys (name, rotated_at) values (p_name, p_rotated_at)
  on conflict (name) do update set rotated_at = excluded.rotated_at
$$;
comment on function strata.note_key(text, timestamptz) is
  'Notes that a key was made or rotated; its content never comes here.';

create function strata.see_key(p_name text, p_mark text default null)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into strata.keys as k (name, rotated_at, mark) values (p_name, strata.clock(), left(p_mark, 8))
  on conflict (name) do update set rotated_at = excluded.rotated_at, mark = excluded.mark
   where k.mark <> excluded.mark or (k.mark is null and excluded.mark is not null)
$$;
comment on function strata.see_key(text, text) is
  'Notes a key that is in use: as new when it has not been seen before, or when its mark is another one.';

create function strata.key_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'key_overdue', strata.tier(), k.name, 'warning',
         format('key "%1$s" was last rotated on %2$s and may be %3$s old', k.name,
                to_char(k.rotated_at at time zone 'UTC', 'YYYY-MM-DD'),
                strata.counted(k.max_age_days, 'day')),
         case when k.name like 'link %' then 'Run `deno task strata setup --rotate`.'
              when k.name = 'wake secret' then format(
                'On %s: '
                'select strata.forget_secret(''wake_secret''); then run `deno task strata setup --init` '
                'and `deno task deploy`.', strata.tier())
              when k.name in ('secret key', 'telegram', 'webhook')
                then format('Make a new one, put it in .env, and run `deno task deploy` and '
                            '`deno task strata setup --init`; if it was renewed before, on %1$s: '
                            'select strata.note_key(%2$L);', strata.tier(), k.name)
              else format('Make a new one, and run setup with it; then, on %1$s: '
                          'select strata.note_key(%2$L);', strata.tier(), k.name) end
    from strata.keys as k where k.rotated_at < strata.clock() - make_interval(days => k.max_age_days)
$$;
comment on function strata.key_conditions() is 'Alerts about keys that are too old.';

-- A decision of the owner is kept in sight; it is nothing to be mended.
create function strata.security_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'insecure_link', strata.tier(), l.neighbour,
         case when s.insecure_because is null then 'warning' else 'info' end,
         format('%1$s is dialled with sslmode %2$s: whoever stands between can pose as it; %3$s', l.neighbour,
                s.sslmode,
                coalesce('the reason given is: ' || s.insecure_because,
                         'no reason was given, so it is not dialled')),
         strata.remedy('ST007')
    from strata.links as l cross join lateral strata.line_security(l.neighbour) as s
   where s.sslmode <> 'verify-full' and not strata.is_loopback(s.host)
$$;
comment on function strata.security_conditions() is
  'Alerts about links that are dialled with less than verify-full.';

create function strata.excess_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'excess', strata.tier(), l.neighbour, 'warning',
         format('%1$s has sent more than it may, which was refused %2$s', l.neighbour,
                case x.times when 1 then 'once' else x.times || ' times' end),
         'Look at the server''s log here for ST065, which names what it was; if nothing on that tier '
         'explains it, take the tier for taken over.'
    from strata.links as l
    join (select 'hotter' as direction, h.last_value as times from strata.excess_hotter as h where h.is_called
          union all select 'colder', c.last_value from strata.excess_colder as c where c.is_called) as x
      on x.direction = l.direction
   where x.times > 0
$$;
comment on function strata.excess_conditions() is
  'The alert that a neighbour has sent more than it may, since the last upkeep.';

create function strata.clock_conditions()
returns setof strata.condition
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select 'clock', strata.tier(), '', 'critical',
           format('%s: nothing is due, and nothing is deleted, until that is settled', t.says),
           format('Compare with another clock. If that of %1$s is wrong, set it by network time (NTP), '
                  'and it ends when a neighbour has been heard, '
                  'within minutes. If it is right, say so on %2$s, with today''s date for %3$s: '
                  'select strata.trust_clock(date %4$L);',
                  strata.tier(), strata.tier(), 'YYYY-MM-DD', 'YYYY-MM-DD')
      from (select strata.clock_trouble(true) as says) as t where t.says is not null;
end
$$;
comment on function strata.clock_conditions() is
  'The alert that this tier''s clock may not decide what is due.';

create function strata.agreement_conditions()
returns setof strata.condition
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select 'policy_lost', strata.tier(), d.name, 'critical', strata.ahead_says(d), strata.ahead_remedy(d.name)
      from strata.datasets as d where d.ahead is not null
    union all
    select 'unconfirmed', strata.tier(), d.name, 'warning',
           format('rows of "%1$s" past their age are not deleted on %2$s: by its policy '
                  'they are to be, but %3$s', d.name, strata.tier(), strata.unconfirmed(d)),
           format('See that the tiers hotter than %1$s run, reach each other '
                  'and still manage it. If they are gone for good, on %1$s: select strata.forget_twin(%2$L); '
                  'its policy there counts from then on.', w.tier, d.name)
      from strata.datasets as d
      cross join lateral strata.retention(d) as r
      left join strata.confirmations as c on c.dataset = d.name
      cross join lateral (select coalesce(c.waits_on, strata.tier()) as tier) as w
     where r.action = 'delete' and r.days is not null
       and greatest(c.confirmed_at, d.managed_at) < strata.clock() - make_interval(
         mins => strata.setting('confirmed_within')::integer)
       and strata.unconfirmed(d) is not null
    union all
    select 'left_copies', strata.tier(), l.dataset, 'warning',
           format('%1$s of "%2$s" deleted on %3$s may still be on %4$s: they were changed or are kept there, '
                  'or %5$s was put back from a backup to the middle of their move',
                  case l.rows when 1 then 'one row' else l.rows || ' rows' end, l.dataset, strata.tier(),
                  l.tier, strata.tier()),
           format('Their keys are in strata.left_copies. Delete the rows on %1$s, '
                  'or behind it, if they are to go, then on %2$s: select strata.forget_copies(%3$L);',
                  l.tier, strata.tier(), l.dataset)
      from (select c.dataset, min(c.tier) as tier, count(*) as rows
              from strata.left_copies as c group by c.dataset) as l;
end
$$;
comment on function strata.agreement_conditions() is
  'Alerts about policies: forgotten here, or not confirmed for so long that nothing is deleted by them; and '
  'about copies that were left.';

-- In plpgsql, because the chapters that answer most of the questions come later.
create function strata.alert_conditions()
returns setof strata.condition
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  v_routine text;
begin
  for v_routine in select r.routine from strata.registered('condition') as r (routine) loop
    return query execute format('select c.* from strata.%I() as c', v_routine);
  end loop;
end
$$;
comment on function strata.alert_conditions() is
  'Everything that is wrong now as this tier sees it: kind, tier, subject, severity, sentence, remedy. '
  'Reads no managed table.';

-- What is over in a minute is no reason to wake anybody.
create function strata.after_grace(p_kind text, p_subject text default '')
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when k.grace = interval '0' or exists (
                select from strata.alerts as a
                 where a.kind = k.kind and a.tier = strata.tier() and a.subject = p_subject
                   and a.cleared_at is null
                   and a.first_seen_at <= strata.clock() - k.grace) then 'critical' else 'warning' end
    from strata.alert_kinds as k where k.kind = p_kind
$$;
comment on function strata.after_grace(text, text) is
  'The severity of something of this tier that is critical only when it lasts: warning, until its alert has '
  'been open for the grace of its kind.';

create function strata.settle_alerts(p_now strata.condition[], p_kinds text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.raise_alert(c.kind, c.tier, c.subject, c.severity, c.says, c.remedy)
     from (select n.* from unnest(p_now) as n order by n.kind, n.tier, n.subject) as c;
  update strata.alerts as a set cleared_at = strata.clock()
   where a.cleared_at is null and a.heard_from is null and a.kind = any (p_kinds)
     and not exists (select from unnest(p_now) as c
                      where (c.kind, c.tier, c.subject) = (a.kind, a.tier, a.subject));
end
$$;
comment on function strata.settle_alerts(strata.condition[], text[]) is
  'Of these kinds: raises an alert for every condition that is true now, and clears those '
  'of all others found here.';

create function strata.check_alerts()
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('strata/alerts', 0));
  perform strata.settle_alerts(array(select c::strata.condition from strata.alert_conditions() as c),
                               array(select k.kind from strata.alert_kinds as k where k.is_condition));
  update strata.alerts as a set cleared_at = strata.clock()
   where a.cleared_at is null and a.heard_from is not null
     and not exists (select from strata.links as l where l.neighbour = a.heard_from);
  return (select count(*) from strata.alerts as a where a.cleared_at is null);
end
$$;
comment on function strata.check_alerts() is
  'Raises an alert for every condition that is true, clears those of conditions that are not, and returns '
  'how many are open. Two at once wait for each other.';
