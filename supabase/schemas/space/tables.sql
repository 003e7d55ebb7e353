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
  constraint drain_shares_drain_fkey foreign key (drain_id) references strata.drains (
    drain_id) on delete cascade
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
  constraint drain_moves_drain_fkey foreign key (drain_id) references strata.drains (
    drain_id) on delete cascade
);
comment on table strata.drain_moves is
  'Moves that a drain claimed, and what their rows weigh on disk. Gone with the move '
  'when the log is rolled up.';
alter table strata.drain_moves enable row level security;

create index drain_moves_drain_idx on strata.drain_moves (drain_id);

create table strata.reclaims (
  reclaim_id bigint generated always as identity,
  relation text not null,
  method text not null,
  reason text not null,
  state text not null,
  steps text[] not null,
  attempt integer not null default 1,
  gain_bytes bigint not null,
  copy_bytes bigint not null,
  bytes_before bigint,
  bytes_after bigint,
  locked_ms bigint,
  runner text,
  step_at timestamptz,
  step_after bigint,
  file_before oid,
  packed_to bigint,
  pack_until bigint,
  says text,
  planned_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  constraint reclaims_pkey primary key (reclaim_id),
  constraint reclaims_method_is_known check (method in ('vacuum', 'reindex', 'pack', 'rewrite', 'copy')),
  constraint reclaims_reason_is_known check (reason in ('drain', 'upkeep', 'asked')),
  constraint reclaims_state_is_known check (state in ('planned', 'running', 'done', 'gave way', 'failed',
                                                      'no room', 'dropped')),
  constraint reclaims_end_once check ((state in ('planned', 'running')) = (finished_at is null)),
  constraint reclaims_start_before_they_run check (state <> 'running' or started_at is not null)
);
comment on table strata.reclaims is
  'Every attempt to give space of one table back: how, why, the steps still to take, bytes (of the table '
  'with its indexes and TOAST) before and after, and how long nobody else could use it. gain_bytes, '
  'copy_bytes: estimates of what is given back and of the room it takes meanwhile. runner: cron, or the '
  'command line''s backend. step_*, file_before, packed_to, pack_until: how far the present step is.';
alter table strata.reclaims enable row level security;

create unique index reclaims_one_runs_idx on strata.reclaims ((true)) where state = 'running';

create index reclaims_planned_idx on strata.reclaims (relation) where state = 'planned';
