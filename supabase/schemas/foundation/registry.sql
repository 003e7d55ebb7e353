-- Registry: what a topic wants to have called on an occasion. Each enters its own in its seed.sql.
--
-- It is the one way from a topic to those that come after it. Looked up once for each occasion: a run, a
-- batch, a dataset, never a row.

create function strata.registered(p_occasion text)
returns setof text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$ select r.routine from strata.registry as r where r.occasion = p_occasion order by r.place $$;
comment on function strata.registered(text) is
  'The functions that are to be called on an occasion, in their order.';

-- A row of the registry is a name, not SQL: what is called is a function that is there, and of whoever owns
-- the schema.
create function strata.registered_call(p_routine text, p_takes text default '')
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_routine constant regprocedure := to_regprocedure(format('strata.%1$I(%2$s)', p_routine, p_takes));
begin
  if not exists (select from pg_catalog.pg_proc as p
                   join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
                  where p.oid = v_routine and p.proowner = n.nspowner) then
    raise exception 'the registry names %(%), which is no function of Strata', p_routine, p_takes
      using errcode = '42883';
  end if;
  return format('strata.%I', p_routine);
end
$$;
comment on function strata.registered_call(text, text) is
  'A function of the registry as it is called, in full, its arguments being of the types given. 42883: it '
  'is not one of Strata''s.';

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
    execute format('select %s()', strata.registered_call(v_routine));
  end loop;
end
$$;
comment on function strata.call_registered(text) is
  'Calls what is registered for an occasion, one after the other.';

create function strata.call_registered(p_occasion text, p_about text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  v_routine text;
begin
  for v_routine in select r.routine from strata.registered(p_occasion) as r (routine) loop
    execute format('select %s($1)', strata.registered_call(v_routine, 'text')) using p_about;
  end loop;
end
$$;
comment on function strata.call_registered(text, text) is
  'Calls what is registered for an occasion, one after the other, with what the occasion is '
  'about (a dataset, a tier).';

create function strata.any_registered(p_occasion text)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  v_routine text;
  v_is boolean;
begin
  for v_routine in select r.routine from strata.registered(p_occasion) as r (routine) loop
    execute format('select %s()', strata.registered_call(v_routine)) into v_is;
    if v_is then
      return true;
    end if;
  end loop;
  return false;
end
$$;
comment on function strata.any_registered(text) is
  'Whether any function that is registered for a question says so.';

create function strata.any_registered(p_occasion text, p_about text)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  v_routine text;
  v_is boolean;
begin
  for v_routine in select r.routine from strata.registered(p_occasion) as r (routine) loop
    execute format('select %s($1)', strata.registered_call(v_routine, 'text')) into v_is using p_about;
    if v_is then
      return true;
    end if;
  end loop;
  return false;
end
$$;
comment on function strata.any_registered(text, text) is
  'Whether any function that is registered for a question says so of what it is about (a table).';
