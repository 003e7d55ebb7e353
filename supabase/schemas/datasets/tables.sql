create table strata.datasets (
  name text not null,
  schema_name text not null,
  table_name text not null,
  key_columns text[] not null,
  age_column text not null,
  core_retention_days integer,
  main_retention_days integer,
  delete_after_days integer,
  due_when text,
  size_limit_kb integer,
  delete_triggers text,
  priority integer not null default 100,
  accepted_from text,
  accepted jsonb,
  revision bigint not null default 1,
  told_revision bigint,
  told_shape text,
  twin_columns text[],
  trouble_sqlstate text,
  trouble text,
  remedy text,
  failures integer not null default 0,
  next_try_at timestamptz,
  managed_at timestamptz not null,
  waits_for text,
  accepted_revision bigint,
  accepted_digest text,
  accepted_content text,
  ahead jsonb,
  constraint datasets_pkey primary key (name),
  constraint datasets_one_per_table unique (schema_name, table_name),
  constraint datasets_retentions_are_days check
    (core_retention_days between 0 and 100000 and main_retention_days between 0 and 100000
     and delete_after_days between 0 and 100000),
  constraint datasets_retentions_grow_down_the_chain check
    (coalesce(core_retention_days, 2147483647) <= coalesce(main_retention_days, 2147483647)
     and coalesce(main_retention_days, 0) <= coalesce(delete_after_days, 2147483647)
     and coalesce(core_retention_days, 0) <= coalesce(delete_after_days, 2147483647)),
  constraint datasets_size_limit_is_positive check (size_limit_kb > 0),
  constraint datasets_delete_triggers_is_a_decision check (delete_triggers in ('fire', 'skip')),
  constraint datasets_trouble_has_its_code check ((trouble is null) = (trouble_sqlstate is null)),
  constraint datasets_accepted_from_a_tier check ((accepted_from is null) = (accepted is null))
);
comment on table strata.datasets is
  'Managed tables. *_retention_days, delete_after_days: ages in days, null = never. due_when: a further '
  'SQL condition. waits_for: one of a hotter tier''s that the owner of this tier has not taken yet. '
  'accepted(_from): the description a hotter tier gave of it; accepted_revision, _digest, _content: which '
  'one. ahead: a newer policy that the colder tier has, and this one has forgotten. told_*, twin_columns: '
  'what the colder tier knows. trouble, remedy, next_try_at: why the dataset stands still and until when.';
alter table strata.datasets enable row level security;

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

create table strata.ledger (
  dataset text not null,
  what text not null,
  month text not null,
  rows bigint not null,
  digest bigint not null,
  frame text not null,
  columns text[] not null,
  frames integer not null default 1,
  strips bigint[] not null,
  mask text not null,
  constraint ledger_pkey primary key (dataset, what, month),
  constraint ledger_what_is_known check (what in ('moved', 'deleted', 'met'))
);
comment on table strata.ledger is
  'Rows that left this tier, per dataset and month of their age: moved to the next, or deleted at their age. '
  'met: rows of moves into this tier that were here already. digest: xor of their fingerprints over columns, '
  'since the frame began, and strips: the same of each strip, under what is made of the key that mask names.';
alter table strata.ledger enable row level security;

create table strata.came (
  dataset text not null,
  rows bigint not null,
  constraint came_pkey primary key (dataset)
);
comment on table strata.came is
  'How many rows of each dataset have come to this tier and stayed, moved on or were deleted at their age.';
alter table strata.came enable row level security;

create table strata.tellings (
  dataset text not null,
  revision bigint not null,
  digest text not null,
  telling_id bigint generated always as identity,
  constraint tellings_pkey primary key (dataset, revision, digest)
);
comment on table strata.tellings is
  'Which policies of a dataset the colder tier was told, or may have been, the latest last (telling_id); a '
  'hundred of each dataset, also of one that was let go of.';
alter table strata.tellings enable row level security;
