-- Objections to a twin: what keeps an existing table of the colder tier from taking the described rows.
--
-- Asked when a description is accepted, before anything is added to the table, and again before each batch:
-- what was altered meanwhile would cut values off, or make other ones of them, without a word.

-- The parts of a type by which values are what they are; what else may differ keeps single rows out, with a
-- reason of their own.
create function strata.type_parts(p_type jsonb)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_object_agg(p.name, p_type -> p.name)
    from unnest(array['kind', 'base', 'collation', 'attributes', 'subtype', 'opclass', 'multirange',
                      'range']) as p (name)
$$;
comment on function strata.type_parts(jsonb) is 'Of a described type what must be the same on both tiers.';

create function strata.type_objections(p_description jsonb)
returns table (code text, says text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select 'ST026', format('type %1$I.%2$I is %3$s here, on the hotter tier it is %4$s', d.it ->> 'schema',
                         d.it ->> 'name', jsonb_strip_nulls(h.parts), jsonb_strip_nulls(d.parts))
    from (select t.it, strata.type_parts(t.it) as parts, t.o
            from jsonb_array_elements(p_description -> 'types') with ordinality as t (it, o)) as d
   cross join lateral (select strata.type_parts(strata.describe_type(strata.find_type(d.it))) as parts) as h
   where not d.it ? 'extension' and h.parts <> d.parts
   order by d.o;
end
$$;
comment on function strata.type_objections(jsonb) is
  'Which types of a description are other ones on this tier (ST026), if they are there at all.';

-- A row of a table is read with a null for each column that did not come, also where that has a default.
create function strata.is_never_null(p_type oid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive based as (
    select t.typnotnull, t.typbasetype from pg_catalog.pg_type as t where t.oid = p_type
    union all
    select t.typnotnull, t.typbasetype from based as b join pg_catalog.pg_type as t on t.oid = b.typbasetype
  )
  select coalesce(bool_or(b.typnotnull), false) from based as b
$$;
comment on function strata.is_never_null(oid) is
  'Whether a type is a domain, or one of a domain, that allows no null.';

create function strata.column_objections(
  p_description jsonb, p_accepted jsonb, p_relation regclass
)
returns table (code text, says text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with described as (
    select c.it ->> 'name' as name, coalesce(strata.find_type(c.it -> 'type'), 0) as type,
           coalesce((c.it -> 'type' ->> 'mod')::integer, -1) as mod, c.it ->> 'computed' as computed,
           c.it -> 'type' ->> 'name' as type_name, c.it -> 'collation' as collation
      from jsonb_array_elements(p_description -> 'columns') as c (it)
  ), remembered as (
    select c.it ->> 'name' as name from jsonb_array_elements(p_accepted -> 'columns') as c (it)
  ), here as (
    select a.attname::text as name, a.atttypid as type, a.atttypmod as mod,
           case when a.attcollation <> t.typcollation
                  then strata.collation_ref(a.attcollation, t.typcollation) end as collation,
           case when a.attgenerated <> '' then pg_get_expr(d.adbin, d.adrelid) end as computed,
           a.attgenerated = 'v' as is_virtual,
           a.attnotnull and not a.atthasdef and a.attidentity = '' as must_be_given,
           strata.is_never_null(t.oid) as is_never_null
      from pg_catalog.pg_attribute as a join pg_catalog.pg_type as t on t.oid = a.atttypid
      left join pg_catalog.pg_attrdef as d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
     where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped
  )
  select 'ST021', format('column "%1$s" is gone from twin %2$s on %3$s', d.name, p_relation, strata.tier())
    from described as d join remembered as r using (name) left join here as h using (name)
   where h.name is null
  union all
  select 'ST022', format('column "%1$s" of %2$s is %3$s, on %4$s it is %5$s', d.name, p_relation,
           coalesce(format_type(nullif(d.type, 0), d.mod), d.type_name)
           || coalesce(' collate ' || (d.collation ->> 'name'), ''), strata.tier(),
           format_type(h.type, h.mod) || coalesce(' collate ' || (h.collation ->> 'name'), ''))
    from described as d join here as h using (name)
   where (h.type, h.mod) <> (d.type, d.mod) or h.collation is distinct from d.collation
  union all
  select case when h.is_virtual then 'ST039' else 'ST038' end,
         format('column "%1$s" of %2$s is %3$s, on %4$s it is computed as %5$s', d.name, p_relation,
                coalesce('computed as ' || left(d.computed, 500), 'given'), strata.tier(),
                left(h.computed, 500))
    from described as d join here as h using (name) where h.computed <> coalesce(d.computed, '')
  union all
  select 'ST023', format('column "%1$s" of %2$s is gone from the hotter tier, on %3$s it is still there',
                         h.name, p_relation, strata.tier())
    from here as h join remembered as r using (name) left join described as d using (name)
   where d.name is null
  union all
  select 'ST025',
         format(case when h.is_never_null then 'column "%1$s" of twin %2$s on %3$s is unknown on the hotter '
                                               'tier, and its type %4$s, a domain, allows no null'
                     else 'column "%1$s" of twin %2$s on %3$s must be filled and is unknown on the '
                          'hotter tier' end, h.name, p_relation, strata.tier(), format_type(h.type, h.mod))
    from here as h left join described as d using (name) left join remembered as r using (name)
   where (h.must_be_given or h.is_never_null) and d.name is null and r.name is null;
end
$$;
comment on function strata.column_objections(jsonb, jsonb, regclass) is
  'Which columns of an existing table are not those that are described (ST021 to '
  'ST023, ST025, ST038, ST039).';
select strata.pin('strata.column_objections(jsonb, jsonb, regclass)');

create function strata.twin_objections(p_description jsonb, p_accepted jsonb, p_relation regclass)
returns table (code text, says text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  select 'ST037',
         format('%1$s is a type of its own on %2$s, where the table is to be', p_relation, strata.tier())
    from pg_catalog.pg_class as c where c.oid = p_relation and c.relkind = 'c'
  union all
  select o.code, o.says from strata.column_objections(p_description, p_accepted, p_relation) as o
  union all
  select o.code, o.says from strata.type_objections(p_description) as o
  union all
  select 'ST024', format('the primary key of %1$s is (%2$s), on %3$s it is (%4$s)', p_relation,
           (select string_agg(k, ', ') from jsonb_array_elements_text(p_description -> 'key') as k),
           strata.tier(),
           coalesce(array_to_string(strata.key_columns(p_relation), ', '), 'missing'))
   where to_jsonb(strata.key_columns(p_relation)) is distinct from p_description -> 'key'
  union all
  select 'ST024', format('the primary key of %1$s is deferrable on %2$s', p_relation, strata.tier())
    from pg_catalog.pg_index as i where i.indrelid = p_relation and i.indisprimary and not i.indimmediate
  union all
  select 'ST010', format('twin %1$s on %2$s has rule "%3$s", which is followed when a row %4$s', p_relation,
                         strata.tier(), r.rulename,
                         case r.ev_type when '4' then 'is deleted'
                                        when '3' then 'arrives' else 'is updated' end)
    from pg_catalog.pg_rewrite as r where r.ev_class = p_relation and r.ev_type in ('2', '3', '4')
  union all
  select o.code, o.says from strata.owner_objections(p_relation) as o;
end
$$;
comment on function strata.twin_objections(jsonb, jsonb, regclass) is
  'Why an existing table cannot be the twin of what is described (ST010, ST021 to ST026, ST037 to '
  'ST039); empty when it can.';
select strata.pin('strata.twin_objections(jsonb, jsonb, regclass)');
