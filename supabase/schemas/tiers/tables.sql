create table strata.links (
  neighbour text not null,
  direction text not null,
  driver text not null,
  server text,
  joined_at timestamptz not null,
  last_ok_at timestamptz,
  failures integer not null default 0,
  trouble_sqlstate text,
  trouble text,
  next_try_at timestamptz,
  rested interval not null default '0',
  skew interval,
  compared_at timestamptz,
  insecure_because text,
  constraint links_pkey primary key (neighbour),
  constraint links_one_per_direction unique (direction),
  constraint links_neighbour_fkey foreign key (neighbour) references strata.tiers (name),
  constraint links_direction_is_hotter_or_colder check (direction in ('hotter', 'colder')),
  constraint links_driver_is_known check (driver in ('push', 'pull', 'relay')),
  constraint links_server_iff_driven check
    ((server is not null) = ((driver, direction) in (('push', 'colder'), ('pull', 'hotter')))),
  constraint links_trouble_has_its_code check ((trouble is null) = (trouble_sqlstate is null)),
  constraint links_reason_is_not_blank check (btrim(insecure_because) <> '')
);
comment on table strata.links is
  'The neighbours of this tier. server: the postgres_fdw server we dial when we drive the link, else null. '
  'trouble, failures, next_try_at: why the line is down and when it is dialled again. rested: how long runs '
  'over it have paused, in all, because others were using the hotter tier. skew, compared_at: how far its '
  'clock was ahead of ours, and when by ours.';
alter table strata.links enable row level security;
comment on column strata.links.insecure_because is
  'Why the owner lets this link be dialled with less than verify-full; null: it is not.';

create table strata.rotations (
  neighbour text not null,
  began_at timestamptz not null,
  constraint rotations_pkey primary key (neighbour),
  constraint rotations_neighbour_fkey foreign key (neighbour) references strata.tiers (name)
);
comment on table strata.rotations is
  'Neighbours that have given the other of their two logins here a password and have '
  'not come in with it yet.';
alter table strata.rotations enable row level security;

create table strata.clock_seen (
  only_row boolean not null default true,
  sure_at timestamptz not null,
  constraint clock_seen_pkey primary key (only_row),
  constraint clock_seen_is_one_row check (only_row)
);
comment on table strata.clock_seen is
  'The last time, by this tier''s clock, at which that clock was in order: it had not jumped, or a '
  'neighbour agreed with it.';
alter table strata.clock_seen enable row level security;

-- Counted by sequences, because what is refused is rolled back, and the count must not be.
create sequence strata.excess_hotter minvalue 0 start 1;
comment on sequence strata.excess_hotter is
  'How often the hotter neighbour has sent more than it may, since the last upkeep.';

create sequence strata.excess_colder minvalue 0 start 1;
comment on sequence strata.excess_colder is
  'How often the colder neighbour has sent more than it may, since the last upkeep.';

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

-- How old a key is: written by the functions that know, watched here.
create table strata.keys (
  name text not null,
  rotated_at timestamptz not null,
  max_age_days integer not null default 90,
  mark text,
  constraint keys_pkey primary key (name),
  constraint keys_age_is_positive check (max_age_days > 0)
);
comment on table strata.keys is
  'Passwords and keys by name only: when each was last rotated, or first seen, and how old it may become. '
  'mark: eight digits of a hash of a random key, by which another one is told; never of a password.';
alter table strata.keys enable row level security;

create table strata.heartbeats (
  neighbour text not null,
  heard_at timestamptz not null,
  says jsonb not null,
  hour timestamptz,
  hour_bytes bigint not null default 0,
  constraint heartbeats_pkey primary key (neighbour),
  constraint heartbeats_link_fkey foreign key (neighbour)
    references strata.links (neighbour) on delete cascade
);
comment on table strata.heartbeats is
  'What each neighbour last said of itself, and when by our clock: see heartbeat(). hour_bytes: of '
  'heartbeats in that hour.';
alter table strata.heartbeats enable row level security;
