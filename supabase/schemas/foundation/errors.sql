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

-- Errors that are about a line or a server, and a cancel, may as well be raised by code of an owner's that is
-- called here: a condition, a trigger, a check. What it raises is its own dataset's trouble, whatever its
-- SQLSTATE says.
create function strata.is_link_error(p_sqlstate text)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select left(p_sqlstate, 2) in ('08', '28', '2F')
         or p_sqlstate in ('57P01', '57P02', '57P03', '53300', 'ST003', 'ST004', 'ST005', 'ST007',
                           'ST008', 'ST009', 'ST069', '25006')
$$;
comment on function strata.is_link_error(text) is
  'Whether an error is about the neighbour itself rather than one dataset.';

-- By the innermost line of its context, of which neither RAISE nor these words are ever translated.
create function strata.is_raised_by_owner(p_context text)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select l.line ~ '( RAISE$|^while executing .* dblink connection|^remote SQL command: |^PL/Python function )'
         and l.line !~ '(function strata[.]|"strata_)'
    from (select split_part(p_context, chr(10), 1) as line) as l
$$;
comment on function strata.is_raised_by_owner(text) is
  'Whether an error, by its context, was raised by a function that is not Strata''s, or came over a '
  'line that is not Strata''s.';

-- A cancel ends a run once: by a request, or because its statement took too long. It must not be taken for a
-- trouble, or the run would go on. Where messages are in English, Postgres' own are known.
create function strata.is_our_end(p_sqlstate text, p_says text, p_context text)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when p_sqlstate <> '57014' then false
              when current_setting('statement_timeout')::interval > interval '0'
                   and clock_timestamp() - statement_timestamp()
                     >= current_setting('statement_timeout')::interval then true
              when strata.is_raised_by_owner(p_context) then false
              else p_says like 'canceling %'
                   or current_setting('lc_messages') !~* '^(C|POSIX|en)([^a-z]|$)' end
$$;
comment on function strata.is_our_end(text, text, text) is
  'Whether an error that was caught is a cancel of what runs here, which has to end; false for one that code '
  'of an owner''s raised. Takes sqlstate, sqlerrm and the context of the error.';

create function strata.code_to_note(p_sqlstate text, p_context text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when p_sqlstate = '57014'
                or (strata.is_link_error(p_sqlstate)
                    and (left(p_sqlstate, 2) not in ('25', 'ST') or strata.is_raised_by_owner(p_context)))
              then 'ST015' else p_sqlstate end
$$;
comment on function strata.code_to_note(text, text) is
  'The code of an error that was caught where nobody dials: ST015 in place of a cancel''s or a line''s, '
  'which only code of an owner''s raises there.';

create function strata.blame_owner(p_sqlstate text, p_says text, p_context text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not strata.is_our_end(p_sqlstate, p_says, p_context)
     and strata.code_to_note(p_sqlstate, p_context) <> p_sqlstate then
    raise exception '% [%]', p_says, p_sqlstate using errcode = 'ST015', hint = strata.remedy('ST015');
  end if;
end
$$;
comment on function strata.blame_owner(text, text, text) is
  'ST015 in place of an error of an owner''s code that would be taken for a cancel or for a trouble of the '
  'line; nothing for any other.';
