-- What every database of a Supabase project has before the first migration. Runs as supabase_admin.

alter schema public owner to postgres;
grant usage on schema public to anon, authenticated, service_role;

create schema extensions;
grant usage on schema extensions to anon, authenticated, service_role;
grant all on schema extensions to postgres with grant option;
create extension pgcrypto with schema extensions;
create extension dblink with schema extensions;
create extension postgres_fdw with schema extensions;

-- Hosted gives the wrapper to postgres, so that migrations can make servers. Only a superuser may
-- own a wrapper at the moment it is given; these statements are one transaction, nobody sees it.
alter role postgres superuser;
alter foreign data wrapper postgres_fdw owner to postgres;
alter role postgres nosuperuser;
