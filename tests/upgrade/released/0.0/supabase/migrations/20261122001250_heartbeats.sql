-- Heartbeats: what neighbours tell each other about themselves, and what follows from hearing it, or nothing.

create table strata.outside (
  name text not null,
  checked_at timestamptz not null,
  ok boolean not null,
  says text not null,
  took_ms integer not null,
  constraint outside_pkey primary key (name),
  constraint outside_took_is_not_negative check (took_ms >= 0)
);
comment on table strata.outside is
  'Services outside (and the daily call of health itself, keep_alive): when each was last tried, and what came of it.';
revoke all on strata.outside from public;
alter table strata.outside enable row level security;

create table strata.report_parts (
  tier text not null,
  made_at timestamptz not null,
  heard_from text,
  says jsonb not null,
  constraint report_parts_pkey primary key (tier),
  constraint report_parts_tier_fkey foreign key (tier) references strata.tiers (name),
  constraint report_parts_link_fkey foreign key (heard_from) references strata.links (neighbour) on delete cascade
);
comment on table strata.report_parts is
  'What each tier last said of itself for the report (chapter reports), by its own clock: this one, and the colder ones, told by '
  'the neighbour in heard_from.';
revoke all on strata.report_parts from public;
alter table strata.report_parts enable row level security;
create index report_parts_heard_from_idx on strata.report_parts (heard_from);

-- In plpgsql, because drains come in a later chapter.
create function strata.heartbeat()
returns jsonb
language plpgsql
stable
security definer -- strata_mover asks
set search_path = ''
as $$
begin
  return (select jsonb_build_object(
    'tier', s.tier, 'clock', strata.clock(), 'level', strata.level(),
    'drains', exists (select from strata.drains as d where d.ended_at is null),
    'watched_at', (select max(x.taken_at) from strata.samples as x),
    'tls', (select t.version from pg_catalog.pg_stat_ssl as t where t.pid = pg_backend_pid()), -- of the line it is asked by
    'kept_alive_at', (select o.checked_at from strata.outside as o where o.name = 'keep_alive'),
    'stopped', (select coalesce(jsonb_agg(to_jsonb(j)), '[]') from strata.stopped_jobs() as j),
    'overdue', (select coalesce(jsonb_agg(to_jsonb(o)), '[]') from strata.overdue() as o),
    'report', case when exists (select from strata.links as l where l.direction = 'hotter')
                   then (select jsonb_agg(p.says) from strata.report_parts as p) end,
    'alerts', (select coalesce(jsonb_agg(jsonb_build_object('kind', a.kind, 'tier', a.tier, 'subject', a.subject,
                       'severity', a.severity, 'says', a.says, 'remedy', a.remedy)), '[]')
                 from strata.alerts as a where a.cleared_at is null))
    from strata.self as s);
end
$$;
comment on function strata.heartbeat() is
  'How this tier is, for its neighbours, as of now: level, last sample, jobs that do not run, datasets overdue, open alerts.';
revoke execute on function strata.heartbeat() from public;
grant execute on function strata.heartbeat() to strata_mover;

-- A colder tier's alerts become ours, marked with where they came from; those it no longer has are cleared.
create function strata.hear(p_from text, p_heartbeat jsonb)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_heartbeat ->> 'tier' is distinct from p_from or not exists (select from strata.links as l where l.neighbour = p_from) then
    raise exception 'a heartbeat of % came from %, which is no neighbour of %', coalesce(p_heartbeat ->> 'tier', 'no tier'), p_from, strata.tier()
      using errcode = 'ST061', hint = strata.remedy('ST061');
  end if;
  insert into strata.heartbeats as h (neighbour, heard_at, says) values (p_from, strata.clock(), p_heartbeat - 'alerts' - 'report')
  on conflict (neighbour) do update set heard_at = excluded.heard_at, says = excluded.says;
  if p_from is distinct from strata.colder() then
    perform strata.keep_going(true) where strata.wants_space(); -- it drains, and it is we who dial
    return;
  end if;
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('strata/alerts', 0));
  perform strata.hear_parts(p_from, p_heartbeat -> 'report');
  perform strata.raise_alert(a.kind, a.tier, a.subject, a.severity, a.says, a.remedy, p_from)
     from (select x.* from jsonb_to_recordset(p_heartbeat -> 'alerts')
             as x (kind text, tier text, subject text, severity text, says text, remedy text)
             join strata.alert_kinds as k on k.kind = x.kind -- a newer neighbour may know more kinds than we do
            order by x.kind, x.tier, x.subject) as a;
  update strata.alerts as a set cleared_at = strata.clock()
   where a.heard_from = p_from and a.cleared_at is null
     and not exists (select from jsonb_to_recordset(p_heartbeat -> 'alerts') as x (kind text, tier text, subject text)
                      where (x.kind, x.tier, x.subject) = (a.kind, a.tier, a.subject));
end
$$;
comment on function strata.hear(text, jsonb) is
  'Keeps what a neighbour says of itself; from the colder one its open alerts too. ST061: not a neighbour.';
revoke execute on function strata.hear(text, jsonb) from public;

create function strata.exchange_heartbeats(p_from text, p_heartbeat jsonb)
returns jsonb
language plpgsql
security definer -- the neighbour that dials calls it as strata_mover
set search_path = ''
as $$
begin
  perform strata.note_waiting(); -- here nothing may run any more
  perform strata.rescue();
  perform strata.hear(p_from, p_heartbeat);
  return strata.heartbeat();
end
$$;
comment on function strata.exchange_heartbeats(text, jsonb) is
  'Called by the neighbour that dials, with its own heartbeat; returns ours. ST061: not a neighbour.';
revoke execute on function strata.exchange_heartbeats(text, jsonb) from public;
grant execute on function strata.exchange_heartbeats(text, jsonb) to strata_mover;

create function strata.contact(p_neighbour text)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  perform strata.hear(p_neighbour, strata.ask(p_neighbour, format('select strata.exchange_heartbeats(%L, %L)::text',
                                                                  strata.tier(), strata.heartbeat()))::jsonb);
  perform strata.note_link(p_neighbour, null, null);
  return true;
exception when others then
  -- A function that is not there, or not for us: the neighbour has other migrations.
  perform strata.note_link(p_neighbour, case when sqlstate in ('42883', '42501') then 'ST004' else sqlstate end, sqlerrm);
  return false;
end
$$;
comment on function strata.contact(text) is
  'Exchanges heartbeats with a neighbour this tier dials; false, and noted with the link, when that fails.';
revoke execute on function strata.contact(text) from public;

create function strata.watchdog_conditions()
returns setof strata.condition
language sql
stable
set search_path = ''
as $$
  with told as ( -- by ourselves, and by whoever was heard
    select strata.tier() as tier, o.dataset, o.says, null as job from strata.overdue() as o
    union all select strata.tier(), null, j.says, j.job from strata.stopped_jobs() as j
    union all select h.neighbour, x.dataset, x.says, null
                from strata.heartbeats as h cross join lateral jsonb_to_recordset(h.says -> 'overdue') as x (dataset text, says text)
    union all select h.neighbour, null, x.says, x.job
                from strata.heartbeats as h cross join lateral jsonb_to_recordset(h.says -> 'stopped') as x (job text, says text)
  )
  select case when t.job is null then 'overdue' else 'job_stopped' end, t.tier, coalesce(t.job, t.dataset), 'warning', t.says,
         case when t.job is null then 'deno task strata sync moves it now; setup --validate on that tier says what is in the way.'
              else 'Look at that tier: is its server up, is pg_cron running, and what does setup --validate say? On a Supabase project: is it paused?' end
    from told as t
  union all
  select 'silent', l.neighbour, '', 'warning',
         case when l.driver = 'relay' then format('no relay has come from %s to %s since %s', l.neighbour, strata.tier(), h.since)
              else format('%s dials %s every few minutes, but has not since %s', l.neighbour, strata.tier(), h.since) end,
         case when l.driver = 'relay' then 'Is the function relay deployed, has it the addresses and keys of both tiers, and does its log complain? Until then nothing settles over that link.'
              else 'Look at that tier: is its server up, is pg_cron running there, does its line work? Until then nothing settles over that link.' end
    from strata.links as l
    cross join lateral (select coalesce((select b.heard_at from strata.heartbeats as b where b.neighbour = l.neighbour), l.joined_at) as at) as x
    cross join lateral (select x.at, to_char(x.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as since) as h
   where l.server is null
     and h.at < strata.clock() - make_interval(mins => strata.setting('silent_after')::integer)
$$;
comment on function strata.watchdog_conditions() is
  'Alerts about this tier and its neighbours: datasets overdue, jobs that do not run, a neighbour that should dial and does not.';
revoke execute on function strata.watchdog_conditions() from public;

-- Unpinned because it commits.
create procedure strata.watchdog()
language plpgsql
as $$
declare
  v_neighbour text;
  v_heard text[] := array[]::text[];
begin
  perform pg_catalog.set_config('default_transaction_read_only', 'off', false);
  commit;
  perform strata.note_waiting();
  commit;
  perform strata.note_part();
  commit;
  foreach v_neighbour in array strata.driven_links(false) loop
    if strata.contact(v_neighbour) then
      v_heard := v_heard || v_neighbour;
    end if;
    commit;
  end loop;
  perform strata.retry_briefings();
  perform strata.check_alerts();
  commit;
  foreach v_neighbour in array v_heard loop
    if v_neighbour is distinct from strata.colder() then
      perform strata.contact(v_neighbour); -- once more: what was just found should be known there now
      commit;
    end if;
    perform strata.hang_up(v_neighbour);
  end loop;
  commit;
end
$$;
comment on procedure strata.watchdog() is
  'What cron calls every 15 minutes beside watch(): notes what is due and does not move, exchanges heartbeats over every link '
  'this tier drives, and raises what follows, here and on the hotter tier. Commits: must be the only statement, outside a '
  'transaction.';
revoke execute on procedure strata.watchdog() from public;

insert into strata.schedules (job, cron, command, says) values
  ('strata-watchdog', '7,22,37,52 * * * *', 'call strata.watchdog()', 'listens to the neighbours; finds what is due and does not move');
