-- Types: those a description names, found or made on the colder tier.
--
-- Whatever a neighbour says is looked up here by name, and the SQL that makes a type is written here, from
-- names, labels and numbers. What would need SQL of the neighbour's is left out where the colder tier does
-- not need it (a domain's checks: the rows have passed them) or refused with what is missing (a range's
-- canonical function, an extension that brings more than types).

-- Schemas in which a neighbour's description may make nothing: Postgres's, the platform's and Strata's own.
create function strata.check_place(p_schema text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(p_schema, '') in ('', 'strata', 'information_schema', 'cron', 'vault', 'net', 'auth', 'storage',
                                'realtime', 'extensions', 'pgsodium',
      'graphql', 'graphql_public', 'supabase_functions', 'supabase_migrations') or p_schema ~ '^(pg|_)' then
    raise exception 'a neighbour''s table or type would lie in schema "%" of %', coalesce(p_schema, ''),
      strata.tier()
      using errcode = 'ST029', hint = strata.remedy('ST029');
  end if;
  if to_regnamespace(quote_ident(p_schema)) is null then
    execute format('create schema %I', p_schema);
  end if;
end
$$;
comment on function strata.check_place(text) is
  'Makes the schema of a described table or type unless it is there. ST029: it belongs to Postgres, '
  'the platform or Strata.';

create function strata.find_type(p_ref jsonb)
returns oid
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select case when p_ref -> 'is_array' = 'true' then nullif(t.typarray, 0) else t.oid end
      from pg_catalog.pg_type as t join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
     where t.typname = p_ref ->> 'name'
       and case when p_ref ? 'extension'
                  then strata.extension_of('pg_catalog.pg_type'::regclass, t.oid) = p_ref ->> 'extension'
                else n.nspname = p_ref ->> 'schema' end);
end
$$;
comment on function strata.find_type(jsonb) is
  'The type of this tier that a neighbour named; null when there is none.';

create function strata.type_sql(p_ref jsonb)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  v_type constant oid := strata.find_type(p_ref);
begin
  if v_type is null or (p_ref ? 'mod' and coalesce(p_ref ->> 'mod' !~ '^-?\d{1,10}$', true)) then
    raise exception 'type % is missing on %', concat_ws('.', p_ref ->> 'schema', p_ref ->> 'name'),
      strata.tier()
      using errcode = 'ST026', hint = strata.remedy('ST026');
  end if;
  return format_type(v_type, coalesce((p_ref ->> 'mod')::integer, -1));
end
$$;
comment on function strata.type_sql(jsonb) is
  'SQL of a type that a neighbour named, written here. ST026: there is no such type.';
select strata.pin('strata.type_sql(jsonb)');

create function strata.collation_sql(p_ref jsonb)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name constant text := concat_ws('.', quote_ident(p_ref ->> 'schema'), quote_ident(p_ref ->> 'name'));
  v_here jsonb;
begin
  if p_ref is null then
    return '';
  end if;
  v_here := strata.collation_ref(to_regcollation(v_name), 0);
  if v_here is null and p_ref ->> 'provider' = 'i' then
    perform strata.check_place(p_ref ->> 'schema');
    execute format('create collation %1$s (provider = icu, locale = %2$L, deterministic = %3$s)', v_name,
                   p_ref ->> 'locale',
                   case when p_ref -> 'deterministic' = 'false' then 'false' else 'true' end
                   || coalesce(', rules = ' || quote_literal(p_ref ->> 'rules'), ''));
    v_here := strata.collation_ref(to_regcollation(v_name), 0);
  end if;
  if v_here is distinct from p_ref then
    raise exception 'collation % is % on %, on the hotter tier it is %', v_name,
      coalesce(v_here::text, 'missing'), strata.tier(), p_ref
      using errcode = 'ST026', hint = strata.remedy('ST026');
  end if;
  return format(' collate %s', v_name);
end
$$;
comment on function strata.collation_sql(jsonb) is
  'SQL of a collation that a neighbour named, made if it is one of ICU; empty for none. ST026: it is '
  'missing or another one here.';

create function strata.attributes_sql(p_attributes jsonb)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select string_agg(format('%1$I %2$s%3$s', a.it ->> 'name', strata.type_sql(a.it -> 'type'),
                             strata.collation_sql(a.it -> 'collation')), ', ' order by a.o)
      from jsonb_array_elements(p_attributes) with ordinality as a (it, o));
end
$$;
comment on function strata.attributes_sql(jsonb) is
  'SQL of the columns of a described table, or the attributes of a described type. ST026: a type is missing.';

-- Extensions whose types people have in columns. Any other one brings code of which its owner should know.
create function strata.make_extension(p_extension text, p_schema text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_schema text := p_schema;
begin
  if exists (select from pg_catalog.pg_extension as e where e.extname = p_extension) then
    return;
  elsif coalesce(p_extension, '') not in ('citext', 'cube', 'hstore', 'intarray', 'isn', 'ltree', 'postgis',
                                          'seg', 'unit', 'vector') then
    raise exception 'extension % is missing on %, and no neighbour may install it', p_extension, strata.tier()
      using errcode = 'ST026',
            hint = 'On that tier, as its owner: create extension ' || quote_ident(p_extension) || ';';
  end if;
  if v_schema <> 'extensions' then
    perform strata.check_place(v_schema);
  end if;
  execute format('create extension %1$I with schema %2$I', p_extension, v_schema);
end
$$;
comment on function strata.make_extension(text, text) is
  'Installs an extension that brings types, unless it is there, in whatever schema. ST026: it is none that '
  'a neighbour may ask for.';

create function strata.make_range(p_type jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_type ? 'canonical' then
    raise exception 'range type %.% has a canonical function (%), which no neighbour may bring',
      p_type ->> 'schema', p_type ->> 'name',
      p_type ->> 'canonical' using errcode = 'ST026', hint = strata.remedy('ST026');
  end if;
  perform strata.check_place(p_type -> 'multirange' ->> 'schema');
  execute format('create type %1$I.%2$I as range (subtype = %3$s%4$s%5$s, multirange_type_name = %6$I.%7$I)',
                 p_type ->> 'schema', p_type ->> 'name',
    strata.type_sql(p_type -> 'subtype'),
    ', subtype_opclass = ' || quote_ident(p_type -> 'opclass' ->> 'schema') || '.'
    || quote_ident(p_type -> 'opclass' ->> 'name'),
    replace(nullif(strata.collation_sql(p_type -> 'collation'), ''), ' collate ', ', collation = '),
    p_type -> 'multirange' ->> 'schema', p_type -> 'multirange' ->> 'name');
end
$$;
comment on function strata.make_range(jsonb) is
  'Creates a described range type with its multirange. ST026: a part of it is missing, or would be code.';

create function strata.make_type(p_type jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name constant text := format('%1$I.%2$I', p_type ->> 'schema', p_type ->> 'name');
begin
  if p_type ? 'extension' then
    perform strata.make_extension(p_type ->> 'extension', p_type ->> 'schema');
    return;
  end if;
  perform strata.check_place(p_type ->> 'schema');
  case p_type ->> 'kind'
    when 'e' then execute format('create type %1$s as enum (%2$s)', v_name,
      (select string_agg(quote_literal(l.label), ', ' order by l.position)
         from jsonb_array_elements_text(p_type -> 'labels') with ordinality as l (label, position)));
    when 'd' then
      execute format('create domain %1$s as %2$s%3$s%4$s', v_name, strata.type_sql(p_type -> 'base'),
                     strata.collation_sql(p_type -> 'collation'),
                     case when p_type -> 'not_null' = 'true' then ' not null' else '' end);
    when 'c' then
      if p_type -> 'is_table' = 'true' then -- that table may be settled as well, some day
        execute format('create table %1$s (%2$s)', v_name, strata.attributes_sql(p_type -> 'attributes'));
        perform strata.close_twin(p_type ->> 'schema', v_name);
      else
        execute format('create type %1$s as (%2$s)', v_name, strata.attributes_sql(p_type -> 'attributes'));
      end if;
    when 'r' then perform strata.make_range(p_type);
    when 'm' then null; -- a multirange comes with its range
    else raise exception 'it is of a kind that cannot be made'
           using errcode = 'ST026', hint = strata.remedy('ST026');
  end case;
end
$$;
comment on function strata.make_type(jsonb) is
  'Creates one described type, or the extension it belongs to: from names and labels, never from '
  'SQL of the neighbour''s.';
