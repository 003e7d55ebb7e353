-- The one clock. Policies, pauses and logs read it; a test replaces it in its own database.
create function strata.clock()
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$ select pg_catalog.now() $$;
comment on function strata.clock() is
  'The time Strata goes by: the start of the transaction. Tests replace it, production never.';
