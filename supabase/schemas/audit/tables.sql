create type strata.sight as (
  rows bigint, digest bigint, columns text[], shape text, strips bigint[],
  came_rows bigint, came_digest bigint, came_frames integer, came_columns text[], came_strips bigint[],
  came_forgotten bigint, left_rows bigint, left_digest bigint, left_frames integer, left_columns text[],
  left_strips bigint[], left_forgotten bigint,
  met_rows bigint, met_digest bigint, met_frames integer, met_columns text[], met_strips bigint[],
  arrived_rows bigint, ahead bigint, differs text[], unseen text[]
);
comment on type strata.sight is
  'One month of a dataset on a colder tier: what is there, what the hotter tier says came, what this one '
  'says left, and what of what came was there before; how many came by this one''s book, and by how many the '
  'hotter tier''s ledger is ahead of it; which columns differ from that book, and which it does not know. '
  'forgotten: by that ledger, rows it should have and has not.';

create table strata.audit_accounts (
  neighbour text not null,
  dataset text not null,
  month text not null,
  good strata.sight not null,
  seen strata.sight not null,
  seen_at timestamptz not null,
  aside strata.sight,
  mask text not null,
  constraint audit_accounts_pkey primary key (neighbour, dataset, month)
);
comment on table strata.audit_accounts is
  'Per link, dataset and month: how it was when last in order or accepted; the same with rows that are too '
  'many, while they are not accepted (aside); and how it was last seen; of the digests only what they are '
  'together, masked as in the ledger: see kept_sight().';
alter table strata.audit_accounts enable row level security;

create table strata.audit_findings (
  neighbour text not null,
  dataset text not null,
  month text not null,
  kind text not null,
  rows bigint,
  accepted_rows bigint not null default 0,
  says text not null,
  turn_at timestamptz not null,
  first_seen_at timestamptz not null,
  keys text not null default '',
  constraint audit_findings_pkey primary key (neighbour, dataset, month, kind),
  constraint audit_findings_kind_is_known check (kind in ('missing', 'besides', 'altered', 'rewound',
                                                          'doubled', 'beyond'))
);
comment on table strata.audit_findings is
  'What the audit of a link finds wrong now: how many rows (null: cannot be told), a sentence, and some of '
  'their keys, until the next upkeep. Gone when the cause is.';
alter table strata.audit_findings enable row level security;

create table strata.audit_notes (
  neighbour text not null,
  dataset text not null,
  month text not null,
  kind text not null,
  rows bigint not null,
  says text not null,
  first_seen_at timestamptz not null,
  constraint audit_notes_pkey primary key (neighbour, dataset, month, kind),
  constraint audit_notes_kind_is_known check (kind in ('counted', 'partly'))
);
comment on table strata.audit_notes is
  'What is not wrong by the audit of a link, and not proved: rows that were only counted, until that is '
  'accepted, and rows of which a column was not compared this time.';
alter table strata.audit_notes enable row level security;

create table strata.audit_turns (
  neighbour text not null,
  dataset text not null,
  step text not null,
  started_at timestamptz not null,
  finished_at timestamptz,
  months_left text[] not null default '{}',
  key_after text[],
  busy integer not null default 0,
  months bigint not null default 0,
  rows bigint not null default 0,
  keys bigint not null default 0,
  skipped bigint not null default 0,
  besides bigint not null default 0,
  milliseconds bigint not null default 0,
  trouble_sqlstate text,
  trouble text,
  constraint audit_turns_pkey primary key (neighbour, dataset),
  constraint audit_turns_step_is_known check (step in ('begin', 'months', 'keys', 'passed', 'finish',
                                                       'done')),
  constraint audit_turns_finish_when_done check ((step = 'done') = (finished_at is not null))
);
comment on table strata.audit_turns is
  'The last audit of each dataset over a link this tier dials, and where it is: months and keys looked at, '
  'rows read on the colder tier, months or pages skipped because they were never quiet, rows found besides '
  'those that came by moves.';
alter table strata.audit_turns enable row level security;

create table strata.passed_keys (
  dataset text not null,
  first_key text[] not null,
  keys text[] not null,
  turn_at timestamptz not null,
  constraint passed_keys_pkey primary key (dataset, first_key)
);
comment on table strata.passed_keys is
  'Keys of the hotter tier which the next audit of the link to the colder tier is to look '
  'for there, page by page.';
alter table strata.passed_keys enable row level security;

create table strata.keys_beyond (
  dataset text not null,
  key bytea not null,
  seen_at timestamptz not null,
  constraint keys_beyond_pkey primary key (dataset, key)
);
comment on table strata.keys_beyond is
  'Keys that were passed on and have a row on the colder tier: doubled, if the hotter tier has them still. '
  'Only their hashes, made with the key of the ledger.';
alter table strata.keys_beyond enable row level security;
