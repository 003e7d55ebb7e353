-- Takes Strata out of this database. Tables stay, with the rows and indexes they have here.
--
-- Where Strata is not, nothing happens. It is refused while a move is open, and while rows that have settled
-- are on other tiers, unless their owner has said that they may stay there (remove --leave-rows).

-- Where there is no release there is nothing to remove: '' as strata.removing. A schema of that name may be
-- its owner's.
do $$
begin
  perform pg_catalog.set_config('strata.removing', '', true);
  if pg_catalog.to_regclass('strata.releases') is not null then
    perform pg_catalog.set_config('strata.removing', 'on', true);
    -- What a drain has changed of read-only defaults it puts back; before the locks, as whoever tends it
    -- holds its lock first.
    perform strata.stop_drain() where exists (select from strata.drains as d where d.ended_at is null);
    lock table strata.datasets, strata.links, strata.moves, strata.arrivals,
      strata.schedules in access exclusive mode;
  elsif pg_catalog.to_regclass('strata.datasets') is not null
    and pg_catalog.to_regclass('strata.manifests') is not null then
    raise exception 'this Strata is of before there were releases, and only a release can be removed'
      using errcode = '55000', hint = 'Upgrade it first: deno task strata upgrade. Then push again.';
  end if;
end
$$;

-- What is its owner's and needs something of Strata would go with it: it is named instead.
do $$
declare
  v_users text;
begin
  with recursive ours as (
    select 'pg_catalog.pg_namespace'::regclass::oid as class, n.oid from pg_catalog.pg_namespace as n
     where n.nspname = 'strata'
    union
    select 'pg_catalog.pg_foreign_server'::regclass, s.oid from pg_catalog.pg_foreign_server as s
     where s.srvname in ('strata_core', 'strata_main', 'strata_archive')
    union
    select d.classid, d.objid
      from ours as o join pg_catalog.pg_depend as d on d.refclassid = o.class and d.refobjid = o.oid
     where d.deptype in ('a', 'i') or o.class = 'pg_catalog.pg_namespace'::regclass
  )
  select string_agg(distinct pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), ', ') into v_users
    from ours as o join pg_catalog.pg_depend as d on d.refclassid = o.class and d.refobjid = o.oid
   where d.deptype in ('n', 'e') and d.classid <> 'pg_catalog.pg_user_mapping'::regclass
     and not exists (select from ours as x where x.class = d.classid and x.oid = d.objid);
  if current_setting('strata.removing') = 'on' and v_users is not null then
    raise exception 'Strata cannot be removed: what is not of Strata needs it, and would go with it: %',
      v_users
      using errcode = 'ST068', hint = strata.remedy('ST068');
  end if;
end
$$;

do $$
declare
  v_name record;
  v_away text;
begin
  if current_setting('strata.removing') <> 'on' then
    return;
  end if;
  if exists (select from strata.moves as m where m.state <> 'closed')
     or exists (select from strata.arrivals as a where a.closed_at is null) then
    raise exception 'Strata cannot be removed: a move is open'
      using errcode = 'ST033', hint = strata.remedy('ST033');
  end if;
  select string_agg(format('%1$s of %2$s', l.rows, l.dataset), ', ' order by l.dataset) into v_away
    from (select x.dataset, sum(x.rows) as rows from strata.ledger as x
           where x.what = 'moved' and x.rows > 0 group by x.dataset) as l;
  if v_away is not null and not %LEAVE_ROWS% then
    raise exception 'Strata cannot be removed: rows have settled on colder tiers (%)', v_away
      using errcode = 'ST070', hint = strata.remedy('ST070');
  end if;

  perform strata.unmanage(d.name) from strata.datasets as d;
  for v_name in select s.srvname as name from pg_catalog.pg_foreign_server as s
                 where s.srvname in ('strata_core', 'strata_main', 'strata_archive') loop
    execute format('drop server %I cascade', v_name.name);
  end loop;
  perform strata.forget_secret(s)
     from unnest(array['strata_ledger', 'strata_book', 'project_url', 'wake_secret',
                       'core_project_url', 'core_wake_secret']) as s;
  if strata.has_cron() then
    execute 'select cron.unschedule(j.jobid) from cron.job as j where j.jobname like ''strata-%'' '
            'and j.database = current_database()';
  end if;
  if (select s.took_temporary from strata.self as s)
     and pg_has_role(current_user, (select d.datdba from pg_catalog.pg_database as d
                                     where d.datname = current_database()), 'usage') then
    execute format('grant temporary on database %I to public', current_database()); -- as it was
  end if;
  drop schema strata cascade;
end
$$;

-- Logins belong to a whole server: while another tier on it needs their group, it needs them too.
do $$
declare
  v_role name;
begin
  if current_setting('strata.removing') <> 'on' then
    return;
  end if;
  for v_role in select r.rolname from pg_catalog.pg_roles as r
                 where r.rolname ~ '^strata_mover(_(core|main|archive)(_2)?)?$' order by r.rolname loop
    begin
      execute pg_catalog.format('drop role %I', v_role);
    exception when dependent_objects_still_exist or insufficient_privilege then
      exit when v_role = 'strata_mover';
    end;
  end loop;
end
$$;

notify pgrst, 'reload schema';
