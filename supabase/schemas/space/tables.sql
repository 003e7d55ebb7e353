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

create table strata.samples (
  taken_at timestamptz not null,
  billed_bytes bigint not null,
  day_average bigint,
  level text not null,
  parts jsonb,
  constraint samples_pkey primary key (taken_at),
  constraint samples_level_is_known check (level in ('ok', 'warning', 'critical'))
);
comment on table strata.samples is
  'What was billed at a time, the level that meant, and the bytes of the largest tables. day_average: set on '
  'the one sample that stays of an older day.';
alter table strata.samples enable row level security;
