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

create table strata.books (
  dataset text not null,
  month text not null,
  came bigint not null default 0,
  changes bigint not null default 0,
  names text[],
  marks bigint[],
  left_rows bigint not null default 0,
  seen_names text[],
  seen_marks bigint[],
  seen_left bigint not null default 0,
  constraint books_pkey primary key (dataset, month)
);
comment on table strata.books is
  'Per dataset and month: how many rows came by moves and were not taken back; a mark of each column (names: '
  'with type) over what should be here, as of when left_rows had left; seen_*: the same of what the last '
  'audit saw, until it is found right.';
alter table strata.books enable row level security;

-- A tier put back from an old backup has forgotten rows that moved on since. Its colder neighbour's book
-- knows how many; else they would be taken for lost here.
create table strata.forgotten (
  dataset text not null,
  month text not null,
  rows bigint not null,
  noted_at timestamptz not null,
  constraint forgotten_pkey primary key (dataset, month)
);
comment on table strata.forgotten is
  'Rows that the colder neighbour has from this tier, of which this tier''s ledger has forgotten '
  'that they left; noted_at: when that last changed, after which the audit of the link to the '
  'hotter tier looks once more.';
alter table strata.forgotten enable row level security;

create table strata.met (
  move_id uuid not null,
  ordinal integer not null,
  month text not null,
  fingerprint bytea not null,
  constraint met_pkey primary key (move_id, ordinal)
);
comment on table strata.met is
  'Rows of open arrivals that were here before, identical: they will leave the hotter tier, and none '
  'is added here for them.';
alter table strata.met enable row level security;

create table strata.ledger_keys (
  only_row boolean not null default true,
  key bytea not null,
  constraint ledger_keys_pkey primary key (only_row),
  constraint ledger_keys_are_one_row check (only_row)
);
comment on table strata.ledger_keys is
  'The key that digests are masked with, where this database has no Vault that takes it; else empty.';
alter table strata.ledger_keys enable row level security;

create table strata.contested (
  dataset text not null,
  key text[] not null,
  month text not null,
  fingerprint bytea not null,
  columns text[] not null,
  noted_at timestamptz not null,
  constraint contested_pkey primary key (dataset, key)
);
comment on table strata.contested is
  'Rows here that keep others of the hotter tier from arriving: key, month of their age, fingerprint over '
  'columns, when they last did.';
alter table strata.contested enable row level security;

create table strata.drains (
  drain_id bigint generated always as identity,
  state text not null,
  reason text not null,
  round integer not null default 0,
  target_bytes bigint not null,
  billed_before bigint not null,
  billed_after bigint,
  need_bytes bigint not null default 0,
  was_read_only boolean not null default false,
  says text,
  started_at timestamptz not null,
  round_at timestamptz,
  freed_before xid8,
  waits_since timestamptz,
  ended_at timestamptz,
  database_default boolean,
  role_default boolean,
  constraint drains_pkey primary key (drain_id),
  constraint drains_state_is_known check (state in ('moving', 'reclaiming', 'done', 'exhausted', 'stopped')),
  constraint drains_reason_is_known check (reason in ('critical', 'asked')),
  constraint drains_end_once check ((state in ('moving', 'reclaiming')) = (ended_at is null))
);
comment on table strata.drains is
  'Every drain of this tier. need_bytes: what the present round is to free; billed_before, billed_after: '
  'the bill when it began and ended; was_read_only: new sessions were seen to be read-only since it began. '
  'database_default: what the database said of that before the drain made it writable (null: nothing); '
  'role_default: whether our own role said so in this database (null: it was left alone). freed_before: '
  'whoever has an older snapshot keeps the room of the rows of this round; waits_since: since when that is '
  'waited for. says: what it waits for, or how it ended.';
alter table strata.drains enable row level security;

create unique index drains_one_open_idx on strata.drains ((true)) where ended_at is null;

create table strata.drain_shares (
  drain_id bigint not null,
  dataset text not null,
  until timestamptz,
  row_bytes double precision not null,
  weight_factor double precision not null,
  movable_bytes bigint not null,
  share_bytes bigint not null,
  constraint drain_shares_pkey primary key (drain_id, dataset),
  constraint drain_shares_drain_fkey foreign key (drain_id)
    references strata.drains (drain_id) on delete cascade
);
comment on table strata.drain_shares is
  'What the present round of a drain may take of each dataset: rows not younger than until (null: none). '
  'row_bytes: a row with its index entries; weight_factor: bytes on disk per byte of weight_sql(); '
  'movable_bytes, share_bytes: estimates.';
alter table strata.drain_shares enable row level security;

create table strata.drain_moves (
  move_id uuid not null,
  drain_id bigint not null,
  round integer not null,
  weighs bigint not null,
  constraint drain_moves_pkey primary key (move_id),
  constraint drain_moves_move_fkey foreign key (move_id) references strata.moves (move_id) on delete cascade,
  constraint drain_moves_drain_fkey foreign key (drain_id)
    references strata.drains (drain_id) on delete cascade
);
comment on table strata.drain_moves is
  'Moves that a drain claimed, and what their rows weigh on disk. Gone with the move '
  'when the log is rolled up.';
alter table strata.drain_moves enable row level security;

create index drain_moves_drain_idx on strata.drain_moves (drain_id);
