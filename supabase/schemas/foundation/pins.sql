-- Pins: the settings under which values are written as text here and read there.
--
-- A value crosses as the text its type writes, and what that is depends on a dozen settings, of the server,
-- the database, the role and the session. So every function that writes a value for another session, or reads
-- one of another's, has these, all of them, and lines to neighbours as well. This is the list; strata.pin()
-- gives it to a function.

create function strata.pins()
returns table (name text, value text)
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  values ('datestyle', 'ISO, MDY'), ('intervalstyle', 'postgres'), ('timezone', 'UTC'),
         ('extra_float_digits', '1'),
         ('bytea_output', 'hex'), ('lc_monetary', 'C'), ('lc_numeric', 'C'), ('xmlbinary', 'base64'),
         ('xmloption', 'content'),
         ('array_nulls', 'on'), ('standard_conforming_strings', 'on'), ('quote_all_identifiers', 'off'),
         ('transform_null_equals', 'off')
$$;
comment on function strata.pins() is
  'The settings that decide how values are written and read as text, as they are wherever that is done.';

create function strata.pin(p_function regprocedure)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_pin record;
begin
  for v_pin in select p.name, p.value from strata.pins() as p loop
    execute format('alter function %1$s set %2$I = %3$L', p_function, v_pin.name, v_pin.value);
  end loop;
end
$$;
comment on function strata.pin(regprocedure) is
  'Gives a function of Strata''s the settings of pins(), while which it runs.';
