create type strata.pace as (looked_at timestamptz, share integer);
comment on type strata.pace is
  'What a driver last saw of others on the hotter tier: when it looked, by its own '
  'clock, and share_now() there.';

create type strata.journey as (
  step text,
  dataset text,
  batch strata.batch,
  lines text,
  refused jsonb,
  proofs bytea[],
  kept strata.kept,
  outcomes text[],
  description jsonb,
  columns text[],
  sent strata.batch,
  sent_refused jsonb,
  sent_proofs bytea[],
  next strata.batch,
  is_asked boolean,
  is_handed boolean,
  line text,
  closed_move uuid,
  closed_outcomes text[],
  batches_left integer,
  went_well boolean,
  flows_until timestamptz,
  pace strata.pace
);
comment on type strata.journey is
  'A dataset''s rows between two steps of their driver. step: what comes next (claim; tell, told; copy, '
  'prove, purge, close, finish; in a flow turn, check, end, clear), or why the dataset''s turn is over '
  '(done, blocked, later, failed, link down). batch: what is proved, purged and closed. lines: the rows of '
  'what was claimed last; the one who takes the next step hands them on by themselves, because the rest is '
  'copied from call to call. In a flow also: sent, the batch on its way; next, the one claimed; is_asked, '
  'the neighbour owes one; is_handed, its rows are on their way to the neighbour already; line, that the '
  'next message goes out on; closed_move, closed or being closed there, to be finished at its source; '
  'batches_left until it pauses. flows_until: until when batches may follow each other in a flow, if the '
  'last one went well (null: not at all). pace: what was last seen of others on the hotter tier.';
