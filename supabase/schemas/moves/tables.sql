create table strata.holds (
  hold_id uuid not null default gen_random_uuid(),
  dataset text not null,
  key text[],
  condition text,
  prevents text not null default 'both',
  reason text not null,
  made_on text not null,
  made_at timestamptz not null,
  hold_until timestamptz,
  released_at timestamptz,
  waits_for text,
  constraint holds_pkey primary key (hold_id),
  constraint holds_key_or_condition check ((key is null) <> (condition is null)),
  constraint holds_prevents_is_known check (prevents in ('move', 'delete', 'both'))
);
comment on table strata.holds is
  'Reasons not to move or not to delete rows: one key or all rows meeting a condition, until a time or until '
  'released. They travel down the chain with their dataset. waits_for: a condition of a hotter tier''s that '
  'the owner of this tier has not taken yet; meanwhile every row is held.';
alter table strata.holds enable row level security;

create index holds_dataset_idx on strata.holds (dataset);

create table strata.set_aside (
  dataset text not null,
  key text[] not null,
  code text not null,
  says text not null,
  remedy text not null,
  attempts integer not null default 1,
  first_at timestamptz not null,
  last_at timestamptz not null,
  next_try_at timestamptz not null,
  constraint set_aside_pkey primary key (dataset, key)
);
comment on table strata.set_aside is
  'Rows that could not be moved, each with SQLSTATE, sentence '
  'and remedy; tried again with growing pauses (15 minutes, '
  'doubling, at most 64 hours). To try at once: update strata.set_aside set next_try_at = now().';
alter table strata.set_aside enable row level security;

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
  'Every batch that left this tier, kept as the log. bytes: as they crossed, as text. rows_kept: claimed, '
  'but changed by their writer, held, refused or set aside, and so left here.';
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
  batch_proof bytea not null,
  file text,
  oldest text,
  youngest text,
  since xid,
  kept integer[],
  reasons text[],
  for_drain boolean not null default false,
  constraint manifests_pkey primary key (move_id),
  constraint manifests_move_fkey foreign key (move_id) references strata.moves (move_id) on delete cascade
);
comment on table strata.manifests is
  'What an open move has claimed, as arrays in one order: keys (one row of texts per key column), versions, '
  'fingerprints and the batch proof; columns in the order they cross. for_drain: claimed ahead of the '
  'policy. file: of the table, in which places were; null for one of several files, or if versions may still '
  'be given to other rows. oldest, youngest: the ages of its first and last row (oldest: null if a row has '
  'none). since: whoever had written before this transaction had been seen. kept, reasons: positions not '
  'purged, and why. Dropped at close.';
alter table strata.manifests enable row level security;

-- Texts of keys and hashes do not compress worth the time, and the row lives for a second.
alter table strata.manifests alter column keys set storage external;

alter table strata.manifests alter column fingerprints set storage external;

-- No row of a circle is due by itself, so that nothing would ever be claimed for it. Whether there is one
-- takes going through all that rows which stay refer to: once an hour.
create table strata.circled (
  dataset text not null,
  looked_at timestamptz not null,
  found boolean not null,
  constraint circled_pkey primary key (dataset)
);
comment on table strata.circled is
  'When each dataset was last looked through for rows that refer to each other in a circle and may go, and '
  'whether there were any.';
alter table strata.circled enable row level security;

-- A source that was put back to the middle of a move goes through it again. Its destination closed the
-- arrival long ago and no longer knows what it brought, so it takes nothing back on a neighbour's word: what
-- was deleted here is left to the owner.
create table strata.left_copies (
  dataset text not null,
  key text[] not null,
  tier text not null,
  noted_at timestamptz not null,
  constraint left_copies_pkey primary key (dataset, key)
);
comment on table strata.left_copies is
  'Rows that were deleted on this tier in the middle of their move, and of which nothing was taken back: it '
  'was put back from a backup, or the colder tier changed or keeps them. That tier, or one behind it, may '
  'have them. The owner deletes them there, or not, and then here (forget_copies).';
alter table strata.left_copies enable row level security;

create table strata.arrivals (
  move_id uuid not null,
  dataset text not null,
  from_tier text not null,
  opened_at timestamptz not null,
  closed_at timestamptz,
  rows_received integer not null default 0,
  rows_retracted integer not null default 0,
  bytes bigint not null default 0,
  not_ours integer[] not null default '{}',
  refused jsonb not null default '[]',
  outcomes text[],
  places tid[],
  version xid,
  file text,
  versions xid[] not null default '{}',
  seed bigint not null default 0,
  brought bigint[] not null default '{}',
  constraint arrivals_pkey primary key (move_id),
  constraint arrivals_closed_with_outcomes check ((closed_at is null) = (outcomes is null))
);
comment on table strata.arrivals is
  'Moves into this tier, open until their source closes them. not_ours: positions whose row was here '
  'before. refused: rows this tier would not take (ordinal, code, says), until it is closed. bytes: of '
  'text received. places, version, file: where its rows were put, as which version (xmin), in which file '
  'of the table; null when they came one by one, and once closed. versions: as which they came then. '
  'seed, brought: of the keys of all rows it brought, however they came, hashes; only these may be taken '
  'back; none once closed.';
alter table strata.arrivals enable row level security;

alter table strata.arrivals alter column places set storage external; -- it lives for a second

alter table strata.arrivals alter column brought set storage external;

create index arrivals_open_idx on strata.arrivals (dataset) where closed_at is null;

create index arrivals_closed_idx on strata.arrivals (closed_at);

create table strata.aside_seen (
  dataset text not null,
  key text[] not null,
  seen text,
  seen_at timestamptz not null,
  constraint aside_seen_pkey primary key (dataset, key),
  constraint aside_seen_row_fkey foreign key (dataset, key)
    references strata.set_aside (dataset, key) on delete cascade
);
comment on table strata.aside_seen is
  'A hash of each row set aside as it was first seen after its last attempt: a row with '
  'another one has been mended.';
alter table strata.aside_seen enable row level security;
