-- Askers: what a neighbour may ask of the twins here.

-- What has been forgotten (forget_twin) may be proved and closed until it is described again; a dataset of
-- this tier's own may not even be asked about.
create function strata.check_settled(p_dataset text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_asker constant text := strata.asked_by();
  v_dataset strata.datasets;
begin
  select d.* into v_dataset from strata.datasets as d where d.name = p_dataset;
  if v_asker is null or v_dataset.name is null then
    return;
  elsif v_dataset.accepted_from is distinct from v_asker
    and not (v_dataset.accepted is null and strata.is_allowed_twin(v_dataset)) then
    raise exception 'dataset "%" of % is not one that % settles into it', p_dataset, strata.tier(), v_asker
      using errcode = 'ST029', hint = strata.remedy('ST029');
  end if;
end
$$;
comment on function strata.check_settled(text) is
  'ST029: the neighbour that asks does not settle that dataset into this tier.';

create function strata.asks_for_part(p_dataset strata.datasets, p_columns text[])
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return strata.asked_by() is not null and exists (
    select from jsonb_array_elements(p_dataset.accepted -> 'columns') as c (it)
     where c.it ->> 'name' <> all (array_remove(p_columns, null)));
end
$$;
comment on function strata.asks_for_part(strata.datasets, text[]) is
  'Whether a neighbour asks for the hash of some of a dataset''s columns only: of few '
  'values, it could be guessed.';
