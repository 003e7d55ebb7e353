create table strata.quotas (
  name text not null,
  amount bigint,
  unit text not null,
  period text not null,
  tiers text[] not null,
  source text not null,
  changeable boolean not null default true,
  constraint quotas_pkey primary key (name),
  constraint quotas_amount_is_positive check (amount > 0),
  constraint quotas_period_is_known check (period in ('now', 'month'))
);
comment on table strata.quotas is
  'Limits of the plan: amount (null: none known; for what is not changeable here, strata.tiers has it), '
  'unit, whether it is judged now or over the billing month, on which tiers, and where it is written.';
alter table strata.quotas enable row level security;

create table strata.usage (
  day date not null,
  name text not null,
  amount bigint not null,
  constraint usage_pkey primary key (name, day),
  constraint usage_is_not_negative check (amount >= 0)
);
comment on table strata.usage is
  'What was used per day (UTC) as told by those who used it: egress in bytes, '
  'edge_invocations, or any other name.';
alter table strata.usage enable row level security;

create table strata.waiting (
  dataset text not null,
  since timestamptz not null,
  constraint waiting_pkey primary key (dataset),
  constraint waiting_dataset_fkey foreign key (dataset) references strata.datasets (name) on delete cascade
);
comment on table strata.waiting is
  'Datasets with rows that could leave this tier, and since when none of them did.';
alter table strata.waiting enable row level security;
comment on column strata.self.looked_at is 'When watchdog() last ran here by itself.';

create table strata.outside (
  name text not null,
  checked_at timestamptz not null,
  ok boolean not null,
  says text not null,
  took_ms integer not null,
  constraint outside_pkey primary key (name),
  constraint outside_took_is_not_negative check (took_ms >= 0)
);
comment on table strata.outside is
  'Services outside (and the daily call of health itself, keep_alive): when each was last '
  'tried, and what came of it.';
alter table strata.outside enable row level security;

create table strata.report_parts (
  tier text not null,
  made_at timestamptz not null,
  heard_from text,
  says jsonb not null,
  constraint report_parts_pkey primary key (tier),
  constraint report_parts_tier_fkey foreign key (tier) references strata.tiers (name),
  constraint report_parts_link_fkey foreign key (heard_from)
    references strata.links (neighbour) on delete cascade
);
comment on table strata.report_parts is
  'What each tier last said of itself for the report (chapter reports), by its own clock: this one, and the '
  'colder ones, told by the neighbour in heard_from.';
alter table strata.report_parts enable row level security;

create index report_parts_heard_from_idx on strata.report_parts (heard_from);

-- What could only be seen by dialling, as it was when a neighbour was last dialled.
create table strata.link_checks (
  neighbour text not null,
  topic text not null,
  says text not null,
  remedy text,
  constraint link_checks_pkey primary key (neighbour, topic),
  constraint link_checks_link_fkey foreign key (neighbour)
    references strata.links (neighbour) on delete cascade
);
comment on table strata.link_checks is
  'Checks of links that did not hold when the neighbour was last dialled: see validate_link().';
alter table strata.link_checks enable row level security;

create table strata.moves_totals (
  dataset text not null,
  month date not null,
  from_tier text not null,
  to_tier text,
  moves bigint not null,
  rows_moved bigint not null,
  bytes bigint not null,
  constraint moves_totals_key unique nulls not distinct (dataset, month, from_tier, to_tier)
);
comment on table strata.moves_totals is
  'Closed moves older than 90 days, added up per dataset, month (UTC) they finished in, tier and '
  'next tier (null: deleted).';
alter table strata.moves_totals enable row level security;
comment on column strata.alert_kinds.of_rows is
  'May a key or a value of a row stand in what such an alert says?';
