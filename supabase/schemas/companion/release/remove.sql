-- Takes the companion out of this database. Strata stays, and so do the tables in public, with their rows,
-- and as datasets if they are some: they are their owner's.

do $$
declare
  v_routines oid[];
  v_users text;
begin
  perform pg_catalog.set_config('strata.removing', '', true);
  if pg_catalog.to_regclass('strata.releases') is null then
    return;
  end if;
  execute $sql$
    select array(select pg_catalog.to_regprocedure(unnest(r.routines))::oid
                   from (select r.routines from strata.releases as r where r.product = 'companion'
                          order by r.installed_at desc limit 1) as r)$sql$ into v_routines;
  if v_routines = '{}' then
    return;
  end if;
  perform pg_catalog.set_config('strata.removing', v_routines::text, true);

  -- What is its owner's and needs something of the companion is named, and nothing goes.
  with recursive ours as (
    select 'pg_catalog.pg_proc'::regclass::oid as class, r.oid from unnest(v_routines) as r (oid)
    union
    select 'pg_catalog.pg_class'::regclass, c.oid from pg_catalog.pg_class as c
     where c.oid in (to_regclass('strata.owners'), to_regclass('strata.affirmations'),
                     to_regclass('strata.briefings'))
    union
    select d.classid, d.objid
      from ours as o join pg_catalog.pg_depend as d on d.refclassid = o.class and d.refobjid = o.oid
     where d.deptype in ('a', 'i')
  )
  select string_agg(distinct pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), ', ') into v_users
    from ours as o join pg_catalog.pg_depend as d on d.refclassid = o.class and d.refobjid = o.oid
   where d.deptype in ('n', 'e')
     and not exists (select from ours as x where x.class = d.classid and x.oid = d.objid);
  if v_users is not null then
    raise exception 'the companion cannot be removed: what is not of Strata needs it, '
                    'and would go with it: %', v_users
      using errcode = 'ST068', hint = strata.remedy('ST068');
  end if;
end
$$;

do $$
begin
  if current_setting('strata.removing') = '' then
    return;
  end if;
  delete from strata.registry as r where r.product = 'companion';
  delete from strata.schedules as s where s.job = 'strata-briefing'; -- with it goes pg_cron's job
  delete from strata.alerts as a where a.kind = 'briefing';
  delete from strata.alert_kinds as k where k.kind = 'briefing';
  delete from strata.errors as e where e.code in ('ST093', 'ST094');
  delete from strata.settings as s
   where s.name in ('affirmation_rests', 'briefing_lease', 'briefing_attempts', 'keep_briefings',
                    'keep_briefing_texts');
  execute 'drop routine ' || (select string_agg(o::regprocedure::text, ', ')
                                from unnest(current_setting('strata.removing')::oid[]) as o);
  drop table strata.briefings, strata.affirmations, strata.owners;
  delete from strata.rights as r where r.privilege = 'execute'
     and to_regprocedure(case r.privilege when 'execute' then r.object end) is null;
  delete from strata.releases as r where r.product = 'companion';
end
$$;

notify pgrst, 'reload schema';
