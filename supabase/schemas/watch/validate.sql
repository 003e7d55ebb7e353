-- Validate: every promise that this tier can check about itself and, over the links it drives, about its
-- neighbours.
--
-- One row per check: ok or not, a sentence with what was found, and what to do. It changes nothing. What is
-- missing (a table, a role, an extension) is one check that does not hold; it never keeps the others from
-- being made.

create function strata.validate_server()
returns table (topic text, ok boolean, says text, remedy text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'tier', true, format('this database is %1$s%2$s', s.tier,
                              case when s.is_last then ', the last of its chain' else '' end), null
    from strata.self as s
  union all
  select 'tier', false, 'this database does not know which tier it is', strata.remedy('ST001')
   where not exists (select from strata.self)
  union all
  select 'version', v.number between 150000 and 189999,
         format('PostgreSQL %s', current_setting('server_version')),
         'Use PostgreSQL 15 to 18.'
    from (select current_setting('server_version_num')::integer as number) as v
  union all
  select 'encoding', current_setting('server_encoding') = 'UTF8',
         format('texts are in %s', current_setting('server_encoding')),
         'Create the database with encoding UTF8: fingerprints are of UTF-8 text.'
  union all
  select 'durability', current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on',
         format('fsync %1$s, full_page_writes %2$s', current_setting('fsync'),
                current_setting('full_page_writes')),
         'Turn both on: a proof promises that the row has reached the disk.'
  union all
  select 'extension ' || w.name, coalesce(n.nspname = 'extensions' or w.name = 'postgres_fdw', false),
         coalesce(format('%1$s is in schema %2$s', w.name, n.nspname), w.name || ' is missing'),
         format(case when n.nspname is null
                       then 'create extension %I with schema extensions (a superuser, on a plain Postgres)'
                     else 'alter extension %I set schema extensions' end, w.name)
    from (values ('postgres_fdw'), ('dblink')) as w (name)
    left join pg_catalog.pg_extension as e on e.extname = w.name
    left join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
$$;
comment on function strata.validate_server() is
  'Checks of the server itself: tier, version, encoding, durability, extensions.';

-- Of the logins that neighbours dial this tier with.
create function strata.validate_logins()
returns table (topic text, ok boolean, says text, remedy text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with logins as (
    select l.neighbour, n.login, r.* from strata.links as l
     cross join lateral unnest(strata.logins_of(l.neighbour)) as n (login)
      left join pg_catalog.pg_roles as r on r.rolname = n.login
     where l.server is null and l.driver <> 'relay'),
  found as (
    select n.*,
           n.rolsuper or n.rolbypassrls or n.rolcreaterole or n.rolcreatedb or n.rolreplication as is_mighty,
           array(select m.roleid::regrole::text from pg_catalog.pg_auth_members as m
                  where m.member = n.oid) as groups,
           array(select unnest(s.setconfig) from pg_catalog.pg_db_role_setting as s
                  where s.setrole = n.oid) as settings
      from logins as n)
  select 'login ' || f.login,
         coalesce(f.rolcanlogin and not f.is_mighty and f.rolinherit and f.groups = '{strata_mover}', false),
         case when f.oid is null then 'is missing'
              else concat_ws(', ', case when f.rolcanlogin then 'may log in' else 'may not log in' end,
                             case when f.is_mighty then 'has more rights than it needs' end,
                             'is a member of '
                             || coalesce(nullif(array_to_string(f.groups, ' and '), ''), 'nothing')) end,
         case when f.is_mighty or cardinality(f.groups) > 1
                then 'Take superuser, bypassrls, createrole, createdb, replication and every group '
                     'but strata_mover from it.'
              else 'Run `deno task strata setup --init`.' end
    from found as f
  union all
  select 'login ' || f.login || ' settings', f.settings = '{}',
         case when f.settings = '{}' then 'none of its own'
              else 'it has given itself ' || array_to_string(f.settings, ', ') end,
         'Run `deno task strata setup --init`, which takes them away; then `setup --rotate`, because '
         'somebody knows its password.'
    from found as f where f.oid is not null
  union all
  select 'connections of ' || f.neighbour, bool_and(f.rolconnlimit = t.pool_size),
         format('its logins may hold %1$s connections each, the pool is %2$s',
                string_agg(distinct case f.rolconnlimit when -1 then 'any number of'
                                                        else f.rolconnlimit::text end, ' and '), t.pool_size),
         'Run `deno task strata setup --init`.'
    from found as f, strata.self as s join strata.tiers as t on t.name = s.tier
   where f.oid is not null group by f.neighbour, t.pool_size
$$;
comment on function strata.validate_logins() is
  'Checks of the logins that neighbours dial this tier with: powers, groups, settings of their own, limits.';

-- Other databases and large objects are named and not counted as wrong: only their owner knows who else needs
-- them.
create function strata.validate_reach()
returns table (topic text, ok boolean, says text, remedy text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'temporary objects', not has_database_privilege('strata_mover', current_database(), 'temporary'),
         case when has_database_privilege('strata_mover', current_database(), 'temporary')
                then 'a neighbour''s login may make them here' else 'only the owner may make them' end,
         format('revoke temporary on database %1$I from public, as %2$s, who owns it', current_database(), (
           select d.datdba::regrole from pg_catalog.pg_database as d where d.datname = current_database()))
  union all
  select 'other databases', true, case when count(*) = 0 then 'a neighbour''s login gets into none' else
         format('a neighbour''s login could connect to %1$s%2$s; what ends it is: revoke connect on '
                'database %3$I from public', (array_agg(d.datname order by d.datname))[1],
                case when count(*) > 1 then format(' and %s more', count(*) - 1) else '' end,
                (array_agg(d.datname order by d.datname))[1]) end, null
    from pg_catalog.pg_database as d
   -- by oid: it may be gone by now
   where d.datallowconn and d.datname <> current_database()
     and has_database_privilege('strata_mover', d.oid, 'connect')
  union all
  select 'large objects', true,
         case when has_function_privilege('strata_mover', 'pg_catalog.lo_create(oid)', 'execute')
                then 'every login may make some; what ends it, as a superuser: revoke execute on function '
                     'lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) from public'
              else 'a neighbour''s login may make none' end, null
$$;
comment on function strata.validate_reach() is
  'Checks of what a neighbour''s login reaches besides its functions: temporary objects, other '
  'databases, large objects.';

create function strata.validate_roles()
returns table (topic text, ok boolean, says text, remedy text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'role strata_mover', not (r.rolcanlogin or r.rolsuper or r.rolbypassrls or r.rolcreaterole
                                   or r.rolcreatedb or r.rolreplication),
         format('%1$s%2$s', case when r.rolcanlogin then 'may log in' else 'is a group' end,
                case when r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication
                     then ' and has more rights than it needs' else '' end),
         'alter role strata_mover nologin; take superuser, bypassrls, createrole, createdb '
         'and replication from it.'
    from pg_catalog.pg_roles as r where r.rolname = 'strata_mover'
  union all
  select 'grants', o.count = 0,
         case when o.count = 0 then 'nothing of strata is open to anon, authenticated or public'
              else format('%1$s %2$s open to %3$s: %4$s%5$s', o.count,
                          case o.count when 1 then 'is' else 'are' end, o.grantees,
                          array_to_string(o.names[1:3], ', '),
                          case when o.count > 3 then format(' and %s more', o.count - 3) end) end,
         'revoke all on all tables in schema strata from anon, authenticated; revoke execute on all '
         'functions in schema strata from public;'
    from (select count(distinct x.name) as count,
                 string_agg(distinct x.grantee, ', ' order by x.grantee) as grantees,
                 array_agg(distinct x.name order by x.name) as names from (
            select p.oid::regprocedure::text as name, 'public' as grantee from pg_catalog.pg_proc as p
             where p.pronamespace = 'strata'::regnamespace
               and has_function_privilege('public', p.oid, 'execute')
            union all
            select c.oid::regclass::text, r.rolname::text
              from pg_catalog.pg_class as c, pg_catalog.pg_roles as r
             where c.relnamespace = 'strata'::regnamespace and c.relkind in ('r', 'v')
               and r.rolname in ('anon', 'authenticated')
               and has_table_privilege(r.rolname, c.oid, 'select,insert,update,delete')) as x) as o
$$;
comment on function strata.validate_roles() is
  'Checks of the movers'' role and of grants: that nothing is open.';
select strata.pin('strata.validate_roles()');

create function strata.validate_jobs()
returns table (topic text, ok boolean, says text, remedy text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not strata.has_cron() then
    return query
      select 'cron', not exists (select from strata.stopped_jobs()),
             'pg_cron is not in this database: nothing runs by itself',
             'Install pg_cron and set cron.database_name, or call strata.process() from another scheduler.';
    return;
  end if;
  return query execute
    'select ''job '' || s.job, '
    '       coalesce(j.schedule = s.cron and j.command = s.command, false) '
    '         and coalesce(r.status, '''') <> ''failed'' and not p.paused, '
    '       case when j.jobid is null then ''is not scheduled'' '
    '            else concat(j.schedule, '', '', '
    '                        case when p.paused then ''paused'' when j.active then ''active'' '
    '                             else ''asleep'' end, '
    '                        coalesce('', last run '' || to_char(r.start_time, ''YYYY-MM-DD HH24:MI'') '
    '                                 || '' '' || r.status, '', has not run yet''), '
    '                        case when r.status = ''failed'' then '': '' || r.return_message end) end, '
    '       case when p.paused '
    '            then format(''update strata.schedules set active = true where job = %L'', s.job) '
    '            else ''select strata.apply_schedules(); if runs fail, read the message (at home: '
    'cron.use_background_workers = on, or trust for localhost).'' end '
    '  from strata.schedules as s '
    ' cross join lateral (select not s.active) as p (paused) '
    '  left join cron.job as j on j.jobname = s.job '
    '  left join lateral (select d.* from cron.job_run_details as d where d.jobid = j.jobid '
    '                      order by d.runid desc limit 1) as r on true '
    ' where (select f.tier from strata.self as f) = any (s.tiers) order by s.job';
end
$$;
comment on function strata.validate_jobs() is
  'Checks of pg_cron: every job scheduled as the table says, none paused, and its last run well.';

create function strata.validate_dataset(p_dataset strata.datasets)
returns table (topic text, ok boolean, says text, remedy text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_topic constant text := 'dataset ' || p_dataset.name;
  v_relation constant regclass := to_regclass(strata.relation(p_dataset));
  v_found integer;
  v_context text;
begin
  if v_relation is null then
    return query select v_topic, false, g.says, g.remedy from strata.table_is_gone(p_dataset) as g;
    return;
  end if;
  return query select v_topic, false, o.says, o.hint
    from strata.objections(v_relation, p_dataset.age_column, p_dataset.delete_triggers) as o;
  get diagnostics v_found = row_count;
  return query select v_topic, p_dataset.trouble is null,
      coalesce(p_dataset.trouble || ' [' || p_dataset.trouble_sqlstate || ']', format('key (%1$s), age %2$s',
        array_to_string(p_dataset.key_columns, ', '), p_dataset.age_column)), p_dataset.remedy
    where v_found = 0;
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
  return query
    select v_topic, false, format('it cannot be checked: %1$s [%2$s]', sqlerrm, sqlstate),
           strata.remedy(sqlstate, p_dataset.name);
end
$$;
comment on function strata.validate_dataset(strata.datasets) is
  'Checks of one dataset: table there, nothing in the way, no trouble noted.';

create function strata.validate_datasets()
returns table (topic text, ok boolean, says text, remedy text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select v.* from (select d from strata.datasets as d order by d.name) as o, strata.validate_dataset(o.d) as v
$$;
comment on function strata.validate_datasets() is
  'Checks of every dataset: table there, nothing in the way, no trouble noted.';

create function strata.validate_line(p_neighbour text, p_topic text, p_tls text)
returns table (topic text, ok boolean, says text, remedy text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select p_topic || ' TLS', s.pooled or s.insecure_because is not null
                            or coalesce(p_tls in ('TLSv1.2', 'TLSv1.3'), not s.demands_tls),
         case when s.pooled then format('encrypted as far as the pooler, as %s has it', s.sslmode)
              else coalesce('encrypted with ' || p_tls,
                            'not encrypted'
                            || case when not s.demands_tls then ': it is this machine' else '' end) end,
         'Turn on ssl on that server, with TLS 1.3, and run setup again.'
    from strata.line_security(p_neighbour) as s
  union all
  select p_topic || ' certificate', true, case
           when s.sslmode = 'verify-full'
             then format('checked (%s)', coalesce(s.ca, 'libpq''s own root.crt'))
           when s.insecure_because is not null
             then format('not checked (sslmode %1$s), because: %2$s', s.sslmode, s.insecure_because)
           else 'not checked: it is this machine' end, null
    from strata.line_security(p_neighbour) as s;
end
$$;
comment on function strata.validate_line(text, text, text) is
  'Checks of how the line to a neighbour is secured; p_tls: as the neighbour sees it.';

create function strata.validate_link(p_link strata.links)
returns table (topic text, ok boolean, says text, remedy text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_topic constant text := format('link %1$s (%2$s)', p_link.neighbour, p_link.driver);
  v_hello jsonb;
  v_skew numeric;
  v_tls text;
begin
  if p_link.server is null then
    return query
      select v_topic, true, case p_link.driver when 'relay' then 'an edge function carries it'
                                               else p_link.neighbour || ' dials us' end, null::text;
    return;
  end if;
  v_hello := strata.ask(p_link.neighbour, 'select strata.hello()')::jsonb;
  v_skew := round(extract(epoch from clock_timestamp() - (v_hello ->> 'clock')::timestamptz), 2);
  -- Asked in the mover's own name: nobody else may see how that session is encrypted.
  v_tls := strata.ask(p_link.neighbour, 'select s.version from pg_catalog.pg_stat_ssl as s '
                                        'where s.pid = pg_catalog.pg_backend_pid()');
  return query
    select v_topic, true, format('%1$s answers, PostgreSQL %2$s', p_link.neighbour,
                                 (v_hello ->> 'postgres')::integer / 10000), null::text
    union all
    select v_topic, v_hello -> 'links' ->> strata.tier() is not distinct from p_link.driver,
           format('%1$s knows the link from %2$s as %3$s', p_link.neighbour, strata.tier(),
                  coalesce(v_hello -> 'links' ->> strata.tier(), 'nothing')),
           'Run setup again: both ends must name each other with the same driver.'
    union all
    select v_topic || ' clock', abs(v_skew) < 5, format('the clocks differ by %s s', v_skew),
           'Keep both servers on network time.'
    union all
    select c.* from strata.validate_line(p_link.neighbour, v_topic, v_tls) as c
    union all
    select v_topic || ' durability', v_hello ->> 'fsync' = 'on',
           format('fsync is %s there', v_hello ->> 'fsync'),
           'Turn fsync on there: a proof promises that the row has reached the disk.'
    union all
    select v_topic || ' writable', v_hello ->> 'read_only' = 'off',
           case v_hello ->> 'read_only' when 'off' then 'takes rows' else 'is read-only' end,
           strata.remedy('25006');
exception when others or assert_failure then
  return query select v_topic, false, sqlerrm, strata.remedy(sqlstate);
end
$$;
comment on function strata.validate_link(strata.links) is
  'Dials a neighbour and checks who answers, that it knows us, clocks (under 5 s apart), '
  'TLS and durability there.';

create function strata.validate_links()
returns table (topic text, ok boolean, says text, remedy text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_link strata.links;
begin
  for v_link in select l.* from strata.links as l order by l.direction loop
    return query select v.* from strata.validate_link(v_link) as v;
    begin
      perform strata.hang_up(v_link.neighbour);
    exception when syntax_error_or_access_rule_violation or invalid_schema_name then
      continue; -- without dblink there is nothing to hang up, and the link's own check has said so
    end;
  end loop;
end
$$;
comment on function strata.validate_links() is 'Checks of the links, one after the other.';

create function strata.validate()
returns table (topic text, ok boolean, says text, remedy text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_part text;
  v_context text;
begin
  foreach v_part in array array['server', 'logins', 'reach', 'roles', 'jobs', 'links', 'datasets', 'rights',
                                'troubles'] loop
    begin
      return query execute format(
        'select v.topic, v.ok, v.says, case when not v.ok then v.remedy end from strata.%I() as v',
        'validate_' || v_part);
    exception when query_canceled or assert_failure or others then
      get stacked diagnostics v_context = pg_exception_context;
      if strata.is_our_end(sqlstate, sqlerrm, v_context) then
        raise;
      end if;
      return query select v_part, false, format('this cannot be checked: %1$s [%2$s]', sqlerrm, sqlstate),
        case when sqlstate like '42%' or sqlstate like '3F%'
               then 'Put back what the message names, or run `deno task strata setup --init`.'
             else strata.remedy(sqlstate) end;
    end;
  end loop;
end
$$;
comment on function strata.validate() is
  'Checks what can be checked from here: server, logins, roles, grants, jobs, links it drives (who answers, '
  'clock, TLS), datasets, this clock, confirmed policies. One row each: ok, a sentence, and a remedy where '
  'it is not. A part that cannot be checked is one row, the others are made.';
