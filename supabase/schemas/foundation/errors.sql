create function strata.remedy(p_sqlstate text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (select e.remedy from strata.errors as e
      where e.code in (p_sqlstate, left(p_sqlstate, 2))
      order by length(e.code) desc limit 1),
    'read the message; the row, the table or the tier named there needs a look')
$$;
comment on function strata.remedy(text) is
  'What to do about an SQLSTATE: the remedy of the whole code, else of its class, else a general word.';
