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
