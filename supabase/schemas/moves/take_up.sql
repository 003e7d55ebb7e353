-- Moves, as their source sees them: claim, take up, purge, close.
--
-- A move is one batch of one dataset on its way to the next tier. Its steps, each committed on its own, and
-- the state they lead to:
--
--   claim    here    the oldest due rows, written down in a manifest: key, version, fingerprint -> claimed
--   copy     there   arrivals: strata.receive()
--   prove    there   arrivals: strata.prove(), in a later transaction than the copy
--   purge    here    deletes what is proved and still the claimed version; notes what was kept  -> purged
--   close    there   arrivals: strata.close_arrival() retracts what was kept
--            here    strata.close_move() drops the manifest, sets failed rows aside             -> closed
--
-- A crash after any of them leaves a state from which the same functions go on, from `prove` (take_up).
--
-- How rows are written for the way, and what their fingerprint is, is in the chapter on texts. A row's
-- version is (ctid, xmin): an update, and also a rewrite of the table, changes it. A ctid and an xmin may
-- meet again in another row after a rewrite, so the key and the content are compared with them, unless the
-- table is still the same file.

-- A place tells nothing in a table of several (partitions, children), and nothing once the table has been
-- rewritten. The numbers of files and of transactions begin anew on a server restored from a dump, and meet
-- those of the old one.
create function strata.file_of(p_relation regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select format('%1$s/%2$s/%3$s', s.system_identifier, d.oid, pg_relation_filenode(c.oid))
      from pg_catalog.pg_class as c, pg_catalog.pg_control_system() as s, pg_catalog.pg_database as d
     where c.oid = p_relation and c.relkind = 'r' and not c.relhassubclass
       and d.datname = current_database());
end
$$;
comment on function strata.file_of(regclass) is
  'Server, database and file of a table that has one file; null for any other.';

create function strata.note_well(p_dataset text)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  update strata.datasets as d
     set failures = 0, trouble = null, trouble_sqlstate = null, remedy = null, next_try_at = null
   -- still waits
   where d.name = p_dataset and (d.trouble is not null or d.failures > 0)
     and d.trouble_sqlstate is distinct from 'ST028'
     and d.ahead is null
$$;
comment on function strata.note_well(text) is
  'Takes back what note_failure() wrote: the dataset moves, or has nothing to move.';

-- An interrupted move, in whatever step it was: it is not copied again but proved at once. What the colder
-- tier has committed of it is purged, or retracted where its writer was faster; what never got there is
-- claimed anew, by a new move, with what the table and its twin look like by then. So a batch that cannot be
-- copied never stands in the way.
create function strata.take_up(p_move uuid)
returns strata.batch
language sql
set search_path = pg_catalog, pg_temp
as $$
  update strata.moves as m set attempts = m.attempts + 1 where m.move_id = p_move;
  select case m.state when 'claimed' then 'open' else 'purged' end, f.move_id, m.dataset, f.columns,
         sha256(f.batch_proof), null, null::integer
    from strata.moves as m join strata.manifests as f on f.move_id = m.move_id where m.move_id = p_move
$$;
comment on function strata.take_up(uuid) is
  'The batch of an interrupted move, without its rows: to be proved next, or closed if it was purged.';

create function strata.claimed_keys(p_move uuid)
returns text[]
language sql
stable
security definer -- a pulling tier calls it as strata_mover
set search_path = pg_catalog, pg_temp
as $$
  select f.keys from strata.manifests as f join strata.moves as m on m.move_id = f.move_id
   where f.move_id = p_move and strata.check_asker('colder', m.to_tier)
$$;
comment on function strata.claimed_keys(uuid) is
  'The keys an open move has claimed, for prove(): needed only where its rows are not found at '
  'the places they were put.';
grant execute on function strata.claimed_keys(uuid) to strata_mover;
