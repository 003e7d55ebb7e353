-- What the owner granted is granted again: on the same routine, else on the one of that name, where there is
-- one. Not to whoever has a publishable key, and not to neighbours, who may do what a release says: that is
-- named.

do $$
declare
  v_one record;
  v_routine text;
  v_left text[] := array(select jsonb_array_elements_text(current_setting('strata.open_relations')::jsonb));
begin
  for v_one in
    select g.routine, g.name, g.grantee, g.grantable
      from jsonb_to_recordset(current_setting('strata.granted')::jsonb) as g (routine text, name text,
                                                                              grantee text, grantable boolean)
     order by g.routine, g.grantee
  loop
    v_routine := coalesce(to_regprocedure(v_one.routine)::text, (
      select min(p.oid::regprocedure::text) from pg_catalog.pg_proc as p
       where p.pronamespace = 'strata'::regnamespace and p.proname = v_one.name having count(*) = 1));
    if v_routine is null or v_one.grantee in ('public', 'anon', 'authenticated', 'strata_mover') then
      v_left := v_left || format('%1$s to %2$s', v_one.routine, v_one.grantee);
    else
      execute format('grant execute on routine %1$s to %2$s%3$s', v_routine, v_one.grantee,
                     case when v_one.grantable then ' with grant option' end);
    end if;
  end loop;
  if v_left <> '{}' then
    raise warning 'not granted again: %', array_to_string(v_left, '; ')
      using hint = 'Whoever comes with a publishable key is to call a function of your own, in a schema of '
                   'your own, that calls Strata''s.';
  end if;
end
$$;
