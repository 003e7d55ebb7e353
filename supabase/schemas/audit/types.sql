create type strata.verdict as (
  kinds text[], expected bigint, diff bigint, hurt bigint, unknown bigint, rewound bigint, columns text[]
);
comment on type strata.verdict is
  'What is to be said of a month: findings and notes; how many rows there should be and how many more '
  'there are; at least how many are not as they came; how many cannot be told; how many the hotter tier has '
  'forgotten; which columns differ, or are not compared.';

-- While there are rows too many that nobody accepted, the others are compared with how they were beside them
-- as well.
create type strata.judgement as (verdict strata.verdict, aside strata.sight);
comment on type strata.judgement is
  'What is to be said of a month, and how it is to be remembered beside the rows it has too many.';
