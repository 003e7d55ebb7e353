-- What one reason says, and what must happen before the row may go; null: it does not stand in the way of
-- what is next.
create type strata.reason as (says text, until timestamptz, once text);
comment on type strata.reason is
  'Why a row is where it is: a sentence; until when that counts, and what has to '
  'happen before the row may go.';
