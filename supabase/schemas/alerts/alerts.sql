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
    return query execute format('select c.* from %s() as c', strata.registered_call(v_routine));
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
