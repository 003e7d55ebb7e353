create table strata.books (
  dataset text not null,
  month text not null,
  came bigint not null default 0,
  changes bigint not null default 0,
  names text[],
  marks bigint[],
  left_rows bigint not null default 0,
  seen_names text[],
  seen_marks bigint[],
  seen_left bigint not null default 0,
  constraint books_pkey primary key (dataset, month)
);
comment on table strata.books is
  'Per dataset and month: how many rows came by moves and were not taken back; a mark of each column (names: '
  'with type) over what should be here, as of when left_rows had left; seen_*: the same of what the last '
  'audit saw, until it is found right.';
alter table strata.books enable row level security;

-- A tier put back from an old backup has forgotten rows that moved on since. Its colder neighbour's book
-- knows how many; else they would be taken for lost here.
create table strata.forgotten (
  dataset text not null,
  month text not null,
  rows bigint not null,
  noted_at timestamptz not null,
  constraint forgotten_pkey primary key (dataset, month)
);
comment on table strata.forgotten is
  'Rows that the colder neighbour has from this tier, of which this tier''s ledger has forgotten '
  'that they left; noted_at: when that last changed, after which the audit of the link to the '
  'hotter tier looks once more.';
alter table strata.forgotten enable row level security;

create table strata.ledger (
  dataset text not null,
  what text not null,
  month text not null,
  rows bigint not null,
  digest bigint not null,
  frame text not null,
  columns text[] not null,
  frames integer not null default 1,
  strips bigint[] not null,
  mask text not null,
  constraint ledger_pkey primary key (dataset, what, month),
  constraint ledger_what_is_known check (what in ('moved', 'deleted', 'met'))
);
comment on table strata.ledger is
  'Rows that left this tier, per dataset and month of their age: moved to the next, or deleted at their age. '
  'met: rows of moves into this tier that were here already. digest: xor of their fingerprints over columns, '
  'since the frame began, and strips: the same of each strip, under what is made of the key that mask names.';
alter table strata.ledger enable row level security;

create table strata.met (
  move_id uuid not null,
  ordinal integer not null,
  month text not null,
  fingerprint bytea not null,
  constraint met_pkey primary key (move_id, ordinal)
);
comment on table strata.met is
  'Rows of open arrivals that were here before, identical: they will leave the hotter tier, and none '
  'is added here for them.';
alter table strata.met enable row level security;

create table strata.ledger_keys (
  only_row boolean not null default true,
  key bytea not null,
  constraint ledger_keys_pkey primary key (only_row),
  constraint ledger_keys_are_one_row check (only_row)
);
comment on table strata.ledger_keys is
  'The key that digests are masked with, where this database has no Vault that takes it; else empty.';
alter table strata.ledger_keys enable row level security;

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

create table strata.contested (
  dataset text not null,
  key text[] not null,
  month text not null,
  fingerprint bytea not null,
  columns text[] not null,
  noted_at timestamptz not null,
  constraint contested_pkey primary key (dataset, key)
);
comment on table strata.contested is
  'Rows here that keep others of the hotter tier from arriving: key, month of their age, fingerprint over '
  'columns, when they last did.';
alter table strata.contested enable row level security;

create table strata.came (
  dataset text not null,
  rows bigint not null,
  constraint came_pkey primary key (dataset)
);
comment on table strata.came is
  'How many rows of each dataset have come to this tier and stayed, moved on or were deleted at their age.';
alter table strata.came enable row level security;
