-- Foundations: the schema, the roles, the clock, the errors and the two seams to the outside.
--
-- Strata keeps everything of its own in one schema, `strata`. Its tables are never reached over the API.
-- Every tier of the chain gets the same migrations; `strata.become()` (tiers) tells a database which
-- tier it is. All logic that touches rows is SQL in here; TypeScript only starts things and carries bytes.
--
-- Who may do what: the owner (`postgres`) may do everything; `strata_mover`, the group of the logins with
-- which neighbouring tiers come in, may execute the functions of the move protocol and nothing else;
-- `service_role`, as which the edge functions come in over REST with the secret key, may execute what is
-- granted to it (security definer functions) and reach no table; nobody else may even look.
--
-- Lock order, everywhere: dataset (advisory, strata.lock_dataset) before move row before rows.

create schema if not exists extensions;

create extension if not exists postgres_fdw with schema extensions;

create extension if not exists dblink with schema extensions;

-- Who made it before may call it where it is: it is not moved without asking.
do $$
declare
  v_schema constant name := (select n.nspname from pg_catalog.pg_extension as e
                               join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
                              where e.extname = 'dblink');
begin
  if v_schema <> 'extensions' then
    raise exception 'dblink is in schema %, and Strata calls it in schema extensions; what moves it: '
                    'create schema if not exists extensions; alter extension dblink set schema extensions;',
      v_schema
      using errcode = '55000';
  end if;
end
$$;

create schema if not exists strata;
comment on schema strata is
  'Strata: rows settle from core to main to archive, proved, then deleted. Over the API '
  'only service_role calls in.';

do $$
begin
  if not exists (select from pg_catalog.pg_roles as r where r.rolname = 'strata_mover') then
    create role strata_mover nologin;
  end if;
  if not exists (select from pg_catalog.pg_roles as r where r.rolname = 'service_role') then -- no Supabase
    create role service_role nologin;
  end if;
end
$$;
grant usage on schema strata to strata_mover, service_role;

-- pg_cron can live in one database of a server only, and neither it nor pg_net is everywhere (a plain
-- Postgres at home): the tier works all the same, become() says who has to call, and the condition
-- cannot_wake what is not told to anybody.
do $$
declare
  v_extension record;
begin
  for v_extension in
    select w.* from (values ('pg_cron', 'pg_catalog'), ('pg_net', 'extensions')) as w (name, schema)
      join pg_catalog.pg_available_extensions as e on e.name = w.name
  loop
    begin
      execute format('create extension if not exists %1$I with schema %2$I', v_extension.name,
                     v_extension.schema);
    -- it is not loaded, another database has it, somebody else has its schema, a right is missing
    exception when others then
      raise notice '% is not set up for this database (%)', v_extension.name, sqlerrm;
    end;
  end loop;
end
$$;
