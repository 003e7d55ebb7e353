-- Conditions of this tier itself: keys, links, the clock, what neighbours agreed on.

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
