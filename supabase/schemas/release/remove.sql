-- Takes Strata out of this database. Tables stay, with the rows and indexes they have here.
--
-- Where Strata is not, nothing happens. It is refused while a move is open, and while rows that have settled are on other
-- tiers, unless their owner has said that they may stay there (remove --leave-rows).

do $$
declare
  v_name record;
  v_away text;
begin
  if pg_catalog.to_regclass('strata.releases') is null then
    return;
  end if;
  if exists (select from strata.moves as m where m.state <> 'closed')
     or exists (select from strata.arrivals as a where a.closed_at is null) then
    raise exception 'Strata cannot be removed: a move is open' using errcode = 'ST033', hint = strata.remedy('ST033');
  end if;
  select string_agg(format('%s of %s', l.rows, l.dataset), ', ' order by l.dataset) into v_away
    from (select x.dataset, sum(x.rows) as rows from strata.ledger as x where x.what = 'moved' and x.rows > 0 group by x.dataset) as l;
  if v_away is not null and not %LEAVE_ROWS% then
    raise exception 'Strata cannot be removed: rows have settled on colder tiers (%)', v_away
      using errcode = 'ST070', hint = strata.remedy('ST070');
  end if;

  perform strata.unmanage(d.name) from strata.datasets as d;
  for v_name in select s.srvname as name from pg_catalog.pg_foreign_server as s
                 where s.srvname in ('strata_core', 'strata_main', 'strata_archive') loop
    execute format('drop server %I cascade', v_name.name);
  end loop;
  perform strata.forget_secret(s) from unnest(array['strata_ledger', 'strata_book', 'project_url', 'wake_secret',
                                                    'core_project_url', 'core_wake_secret']) as s;
  if strata.has_cron() then
    execute 'select cron.unschedule(j.jobid) from cron.job as j where j.jobname like ''strata-%''';
  end if;
  if pg_has_role(current_user, (select d.datdba from pg_catalog.pg_database as d where d.datname = current_database()), 'usage') then
    execute format('grant temporary on database %I to public', current_database()); -- as every database has it
  end if;
end
$$;

drop schema if exists strata cascade;

-- Logins belong to a whole server: another tier on it may still need them.
do $$
declare
  v_role name;
begin
  for v_role in select r.rolname from pg_catalog.pg_roles as r
                 where r.rolname ~ '^strata_mover(_(core|main|archive)(_2)?)?$' order by r.rolname desc loop
    begin
      execute pg_catalog.format('drop role %I', v_role);
    exception when dependent_objects_still_exist or insufficient_privilege then
      null; -- used in another database, or made by somebody else
    end;
  end loop;
end
$$;

notify pgrst, 'reload schema';
