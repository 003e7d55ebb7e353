-- Values: what can cross between servers as text, and what cannot.
--
-- A value crosses as its type writes it and is read again by its type on the colder tier. Some types do not
-- read what they write, some write the name of something that every server has for itself, and some of those
-- a key cannot be made of. Which of them a table has, in whatever its types are made of, is said here.

create function strata.parts_of(p_relation regclass)
returns table (name text, typ oid)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off -- each type by its number: every table there is has two of its own
set enable_mergejoin = off
as $$
begin
  return query
  with recursive parts (name, typ) as (
    select a.attname::text, a.atttypid from pg_catalog.pg_attribute as a
     where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped
    union
    select p.name, x.typ from parts as p join pg_catalog.pg_type as t on t.oid = p.typ
      left join pg_catalog.pg_range as r on t.oid in (r.rngtypid, r.rngmultitypid)
      cross join lateral (select t.typelem as typ where t.typlen = -1
                          union all select t.typbasetype union all select r.rngsubtype
                                                         union all select a.atttypid
                                                           from pg_catalog.pg_attribute as a
                                                          where t.typtype = 'c' and a.attrelid = t.typrelid
                                                            and a.attnum > 0 and not a.attisdropped) as x
     where x.typ <> 0
  )
  select p.name, p.typ from parts as p;
end
$$;
comment on function strata.parts_of(regclass) is
  'A table''s columns with their types and all types that those are made of.';

-- Each server has objects of its own under the numbers of these types; what crosses is the name.
create function strata.names_something(p_type oid)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select t.typnamespace = 'pg_catalog'::regnamespace and (t.typname ~ '^reg' or t.typname = 'aclitem')
            from pg_catalog.pg_type as t where t.oid = p_type);
end
$$;
comment on function strata.names_something(oid) is
  'Is it a type of Postgres''s whose values are objects of their server (reg*, aclitem)?';

create function strata.value_objections(p_relation regclass)
returns table (code text, says text, hint text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with parts as (
    select p.name, p.typ, t.typname, t.typnamespace = 'pg_catalog'::regnamespace as is_builtin, f.typ as whole
      from strata.parts_of(p_relation) as p join pg_catalog.pg_type as t on t.oid = p.typ
     cross join lateral (select format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute as a
                          where a.attrelid = p_relation and a.attname = p.name
                            and not a.attisdropped) as f (typ)
  )
  select 'ST010', format('column "%1$s" of %2$s is of type %3$s: large objects cannot cross', p.name,
                         p_relation, p.whole),
         'Keep the content in a bytea column, or the reference as bigint if nothing hangs on it.'
    from parts as p where (p.is_builtin and p.typname in ('oid', 'oidvector')) or p.typname = 'lo'
  union all
  select 'ST010', format('column "%1$s" of %2$s is of type %3$s: Postgres writes '
                         'values of %4$s and reads none', p.name, p_relation, p.whole, p.typname),
         'Keep its text, in a column of type text.'
    from parts as p
   where p.is_builtin
     and (p.typname in ('pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'gtsvector')
          or p.typname ~ '^pg_brin_')
  union all
  select 'ST010', format('column "%1$s" of the primary key of %2$s is of type %3$s: its values are '
                         'other ones on each server', p.name, p_relation, p.whole),
         'Make the key of the name, as text.'
    from parts as p where p.name = any (strata.key_columns(p_relation)) and strata.names_something(p.typ);
end
$$;
comment on function strata.value_objections(regclass) is
  'Columns of a table whose values cannot cross, whatever they are.';
select strata.pin('strata.value_objections(regclass)');

-- Whether each value was stored as it was given is not known before it is read again: a column may be
-- computed, a number may be that of something here, and a cast of the owner's may read texts in its own way.
create function strata.is_read_back(p_relation regclass)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
begin
  return exists (
    select from (select p_relation as relid union select p.relid
                                              from pg_catalog.pg_partition_tree(p_relation) as p) as r
     where strata.has_insert_triggers(r.relid)
        -- not an exists, for which all columns of all tables are read
        or (select bool_or(a.attgenerated <> '') from pg_catalog.pg_attribute as a
             where a.attrelid = r.relid and not a.attisdropped))
    or exists (
    select from strata.parts_of(p_relation) as p
     where strata.names_something(p.typ)
        or exists (select from pg_catalog.pg_cast as c
                    where c.castsource = 'text'::regtype and c.casttarget = p.typ and c.castmethod = 'f'
                      and c.oid >= 16384
                      and strata.extension_of('pg_catalog.pg_cast'::regclass, c.oid) is null));
end
$$;
comment on function strata.is_read_back(regclass) is
  'Whether rows must be read again as they arrive, because the table may store other values than it is '
  'given: triggers, computed columns, names of objects, casts of the owner''s.';

-- A key is compared as what its domain is made of, whose checks may be other ones here; and by the column's
-- collation, which Postgres would not choose where the domain has one as well.
create function strata.key_value_sql(p_type oid, p_mod integer, p_collation oid, p_text text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_type oid := p_type;
  v_mod integer := p_mod;
  v_base record;
begin
  loop
    select t.typbasetype as typ, t.typtypmod as mod into v_base from pg_catalog.pg_type as t
     where t.oid = v_type and t.typtype = 'd';
    exit when not found;
    v_type := v_base.typ;
    v_mod := v_base.mod;
  end loop;
  return format('%1$s::%2$s', p_text, format_type(v_type, v_mod))
         -- 100: the database's
         || case when p_collation not in (0, 100) then ' collate ' || p_collation::regcollation::text
                 else '' end;
end
$$;
comment on function strata.key_value_sql(oid, integer, oid, text) is
  'SQL that reads a text as a value of a key''s column (its type, modifier and collation), '
  'to be compared with it.';
select strata.pin('strata.key_value_sql(oid, integer, oid, text)');

-- xml is stored as it was given, and written without most of its declaration. Its cast to text leaves it as
-- it is.
create function strata.contains_xml(p_type oid)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  return (
    with recursive parts (typ) as (
      values (p_type)
      union
      select x.typ from parts as p join pg_catalog.pg_type as t on t.oid = p.typ
       cross join lateral (select t.typelem as typ union all select t.typbasetype
         union all select a.atttypid from pg_catalog.pg_attribute as a
                    where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0
                      and not a.attisdropped) as x
       where x.typ <> 0
    )
    select exists (select from parts as p where p.typ = 'xml'::regtype));
end
$$;
comment on function strata.contains_xml(oid) is 'Whether a type is xml or made of it.';

create function strata.array_text(p_array anyarray, p_elements text[])
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_items text[] := array(select substr(concat(array[e.it]), 2, length(concat(array[e.it])) - 2)
                            from unnest(p_elements) with ordinality as e (it, o) order by e.o);
  v_bounds text;
  v_length integer;
begin
  if p_array is null or p_elements = '{}' then
    return p_array::text;
  end if;
  for v_dimension in reverse array_ndims(p_array) .. 1 loop
    v_length := array_length(p_array, v_dimension);
    v_items := array(select '{' || string_agg(i.it, ',' order by i.o) || '}'
                       from unnest(v_items) with ordinality as i (it, o)
                      group by (i.o - 1) / v_length order by (i.o - 1) / v_length);
  end loop;
  select string_agg(format('[%1$s:%2$s]', array_lower(p_array, d), array_upper(p_array, d)), '' order by d)
         || '=' into v_bounds
    from generate_series(1, array_ndims(p_array)) as d having bool_or(array_lower(p_array, d) <> 1);
  return concat(v_bounds, v_items[1]);
end
$$;
comment on function strata.array_text(anyarray, text[]) is
  'An array of these texts, with the dimensions and bounds of another, as arrays are written.';

create function strata.text_sql(p_type oid, p_value text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_type pg_catalog.pg_type;
begin
  if not strata.contains_xml(p_type) then
    return format('case when %1$s is distinct from null then concat(%1$s) end', p_value);
  end if;
  select t.* into v_type from pg_catalog.pg_type as t where t.oid = p_type;
  return case
    when v_type.typtype = 'd' then strata.text_sql(
      v_type.typbasetype, format('(%1$s)::%2$s', p_value, format_type(v_type.typbasetype, v_type.typtypmod)))
    when v_type.typtype = 'c' then (
      select format('case when %1$s is distinct from null then row(%2$s)::text end', p_value,
                    string_agg(strata.text_sql(a.atttypid, format('(%1$s).%2$I', p_value, a.attname)),
                               ', ' order by a.attnum))
        from pg_catalog.pg_attribute as a
       where a.attrelid = v_type.typrelid and a.attnum > 0 and not a.attisdropped)
    when v_type.typelem <> 0 then format(
      'strata.array_text(%1$s, array(select %2$s from (select unnest(%1$s) as it offset 0) as e))', p_value,
      strata.text_sql(v_type.typelem, 'e.it'))
    else format('(%s)::text', p_value) end;
end
$$;
comment on function strata.text_sql(oid, text) is
  'SQL for the text of a value of some type, as the type writes it, but for xml, which is as it '
  'was given; null for null.';
select strata.pin('strata.text_sql(oid, text)');

create function strata.has_insert_triggers(p_relation regclass)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select exists (select from pg_catalog.pg_trigger as g
                    where g.tgrelid = p_relation and not g.tgisinternal and g.tgenabled <> 'D'
                      and g.tgtype::integer & 4 = 4));
end
$$;
comment on function strata.has_insert_triggers(regclass) is
  'Whether a trigger of the owner''s sees rows as they arrive, and may change them.';

-- What crosses of a type is its name and what it is made of, never SQL: the other tier looks names up and
-- writes SQL of its own. A type that comes with an extension is found there in whatever schema the extension
-- is.
create function strata.extension_of(p_class regclass, p_object oid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select e.extname from pg_catalog.pg_depend as x
            join pg_catalog.pg_extension as e on e.oid = x.refobjid
           where x.classid = p_class and x.objid = p_object and x.deptype = 'e'
             and x.refclassid = 'pg_catalog.pg_extension'::regclass);
end
$$;
comment on function strata.extension_of(regclass, oid) is
  'The extension that an object of a catalogue comes with; null for none.';
