create table strata.releases (
  product text not null,
  version text not null,
  digest text not null,
  routines text[] not null,
  installed_at timestamptz not null,
  constraint releases_pkey primary key (product, version),
  constraint releases_product_is_known check (product in ('strata', 'companion')),
  constraint releases_version_is_numbers check (version ~ '^[0-9]+[.][0-9]+[.][0-9]+$')
);
comment on table strata.releases is
  'The releases that this database has had; of each product the one installed last is the one it has. '
  'digest: as in the head of its file. routines: those that it brought, which the next release takes away '
  'before it brings its own.';
alter table strata.releases enable row level security;

-- Errors: our own codes and what to do about other people's.
create table strata.errors (
  code text not null,
  cause text not null,
  remedy text not null,
  constraint errors_pkey primary key (code),
  constraint errors_code_is_a_class_or_a_sqlstate check (code ~ '^([0-9A-Z]{2}|[0-9A-Z]{5})$')
);
comment on table strata.errors is
  'What an SQLSTATE means for Strata and how to mend it: a whole code, or its two-character class. '
  'Codes ST... are ours.';
alter table strata.errors enable row level security;

-- Settings: numbers an owner may change, each with its unit and its reason.
create table strata.settings (
  name text not null,
  value bigint not null,
  unit text not null,
  says text not null,
  constraint settings_pkey primary key (name),
  constraint settings_are_positive check (value > 0),
  constraint settings_percent_is_a_share check (unit <> 'percent' or value <= 100)
);
comment on table strata.settings is
  'Numbers that may be changed with a plain UPDATE; each row says what it does.';
alter table strata.settings enable row level security;

create table strata.rights (
  object text not null,
  grantee text not null,
  privilege text not null,
  constraint rights_pkey primary key (object, grantee, privilege),
  constraint rights_privilege_is_known check (privilege in ('usage', 'execute'))
);
comment on table strata.rights is
  'What the migrations granted: usage of schema strata (object: strata), and the right to execute its '
  'functions, each to whom.';
alter table strata.rights enable row level security;

create table strata.schedules (
  job text not null,
  cron text not null,
  command text not null,
  tiers text[] not null default '{core,main,archive}',
  active boolean not null default true,
  says text not null,
  constraint schedules_pkey primary key (job),
  constraint schedules_tiers_are_known check (tiers <@ '{core,main,archive}'),
  constraint schedules_are_ours check (job like 'strata-%'),
  constraint schedules_are_one_statement check (command !~ ';')
);
comment on table strata.schedules is
  'Strata''s jobs: name, schedule (pg_cron, UTC), the one statement each runs, and on which tiers. Change '
  'cron or active here: a job that is not active is paused.';
alter table strata.schedules enable row level security;

create table strata.registry (
  product text not null default 'strata',
  occasion text not null,
  place integer not null,
  routine text not null,
  constraint registry_pkey primary key (occasion, routine),
  constraint registry_place_key unique (occasion, place),
  constraint registry_occasion_is_known check (occasion in
    ('condition', 'report', 'watchdog', 'prune', 'forget', 'left_over', 'unmanage', 'new_colder',
     'rewriting'))
);
comment on table strata.registry is
  'What is called on an occasion, in the order of place: functions of schema strata, without arguments '
  'unless one is named here. A topic enters its own, so that none has to know those that come after it. '
  'condition: what is wrong now (alert_conditions). report: a section, report_<routine> (report_part). '
  'watchdog: with each run of watchdog(). prune: weekly (prune_records). forget: what it keeps of rows '
  'that are no more (forget). left_over: is there work for the job of each minute (keep_going)? unmanage: '
  'a dataset is let go of, given its name; it may refuse. new_colder: another tier becomes the colder '
  'neighbour, given its name; it may refuse. rewriting: is a table, given its name, being rewritten? '
  'product: the release file that entered it.';
alter table strata.registry enable row level security;

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
  constraint tiers_warn_before_critical_before_full
    check (0 < warn_mb and warn_mb < critical_mb and critical_mb <= capacity_mb),
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
  took_temporary boolean not null default false,
  constraint self_pkey primary key (only_row),
  constraint self_is_one_row check (only_row),
  constraint self_tier_fkey foreign key (tier) references strata.tiers (name)
);
comment on table strata.self is
  'Which tier this database is (one row). is_last: rows do not settle any further and are deleted here at '
  'the age their policy says.';
alter table strata.self enable row level security;
comment on column strata.self.took_temporary is
  'Whether public could make temporary objects here before Strata took that away: then '
  'a removal gives it back.';

create index self_tier_idx on strata.self (tier);
