-- The same for passwords and keys that a person's program brings: with log_statement = all a server logs
-- statements and their parameters, but not what COPY reads.
create table strata.handed (
  name text not null,
  value text not null,
  constraint handed_pkey primary key (name)
);
comment on table strata.handed is
  'Always empty: what is copied into it (in binary, so that no error quotes it) is handed '
  'over, as hand_over() does.';
alter table strata.handed enable row level security;

-- Every failed step is also logged by itself: trouble is forgotten with the next success, this is not.
create table strata.failures (
  failure_id bigint generated always as identity,
  failed_at timestamptz not null,
  dataset text,
  link text,
  code text not null,
  says text not null,
  constraint failures_pkey primary key (failure_id),
  constraint failures_are_of_a_dataset_or_a_link check ((dataset is null) <> (link is null))
);
comment on table strata.failures is
  'The log of failed steps: of which dataset, or of the link to which neighbour, with SQLSTATE and sentence. '
  'prune() keeps it small.';
alter table strata.failures enable row level security;

create index failures_failed_idx on strata.failures (failed_at);

create table strata.leases (
  neighbour text not null,
  token uuid not null,
  expires_at timestamptz not null,
  constraint leases_pkey primary key (neighbour),
  constraint leases_link_fkey foreign key (neighbour) references strata.links (neighbour) on delete cascade
);
comment on table strata.leases is
  'Which run of the relay works on the link to a colder neighbour, and until when nobody else does.';
alter table strata.leases enable row level security;
