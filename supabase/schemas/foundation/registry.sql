-- Registry: what a topic wants to have called on an occasion. Each enters its own in its seed.sql.

create function strata.registered(p_occasion text)
returns setof text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$ select r.routine from strata.registry as r where r.occasion = p_occasion order by r.place $$;
comment on function strata.registered(text) is
  'The functions that are to be called on an occasion, in their order.';

create function strata.call_registered(p_occasion text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  v_routine text;
begin
  for v_routine in select r.routine from strata.registered(p_occasion) as r (routine) loop
    execute format('select strata.%I()', v_routine);
  end loop;
end
$$;
comment on function strata.call_registered(text) is
  'Calls what is registered for an occasion, one after the other.';
