create type strata.drain_piece as (age timestamptz, weight double precision);
comment on type strata.drain_piece is
  'A hundredth of what a drain could take of a dataset: the age of its youngest row, '
  'its share of the weight.';

create type strata.reclaim_plan as (method text, steps text[], gain_bytes bigint, copy_bytes bigint);
comment on type strata.reclaim_plan is
  'How space of one table could be given back, how much, and how much room that takes meanwhile.';
