-- The session is again as it was.

select pg_catalog.set_config('search_path', pg_catalog.current_setting('strata.search_path', true), true);
select pg_catalog.set_config('default_transaction_read_only', nullif(pg_catalog.current_setting('strata.read_only', true), ''), false);
