-- Validate: every promise that this tier can check about itself and, over the links it drives, about its neighbours.
--
-- One row per check: ok or not, a sentence with what was found, and what to do. It changes nothing.

create function strata.validate_server()
returns table (topic text, ok boolean, says text, remedy text)
language sql
stable
set search_path = ''
as $$
  select 'tier', true, format('this database is %s%s', s.tier, case when s.is_last then ', the last of its chain' else '' end), null
    from strata.self as s
  union all
  select 'tier', false, 'this database does not know which tier it is', strata.remedy('ST001')
   where not exists (select from strata.self)
  union all
  select 'version', v.number between 150000 and 189999, format('PostgreSQL %s', current_setting('server_version')),
         'Use PostgreSQL 15 to 18.'
    from (select current_setting('server_version_num')::integer as number) as v
  union all
  select 'encoding', current_setting('server_encoding') = 'UTF8', format('texts are in %s', current_setting('server_encoding')),
         'Create the database with encoding UTF8: fingerprints are of UTF-8 text.'
  union all
  select 'durability', current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on',
         format('fsync %s, full_page_writes %s', current_setting('fsync'), current_setting('full_page_writes')),
         'Turn both on: a proof promises that the row has reached the disk.'
  union all
  select 'extension ' || w.name, n.nspname is not distinct from 'extensions',
         coalesce(format('%s is in schema %s', w.name, n.nspname), w.name || ' is missing'),
         format('create extension %I with schema extensions (a superuser, on a plain Postgres)', w.name)
    from (values ('postgres_fdw'), ('dblink')) as w (name)
    left join pg_catalog.pg_extension as e on e.extname = w.name
    left join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
$$;
comment on function strata.validate_server() is 'Checks of the server itself: tier, version, encoding, durability, extensions.';
revoke execute on function strata.validate_server() from public;

create function strata.validate_roles()
returns table (topic text, ok boolean, says text, remedy text)
language sql
stable
set search_path = ''
as $$
  select 'role strata_mover', r.rolcanlogin and not (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication),
         format('%s%s', case when r.rolcanlogin then 'may log in' else 'may not log in yet' end,
                case when r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication
                     then ' and has more rights than it needs' else '' end),
         'Run setup again with STRATA_MOVER_PASSWORD set; take superuser, bypassrls, createrole, createdb and replication from it.'
    from pg_catalog.pg_roles as r where r.rolname = 'strata_mover'
  union all
  select 'connections', r.rolconnlimit = t.pool_size, format('strata_mover may hold %s connections, the pool is %s',
         case r.rolconnlimit when -1 then 'any number of' else r.rolconnlimit::text end, t.pool_size), 'Run setup again.'
    from pg_catalog.pg_roles as r, strata.self as s join strata.tiers as t on t.name = s.tier
   where r.rolname = 'strata_mover'
  union all
  select 'grants', o.count = 0,
         case when o.count = 0 then 'nothing of strata is open to anon, authenticated or public'
              else format('%s %s open to %s: %s%s', o.count, case o.count when 1 then 'is' else 'are' end, o.grantees,
                          array_to_string(o.names[1:3], ', '), case when o.count > 3 then format(' and %s more', o.count - 3) end) end,
         'revoke all on all tables in schema strata from anon, authenticated; revoke execute on all functions in schema strata from public;'
    from (select count(distinct x.name) as count, string_agg(distinct x.grantee, ', ' order by x.grantee) as grantees,
                 array_agg(distinct x.name order by x.name) as names from (
            select p.oid::regprocedure::text as name, 'public' as grantee from pg_catalog.pg_proc as p
             where p.pronamespace = 'strata'::regnamespace and has_function_privilege('public', p.oid, 'execute')
            union all
            select c.oid::regclass::text, r.rolname::text from pg_catalog.pg_class as c, pg_catalog.pg_roles as r
             where c.relnamespace = 'strata'::regnamespace and c.relkind in ('r', 'v') and r.rolname in ('anon', 'authenticated')
               and has_table_privilege(r.rolname, c.oid, 'select,insert,update,delete')) as x) as o
$$;
comment on function strata.validate_roles() is 'Checks of roles and grants: the mover''s login and limits, and that nothing is open.';
revoke execute on function strata.validate_roles() from public;

create function strata.validate_jobs()
returns table (topic text, ok boolean, says text, remedy text)
language plpgsql
stable
set search_path = ''
as $$
begin
  if not strata.has_cron() then
    return query select 'cron', false, 'pg_cron is not in this database: nothing runs by itself',
      'Install pg_cron and set cron.database_name, or call strata.process() from another scheduler.';
    return;
  end if;
  return query execute
    'select ''job '' || s.job, '
    '       coalesce(j.schedule = s.cron and j.command = s.command, false) and coalesce(r.status, '''') <> ''failed'' and not p.paused, '
    '       case when j.jobid is null then ''is not scheduled'' '
    '            else format(''%s, %s%s'', j.schedule, case when p.paused then ''paused'' when j.active then ''active'' else ''asleep'' end, '
    '                        coalesce('', last run '' || to_char(r.start_time, ''YYYY-MM-DD HH24:MI'') || '' '' || r.status, '', has not run yet'') '
    '                        || case when r.status = ''failed'' then '': '' || r.return_message else '''' end) end, '
    '       case when p.paused then format(''update strata.schedules set active = true where job = %L'', s.job) else '
    '       ''select strata.apply_schedules(); if runs fail, read the message (at home: cron.use_background_workers = on, or trust for localhost).'' end '
    '  from strata.schedules as s '
    ' cross join lateral (select not s.active) as p (paused) '
    '  left join cron.job as j on j.jobname = s.job '
    '  left join lateral (select d.* from cron.job_run_details as d where d.jobid = j.jobid order by d.runid desc limit 1) as r on true '
    ' where (select f.tier from strata.self as f) = any (s.tiers) order by s.job';
end
$$;
comment on function strata.validate_jobs() is 'Checks of pg_cron: every job scheduled as the table says, none paused, and its last run well.';
revoke execute on function strata.validate_jobs() from public;

create function strata.validate_datasets()
returns table (topic text, ok boolean, says text, remedy text)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_dataset strata.datasets;
  v_found integer;
begin
  for v_dataset in select d.* from strata.datasets as d order by d.name loop
    if to_regclass(strata.relation(v_dataset)) is null then
      return query select 'dataset ' || v_dataset.name, false, format('table %s is gone', strata.relation(v_dataset)), strata.remedy('42P01');
      continue;
    end if;
    return query select 'dataset ' || v_dataset.name, false, o.says, o.hint
      from strata.objections(strata.relation(v_dataset)::regclass, v_dataset.age_column, v_dataset.delete_triggers) as o;
    get diagnostics v_found = row_count;
    return query select 'dataset ' || v_dataset.name, v_dataset.trouble is null,
        coalesce(v_dataset.trouble || ' [' || v_dataset.trouble_sqlstate || ']', format('key (%s), age %s',
          array_to_string(v_dataset.key_columns, ', '), v_dataset.age_column)), v_dataset.remedy
      where v_found = 0;
  end loop;
end
$$;
comment on function strata.validate_datasets() is 'Checks of every dataset: table there, nothing in the way, no trouble noted.';
revoke execute on function strata.validate_datasets() from public;

create function strata.validate_link(p_link strata.links)
returns table (topic text, ok boolean, says text, remedy text)
language plpgsql
set search_path = ''
as $$
declare
  v_topic constant text := format('link %s (%s)', p_link.neighbour, p_link.driver);
  v_hello jsonb;
  v_skew numeric;
  v_tls text;
begin
  if p_link.server is null then
    return query select v_topic, true, case p_link.driver when 'relay' then 'an edge function carries it' else p_link.neighbour || ' dials us' end, null::text;
    return;
  end if;
  v_hello := strata.ask(p_link.neighbour, 'select strata.hello()')::jsonb;
  v_skew := round(extract(epoch from clock_timestamp() - (v_hello ->> 'clock')::timestamptz), 2);
  -- Asked in the mover's own name: nobody else may see how that session is encrypted.
  v_tls := strata.ask(p_link.neighbour, 'select s.version from pg_catalog.pg_stat_ssl as s where s.pid = pg_catalog.pg_backend_pid()');
  return query
    select v_topic, true, format('%s answers, PostgreSQL %s', p_link.neighbour, (v_hello ->> 'postgres')::integer / 10000), null::text
    union all
    select v_topic, v_hello -> 'links' ->> strata.tier() is not distinct from p_link.driver,
           format('%s knows the link from %s as %s', p_link.neighbour, strata.tier(), coalesce(v_hello -> 'links' ->> strata.tier(), 'nothing')),
           'Run setup again: both ends must name each other with the same driver.'
    union all
    select v_topic || ' clock', abs(v_skew) < 5, format('the clocks differ by %s s', v_skew), 'Keep both servers on network time.'
    union all
    select v_topic || ' TLS', coalesce(v_tls in ('TLSv1.2', 'TLSv1.3'), false), coalesce('encrypted with ' || v_tls, 'not encrypted'),
           'Turn on ssl on that server and join with p_sslmode => ''require''.'
    union all
    select v_topic || ' durability', v_hello ->> 'fsync' = 'on', format('fsync is %s there', v_hello ->> 'fsync'),
           'Turn fsync on there: a proof promises that the row has reached the disk.'
    union all
    select v_topic || ' writable', v_hello ->> 'read_only' = 'off', case v_hello ->> 'read_only' when 'off' then 'takes rows' else 'is read-only' end,
           strata.remedy('25006');
exception when others then
  return query select v_topic, false, sqlerrm, strata.remedy(sqlstate);
end
$$;
comment on function strata.validate_link(strata.links) is
  'Dials a neighbour and checks who answers, that it knows us, clocks (under 5 s apart), TLS and durability there.';
revoke execute on function strata.validate_link(strata.links) from public;

create function strata.validate()
returns table (topic text, ok boolean, says text, remedy text)
language plpgsql
set search_path = ''
as $$
declare
  v_link strata.links;
begin
  return query select v.topic, v.ok, v.says, case when not v.ok then v.remedy end from strata.validate_server() as v;
  return query select v.topic, v.ok, v.says, case when not v.ok then v.remedy end from strata.validate_roles() as v;
  return query select v.topic, v.ok, v.says, case when not v.ok then v.remedy end from strata.validate_jobs() as v;
  for v_link in select l.* from strata.links as l order by l.direction loop
    return query select v.topic, v.ok, v.says, case when not v.ok then v.remedy end from strata.validate_link(v_link) as v;
    perform strata.hang_up(v_link.neighbour);
  end loop;
  return query select v.topic, v.ok, v.says, case when not v.ok then v.remedy end from strata.validate_datasets() as v;
end
$$;
comment on function strata.validate() is
  'Checks what can be checked from here: server, roles, grants, jobs, links it drives (who answers, clock, TLS), datasets. '
  'One row each: ok, a sentence, and a remedy where it is not.';
revoke execute on function strata.validate() from public;
