create table strata.alert_kinds (
  kind text not null,
  is_condition boolean not null,
  says text not null,
  grace interval not null default '0',
  at_once boolean not null default false,
  of_moves boolean not null default false,
  of_rows boolean not null default false,
  constraint alert_kinds_pkey primary key (kind)
);
comment on table strata.alert_kinds is
  'The kinds of alerts. is_condition: check_alerts() raises and clears it; otherwise the function that '
  'finds it does. grace: how long it is a warning before it is critical, where the two differ by nothing '
  'else. at_once: its warnings do not wait for the report. of_moves: while it is open, rows stay where '
  'they are that should move.';
alter table strata.alert_kinds enable row level security;

create table strata.alerts (
  alert_id bigint generated always as identity,
  kind text not null,
  tier text not null,
  subject text not null,
  severity text not null,
  says text not null,
  remedy text,
  heard_from text,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  seen_count integer not null default 1,
  cleared_at timestamptz,
  constraint alerts_pkey primary key (alert_id),
  constraint alerts_kind_fkey foreign key (kind) references strata.alert_kinds (kind),
  constraint alerts_severity_is_known check (severity in ('info', 'warning', 'critical'))
);
comment on table strata.alerts is
  'What is or was wrong: one open row (cleared_at is null) per kind, tier and subject (a dataset, '
  'a neighbour, a job, or empty: the tier itself). heard_from: the colder neighbour that told '
  'of it; null: found here.';
alter table strata.alerts enable row level security;

create unique index alerts_one_open_idx on strata.alerts (kind, tier, subject)
  where cleared_at is null;

create index alerts_cleared_idx on strata.alerts (cleared_at);
