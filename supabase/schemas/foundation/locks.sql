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

-- The lock of a turn belongs to the session, because a turn is many transactions. Its name is kept in a
-- setting of the session, so that a run that was cancelled does not keep the dataset from all others as long
-- as its session lives.
create function strata.begin_turn(p_turn text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('strata.turn', true) <> '' then
    perform pg_advisory_unlock(hashtextextended(current_setting('strata.turn'), 0));
  end if;
  perform set_config('strata.turn', coalesce(p_turn, ''), false);
  if pg_try_advisory_lock(hashtextextended(p_turn, 0)) then
    return true;
  end if;
  perform set_config('strata.turn', '', false);
  return false;
end
$$;
comment on function strata.begin_turn(text) is
  'Ends this session''s turn, if it is at one, and tries to begin another (null: none); false when '
  'another session is at it.';
