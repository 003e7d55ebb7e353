create table strata.labels_told (
  schema_name text not null,
  type_name text not null,
  origin text not null,
  label_id text not null,
  label text not null,
  origin_here text not null,
  label_here oid not null,
  constraint labels_told_pkey primary key (schema_name, type_name, label_id)
);
comment on table strata.labels_told is
  'On a colder tier: the labels of enums as the hotter tier last told of them. label_id: their number within '
  'origin (server, database, type) there; label_here: the number here, within origin_here.';
alter table strata.labels_told enable row level security;

-- A table that was here before is its owner's. An empty one has nothing to lose; one with rows becomes a
-- twin, whose rows move on and are deleted by the neighbour's policy, only when its owner says so.
create table strata.twins_allowed (
  schema_name text not null,
  table_name text not null,
  allowed_at timestamptz not null,
  constraint twins_allowed_pkey primary key (schema_name, table_name)
);
comment on table strata.twins_allowed is
  'Tables with rows of their own of which their owner has said that they may become twins.';
alter table strata.twins_allowed enable row level security;

create table strata.confirmations (
  dataset text not null,
  confirmed_at timestamptz,
  is_contradicted boolean not null,
  waits_on text,
  server text not null,
  version xid,
  constraint confirmations_pkey primary key (dataset),
  constraint confirmations_dataset_fkey foreign key (dataset)
    references strata.datasets (name) on delete cascade
);
comment on table strata.confirmations is
  'What the hotter tier last said of the policy that was accepted here: when it was known to hold '
  '(confirmed_at), that it is not what was told, or not confirmed there (is_contradicted), which tier waits '
  'for its own hotter one (waits_on). server, version: of this row as it was written; another one has been '
  'put back from a backup.';
alter table strata.confirmations enable row level security;
