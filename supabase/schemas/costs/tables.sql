create table strata.prices (
  service text not null,
  item text not null,
  unit text not null,
  usd numeric not null,
  credits numeric not null,
  source text not null,
  constraint prices_pkey primary key (service, item),
  constraint prices_are_not_negative check (usd >= 0 and credits >= 0)
);
comment on table strata.prices is
  'What one unit (such as a character) costs: list price in US dollars, credits of the service''s allowance, '
  'and where that is written.';
alter table strata.prices enable row level security;

create table strata.allowances (
  service text not null,
  unit text not null,
  amount numeric not null,
  resets_at timestamptz not null,
  source text not null,
  told_used numeric,
  told_at timestamptz,
  exhausted_until timestamptz,
  constraint allowances_pkey primary key (service),
  constraint allowances_are_not_negative check (amount >= 0 and told_used >= 0)
);
comment on table strata.allowances is
  'Credits a service gives each month: how many, one of the times at which they are given anew, and '
  'where that is written. told_used, told_at: what the service itself said last; exhausted_until: it has '
  'refused for want of credits.';
alter table strata.allowances enable row level security;

create table strata.budgets (
  kind text not null,
  usd_per_month numeric,
  is_daily boolean not null,
  says text not null,
  constraint budgets_pkey primary key (kind),
  constraint budgets_are_not_negative check (usd_per_month >= 0)
);
comment on table strata.budgets is
  'Kinds of spending with a limit of their own: what a month (UTC) of it may be worth at list price (null: '
  'no limit), and whether it happens daily and so gets a share of the credits for each day.';
alter table strata.budgets enable row level security;

create table strata.costs (
  cost_id uuid not null default gen_random_uuid(),
  at timestamptz not null,
  kind text not null,
  units numeric not null,
  usd numeric not null,
  service text not null default '',
  item text not null default '',
  credits numeric not null default 0,
  worth numeric not null default 0,
  state text not null default 'settled',
  says text not null default '',
  constraint costs_pkey primary key (cost_id),
  constraint costs_are_not_negative check (units >= 0 and usd >= 0 and credits >= 0 and worth >= 0),
  constraint costs_state_is_known check (state in ('reserved', 'settled', 'released')),
  constraint costs_released_are_nothing check (state <> 'released'
                                               or (units, usd, credits, worth) = (0, 0, 0, 0))
);
comment on table strata.costs is
  'What was spent, when and on what: kind (such as briefing), what exactly (says), units (such as '
  'characters), credits of the allowance, US dollars billed, and worth: their list price. A reservation '
  'counts in full until it is settled or released.';
alter table strata.costs enable row level security;

create index costs_at_idx on strata.costs (at);

create table strata.costs_totals (
  kind text not null,
  month date not null,
  service text not null,
  item text not null,
  calls bigint not null,
  units numeric not null,
  credits numeric not null,
  usd numeric not null,
  worth numeric not null,
  constraint costs_totals_pkey primary key (kind, month, service, item)
);
comment on table strata.costs_totals is
  'Costs older than keep_costs, added up per kind, month (UTC), service and item; these stay.';
alter table strata.costs_totals enable row level security;
