-- Told: what the colder neighbour has accepted, as the hotter tier notes it.

-- A colder tier that asks for fewer columns than there are would have rows deleted here that it keeps in
-- part.
create function strata.check_told(p_dataset strata.datasets, p_columns text[])
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_here constant text[] := array(
    select a.attname::text from pg_catalog.pg_attribute as a
     where a.attrelid = to_regclass(strata.relation(p_dataset)) and a.attnum > 0
       and not a.attisdropped order by 1);
  v_told constant text[] := array(select c.name from unnest(p_columns) as c (name)
                                   where c.name is not null order by 1);
begin
  if v_here <> v_told then
    raise exception 'the colder tier takes (%) of "%", which has (%)', array_to_string(v_told, ', '),
      p_dataset.name, array_to_string(v_here, ', ')
      using errcode = 'ST032', hint = strata.remedy('ST032');
  end if;
  return true;
end
$$;
comment on function strata.check_told(strata.datasets, text[]) is
  'True if a colder tier takes every column of a dataset, each once. ST032: it does not.';

create function strata.note_told(p_dataset text, p_revision bigint, p_shape text, p_columns text[])
returns void
language sql
security definer -- a pulling tier calls it as strata_mover
set search_path = pg_catalog, pg_temp
as $$
  update strata.datasets as d
     set told_revision = p_revision, told_shape = p_shape, twin_columns = p_columns
   where d.name = p_dataset and strata.check_asker('colder') and strata.check_told(d, p_columns)
$$;
comment on function strata.note_told(text, bigint, text, text[]) is
  'Notes on the hotter tier what its colder neighbour has accepted, and in which order '
  'that wants the columns.';
grant execute on function strata.note_told(text, bigint, text, text[]) to strata_mover;
