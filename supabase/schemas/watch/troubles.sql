-- Troubles: what is wrong at this moment, decided in one place.
--
-- alert_conditions() asks everything that can be asked at any time; what other functions have found, and what
-- colder tiers told of, is in strata.alerts. what_is_wrong() puts them together. status, report, sync,
-- explain, validate and the command alerts show what it says and ask nothing of their own, so that they never
-- contradict each other. look() has the neighbours asked first, so that what it says is of now and not of the
-- last watch.

create function strata.is_down(p_sqlstate text)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select left(p_sqlstate, 2) in ('08', '28', '53', '57', '58', 'XX') or p_sqlstate = 'ST005' $$;
comment on function strata.is_down(text) is
  'Whether an error of a link says that the neighbour is down or lets nobody in.';

-- What works again has been mended, and is told of no more.
create function strata.is_mended(p_failure strata.failures)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from strata.datasets as d
                  where d.name = p_failure.dataset and d.trouble is null and d.failures = 0)
      or exists (select from strata.links as l where l.neighbour = p_failure.link and l.trouble is null
                    and l.last_ok_at >= p_failure.failed_at)
$$;
comment on function strata.is_mended(strata.failures) is
  'Whether the dataset or the link that failed works by now.';

create function strata.failure_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'failed_moves', strata.tier(), '', 'warning',
         format('%1$s steps failed in the last 24 hours, the last with %2$s: %3$s [%4$s]', f.number,
                coalesce('"' || f.dataset || '"', 'the link to ' || f.link), f.says, f.code),
         strata.remedy(f.code, f.dataset)
    from (select (select count(*) from strata.failures as a
                   where a.failed_at > strata.clock() - interval '24 hours') as number, l.*
            from strata.failures as l
           where l.failed_at > strata.clock() - interval '24 hours' and not strata.is_mended(l)
           order by l.failed_at desc, l.failure_id desc limit 1) as f
   where f.number > strata.setting('failed_moves')
$$;
comment on function strata.failure_conditions() is
  'The alert about failed attempts, of datasets and of links: more than failed_moves in a day, while what '
  'failed does not work yet.';

create function strata.move_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select f.* from strata.failure_conditions() as f
  union all
  select 'link_down', strata.tier(), l.neighbour,
         case when strata.is_down(l.trouble_sqlstate)
                   and coalesce(l.last_ok_at, l.joined_at) < strata.clock() - make_interval(
                     mins => strata.setting('silent_after')::integer)
              then 'critical' else 'warning' end,
         format('the link to %1$s is down: %2$s [%3$s]%4$s', l.neighbour, l.trouble, l.trouble_sqlstate,
                coalesce(', last heard from on '
                         || to_char(l.last_ok_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), '')),
         strata.remedy(l.trouble_sqlstate)
    from strata.links as l
   where l.trouble is not null and not (l.trouble_sqlstate = '53300' and l.server is not null)
  union all
  select 'stands_still', strata.tier(), d.name, 'warning',
         format('"%1$s" stands still: %2$s [%3$s]', d.name, d.trouble, d.trouble_sqlstate), d.remedy
    from strata.datasets as d where d.trouble is not null
  union all
  select 'row_set_aside', strata.tier(), a.dataset, 'warning',
         format('%1$s of "%2$s" could not be moved, the last because: %3$s [%4$s]',
                case a.number when 1 then 'one row' else a.number || ' rows' end, a.dataset, a.says, a.code),
         a.remedy
    from (select distinct on (s.dataset) count(*) over (partition by s.dataset) as number, s.*
            from strata.set_aside as s order by s.dataset, s.last_at desc, s.key) as a
$$;
comment on function strata.move_conditions() is
  'Alerts about moves: failed attempts, links that are down, datasets that stand still, rows set aside.';

create function strata.check_link(p_neighbour text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from strata.link_checks as c where c.neighbour = p_neighbour;
  insert into strata.link_checks (neighbour, topic, says, remedy)
  select distinct on (v.topic, v.says) p_neighbour, v.topic, v.says, v.remedy
    from strata.links as l cross join lateral strata.validate_link(l) as v
   where l.neighbour = p_neighbour and l.trouble is null and not v.ok
  on conflict do nothing;
end
$$;
comment on function strata.check_link(text) is
  'Makes the checks of a link that this tier dials, and keeps those that do not hold.';

-- What validate() says is wrong and no other condition tells. A part that cannot be checked is itself wrong.
create function strata.failed_checks()
returns table (topic text, says text, remedy text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_part text;
  v_context text;
begin
  foreach v_part in array array['server', 'logins', 'reach', 'roles', 'rights', 'jobs', 'datasets'] loop
    begin
      return query execute format('select v.topic, v.says, v.remedy from strata.%I() as v where not v.ok',
                                  'validate_' || v_part);
    exception when query_canceled or assert_failure or others then
      get stacked diagnostics v_context = pg_exception_context;
      if strata.is_our_end(sqlstate, sqlerrm, v_context) then
        raise;
      end if;
      return query
        select v_part, format('this cannot be checked: %1$s [%2$s]', sqlerrm, sqlstate),
               strata.remedy(sqlstate);
    end;
  end loop;
  return query select c.topic, c.says, c.remedy from strata.link_checks as c;
end
$$;
comment on function strata.failed_checks() is
  'The checks of validate() that do not hold, those of links as they were last dialled.';

create function strata.set_up_findings()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select distinct on (c.topic) 'not_as_set_up', s.tier, c.topic,
                     case when c.topic like 'connections of %' then 'info' else 'warning' end,
         format('%1$s: %2$s', c.topic, c.says), c.remedy
    from strata.self as s, strata.failed_checks() as c
   where not exists (select from strata.datasets as d
                      where c.topic = 'dataset ' || d.name and d.trouble is not null)
     and not exists (select from strata.stopped_jobs() as j where c.topic in ('cron', 'job ' || j.job))
   order by c.topic, c.says
$$;
comment on function strata.set_up_findings() is
  'What validate() finds and no other condition tells of; some of it is only worth knowing (info).';

create function strata.set_up_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$ select f.* from strata.set_up_findings() as f where f.severity <> 'info' $$;
comment on function strata.set_up_conditions() is
  'Alerts about what validate() finds, where no other condition tells of it.';

create function strata.what_is_wrong()
returns table (
  kind text, tier text, subject text, severity text, says text, remedy text, since timestamptz,
  heard_from text, of_moves boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    with now as (
      select distinct on (c.kind, c.tier, c.subject) c.*
        from (select a.* from strata.alert_conditions() as a
              union all select s.* from strata.set_up_findings() as s where s.severity = 'info') as c
       order by c.kind, c.tier, c.subject, array_position(array['critical', 'warning', 'info'], c.severity)),
    found as (
      select n.kind, n.tier, n.subject, n.severity, n.says, n.remedy,
             coalesce(a.first_seen_at, strata.clock()) as since, null as heard_from
        from now as n left join strata.alerts as a
          on (a.kind, a.tier, a.subject) = (n.kind, n.tier, n.subject) and a.cleared_at is null
      union all
      select a.kind, a.tier, a.subject, a.severity, a.says, a.remedy, a.first_seen_at, a.heard_from
        from strata.alerts as a join strata.alert_kinds as k on k.kind = a.kind
       where a.cleared_at is null and (a.heard_from is not null or not k.is_condition)
         and not exists (select from now as n
                          where (n.kind, n.tier, n.subject) = (a.kind, a.tier, a.subject)))
    select f.*, k.of_moves from found as f join strata.alert_kinds as k on k.kind = f.kind
     order by array_position(array['critical', 'warning', 'info'], f.severity), f.since, f.kind, f.tier,
              f.subject;
end
$$;
comment on function strata.what_is_wrong() is
  'Everything that is wrong at this moment, the gravest first: what this tier finds now, what other '
  'functions found that is not over, and what colder tiers told of (heard_from). of_moves: rows stay where '
  'they are because of it.';

create function strata.wrong_lines()
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(jsonb_build_object('kind', w.kind, 'tier', w.tier, 'subject', w.subject,
                                               'severity', w.severity, 'says', w.says,
                    'remedy', w.remedy, 'since', w.since, 'cleared_at', null) order by w.position), '[]')
    from strata.what_is_wrong() with ordinality
         as w (kind, tier, subject, severity, says, remedy, since, heard_from, of_moves, position)
$$;
comment on function strata.wrong_lines() is 'what_is_wrong() as a report tells it.';

create function strata.validate_troubles()
returns table (topic text, ok boolean, says text, remedy text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select concat_ws(' ', replace(w.kind, '_', ' '), nullif(w.subject, ''), 'on ' || w.tier),
         w.severity = 'info', w.says,
         case when w.severity <> 'info' then w.remedy end
    from strata.what_is_wrong() as w
   where w.kind not in ('not_as_set_up', 'stands_still') and w.heard_from is null
$$;
comment on function strata.validate_troubles() is 'What is wrong at this moment and is in no other check.';
