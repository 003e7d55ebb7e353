-- The session is again as it was.

select pg_catalog.set_config('search_path', pg_catalog.current_setting('strata.search_path', true), true);
select pg_catalog.set_config('default_transaction_read_only',
                             case pg_catalog.current_setting('strata.read_only', true)
                               -- null: what it is by default
                               when 'on' then 'on' when 'off' then 'off' end, false);
