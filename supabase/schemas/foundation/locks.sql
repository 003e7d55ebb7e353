-- A dataset is worked on by one transaction at a time: claims, arrivals and deletions wait for one another.
create function strata.lock_dataset(p_dataset text)
returns void
language sql
set search_path = pg_catalog, pg_temp
set lock_timeout = '60s' -- it is held for a step of a move, and there may be one before us
as $$ select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('strata/' || p_dataset, 0)) $$;
comment on function strata.lock_dataset(text) is
  'Waits until this transaction alone works on the dataset in this database. Released with the transaction; '
  'never held across a call to another tier.';
