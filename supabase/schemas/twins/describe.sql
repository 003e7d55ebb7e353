-- Descriptions: what the hotter tier says of a dataset to the colder one: table, types, key, policy and
-- holds.
--
-- Types are named in full and in the order in which they can be made, and nothing of it is SQL: the colder
-- tier runs nothing that came over a link. `shape` is what a description says of the table, in a few
-- characters: when it changes, the colder tier is told before another row is copied.

create function strata.type_ref(p_type oid, p_mod integer default -1)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_strip_nulls(jsonb_build_object('schema', case when x.name is null then n.nspname end,
                                                'name', t.typname,
             'extension', x.name, 'mod', nullif(p_mod, -1),
             'is_array', case when e.oid is not null then true end))
      from pg_catalog.pg_type as a
      left join pg_catalog.pg_type as e on e.oid = a.typelem and e.typarray = a.oid
      join pg_catalog.pg_type as t on t.oid = coalesce(e.oid, a.oid)
      join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
      cross join lateral (select case when t.oid >= 16384 then strata.extension_of(
        'pg_catalog.pg_type'::regclass, t.oid) end) as x (name)
     where a.oid = p_type);
end
$$;
comment on function strata.type_ref(oid, integer) is
  'A type as a neighbour can look it up: schema (or the extension it comes with), name, modifier, and '
  'whether it is an array of it.';

-- The catalogue calls a locale by another name from version to version.
create function strata.collation_ref(p_collation oid, p_usual oid)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_strip_nulls(jsonb_build_object('schema', n.nspname, 'name', c.collname,
                                                'provider', c.collprovider,
             'deterministic', c.collisdeterministic, 'rules', to_jsonb(c) ->> 'collicurules',
             'locale', case c.collprovider
                         when 'i' then coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale')
                         end))
      from pg_catalog.pg_collation as c join pg_catalog.pg_namespace as n on n.oid = c.collnamespace
     where c.oid = p_collation and p_collation <> p_usual);
end
$$;
comment on function strata.collation_ref(oid, oid) is
  'A collation as a neighbour can look it up or make it; null for the usual one of its type.';

-- How a column is computed is told to be compared, and never run: a twin is given all values.
create function strata.describe_attributes(p_relation oid)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', a.attname,
                                                          'type', strata.type_ref(a.atttypid, a.atttypmod),
             'collation', strata.collation_ref(a.attcollation, t.typcollation),
             'computed', case when a.attgenerated <> '' then pg_get_expr(d.adbin, d.adrelid) end))
                     order by a.attnum)
      from pg_catalog.pg_attribute as a join pg_catalog.pg_type as t on t.oid = a.atttypid
      left join pg_catalog.pg_attrdef as d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
     where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped);
end
$$;
comment on function strata.describe_attributes(oid) is
  'Name, type and collation of each column of a table, or attribute of a composite type, in order; and how '
  'it is computed, if it is.';
select strata.pin('strata.describe_attributes(oid)');

create function strata.type_origin(p_type oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select format('%1$s/%2$s/%3$s', s.system_identifier, d.oid, p_type)
            from pg_catalog.pg_control_system() as s, pg_catalog.pg_database as d
           where d.datname = current_database());
end
$$;
comment on function strata.type_origin(oid) is
  'Server, database and type, within which the numbers of an enum''s labels are its own.';

create function strata.describe_type(p_type oid)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_strip_nulls(jsonb_build_object(
             'schema', n.nspname, 'name', t.typname, 'extension', e.name,
             'kind', case when e.name is null then t.typtype end,
             'labels', (select jsonb_agg(l.enumlabel order by l.enumsortorder)
                          from pg_catalog.pg_enum as l where l.enumtypid = t.oid),
             'label_ids', (select jsonb_agg(l.oid::text order by l.enumsortorder)
                             from pg_catalog.pg_enum as l where l.enumtypid = t.oid and e.name is null),
             'origin', case when t.typtype = 'e' and e.name is null then strata.type_origin(t.oid) end,
             'base', case when t.typtype = 'd' then strata.type_ref(t.typbasetype, t.typtypmod) end,
             'collation', case t.typtype when 'd' then strata.collation_ref(t.typcollation, b.typcollation)
                                         when 'r'
                                           then strata.collation_ref(r.rngcollation, s.typcollation) end,
             'not_null', case when t.typtype = 'd' then t.typnotnull end,
             'attributes', case when t.typtype = 'c' then strata.describe_attributes(t.typrelid) end,
             'is_table', case when t.typtype = 'c' and k.relkind = 'r' then true end,
             'subtype', case when t.typtype = 'r' then strata.type_ref(r.rngsubtype) end,
             'opclass', case when t.typtype = 'r' and not o.opcdefault
                             then jsonb_build_object('schema', (
                               select x.nspname from pg_catalog.pg_namespace as x
                                where x.oid = o.opcnamespace), 'name', o.opcname) end,
             'multirange', case when t.typtype = 'r' then strata.type_ref(r.rngmultitypid) end,
             'range', case when t.typtype = 'm' then strata.type_ref(r.rngtypid) end,
             'canonical', case when t.typtype = 'r'
                                and r.rngcanonical <> 0 then r.rngcanonical::regproc::text end))
      from pg_catalog.pg_type as t
      join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
      left join pg_catalog.pg_range as r on t.oid in (r.rngtypid, r.rngmultitypid)
      left join pg_catalog.pg_type as s on s.oid = r.rngsubtype
      left join pg_catalog.pg_opclass as o on o.oid = r.rngsubopc
      left join pg_catalog.pg_type as b on b.oid = t.typbasetype
      left join pg_catalog.pg_class as k on k.oid = t.typrelid
      cross join lateral (select strata.extension_of('pg_catalog.pg_type'::regclass, t.oid)) as e (name)
     where t.oid = p_type);
end
$$;
comment on function strata.describe_type(oid) is
  'What one type is made of, in names: an enum''s labels (and their numbers, by which a renamed one is '
  'recognised), a domain''s base (its checks stay where they are), a composite''s attributes (and whether '
  'it is the row type of a table), a range''s subtype, operator class, collation and multirange; or the '
  'extension it comes with.';
select strata.pin('strata.describe_type(oid)');

create function strata.describe_types(p_relation regclass)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- each type by its number: every table there is has two of its own
set enable_mergejoin = off
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
begin
  return (
    with recursive used (typ, depth) as (
      select a.atttypid, 0 from pg_catalog.pg_attribute as a
       where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped
      union
      select d.typ, u.depth + 1
        from used as u
        join pg_catalog.pg_type as t on t.oid = u.typ
        left join pg_catalog.pg_range as r on r.rngtypid = t.oid or r.rngmultitypid = t.oid
        cross join lateral (
          select t.typelem as typ where t.typelem <> 0
          union all select t.typbasetype where t.typbasetype <> 0
          union all select r.rngsubtype where t.typtype = 'r'
          union all select r.rngtypid where t.typtype = 'm'
          union all select a.atttypid from pg_catalog.pg_attribute as a
                     where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
        ) as d
       where u.depth < 20
    ), ours as (
      select t.oid, max(u.depth) as depth
        from used as u
        join pg_catalog.pg_type as t on t.oid = u.typ
       where t.typnamespace <> 'pg_catalog'::regnamespace and (t.typelem = 0 or t.typtype <> 'b')
       group by t.oid
    )
    select coalesce(jsonb_agg(d.it order by o.depth desc, d.it ->> 'schema', d.it ->> 'name'), '[]')
      from ours as o cross join lateral (select strata.describe_type(o.oid)) as d (it));
end
$$;
comment on function strata.describe_types(regclass) is
  'The types of a table''s columns that do not come with Postgres, those others are made of first: enums, '
  'domains, composites, ranges, and what belongs to an extension.';

-- A column that was dropped and made anew has another number, and no row of the table another version.
create function strata.column_numbers(p_relation regclass, p_types jsonb)
returns smallint[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select array_agg(a.attnum order by r.o, a.attnum)
      from (select p_relation, 0
            union all
            select to_regclass(format('%1$I.%2$I', t.it ->> 'schema', t.it ->> 'name')), t.position
              from jsonb_array_elements(p_types) with ordinality as t (it, position)
             where t.it ->> 'kind' = 'c') as r (relation, o)
      join pg_catalog.pg_attribute as a on a.attrelid = r.relation and a.attnum > 0 and not a.attisdropped);
end
$$;
comment on function strata.column_numbers(regclass, jsonb) is
  'The numbers of a table''s columns, and of the attributes of the composite types among '
  'them (of describe_types()).';

create function strata.shape(p_relation regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
declare
  v_types constant jsonb := strata.describe_types(p_relation);
begin
  return md5(strata.describe_attributes(p_relation)::text || v_types::text
             || coalesce(strata.key_columns(p_relation)::text, '')
             || strata.column_numbers(p_relation, v_types)::text);
end
$$;
comment on function strata.shape(regclass) is
  'A short text that changes with a table''s columns, types or key, and with nothing else; never null.';

create function strata.check_table(p_dataset strata.datasets)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_objection record;
begin
  for v_objection in
    select * from strata.objections(strata.relation(p_dataset)::regclass, p_dataset.age_column,
                                    p_dataset.delete_triggers) limit 1
  loop
    raise exception '%', v_objection.says using errcode = v_objection.code, hint = v_objection.hint;
  end loop;
end
$$;
comment on function strata.check_table(strata.datasets) is
  'Raises what keeps a table from being settled now; ST010 to ST014.';

create function strata.describe(p_dataset text)
returns jsonb
language plpgsql
stable
security definer -- strata_mover asks, and may not read the catalogue of datasets itself
set search_path = pg_catalog, pg_temp
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_relation constant regclass := strata.relation(v_dataset)::regclass;
  v_due_when constant jsonb :=
    case when v_dataset.waits_for is null then strata.condition_tree(v_dataset.due_when) end;
begin
  perform strata.check_asker('colder');
  perform strata.check_table(v_dataset) where coalesce(strata.key_columns(v_relation), '{}') = '{}';
  return jsonb_build_object(
    'name', v_dataset.name, 'schema', v_dataset.schema_name, 'table', v_dataset.table_name,
    'key', to_jsonb(strata.key_columns(v_relation)), 'age_column', v_dataset.age_column,
    'core_retention_days', v_dataset.core_retention_days,
    'main_retention_days', v_dataset.main_retention_days,
    'delete_after_days', v_dataset.delete_after_days, 'due_when', v_due_when,
    'due_when_sql', case when v_due_when is null then coalesce(v_dataset.waits_for, v_dataset.due_when) end,
    'size_limit_kb', v_dataset.size_limit_kb, 'delete_triggers', v_dataset.delete_triggers,
    'types', strata.describe_types(v_relation), 'columns', strata.describe_attributes(v_relation),
    'revision', v_dataset.revision, 'shape', strata.shape(v_relation),
    'confirmed', strata.confirmed(v_dataset),
    'holds', (select coalesce(
      jsonb_agg(to_jsonb(h) - 'condition' - 'waits_for'
                || jsonb_build_object('condition', c.tree, 'condition_sql',
                     case when c.tree is null then coalesce(h.waits_for, h.condition) end)
                order by h.hold_id), '[]')
                from strata.holds as h,
                     lateral (select case when h.waits_for is null
                                            then strata.condition_tree(h.condition) end) as c (tree)
               where h.dataset = p_dataset));
end
$$;
comment on function strata.describe(text) is
  'Everything the colder tier must know of a dataset: table, types, key, policy and holds. ST010: without a '
  'key it is no dataset. ST011: there is none of that name.';
select strata.pin('strata.describe(text)');
grant execute on function strata.describe(text) to strata_mover;
