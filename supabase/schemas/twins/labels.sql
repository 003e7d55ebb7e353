-- Labels: enums that change on the hotter tier, recognised on the colder one.
--
-- A label that was renamed means what it meant, under another name; two that were swapped have the same names
-- as before. So a tier remembers of every label what it was told: the number it has on the hotter tier, which
-- a rename does not change, and which label of its own that is. Rows that settled keep the name they came
-- with until the owner of this tier renames the label here; until then nothing more of that type comes in.
-- The statements are written here, and nobody but the owner runs them.

-- `is_now` is what the hotter tier calls a label that is called `here` on this one; null if there is none any
-- more. From another origin (a table put back from a dump, a type made anew) numbers tell nothing, and a
-- label is the one of its name.
create function strata.told_labels(p_type jsonb, p_here oid)
returns table (here text, is_now text, at_here real, at_now bigint)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_origin_here constant text := strata.type_origin(p_here);
begin
  return query
  with told as (
    select t.origin = p_type ->> 'origin' as is_same, t.label_id as id,
           coalesce(o.enumlabel, n.enumlabel)::text as here,
           coalesce(o.enumsortorder, n.enumsortorder) as at_here
      from strata.labels_told as t
      left join pg_catalog.pg_enum as o
        on o.enumtypid = p_here and o.oid = t.label_here and t.origin_here = v_origin_here
      left join pg_catalog.pg_enum as n on n.enumtypid = p_here and n.enumlabel = t.label and o.oid is null
     where t.schema_name = p_type ->> 'schema' and t.type_name = p_type ->> 'name'
  ), described as (
    select l.label, i.id, l.position
      from jsonb_array_elements_text(p_type -> 'labels') with ordinality as l (label, position)
      left join jsonb_array_elements_text(p_type -> 'label_ids') with ordinality as i (id, position)
     using (position)
  )
  select t.here, d.label, t.at_here, d.position
    from told as t left join described as d on case when t.is_same then d.id = t.id else d.label = t.here end
   where t.here is not null;
end
$$;
comment on function strata.told_labels(jsonb, oid) is
  'Of each label that this tier was told of: what it is called here, what the hotter tier calls it '
  'now, and where it stands.';

-- One statement after another, each of which can be run: a name that is taken is made free first. What is too
-- long for one message comes with the next.
create function strata.renames(p_type text, p_labels text[], p_from text[], p_to text[])
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  v_labels text[] := p_labels;
  v_from text[] := p_from;
  v_to text[] := p_to;
  v_at integer;
  v_old text;
  v_new text;
  v_spare integer := 1;
  v_statements text := '';
begin
  while cardinality(v_from) > 0 and length(v_statements) < 600 loop
    v_at := coalesce((select min(i)::integer from generate_subscripts(v_to, 1) as i
                       where v_to[i] <> all (v_labels)), 0);
    if v_at > 0 then
      v_old := v_from[v_at];
      v_new := v_to[v_at];
      v_from := v_from[: v_at - 1] || v_from[v_at + 1 :];
      v_to := v_to[: v_at - 1] || v_to[v_at + 1 :];
    else
      while 'spare ' || v_spare = any (v_labels || v_to) loop
        v_spare := v_spare + 1;
      end loop;
      v_old := v_to[1];
      v_new := 'spare ' || v_spare;
      v_from := array_replace(v_from, v_old, v_new);
    end if;
    v_labels := array_replace(v_labels, v_old, v_new);
    v_statements := v_statements
                    || format(' alter type %1$s rename value %2$L to %3$L;', p_type, v_old, v_new);
  end loop;
  return ltrim(v_statements);
end
$$;
comment on function strata.renames(text, text[], text[], text[]) is
  'Statements that rename labels of an enum, which has p_labels, from p_from to p_to, '
  'also where they swap names.';

create function strata.check_labels(p_type jsonb, p_here oid)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name constant text := strata.type_sql(p_type);
  v_old text[];
  v_new text[];
  v_gone text;
begin
  select array_agg(t.here order by t.at_here), array_agg(t.is_now order by t.at_here) into v_old, v_new
    from strata.told_labels(p_type, p_here) as t where t.is_now <> t.here;
  if v_old is not null then
    raise exception 'label % of type % is called % on the hotter tier%. On %: %', quote_literal(v_old[1]),
      v_name, quote_literal(v_new[1]),
      case when cardinality(v_old) > 1 then format(', and %s more', cardinality(v_old) - 1) else '' end,
      strata.tier(),
      strata.renames(v_name, array(select e.enumlabel::text from pg_catalog.pg_enum as e
                                    where e.enumtypid = p_here), v_old, v_new)
      using errcode = 'ST034', hint = strata.remedy('ST034');
  end if;
  select min(t.here) filter (where t.is_now is null) into v_gone from strata.told_labels(p_type, p_here) as t;
  if v_gone is not null then
    raise exception 'label % of type % is gone from the hotter tier, on % it is still there',
      quote_literal(v_gone), v_name, strata.tier()
      using errcode = 'ST035', hint = strata.remedy('ST035');
  end if;
  select min(t.here) into v_gone
    from (select l.here, l.at_now < lag(l.at_now) over (order by l.at_here) as is_moved
            from strata.told_labels(p_type, p_here) as l) as t
   where t.is_moved;
  if v_gone is not null then
    raise exception 'label % of type % stands in another place on the hotter tier than on %',
      quote_literal(v_gone), v_name, strata.tier()
      using errcode = 'ST035', hint = strata.remedy('ST035');
  end if;
end
$$;
comment on function strata.check_labels(jsonb, oid) is
  'Refuses an enum of which a label that this tier was told of is called otherwise now (ST034), is gone or '
  'stands elsewhere (ST035).';

-- An enum that was here before is its owner's. It gets labels if the twin is made of it, or if they only
-- follow those it has.
create function strata.may_grow(p_type jsonb, p_here oid, p_table regclass)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (select from strata.labels_told as t
                  where (t.schema_name, t.type_name) = (p_type ->> 'schema', p_type ->> 'name'))
      or exists (select from jsonb_array_elements(strata.describe_types(p_table)) as t (it)
                  where p_table is not null
                    and (t.it ->> 'schema', t.it ->> 'name') = (p_type ->> 'schema', p_type ->> 'name'))
      or not exists (
           select
             from (select e.enumlabel::text as label, row_number() over (order by e.enumsortorder) as position
                     from pg_catalog.pg_enum as e where e.enumtypid = p_here) as h
            where h.label is distinct from p_type -> 'labels' ->> (h.position - 1)::integer);
end
$$;
comment on function strata.may_grow(jsonb, oid, regclass) is
  'Whether an enum of this tier may get labels for a described one: it has been a twin''s, it is this '
  'table''s, or it begins with the same ones.';

create function strata.grow_enum(p_type jsonb, p_here oid, p_table regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  v_name constant text := strata.type_sql(p_type);
  v_statement text;
begin
  for v_statement in
    with described as (
      select l.label, l.position, lag(l.label) over (order by l.position) as before_it
        from jsonb_array_elements_text(p_type -> 'labels') with ordinality as l (label, position)
    )
    select format('alter type %1$s add value %2$L%3$s;', v_name, d.label,
                  coalesce(' after ' || quote_literal(d.before_it), ' before ' || quote_literal(f.first)))
      from described as d,
           (select (array_agg(e.enumlabel::text order by e.enumsortorder))[1] as first
              from pg_catalog.pg_enum as e where e.enumtypid = p_here) as f
     where not exists (select from pg_catalog.pg_enum as e
                        where e.enumtypid = p_here and e.enumlabel = d.label)
     order by d.position
  loop
    if not strata.may_grow(p_type, p_here, p_table) then
      raise exception 'it is no twin''s and lacks labels. If it is the same type, on %: %', strata.tier(),
        v_statement
        using errcode = 'ST026', hint = strata.remedy('ST026');
    end if;
    execute v_statement;
  end loop;
end
$$;
comment on function strata.grow_enum(jsonb, oid, regclass) is
  'Gives an enum the described labels it lacks, each in its place. ST026: it is one that this '
  'dataset has no part in.';

create function strata.note_labels(p_type jsonb, p_here oid)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  delete from strata.labels_told as t
   where (t.schema_name, t.type_name) = (p_type ->> 'schema', p_type ->> 'name');
  insert into strata.labels_told (schema_name, type_name, origin, label_id, label, origin_here, label_here)
  select p_type ->> 'schema', p_type ->> 'name', p_type ->> 'origin', i.id, e.enumlabel,
         strata.type_origin(p_here), e.oid
    from jsonb_array_elements_text(p_type -> 'labels') with ordinality as l (label, position)
    join jsonb_array_elements_text(p_type -> 'label_ids') with ordinality as i (id, position) using (position)
    join pg_catalog.pg_enum as e on e.enumtypid = p_here and e.enumlabel = l.label
$$;
comment on function strata.note_labels(jsonb, oid) is
  'Remembers the labels of an enum as the hotter tier told of them.';

create function strata.accept_type(p_type jsonb, p_table regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- then single rows are refused, with a reason of their own
  c_may_differ constant text[] := array['labels', 'label_ids', 'origin', 'not_null', 'is_table'];
  v_name constant text := format('%1$I.%2$I', p_type ->> 'schema', p_type ->> 'name');
  v_is_enum constant boolean := coalesce(p_type ->> 'kind' = 'e', false);
  v_type oid := strata.find_type(p_type);
  v_here jsonb;
  v_context text;
begin
  perform strata.check_labels(p_type, v_type) where v_is_enum and v_type is not null;
  begin
    if v_type is null then
      perform strata.make_type(p_type);
      v_type := strata.find_type(p_type);
    elsif v_is_enum then
      perform strata.grow_enum(p_type, v_type, p_table);
    end if;
  exception when query_canceled or assert_failure or others then
    get stacked diagnostics v_context = pg_exception_context;
    if strata.is_our_end(sqlstate, sqlerrm, v_context) then
      raise;
    end if;
    raise exception 'type % cannot be made here: %', v_name, sqlerrm
      using errcode = case when sqlstate = 'ST029' then sqlstate else 'ST026' end,
            hint = strata.remedy(case when sqlstate = 'ST029' then sqlstate else 'ST026' end);
  end;
  v_here := strata.describe_type(v_type);
  if v_here is null
     or (not p_type ? 'extension' and v_here - c_may_differ is distinct from p_type - c_may_differ) then
    raise exception 'type % is % here, on the hotter tier it is %', v_name, coalesce(v_here::text, 'missing'),
      p_type
      using errcode = 'ST026', hint = strata.remedy('ST026');
  end if;
  perform strata.note_labels(p_type, v_type) where v_is_enum;
end
$$;
comment on function strata.accept_type(jsonb, regclass) is
  'Makes one described type, or gives an enum of table p_table its new labels. ST026: it cannot be made on '
  'this tier, or is another one here. ST034, ST035: labels of it are called otherwise now.';
