-- What is here before code and tables are made anew: which routines are this product's, and what its owner
-- has granted on them. He is asked for nothing twice: grants.sql and regrant.sql give it back.

do $$
declare
  v_old oid[] := '{}';
  v_granted jsonb := '[]';
begin
  if pg_catalog.current_setting('strata.from') = '0.0.0' then
    v_old := array(select p.oid from pg_catalog.pg_proc as p
                    where p.pronamespace = 'strata'::regnamespace and p.prorettype <> 'trigger'::regtype);
  elsif pg_catalog.current_setting('strata.from') <> '' then
    execute $sql$
      select array(select pg_catalog.to_regprocedure(unnest(r.routines))::oid
                     from (select r.routines from strata.releases as r where r.product = '%PRODUCT%'
                            order by r.installed_at desc limit 1) as r)$sql$ into v_old;
    v_old := array(select p.oid from pg_catalog.pg_proc as p where p.oid = any (v_old));
  end if;
  -- What the release that was here has granted is in strata.rights; one from before there was that table
  -- granted to these two.
  execute $sql$
    select coalesce(jsonb_agg(jsonb_build_object(
             'routine', p.oid::regprocedure::text, 'name', p.proname, 'grantable', a.is_grantable,
             'grantee', case a.grantee when 0 then 'public' else a.grantee::regrole::text end)), '[]')
      from pg_catalog.pg_proc as p cross join lateral aclexplode(p.proacl) as a
     where p.oid = any ($1) and a.grantee <> p.proowner and $sql$
    || case when pg_catalog.to_regclass('strata.rights') is null
              then $sql$ a.grantee::regrole::text not in ('service_role', 'strata_mover')$sql$
            else $sql$ not exists (select from strata.rights as r
                                    where r.object = p.oid::regprocedure::text
                                      and r.grantee = a.grantee::regrole::text)$sql$ end
    into v_granted using v_old;
  perform pg_catalog.set_config('strata.old', v_old::text, true);
  perform pg_catalog.set_config('strata.old_routines',
    (select coalesce(jsonb_agg(o::regprocedure::text), '[]') from unnest(v_old) as o)::text, true);
  perform pg_catalog.set_config('strata.old_relations', array(
    select c.oid from pg_catalog.pg_class as c
     where c.relnamespace = pg_catalog.to_regnamespace('strata'))::text, true);
  perform pg_catalog.set_config('strata.granted', v_granted::text, true);
  perform pg_catalog.set_config('strata.open_relations', coalesce((
    select jsonb_agg(distinct format('%1$s to %2$s', c.oid::regclass,
                                     case a.grantee when 0 then 'public' else a.grantee::regrole::text end))
      from pg_catalog.pg_class as c cross join lateral aclexplode(c.relacl) as a
     where c.relnamespace = pg_catalog.to_regnamespace('strata')
       and (a.grantee = 0 or a.grantee in (select r.oid from pg_catalog.pg_roles as r
                                            where r.rolname in ('anon', 'authenticated')))), '[]')::text,
                                true);
end
$$;
