-- The beginning of a release: may it be installed here, and over what?
--
-- `strata.from` says to what follows which release it finds: '' in a database without Strata, '0.0.0' for
-- what there was before releases had numbers.

select pg_catalog.set_config('client_min_messages', 'warning', true); -- what is there already is no news
-- routines call each other: the tests check them all
select pg_catalog.set_config('check_function_bodies', 'off', true);

do $$
declare
  c_this constant text := '%VERSION%';
  v_from text := case when pg_catalog.to_regclass('strata.datasets') is null
                        or pg_catalog.to_regclass('strata.manifests') is null
                      then '' else '0.0.0' end;
  v_other text;
begin
  if pg_catalog.to_regclass('strata.releases') is not null then
    execute $sql$
      select r.version from strata.releases as r
       where r.product = 'strata' order by r.installed_at desc limit 1$sql$ into v_from;
  end if;
  select pg_catalog.pg_describe_object(d.classid, d.objid, 0) into v_other from pg_catalog.pg_depend as d
   where v_from = '' and d.refclassid = 'pg_catalog.pg_namespace'::regclass
     and d.refobjid = pg_catalog.to_regnamespace('strata')
   order by d.classid, d.objid limit 1;
  if v_other is not null then
    raise exception 'there is a schema strata in this database already, and it is not of Strata: it has %',
      v_other
      using errcode = '42P06', hint = 'Give that schema another name: alter schema strata rename to …;';
  end if;
  if v_from <> '' and pg_catalog.string_to_array(v_from, '.')::integer[]
    > pg_catalog.string_to_array(c_this, '.')::integer[] then
    raise exception 'this database has Strata %, and this is the file of %: nothing was changed', v_from,
      c_this
      using errcode = 'ST067', hint = 'Update this copy of Strata; for a project of your own, run deno task '
                                      'strata add <folder> from the newer copy.';
  end if;
  perform pg_catalog.set_config('strata.from', v_from, true);
end
$$;

-- Jobs and neighbours wait from here on: what is between two steps of a move stays there until the new code
-- takes it up.
do $$
begin
  if pg_catalog.current_setting('strata.from') <> '' then
    lock table strata.datasets, strata.links, strata.moves, strata.arrivals,
      strata.schedules in access exclusive mode;
  end if;
end
$$;
