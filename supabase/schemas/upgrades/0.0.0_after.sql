-- From what there was before releases had numbers: what needs the code of now.

-- What an open arrival has brought was not written down. It is what lies where it was put; where that is not
-- known, whatever has come since it began, if it is not one of the rows that were here before (not_ours): its
-- source has the fingerprints. Of rows it met here only the share in a digest was kept.
do $$
declare
  v_open record;
  v_columns text[];
begin
  for v_open in
    select a.move_id, a.xmin as began, d as dataset, strata.relation(d) as relation,
           case when a.places is not null and a.file = strata.file_of(strata.twin(d))
                  then 't.ctid = any (a.places) and t.xmin = a.version'
                else 'age(t.xmin) <= age($3)' end as is_ours
      from strata.arrivals as a join strata.datasets as d on d.name = a.dataset
     where a.closed_at is null and strata.twin(d) is not null
       and strata.missing_columns(d, d.key_columns) = '{}'
  loop
    execute format('update strata.arrivals as a set seed = $1, brought = array(select %1$s from %2$s as t '
                   'where %3$s) where a.move_id = $2',
                   strata.brought_sql(v_open.dataset, '$1'), v_open.relation, v_open.is_ours)
      using strata.random_seed(), v_open.move_id, v_open.began;
    continue when not exists (select from strata.met as m where m.move_id = v_open.move_id);
    v_columns := array(select a.attname::text from pg_catalog.pg_attribute as a
                        where a.attrelid = v_open.relation::regclass and a.attnum > 0
                          and not a.attisdropped order by a.attnum);
    execute format('update strata.met as m set fingerprint = t.mark '
                   'from (select strata.fingerprint(%1$s) as mark from %2$s as t) as t '
                   ' where m.move_id = $1 and substr(m.fingerprint, 1, 8) = substr(t.mark, 1, 8)',
                   strata.content_sql(v_open.relation::regclass, v_columns), v_open.relation)
      using v_open.move_id;
  end loop;
end
$$;

-- Conditions that a hotter tier sent were kept as the SQL it sent. What can be said as data is written anew
-- here; what cannot waits until the owner of this tier has read it (take_conditions), and meanwhile nothing
-- of the dataset leaves.
do $$
declare
  v_one record;
  v_sql text;
begin
  for v_one in
    select d.name, d.due_when as condition, null::uuid as hold_id, strata.twin(d) as twin
      from strata.datasets as d
     where d.accepted is not null and d.due_when is not null
    union all
    select d.name, h.condition, h.hold_id, strata.twin(d)
      from strata.holds as h join strata.datasets as d on d.name = h.dataset
     where d.accepted is not null and h.condition is not null
       and h.made_on is distinct from (select s.tier from strata.self as s)
  loop
    begin
      v_sql := strata.condition_sql(strata.condition_tree(v_one.condition), v_one.twin);
    exception when others then
      v_sql := null;
    end;
    if v_one.hold_id is null then
      update strata.datasets as d
         set due_when = v_sql, waits_for = case when v_sql is null then v_one.condition end
       where d.name = v_one.name;
    else
      update strata.holds as h
         set condition = coalesce(v_sql, 'true'), waits_for = case when v_sql is null then v_one.condition end
       where h.hold_id = v_one.hold_id;
    end if;
    perform strata.tell_waiting(v_one.name) where v_sql is null;
  end loop;
end
$$;

-- A description that was accepted named types as SQL. Until the hotter tier has told its own anew, it is what
-- the twin has.
update strata.datasets as d
   set accepted = d.accepted
       || jsonb_build_object('types', strata.describe_types(strata.twin(d)), 'columns', (
         select jsonb_agg(coalesce(h.it, jsonb_build_object(
           'name', a.it ->> 'name', 'type', '{"schema": "pg_catalog", "name": "text"}'::jsonb)) order by a.o)
           from jsonb_array_elements(d.accepted -> 'columns') with ordinality as a (it, o)
           left join jsonb_array_elements(strata.describe_attributes(strata.twin(d))) as h (it)
             on h.it ->> 'name' = a.it ->> 'name'))
 where d.accepted is not null and strata.twin(d) is not null;

-- The book of a month begins when an audit has found it right: what came before the upgrade is not in it. And
-- how many rows have come and stayed, moved on or were deleted at their age; of a large table, about how
-- many.
do $$
declare
  v_one record;
  v_rows bigint;
begin
  for v_one in
    select d.name, strata.relation(d) as relation, c.reltuples
      from strata.datasets as d join pg_catalog.pg_class as c on c.oid = strata.twin(d)
     where d.accepted is not null
  loop
    v_rows := v_one.reltuples::bigint;
    begin
      insert into strata.books (dataset, month, changes)
      select v_one.name, m.month, 1 from unnest(strata.stock_months(v_one.name)) as m (month)
      on conflict do nothing;
      if v_rows < 1000000 then
        execute format('select count(*) from %s', v_one.relation) into v_rows;
      end if;
    -- what is wrong with that table stands with its dataset, and stops no upgrade
    exception when others then null;
    end;
    insert into strata.came (dataset, rows)
    select v_one.name, greatest(v_rows
        + (select coalesce(sum(l.rows), 0) from strata.ledger as l
            where l.dataset = v_one.name and l.what in ('moved', 'deleted'))
        - (select coalesce(sum(a.rows_received), 0) from strata.arrivals as a
            where a.dataset = v_one.name and a.closed_at is null), 0)
    on conflict do nothing;
  end loop;
end
$$;
