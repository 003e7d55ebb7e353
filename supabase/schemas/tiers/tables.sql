create table strata.tiers (
  name text not null,
  position integer not null,
  capacity_mb integer not null,
  warn_mb integer not null,
  critical_mb integer not null,
  pool_size integer not null,
  constraint tiers_pkey primary key (name),
  constraint tiers_position_key unique (position),
  constraint tiers_name_is_known check (name in ('core', 'main', 'archive')),
  constraint tiers_warn_before_critical_before_full check (0 < warn_mb and warn_mb < critical_mb
                                                           and critical_mb <= capacity_mb),
  constraint tiers_pool_is_positive check (pool_size > 0)
);
comment on table strata.tiers is
  'The three tiers in their order, with their capacity and thresholds (MB of 1024*1024 bytes, as Supabase '
  'bills) and the most connections Strata may hold there.';
alter table strata.tiers enable row level security;

create table strata.self (
  only_row boolean not null default true,
  tier text not null,
  is_last boolean not null,
  became_at timestamptz not null,
  looked_at timestamptz,
  constraint self_pkey primary key (only_row),
  constraint self_is_one_row check (only_row),
  constraint self_tier_fkey foreign key (tier) references strata.tiers (name)
);
comment on table strata.self is
  'Which tier this database is (one row). is_last: rows do not settle any further and are deleted here at '
  'the age their policy says.';
alter table strata.self enable row level security;

create index self_tier_idx on strata.self (tier);

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
