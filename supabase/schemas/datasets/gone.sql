-- Gone: what is to be said of a table that is not there any more.

create function strata.twin_is_gone(p_dataset strata.datasets)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('the twin %1$s is gone from %2$s', strata.relation(p_dataset), strata.tier())
         || coalesce(case when c.rows = 0 then null else
              format(', with %1$s of the %2$s that had come%3$s%4$s',
                     greatest(c.rows - l.moved - l.deleted, 0), strata.counted(c.rows, 'row'),
                     case when l.moved > 0 then format('; %1$s had moved on to %2$s', l.moved,
                                                       coalesce(strata.colder(), 'the next tier')) end,
                     case when l.deleted > 0
                            then format('; %s had been deleted at their age', l.deleted) end) end, '')
    from (select coalesce((select x.rows from strata.came as x where x.dataset = p_dataset.name),
                          0) as rows) as c
   cross join (select coalesce(sum(x.rows) filter (where x.what = 'moved'), 0) as moved,
                      coalesce(sum(x.rows) filter (where x.what = 'deleted'), 0) as deleted
                 from strata.ledger as x where x.dataset = p_dataset.name) as l
$$;
comment on function strata.twin_is_gone(strata.datasets) is
  'What is to be said of a twin that is gone: how many rows with it, and where the others that came went.';

create function strata.table_is_gone(p_dataset strata.datasets)
returns table (says text, remedy text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when p_dataset.accepted is not null then strata.twin_is_gone(p_dataset)
              else format('table %s is gone', strata.relation(p_dataset)) end,
         strata.remedy(case when p_dataset.accepted is not null then 'ST020' else '42P01' end, p_dataset.name)
$$;
comment on function strata.table_is_gone(strata.datasets) is
  'What is to be said of a dataset whose table is gone, and what to do: the same wherever it is found.';
