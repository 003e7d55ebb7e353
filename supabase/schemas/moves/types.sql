create type strata.batch as (
  status text,
  move_id uuid,
  dataset text,
  columns text[],
  proof_hash bytea,
  lines text,
  share integer
);
comment on type strata.batch is
  'A claimed batch on its way. status: claimed; open, purged (an interrupted one, to be proved or closed '
  'first); or nothing (is due), blocked (an arrival is open here), unknown (the colder tier must be told '
  'of the table). proof_hash: of the batch proof; what prove() finds is checked against it, and it proves '
  'nothing itself. share: share_now(), where a driver asked for it.';

create type strata.kept as (moved integer, ordinals integer[], keys text[], fingerprints bytea[]);
comment on type strata.kept is
  'Answer of a purge: how many rows left, and which were kept (position, key, fingerprint).';

create type strata.span as (first integer, last integer);
comment on type strata.span is 'Positions of a manifest, from one to another.';

create type strata.insertion as (
  places tid[], brought bigint[], oldest timestamp, youngest timestamp, names text[], marks bigint[]
);
comment on type strata.insertion is
  'A batch that was inserted: where each row was put, and the hash of its key; between which ages they lie '
  '(null: some have none); for the book, the columns and their marks.';

-- A twin that may store other values is read back in the same transaction: a row that became another must not
-- stay. What it takes is found out once for a batch, and not for each of its rows.
create type strata.way_in as (is_read_back boolean, here text, theirs text, insertion text);
comment on type strata.way_in is
  'How rows, record literals ($1), come into a twin: SQL that reads those that are here (how many are as '
  'given, how many there are, the hashes of their keys under a seed ($2), their versions), that counts those '
  'another transaction wrote, and that inserts them (how many went in, hashes, versions).';
