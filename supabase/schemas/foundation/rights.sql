-- Rights: what the migrations granted, so that what was taken away meanwhile is found and given back.
--
-- A release writes down what it has granted on schema strata (note_rights), before what its owner has granted
-- is granted again. validate_rights() compares, and become(), which every setup runs, gives back what is
-- missing of the release's.

create function strata.note_rights()
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  delete from strata.rights as r
   where coalesce(to_regprocedure(case r.privilege when 'execute' then r.object end)::oid
                    <> all (current_setting('strata.not_ours')::oid[]), true);
  insert into strata.rights (object, grantee, privilege)
  select 'strata', a.grantee::regrole::text, 'usage'
    from pg_catalog.pg_namespace as n cross join lateral aclexplode(n.nspacl) as a
   where n.nspname = 'strata' and a.privilege_type = 'USAGE'
     and a.grantee::regrole::text in ('strata_mover', 'service_role')
  union all
  select p.oid::regprocedure::text, a.grantee::regrole::text, 'execute'
    from pg_catalog.pg_proc as p cross join lateral aclexplode(p.proacl) as a
   where p.pronamespace = 'strata'::regnamespace and a.privilege_type = 'EXECUTE' and a.grantee <> 0
     and a.grantee <> p.proowner
     and p.oid <> all (current_setting('strata.not_ours')::oid[])
  on conflict do nothing
$$;
comment on function strata.note_rights() is
  'Writes down what the release that is being pushed has granted on schema strata; what other '
  'products granted stays noted.';
select strata.pin('strata.note_rights()');

create function strata.missing_rights()
returns table (says text, statement text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case r.privilege when 'usage' then format('%s may not use schema strata', r.grantee)
                          else format('%1$s may not execute %2$s', r.grantee, r.object) end,
         case r.privilege when 'usage' then format('grant usage on schema strata to %s', r.grantee)
                          else format('grant execute on %1$s %2$s to %3$s',
                                      case p.prokind when 'p' then 'procedure' else 'function' end,
                                      p.oid::regprocedure, r.grantee) end
    from strata.rights as r
    join pg_catalog.pg_roles as o on o.oid = to_regrole(r.grantee)
    left join pg_catalog.pg_proc as p
      on p.oid = to_regprocedure(case r.privilege when 'execute' then r.object end)
   where case r.privilege when 'usage' then not has_schema_privilege(o.oid, 'strata', 'usage')
                          else p.oid is not null and not has_function_privilege(o.oid, p.oid, 'execute') end
   order by r.privilege desc, r.object, r.grantee
$$;
comment on function strata.missing_rights() is
  'What the migrations granted and is not granted any more, and the statement that grants it again.';

create function strata.restore_rights()
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_right record;
  v_restored integer := 0;
begin
  for v_right in select m.statement from strata.missing_rights() as m loop
    execute v_right.statement;
    v_restored := v_restored + 1;
  end loop;
  return v_restored;
end
$$;
comment on function strata.restore_rights() is
  'Grants again what the migrations granted; returns how much of it was missing.';

create function strata.validate_rights()
returns table (topic text, ok boolean, says text, remedy text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'rights', count(*) = 0,
         case count(*) when 0 then 'what the migrations granted is granted'
                       else format(
                         '%1$s%2$s',
                         (array_agg(m.says order by m.statement not like '% schema %', m.says))[1],
                         case when count(*) > 1 then format(' (and %s more)', count(*) - 1) end) end,
         format('Run `deno task strata setup --init`, or on %s: select strata.restore_rights();',
                (select s.tier from strata.self as s))
    from strata.missing_rights() as m
$$;
comment on function strata.validate_rights() is 'Checks that what the migrations granted is still granted.';
