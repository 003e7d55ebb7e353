-- Code is brought anew as a whole: `create or replace` cannot change what a routine returns, and keeps old
-- grants. What triggers call stays until it is replaced; so does a type that is still used.
do $$
declare
  v_old constant oid[] := pg_catalog.current_setting('strata.old')::oid[];
  v_users text;
begin
  select string_agg(distinct pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), ', ') into v_users
    from pg_catalog.pg_depend as d
   where d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = any (v_old)
     and not (d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = any (v_old));
  if v_users is not null then
    raise exception 'what is not of Strata needs its functions, which a release makes anew: %', v_users
      using errcode = 'ST068', hint = 'Drop the objects that the message names and push again; after an '
                                      'upgrade, make them anew.';
  end if;
  if v_old <> '{}' then
    execute 'drop routine ' || (select string_agg(o::regprocedure::text, ', ') from unnest(v_old) as o);
  end if;
end
$$;

-- What is still there is of the companion, or its owner's: note_release() does not count it as what this file
-- brings.
select pg_catalog.set_config('strata.not_ours', array(
  select p.oid from pg_catalog.pg_proc as p where p.pronamespace = pg_catalog.to_regnamespace('strata')
     and ('%PRODUCT%' <> 'strata' or pg_catalog.current_setting('strata.from') <> ''))::text, true);

-- A type that nothing stores goes as well, and then those that only it was made of.
do $$
declare
  v_type oid;
begin
  if pg_catalog.current_setting('strata.from') = '' then
    return;
  end if;
  loop
    select t.oid into v_type
      from pg_catalog.pg_type as t join pg_catalog.pg_class as c on c.oid = t.typrelid and c.relkind = 'c'
     where t.typnamespace = 'strata'::regnamespace and not exists (
       select from pg_catalog.pg_depend as d
        where d.refclassid = 'pg_catalog.pg_type'::regclass and d.refobjid in (t.oid, t.typarray)
          and d.deptype = 'n')
     limit 1;
    exit when not found;
    execute pg_catalog.format('drop type %s', v_type::regtype);
  end loop;
end
$$;
