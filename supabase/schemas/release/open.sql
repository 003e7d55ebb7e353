-- The whole file is one transaction, as the Supabase CLI and the SQL editor send it; with psql, that is `psql
-- -1`. Statement by statement a failure in the middle would leave half a release: so that nothing is done
-- then, what follows finds itself read-only.

select pg_catalog.set_config('strata.read_only', case s.source when 'session' then s.setting else 'reset' end,
                             true)
  from pg_catalog.pg_settings as s where s.name = 'default_transaction_read_only';

do $$
begin
  if coalesce(pg_catalog.current_setting('strata.read_only', true), '') = '' then
    raise exception 'this file is one transaction, and was sent statement by statement: nothing is changed'
      using errcode = '25P01',
            hint = 'Push it with the Supabase CLI, or run psql -1 -v ON_ERROR_STOP=1 -f with it.';
  end if;
end
$$;

-- of transactions that begin from here on
select pg_catalog.set_config('default_transaction_read_only', 'on', false);

-- Names mean the same whatever search_path its owner has given the role or the database.
select pg_catalog.set_config('strata.search_path', pg_catalog.current_setting('search_path'), true);
select pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

-- One after the other, and never waiting for good: what cannot be locked within a minute ends the whole.
select pg_catalog.set_config('lock_timeout', '60s', true);
select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('strata.release', 0));
