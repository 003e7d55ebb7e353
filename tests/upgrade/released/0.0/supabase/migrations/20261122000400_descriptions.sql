-- Descriptions: what the hotter tier says of a dataset to the colder one: table, types, key, policy and holds.
--
-- Types are named in full and in the order in which they can be made. `shape` is what a description says of the table,
-- in a few characters: when it changes, the colder tier is told before another row is copied.

create function strata.describe_type(p_type oid)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_strip_nulls(jsonb_build_object(
           'schema', n.nspname, 'name', t.typname, 'extension', e.extname,
           'kind', case when e.extname is null then t.typtype end,
           'labels', (select jsonb_agg(l.enumlabel order by l.enumsortorder)
                        from pg_catalog.pg_enum as l where l.enumtypid = t.oid),
           'base', case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end,
           'not_null', case when t.typtype = 'd' then t.typnotnull end,
           'checks', (select jsonb_agg(pg_catalog.pg_get_constraintdef(k.oid) order by k.conname)
                        from pg_catalog.pg_constraint as k where k.contypid = t.oid and k.contype = 'c'),
           'attributes', (select jsonb_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)) order by a.attnum)
                            from pg_catalog.pg_attribute as a
                           where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped),
           'subtype', format_type(r.rngsubtype, null)))
    from pg_catalog.pg_type as t
    join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
    left join pg_catalog.pg_range as r on r.rngtypid = t.oid
    left join pg_catalog.pg_depend as x
      on x.classid = 'pg_catalog.pg_type'::regclass and x.objid = t.oid and x.deptype = 'e'
    left join pg_catalog.pg_extension as e on e.oid = x.refobjid
   where t.oid = p_type
$$;
comment on function strata.describe_type(oid) is
  'What one type is made of: an enum''s labels, a domain''s base and checks, a composite''s attributes, a range''s '
  'subtype; or the extension it comes with.';
revoke execute on function strata.describe_type(oid) from public;

create function strata.describe_types(p_relation regclass)
returns jsonb
language plpgsql
stable
set search_path = ''
set enable_hashjoin = off -- each type by its number: every table there is has two of its own
set enable_mergejoin = off
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
  'The types of a table''s columns that do not come with Postgres, those others are made of first: enums, domains, '
  'composites, ranges, and what belongs to an extension.';
revoke execute on function strata.describe_types(regclass) from public;

create function strata.describe_columns(p_relation regclass)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
      from pg_catalog.pg_attribute as a
     where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped);
end
$$;
comment on function strata.describe_columns(regclass) is 'Name and type of each column, in the table''s order.';
revoke execute on function strata.describe_columns(regclass) from public;

-- A column that was dropped and made anew has another number, and no row of the table another version.
create function strata.column_numbers(p_relation regclass, p_types jsonb)
returns smallint[]
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select array_agg(a.attnum order by r.o, a.attnum)
      from (select p_relation, 0
            union all
            select to_regclass(format('%I.%I', t.it ->> 'schema', t.it ->> 'name')), t.position
              from jsonb_array_elements(p_types) with ordinality as t (it, position)
             where t.it ->> 'kind' = 'c') as r (relation, o)
      join pg_catalog.pg_attribute as a on a.attrelid = r.relation and a.attnum > 0 and not a.attisdropped);
end
$$;
comment on function strata.column_numbers(regclass, jsonb) is
  'The numbers of a table''s columns, and of the attributes of the composite types among them (of describe_types()).';
revoke execute on function strata.column_numbers(regclass, jsonb) from public;

create function strata.shape(p_relation regclass)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_types constant jsonb := strata.describe_types(p_relation);
begin
  return md5(strata.describe_columns(p_relation)::text || v_types::text || coalesce(strata.key_columns(p_relation)::text, '')
             || strata.column_numbers(p_relation, v_types)::text);
end
$$;
comment on function strata.shape(regclass) is
  'A short text that changes with a table''s columns, types or key, and with nothing else; never null.';
revoke execute on function strata.shape(regclass) from public;

create function strata.describe(p_dataset text)
returns jsonb
language plpgsql
stable
security definer -- strata_mover asks, and may not read the catalogue of datasets itself
set search_path = ''
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_relation constant regclass := strata.relation(v_dataset)::regclass;
begin
  return jsonb_build_object(
    'name', v_dataset.name, 'schema', v_dataset.schema_name, 'table', v_dataset.table_name,
    'key', to_jsonb(strata.key_columns(v_relation)), 'age_column', v_dataset.age_column,
    'core_retention_days', v_dataset.core_retention_days, 'main_retention_days', v_dataset.main_retention_days,
    'delete_after_days', v_dataset.delete_after_days, 'due_when', v_dataset.due_when,
    'size_limit_kb', v_dataset.size_limit_kb, 'delete_triggers', v_dataset.delete_triggers,
    'types', strata.describe_types(v_relation), 'columns', strata.describe_columns(v_relation),
    'revision', v_dataset.revision, 'shape', strata.shape(v_relation),
    'holds', (select coalesce(jsonb_agg(to_jsonb(h)), '[]') from strata.holds as h where h.dataset = p_dataset));
end
$$;
comment on function strata.describe(text) is
  'Everything the colder tier must know of a dataset: table, types, key, policy and holds. ST011: no such dataset.';
revoke execute on function strata.describe(text) from public;
grant execute on function strata.describe(text) to strata_mover;
