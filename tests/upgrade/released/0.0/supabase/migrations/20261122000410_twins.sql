-- Twins: the same table on the colder tier, made and completed before the first row needs it.
--
-- The hotter tier describes a dataset (describe), the colder one accepts the description (accept): it makes the
-- types and the table, adds what has been added, and takes over policy and holds. What cannot match is refused with
-- its reason, and that dataset alone stands still. What was accepted is remembered, so that a column that vanished
-- on either side is told from one that is new. Twins carry no foreign keys and no defaults: a row arrives whole.

create function strata.make_type(p_type jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_name constant text := format('%I.%I', p_type ->> 'schema', p_type ->> 'name');
begin
  execute format('create schema if not exists %I', p_type ->> 'schema');
  if p_type ? 'extension' then
    execute format('create extension if not exists %I with schema %I', p_type ->> 'extension', p_type ->> 'schema');
    return;
  end if;
  execute case p_type ->> 'kind'
    when 'e' then format('create type %s as enum (%s)', v_name,
      (select string_agg(quote_literal(l.label), ', ' order by l.position)
         from jsonb_array_elements_text(p_type -> 'labels') with ordinality as l (label, position)))
    when 'd' then format('create domain %s as %s%s %s', v_name, p_type ->> 'base',
      case when (p_type ->> 'not_null')::boolean then ' not null' else '' end,
      (select string_agg(c.definition, ' ') from jsonb_array_elements_text(p_type -> 'checks') as c (definition)))
    when 'c' then format('create type %s as (%s)', v_name,
      (select string_agg(a.definition, ', ' order by a.position)
         from jsonb_array_elements_text(p_type -> 'attributes') with ordinality as a (definition, position)))
    when 'r' then format('create type %s as range (subtype = %s)', v_name, p_type ->> 'subtype')
    when 'm' then 'select' -- a multirange comes with its range
  end;
end
$$;
comment on function strata.make_type(jsonb) is 'Creates one described type, or the extension it belongs to.';
revoke execute on function strata.make_type(jsonb) from public;

create function strata.grow_enum(p_type text, p_labels jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_first constant text := (select l.enumlabel from pg_catalog.pg_enum as l
                             where l.enumtypid = p_type::regtype order by l.enumsortorder limit 1);
  v_label record;
begin
  for v_label in
    select l.label, lag(l.label) over (order by l.position) as before_it
      from jsonb_array_elements_text(p_labels) with ordinality as l (label, position) order by l.position
  loop
    execute format('alter type %s add value if not exists %L%s', p_type, v_label.label,
                   coalesce(' after ' || quote_literal(v_label.before_it), ' before ' || quote_literal(v_first)));
  end loop;
end
$$;
comment on function strata.grow_enum(text, jsonb) is 'Gives an enum the labels it lacks, each in its place.';
revoke execute on function strata.grow_enum(text, jsonb) from public;

create function strata.accept_type(p_type jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_may_differ constant text[] := array['labels', 'checks', 'not_null']; -- then single rows are refused, with a reason of their own
  v_name constant text := format('%I.%I', p_type ->> 'schema', p_type ->> 'name');
  v_here jsonb;
begin
  begin
    if to_regtype(v_name) is null then
      perform strata.make_type(p_type);
    elsif p_type ? 'labels' then
      perform strata.grow_enum(v_name, p_type -> 'labels');
    end if;
  exception when others then
    raise exception 'type % cannot be made here: %', v_name, sqlerrm
      using errcode = 'ST026', hint = strata.remedy('ST026');
  end;
  v_here := strata.describe_type(to_regtype(v_name));
  if v_here - c_may_differ is distinct from p_type - c_may_differ then
    raise exception 'type % is % here, on the hotter tier it is %', v_name, coalesce(v_here::text, 'missing'), p_type
      using errcode = 'ST026', hint = strata.remedy('ST026');
  end if;
end
$$;
comment on function strata.accept_type(jsonb) is
  'Makes one described type, or gives an enum its new labels. ST026: it cannot be made on this tier, or is another one here.';
revoke execute on function strata.accept_type(jsonb) from public;

create function strata.make_twin(p_description jsonb, p_relation text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_role text;
begin
  execute format('create schema if not exists %I', p_description ->> 'schema');
  execute format('create table %s (%s, primary key (%s))', p_relation,
    (select string_agg(format('%I %s', c.it ->> 'name', c.it ->> 'type'), ', ' order by c.position)
       from jsonb_array_elements(p_description -> 'columns') with ordinality as c (it, position)),
    (select string_agg(quote_ident(k.name), ', ' order by k.position)
       from jsonb_array_elements_text(p_description -> 'key') with ordinality as k (name, position)));
  execute format('comment on table %s is %L', p_relation, 'Twin of a dataset that Strata settles into this tier.');
  execute format('alter table %s enable row level security', p_relation);
  -- Older projects grant new tables to the API by default; what is granted on a twin is said here.
  execute format('revoke all on %s from public', p_relation);
  foreach v_role in array array(select r.rolname from pg_catalog.pg_roles as r where r.rolname in ('anon', 'authenticated')) loop
    execute format('revoke all on %s from %I', p_relation, v_role);
  end loop;
  if to_regrole('service_role') is not null then
    execute format('grant usage on schema %I to service_role', p_description ->> 'schema');
    execute format('grant select, insert, update, delete on %s to service_role', p_relation);
  end if;
end
$$;
comment on function strata.make_twin(jsonb, text) is
  'Creates the table of a described dataset: columns, primary key, RLS on, granted to service_role only.';
revoke execute on function strata.make_twin(jsonb, text) from public;

-- What keeps an existing twin from taking the described rows; checked before anything is added to it.
create function strata.twin_objections(p_description jsonb, p_accepted jsonb, p_relation regclass)
returns table (code text, says text)
language plpgsql
stable
set search_path = ''
as $$
begin
  return query
  with described as (
    select c.it ->> 'name' as name, c.it ->> 'type' as type from jsonb_array_elements(p_description -> 'columns') as c (it)
  ), remembered as (
    select c.it ->> 'name' as name from jsonb_array_elements(p_accepted -> 'columns') as c (it)
  ), here as (
    select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type,
           a.attnotnull and not a.atthasdef and a.attidentity = '' as must_be_given
      from pg_catalog.pg_attribute as a
     where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped
  )
  select 'ST021', format('column "%s" is gone from twin %s on %s', d.name, p_relation, strata.tier())
    from described as d join remembered as r using (name) left join here as h using (name) where h.name is null
  union all
  select 'ST022', format('column "%s" of %s is %s, on %s it is %s', d.name, p_relation, d.type, strata.tier(), h.type)
    from described as d join here as h using (name) where h.type <> d.type
  union all
  select 'ST023', format('column "%s" of %s is gone from the hotter tier, on %s it is still there', h.name, p_relation, strata.tier())
    from here as h join remembered as r using (name) left join described as d using (name) where d.name is null
  union all
  select 'ST024', format('the primary key of %s is (%s), on %s it is (%s)', p_relation,
           (select string_agg(k, ', ') from jsonb_array_elements_text(p_description -> 'key') as k), strata.tier(),
           coalesce(array_to_string(strata.key_columns(p_relation), ', '), 'missing'))
   where to_jsonb(strata.key_columns(p_relation)) is distinct from p_description -> 'key'
  union all
  select 'ST025', format('column "%s" of twin %s on %s must be filled and is unknown on the hotter tier', h.name, p_relation, strata.tier())
    from here as h left join described as d using (name) left join remembered as r using (name)
   where h.must_be_given and d.name is null and r.name is null
  union all
  select 'ST010', format('twin %s on %s has rule "%s", which is followed when a row is deleted', p_relation, strata.tier(), d.rule)
    from unnest(strata.delete_rules(p_relation)) as d (rule);
end
$$;
comment on function strata.twin_objections(jsonb, jsonb, regclass) is
  'Why an existing table cannot be the twin of what is described (ST010, ST021 to ST025); empty when it can.';
revoke execute on function strata.twin_objections(jsonb, jsonb, regclass) from public;

create function strata.complete_twin(p_description jsonb, p_relation regclass)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_statement text;
begin
  for v_statement in
    select format('alter table %s add column %I %s', p_relation, c.it ->> 'name', c.it ->> 'type')
      from jsonb_array_elements(p_description -> 'columns') with ordinality as c (it, position)
     where not exists (select from pg_catalog.pg_attribute as a
                        where a.attrelid = p_relation and a.attname = c.it ->> 'name' and not a.attisdropped)
     order by c.position
  loop
    execute v_statement;
  end loop;
  for v_statement in
    select format('alter table %s drop constraint %I', p_relation, f.conname)
      from pg_catalog.pg_constraint as f where f.conrelid = p_relation and f.contype = 'f'
  loop
    execute v_statement;
  end loop;
  if not (select c.relrowsecurity from pg_catalog.pg_class as c where c.oid = p_relation) then
    execute format('alter table %s enable row level security', p_relation);
  end if;
  perform strata.ensure_age_index(p_relation, p_description ->> 'age_column');
end
$$;
comment on function strata.complete_twin(jsonb, regclass) is
  'Adds missing columns and the age index, turns RLS on and drops the twin''s own foreign keys: rows arrive in the '
  'order they become due, not in the order keys refer to each other.';
revoke execute on function strata.complete_twin(jsonb, regclass) from public;

create function strata.accept(p_description jsonb, p_from text)
returns text[]
language plpgsql
security definer -- strata_mover brings the description, the owner of the tables acts on it
set search_path = ''
as $$
declare
  v_new strata.datasets;
  v_old strata.datasets;
  v_relation constant text := format('%I.%I', p_description ->> 'schema', p_description ->> 'table');
  v_objection record;
begin
  perform strata.lock_dataset(p_description ->> 'name');
  perform set_config('synchronous_commit', 'on', true)
    where current_setting('synchronous_commit') = 'off'; -- what is told once, holds above all, is not told again
  select d.* into v_old from strata.datasets as d where d.name = p_description ->> 'name';
  perform strata.accept_type(t.it)
     from jsonb_array_elements(p_description -> 'types') with ordinality as t (it, position);
  if to_regclass(v_relation) is null then
    if v_old.accepted is not null then
      raise exception 'the twin % is gone from %', v_relation, strata.tier()
        using errcode = 'ST020', hint = strata.remedy('ST020');
    end if;
    perform strata.make_twin(p_description, v_relation);
  end if;
  for v_objection in select * from strata.twin_objections(p_description, v_old.accepted, v_relation::regclass) limit 1 loop
    raise exception '%', v_objection.says using errcode = v_objection.code, hint = strata.remedy(v_objection.code);
  end loop;
  perform strata.complete_twin(p_description, v_relation::regclass);
  v_new.name := p_description ->> 'name';
  v_new.schema_name := p_description ->> 'schema';
  v_new.table_name := p_description ->> 'table';
  v_new.key_columns := strata.key_columns(v_relation::regclass);
  v_new.age_column := p_description ->> 'age_column';
  v_new.core_retention_days := (p_description ->> 'core_retention_days')::integer;
  v_new.main_retention_days := (p_description ->> 'main_retention_days')::integer;
  v_new.delete_after_days := (p_description ->> 'delete_after_days')::integer;
  v_new.due_when := p_description ->> 'due_when';
  v_new.size_limit_kb := (p_description ->> 'size_limit_kb')::integer;
  v_new.delete_triggers := coalesce(v_old.delete_triggers, p_description ->> 'delete_triggers');
  v_new.accepted_from := p_from;
  v_new.accepted := p_description - 'holds' - 'revision';
  if v_new.delete_triggers = 'skip' then
    perform strata.guard_triggers(v_relation::regclass, true);
  end if;
  perform strata.keep_dataset(v_new);
  perform strata.accept_holds(v_new.name, p_description -> 'holds');
  return strata.twin_columns(v_new.name, p_description -> 'columns');
end
$$;
comment on function strata.accept(jsonb, text) is
  'Takes a description from the hotter tier: makes or completes types and twin, takes over policy and holds. Returns the '
  'order in which this tier wants the columns of a row: its own, null for one the hotter tier does not have. '
  'ST020 to ST026: the twin cannot match.';
revoke execute on function strata.accept(jsonb, text) from public;
grant execute on function strata.accept(jsonb, text) to strata_mover;

create function strata.twin_columns(p_dataset text, p_columns jsonb)
returns text[]
language sql
stable
set search_path = ''
as $$
  select array_agg(case when exists (select from jsonb_array_elements(p_columns) as c (it) where c.it ->> 'name' = a.attname)
                        then a.attname::text end order by a.attnum)
    from strata.datasets as d
    join pg_catalog.pg_attribute as a
      on a.attrelid = strata.relation(d)::regclass and a.attnum > 0 and not a.attisdropped
   where d.name = p_dataset
$$;
comment on function strata.twin_columns(text, jsonb) is
  'This table''s columns in its own order, null where the described table has no such column.';
revoke execute on function strata.twin_columns(text, jsonb) from public;

create function strata.forget_twin(p_dataset text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform strata.dataset(p_dataset);
  update strata.datasets as d set accepted = null, accepted_from = null where d.name = p_dataset;
end
$$;
comment on function strata.forget_twin(text) is
  'On a colder tier: forgets what was agreed about a twin, so that the next description is taken as the first: a missing '
  'table or column is made again, empty. Say it only when you know where its rows are.';
revoke execute on function strata.forget_twin(text) from public;

create function strata.twin(p_dataset strata.datasets)
returns regclass
language plpgsql
stable
set search_path = ''
as $$
begin
  return case when p_dataset.name is not null then to_regclass(strata.relation(p_dataset)) end;
end
$$;
comment on function strata.twin(strata.datasets) is 'A dataset''s table; null when either is not known here (any more).';
revoke execute on function strata.twin(strata.datasets) from public;

create function strata.missing_columns(p_dataset strata.datasets, p_columns text[])
returns text[]
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(array_agg(c.name), '{}')
      from unnest(p_columns) as c (name)
     where c.name is not null
       and not exists (select from pg_catalog.pg_attribute as a
                        where a.attrelid = strata.twin(p_dataset) and a.attname = c.name and not a.attisdropped));
end
$$;
comment on function strata.missing_columns(strata.datasets, text[]) is
  'Those of the given columns that the dataset''s table lacks; all of them when there is no table.';
revoke execute on function strata.missing_columns(strata.datasets, text[]) from public;
