-- One sweep, before the grants that follow: nobody has a right to what this file made. What default
-- privileges of the owner's gave on new routines is remembered; on those that were here before counts what
-- was granted on each.
--
-- Nothing of schema strata is open to public, anon and authenticated, whom a publishable key makes everybody.

revoke all on schema strata from public;
revoke all on all tables in schema strata from public;
revoke all on all sequences in schema strata from public;
revoke all on all routines in schema strata from public;

do $$
declare
  v_role name;
  v_one record;
begin
  for v_role in
    select r.rolname from pg_catalog.pg_roles as r where r.rolname in ('anon', 'authenticated')
  loop
    execute format('revoke all on schema strata from %I', v_role);
    execute format('revoke all on all tables in schema strata from %I', v_role);
    execute format('revoke all on all sequences in schema strata from %I', v_role);
    execute format('revoke all on all routines in schema strata from %I', v_role);
  end loop;
  for v_one in
    select p.oid::regprocedure::text as routine, p.proname as name, a.grantee::regrole::text as grantee,
           a.is_grantable as grantable
      from pg_catalog.pg_proc as p cross join lateral aclexplode(p.proacl) as a
     where p.pronamespace = 'strata'::regnamespace and a.grantee not in (0, p.proowner)
       and p.oid <> all (current_setting('strata.not_ours')::oid[])
  loop
    execute format('revoke all on routine %1$s from %2$s cascade', v_one.routine, v_one.grantee);
    if v_one.grantee not in ('service_role', 'strata_mover')
       and not current_setting('strata.old_routines')::jsonb ? v_one.routine then
      perform pg_catalog.set_config(
        'strata.granted', (current_setting('strata.granted')::jsonb || to_jsonb(v_one))::text, true);
    end if;
  end loop;
  for v_one in
    select c.oid::regclass::text as relation, a.grantee::regrole::text as grantee
      from pg_catalog.pg_class as c cross join lateral aclexplode(c.relacl) as a
     where c.relnamespace = 'strata'::regnamespace and c.relkind in ('r', 'p', 'v', 'S')
       and a.grantee in
    (select r.oid from pg_catalog.pg_roles as r where r.rolname in ('service_role', 'strata_mover'))
       and c.oid <> all (current_setting('strata.old_relations')::oid[])
     group by c.oid, a.grantee
  loop
    execute format('revoke all on table %1$s from %2$s', v_one.relation, v_one.grantee);
  end loop;
end
$$;
