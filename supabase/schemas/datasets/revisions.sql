-- Revisions: with which number of its policy a dataset begins.

create function strata.first_revision(p_dataset text)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$ select coalesce(max(t.revision), 0) + 1 from strata.tellings as t where t.dataset = p_dataset $$;
comment on function strata.first_revision(text) is
  'With which revision a dataset begins: past what was told of one of that name before.';
