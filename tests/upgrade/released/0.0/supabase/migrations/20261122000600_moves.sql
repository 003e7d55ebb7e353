-- Moves, as their source sees them: claim, take up, purge, close.
--
-- A move is one batch of one dataset on its way to the next tier. Its steps, each committed on its own:
--
--   claim    here    the oldest due rows, written down in a manifest: key, version, fingerprint   -> state claimed
--   copy     there   arrivals: strata.receive()
--   prove    there   arrivals: strata.prove(), in a later transaction than the copy
--   purge    here    deletes what is proved and still the claimed version; notes what was kept    -> state purged
--   close    there   arrivals: strata.close_arrival() retracts what was kept
--            here    strata.close_move() drops the manifest, sets failed rows aside               -> state closed
--
-- A crash after any of them leaves a state from which the same functions go on, from `prove` (take_up).
--
-- How rows are written for the way, and what their fingerprint is, is in the chapter on texts.
-- A row's version is (ctid, xmin): an update, and also a rewrite of the table, changes it. A ctid and an xmin may
-- meet again in another row after a rewrite, so the key and the content are compared with them, unless the table is still
-- the same file.

create table strata.moves (
  move_id uuid not null default gen_random_uuid(),
  dataset text not null,
  from_tier text not null,
  to_tier text,
  kind text not null,
  state text not null,
  rows_claimed integer not null,
  rows_moved integer,
  rows_kept integer,
  bytes bigint not null default 0,
  digest text,
  started_at timestamptz not null,
  purged_at timestamptz,
  finished_at timestamptz,
  attempts integer not null default 1,
  last_sqlstate text,
  last_error text,
  constraint moves_pkey primary key (move_id),
  constraint moves_kind_is_move_or_delete check (kind in ('move', 'delete')),
  constraint moves_state_is_known check (state in ('claimed', 'purged', 'closed')),
  constraint moves_go_somewhere_unless_deleting check ((to_tier is null) = (kind = 'delete')),
  constraint moves_are_counted_once_purged check ((state = 'claimed') = (rows_moved is null)),
  constraint moves_finish_when_closed check ((state = 'closed') = (finished_at is not null))
);
comment on table strata.moves is
  'Every batch that left this tier, kept as the log. bytes: as they crossed, as text. rows_kept: claimed, but changed by '
  'their writer, held, refused or set aside, and so left here. digest: xor of the moved rows'' fingerprints (64 bits, hex).';
revoke all on strata.moves from public;
alter table strata.moves enable row level security;
create index moves_open_idx on strata.moves (dataset) where state <> 'closed';
create index moves_started_idx on strata.moves (started_at);
create index moves_dataset_idx on strata.moves (dataset, started_at);

create table strata.manifests (
  move_id uuid not null,
  shape text not null,
  columns text[] not null,
  keys text[] not null,
  tids tid[] not null,
  versions xid[] not null,
  fingerprints bytea[] not null,
  seal bytea not null,
  file text,
  oldest text,
  youngest text,
  since xid,
  kept integer[],
  reasons text[],
  constraint manifests_pkey primary key (move_id),
  constraint manifests_move_fkey foreign key (move_id) references strata.moves (move_id) on delete cascade
);
comment on table strata.manifests is
  'What an open move has claimed, as arrays in one order: keys (one row of texts per key column), versions, '
  'fingerprints and their seal; columns in the order they cross. file: of the table, in which places were; null for one of '
  'several files, or if versions may still be given to other rows. oldest, youngest: the ages of its first and last row (oldest: null if a row has none). since: whoever had written before this transaction had been seen. kept, reasons: positions not purged, and why. Dropped at close.';
revoke all on strata.manifests from public;
alter table strata.manifests enable row level security;
-- Texts of keys and hashes do not compress worth the time, and the row lives for a second.
alter table strata.manifests alter column keys set storage external;
alter table strata.manifests alter column fingerprints set storage external;

create type strata.batch as (
  status text,
  move_id uuid,
  dataset text,
  columns text[],
  seal bytea,
  lines text,
  share integer
);
comment on type strata.batch is
  'A claimed batch on its way. status: claimed; open, purged (an interrupted one, to be proved or closed '
  'first); or nothing (is due), blocked (an arrival is open here), unknown (the colder tier must be told of the table). '
  'seal: what prove() answers with if all of it is there. share: share_now(), where a driver asked for it.';

-- A place tells nothing in a table of several (partitions, children), and nothing once the table has been rewritten. The
-- numbers of files and of transactions begin anew on a server restored from a dump, and meet those of the old one.
create function strata.file_of(p_relation regclass)
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select format('%s/%s/%s', s.system_identifier, d.oid, pg_relation_filenode(c.oid))
      from pg_catalog.pg_class as c, pg_catalog.pg_control_system() as s, pg_catalog.pg_database as d
     where c.oid = p_relation and c.relkind = 'r' and not c.relhassubclass and d.datname = current_database());
end
$$;
comment on function strata.file_of(regclass) is 'Server, database and file of a table that has one file; null for any other.';
revoke execute on function strata.file_of(regclass) from public;

create type strata.kept as (moved integer, ordinals integer[], keys text[], fingerprints bytea[]);
comment on type strata.kept is 'Answer of a purge: how many rows left, and which were kept (position, key, fingerprint).';

create function strata.note_well(p_dataset text)
returns void
language sql
set search_path = ''
as $$
  update strata.datasets as d
     set failures = 0, trouble = null, trouble_sqlstate = null, remedy = null, next_try_at = null
   where d.name = p_dataset and (d.trouble is not null or d.failures > 0)
$$;
comment on function strata.note_well(text) is 'Takes back what note_failure() wrote: the dataset moves, or has nothing to move.';
revoke execute on function strata.note_well(text) from public;

-- An interrupted move, in whatever step it was: it is not copied again but proved at once. What the colder tier has
-- committed of it is purged, or retracted where its writer was faster; what never got there is claimed anew, by a new
-- move, with what the table and its twin look like by then. So a batch that cannot be copied never stands in the way.
create function strata.take_up(p_move uuid)
returns strata.batch
language sql
set search_path = ''
as $$
  update strata.moves as m set attempts = m.attempts + 1 where m.move_id = p_move;
  select case m.state when 'claimed' then 'open' else 'purged' end, f.move_id, m.dataset, f.columns, f.seal, null, null::integer
    from strata.moves as m join strata.manifests as f on f.move_id = m.move_id where m.move_id = p_move
$$;
comment on function strata.take_up(uuid) is
  'The batch of an interrupted move, without its rows: to be proved next, or closed if it was purged.';
revoke execute on function strata.take_up(uuid) from public;

create function strata.claimed_keys(p_move uuid)
returns text[]
language sql
stable
security definer -- a pulling tier calls it as strata_mover
set search_path = ''
as $$ select f.keys from strata.manifests as f where f.move_id = p_move $$;
comment on function strata.claimed_keys(uuid) is
  'The keys an open move has claimed, for prove(): needed only where its rows are not found at the places they were put.';
revoke execute on function strata.claimed_keys(uuid) from public;
grant execute on function strata.claimed_keys(uuid) to strata_mover;
