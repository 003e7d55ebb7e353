-- Alerts: what a person should know, once each.
--
-- An alert is one row per (kind, tier, subject) for as long as it is open, however often it is noticed; when its cause
-- is gone it is cleared and stays as history. Most kinds are conditions: questions this tier can answer about itself
-- and its neighbours at any time (alert_conditions). check_alerts() asks them all, raises what is true and clears what
-- is not. The other kinds belong to the functions that find them, which raise and clear them by themselves.
-- A colder tier's open alerts are passed up to the hotter one (watchdog), so that core knows them all; heard_from says
-- through which neighbour one came, and only that neighbour's silence about it clears it.
--
-- Lock order: strata/waiting (watchdog), strata/alerts (both advisory), then alerts by kind, tier, subject.

insert into strata.errors (code, cause, remedy) values
  ('ST060', 'there is no such kind of alert or no such severity', 'kinds are in strata.alert_kinds; severities are info, warning, critical');

insert into strata.settings (name, value, unit, says) values
  ('failed_moves', 5, 'failures', 'more failed steps than this in 24 hours are an alert'),
  ('keep_failures', 30, 'days', 'how long failed steps stay in strata.failures'),
  ('keep_alerts', 90, 'days', 'how long cleared alerts stay'),
  ('keep_costs', 400, 'days', 'how long costs and counted usage stay');

create table strata.alert_kinds (
  kind text not null,
  is_condition boolean not null,
  says text not null,
  constraint alert_kinds_pkey primary key (kind)
);
comment on table strata.alert_kinds is
  'The kinds of alerts. is_condition: check_alerts() raises and clears it; otherwise the function that finds it does.';
revoke all on strata.alert_kinds from public;
alter table strata.alert_kinds enable row level security;

insert into strata.alert_kinds (kind, is_condition, says) values
  ('size_warning', true, 'a tier is above its warning size'),
  ('size_critical', true, 'a tier is above its critical size'),
  ('failed_moves', true, 'many steps of moves failed within a day'),
  ('overdue', true, 'rows have been due for longer than twice the schedule, and nothing moves'),
  ('link_down', true, 'a neighbour cannot be worked with'),
  ('silent', true, 'a neighbour that should dial has not been heard from'),
  ('job_stopped', true, 'a job of a tier has not run, or its last run failed'),
  ('row_set_aside', true, 'rows of a dataset could not be moved'),
  ('forecast', true, 'at the present pace a tier will soon be full'),
  ('egress', true, 'the month''s egress is nearly used up'),
  ('average_size', true, 'the average size of the billing month is nearly at its limit'),
  ('edge_invocations', true, 'the month''s function invocations are nearly used up'),
  ('cost', true, 'a day cost more than it should'),
  ('key_overdue', true, 'a key has not been rotated for too long'),
  ('audit_mismatch', false, 'what the log says moved is not what is there'),
  ('nothing_movable', false, 'a tier is critical and nothing on it may move');

create table strata.alerts (
  alert_id bigint generated always as identity,
  kind text not null,
  tier text not null,
  subject text not null,
  severity text not null,
  says text not null,
  remedy text,
  heard_from text,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  seen_count integer not null default 1,
  cleared_at timestamptz,
  constraint alerts_pkey primary key (alert_id),
  constraint alerts_kind_fkey foreign key (kind) references strata.alert_kinds (kind),
  constraint alerts_severity_is_known check (severity in ('info', 'warning', 'critical'))
);
comment on table strata.alerts is
  'What is or was wrong: one open row (cleared_at is null) per kind, tier and subject (a dataset, a neighbour, a job, or '
  'empty: the tier itself). heard_from: the colder neighbour that told of it; null: found here.';
revoke all on strata.alerts from public;
alter table strata.alerts enable row level security;
create unique index alerts_one_open_idx on strata.alerts (kind, tier, subject) where cleared_at is null;
create index alerts_cleared_idx on strata.alerts (cleared_at);

create function strata.raise_alert(
  p_kind text, p_tier text, p_subject text, p_severity text, p_says text, p_remedy text default null, p_heard_from text default null
)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_alert bigint;
begin
  insert into strata.alerts as a (kind, tier, subject, severity, says, remedy, heard_from, first_seen_at, last_seen_at)
  values (p_kind, coalesce(p_tier, strata.tier()), coalesce(p_subject, ''), p_severity, p_says, p_remedy, p_heard_from,
          strata.clock(), strata.clock())
  on conflict (kind, tier, subject) where cleared_at is null do update
     set severity = excluded.severity, says = excluded.says, remedy = excluded.remedy,
         last_seen_at = excluded.last_seen_at, seen_count = a.seen_count + 1,
         heard_from = case when a.heard_from is not null then excluded.heard_from end -- what is found here is ours
  returning a.alert_id into v_alert;
  return v_alert;
exception when foreign_key_violation or check_violation then
  raise exception 'there is no alert of kind "%" with severity "%"', p_kind, p_severity
    using errcode = 'ST060', hint = strata.remedy('ST060');
end
$$;
comment on function strata.raise_alert(text, text, text, text, text, text, text) is
  'Opens an alert, or notes that the open one was seen again; returns its id. p_tier null: this tier; p_subject null: the '
  'tier itself. ST060: unknown kind or severity.';
revoke execute on function strata.raise_alert(text, text, text, text, text, text, text) from public;

create function strata.clear_alert(p_kind text, p_tier text default null, p_subject text default null)
returns boolean
language plpgsql
set search_path = ''
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
revoke execute on function strata.clear_alert(text, text, text) from public;

-- How old a key is: written by the functions that know, watched here.
create table strata.keys (
  name text not null,
  rotated_at timestamptz not null,
  max_age_days integer not null default 90,
  constraint keys_pkey primary key (name),
  constraint keys_age_is_positive check (max_age_days > 0)
);
comment on table strata.keys is 'Passwords and keys by name only: when each was last rotated, and how old it may become.';
revoke all on strata.keys from public;
alter table strata.keys enable row level security;

create function strata.note_key(p_name text, p_rotated_at timestamptz default strata.clock())
returns void
language sql
set search_path = ''
as $$
  insert into strata.keys (name, rotated_at) values (p_name, p_rotated_at)
  on conflict (name) do update set rotated_at = excluded.rotated_at
$$;
comment on function strata.note_key(text, timestamptz) is 'Notes that a key was made or rotated; its content never comes here.';
revoke execute on function strata.note_key(text, timestamptz) from public;

create type strata.condition as (kind text, tier text, subject text, severity text, says text, remedy text);
comment on type strata.condition is 'Something that is wrong now, as raise_alert() takes it.';

create function strata.move_conditions()
returns setof strata.condition
language sql
stable
set search_path = ''
as $$
  select 'failed_moves', strata.tier(), '', 'warning',
         format('%s steps failed in the last 24 hours, the last with "%s": %s [%s]', f.number, f.dataset, f.says, f.code),
         strata.remedy(f.code)
    from (select count(*) over () as number, l.* from strata.failures as l
           where l.dataset is not null and l.failed_at > strata.clock() - interval '24 hours'
           order by l.failed_at desc, l.failure_id desc limit 1) as f
   where f.number > strata.setting('failed_moves')
  union all
  select 'link_down', strata.tier(), l.neighbour, 'warning', format('the link to %s is down: %s [%s]%s', l.neighbour, l.trouble,
           l.trouble_sqlstate, coalesce(', last heard from on ' || to_char(l.last_ok_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), '')),
         strata.remedy(l.trouble_sqlstate)
    from strata.links as l where l.trouble is not null
  union all
  select 'row_set_aside', strata.tier(), a.dataset, 'warning',
         format('%s of "%s" could not be moved, the last because: %s [%s]',
                case a.number when 1 then 'one row' else a.number || ' rows' end, a.dataset, a.says, a.code), a.remedy
    from (select distinct on (s.dataset) count(*) over (partition by s.dataset) as number, s.*
            from strata.set_aside as s order by s.dataset, s.last_at desc, s.key) as a
$$;
comment on function strata.move_conditions() is 'Alerts about moves: failed steps, links that are down, rows set aside.';
revoke execute on function strata.move_conditions() from public;

create function strata.key_conditions()
returns setof strata.condition
language sql
stable
set search_path = ''
as $$
  select 'key_overdue', strata.tier(), k.name, 'warning',
         format('key "%s" was last rotated on %s and may be %s days old', k.name, to_char(k.rotated_at at time zone 'UTC', 'YYYY-MM-DD'), k.max_age_days),
         'Make a new one, run setup with it, then strata.note_key() with its name.'
    from strata.keys as k where k.rotated_at < strata.clock() - make_interval(days => k.max_age_days)
$$;
comment on function strata.key_conditions() is 'Alerts about keys that are too old.';
revoke execute on function strata.key_conditions() from public;

-- In plpgsql, because the chapters that answer most of the questions come later.
create function strata.alert_conditions()
returns setof strata.condition
language plpgsql
stable
set search_path = ''
as $$
begin
  return query
    select c.* from strata.size_conditions() as c
    union all select c.* from strata.move_conditions() as c
    union all select c.* from strata.key_conditions() as c
    union all select c.* from strata.cost_conditions() as c
    union all select c.* from strata.briefing_conditions() as c
    union all select c.* from strata.quota_conditions() as c
    union all select c.* from strata.forecast_conditions() as c
    union all select c.* from strata.watchdog_conditions() as c
    union all select c.* from strata.health_conditions() as c
    union all select c.* from strata.channel_conditions() as c;
end
$$;
comment on function strata.alert_conditions() is
  'Everything that is wrong now as this tier sees it: kind, tier, subject, severity, sentence, remedy. Reads no managed table.';
revoke execute on function strata.alert_conditions() from public;

create function strata.settle_alerts(p_now strata.condition[], p_kinds text[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform strata.raise_alert(c.kind, c.tier, c.subject, c.severity, c.says, c.remedy)
     from (select n.* from unnest(p_now) as n order by n.kind, n.tier, n.subject) as c;
  update strata.alerts as a set cleared_at = strata.clock()
   where a.cleared_at is null and a.heard_from is null and a.kind = any (p_kinds)
     and not exists (select from unnest(p_now) as c where (c.kind, c.tier, c.subject) = (a.kind, a.tier, a.subject));
end
$$;
comment on function strata.settle_alerts(strata.condition[], text[]) is
  'Of these kinds: raises an alert for every condition that is true now, and clears those of all others found here.';
revoke execute on function strata.settle_alerts(strata.condition[], text[]) from public;

create function strata.check_alerts()
returns integer
language plpgsql
set search_path = ''
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
  'Raises an alert for every condition that is true, clears those of conditions that are not, and returns how many are '
  'open. Two at once wait for each other.';
revoke execute on function strata.check_alerts() from public;
