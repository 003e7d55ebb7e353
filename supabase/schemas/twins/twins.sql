-- Twins: the same table on the colder tier, made and completed before the first row needs it.
--
-- The hotter tier describes a dataset (describe), the colder one accepts the description (accept): it makes
-- the types and the table, adds what has been added, and takes over policy and holds. What cannot match is
-- refused with its reason, and that dataset alone stands still. What was accepted is remembered, so that a
-- column that vanished on either side is told from one that is new. Twins carry no foreign keys and no
-- defaults: a row arrives whole.

create function strata.twin_comment()
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select 'Twin of a dataset that Strata settles into this tier.' $$;
comment on function strata.twin_comment() is 'The comment on a table that Strata made as a twin.';

create function strata.allow_twin(p_relation regclass)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into strata.twins_allowed (schema_name, table_name, allowed_at)
  select n.nspname, c.relname, strata.clock()
    from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
   where c.oid = p_relation
  on conflict do nothing
$$;
comment on function strata.allow_twin(regclass) is
  'On a colder tier: says that a table that has rows already may become the twin of a dataset; its rows move '
  'on and are deleted as the policy says.';

create function strata.is_allowed_twin(p_dataset strata.datasets)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (select from strata.twins_allowed as a
                  where (a.schema_name, a.table_name) = (p_dataset.schema_name, p_dataset.table_name));
end
$$;
comment on function strata.is_allowed_twin(strata.datasets) is
  'Whether the owner of this tier has said that a dataset''s table may become a twin.';

create function strata.check_taken(p_relation regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_has_rows boolean;
  v_table record;
begin
  select n.nspname as schema, c.relname as name, c.relkind as kind, obj_description(c.oid, 'pg_class') as says
    into v_table
    from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
   where c.oid = p_relation;
  perform strata.check_place(v_table.schema);
  if v_table.kind = 'c' or v_table.says = strata.twin_comment() -- a type in the way is told of as one
     or exists (select from strata.twins_allowed as a
                 where (a.schema_name, a.table_name) = (v_table.schema, v_table.name)) then
    return;
  end if;
  execute format('select exists (select from %s)', p_relation) into v_has_rows;
  if v_has_rows or v_table.kind not in ('r', 'p') then
    raise exception '% of % is there already, with rows or as something else than a table', p_relation,
      strata.tier()
      using errcode = 'ST029', hint = format('If they may move on and be deleted as the policy says, '
                                             'on that tier: select strata.allow_twin(%L)', p_relation);
  end if;
end
$$;
comment on function strata.check_taken(regclass) is
  'ST029: a table that was here before has rows, and its owner has not said that it may become a twin; or it '
  'lies where no twin may.';

create function strata.described_key(p_description jsonb)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select string_agg(quote_ident(k.name), ', ' order by k.position)
            from jsonb_array_elements_text(p_description -> 'key') with ordinality as k (name, position));
end
$$;
comment on function strata.described_key(jsonb) is
  'The primary key''s columns of a described dataset, as SQL.';

create function strata.close_twin(p_schema text, p_relation text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_role text;
begin
  execute format('comment on table %1$s is %2$L', p_relation, strata.twin_comment());
  execute format('alter table %s enable row level security', p_relation);
  -- Older projects grant new tables to the API by default; what is granted on a twin is said here.
  execute format('revoke all on %s from public', p_relation);
  foreach v_role in array array(select r.rolname from pg_catalog.pg_roles as r
                                 where r.rolname in ('anon', 'authenticated')) loop
    execute format('revoke all on %1$s from %2$I', p_relation, v_role);
  end loop;
  if to_regrole('service_role') is not null then
    execute format('grant usage on schema %I to service_role', p_schema);
    execute format('grant select, insert, update, delete on %s to service_role', p_relation);
  end if;
end
$$;
comment on function strata.close_twin(text, text) is
  'Says of a table that was made here that it is a twin, turns RLS on and grants it to service_role only.';

create function strata.make_twin(p_description jsonb, p_relation text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.check_place(p_description ->> 'schema');
  execute format('create table %1$s (%2$s, primary key (%3$s))', p_relation,
                 strata.attributes_sql(p_description -> 'columns'),
                 strata.described_key(p_description));
  perform strata.close_twin(p_description ->> 'schema', p_relation);
end
$$;
comment on function strata.make_twin(jsonb, text) is
  'Creates the table of a described dataset: columns, primary key, RLS on, granted to service_role only.';

create function strata.complete_key(p_description jsonb, p_relation regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_has_rows boolean;
begin
  if strata.key_columns(p_relation) is null
     and obj_description(p_relation, 'pg_class') = strata.twin_comment()
     and not exists (select from strata.twin_objections(p_description, null, p_relation) as o
                      where o.code <> 'ST024') then
    execute format('select exists (select from %s)', p_relation) into v_has_rows;
    if not v_has_rows then
      execute format('alter table %1$s add primary key (%2$s)', p_relation,
                     strata.described_key(p_description));
    end if;
  end if;
end
$$;
comment on function strata.complete_key(jsonb, regclass) is
  'Gives its key to a table that was made for its row type, which a column of another twin has, and '
  'is to be a twin itself.';

create function strata.complete_twin(p_description jsonb, p_relation regclass)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_statement text;
begin
  for v_statement in
    select format('alter table %1$s add column %2$s', p_relation,
                  strata.attributes_sql(jsonb_build_array(c.it)))
      from jsonb_array_elements(p_description -> 'columns') with ordinality as c (it, position)
     where not exists (select from pg_catalog.pg_attribute as a
                        where a.attrelid = p_relation and a.attname = c.it ->> 'name' and not a.attisdropped)
     order by c.position
  loop
    execute v_statement;
  end loop;
  for v_statement in
    select format('alter table %1$s drop constraint %2$I', p_relation, f.conname)
      from pg_catalog.pg_constraint as f
     where f.conrelid = p_relation and f.contype = 'f' and f.conparentid = 0
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
  'Adds missing columns and the age index, turns RLS on and drops the twin''s own foreign keys: rows arrive '
  'in the order they become due, not in the order keys refer to each other.';

-- A condition that came as SQL counts only if the owner of this tier has taken that very one.
create function strata.described_policy(
  p_description jsonb, p_old strata.datasets, p_relation regclass
)
returns strata.datasets
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_sql constant text := p_description ->> 'due_when_sql';
  v_new strata.datasets;
begin
  v_new.name := p_description ->> 'name';
  v_new.schema_name := p_description ->> 'schema';
  v_new.table_name := p_description ->> 'table';
  v_new.key_columns := strata.key_columns(p_relation);
  v_new.age_column := p_description ->> 'age_column';
  v_new.core_retention_days := (p_description ->> 'core_retention_days')::integer;
  v_new.main_retention_days := (p_description ->> 'main_retention_days')::integer;
  v_new.delete_after_days := (p_description ->> 'delete_after_days')::integer;
  v_new.due_when := strata.condition_sql(p_description -> 'due_when', p_relation);
  if v_sql is not null then
    v_new.due_when := case when p_old.waits_for is null and p_old.due_when = v_sql then v_sql end;
    v_new.waits_for := case when v_new.due_when is null then v_sql end;
  end if;
  v_new.size_limit_kb := (p_description ->> 'size_limit_kb')::integer;
  v_new.delete_triggers := coalesce(p_old.delete_triggers, p_description ->> 'delete_triggers');
  v_new.accepted := p_description - 'holds' - 'revision' - 'confirmed';
  return v_new;
end
$$;
comment on function strata.described_policy(jsonb, strata.datasets, regclass) is
  'A dataset as a neighbour describes it, to be written down here. ST014: a condition is none.';

create function strata.accept(p_description jsonb, p_from text)
returns text[]
language plpgsql
security definer -- strata_mover brings the description, the owner of the tables acts on it
set search_path = pg_catalog, pg_temp
as $$
declare
  v_new strata.datasets;
  v_old strata.datasets;
  v_relation text;
  v_type jsonb;
  v_objection record;
begin
  perform strata.check_asker('hotter', coalesce(p_from, ''));
  perform strata.check_heard('hotter', 'a description', pg_column_size(p_description), 'heard_list');
  v_relation := format('%1$I.%2$I', p_description ->> 'schema', p_description ->> 'table');
  perform strata.lock_dataset(p_description ->> 'name');
  -- what is told once, holds above all, is not told again
  perform set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off';
  select d.* into v_old from strata.datasets as d where d.name = p_description ->> 'name';
  perform strata.check_revision(v_old, p_description, p_from);
  for v_type in
    select t.it from jsonb_array_elements(p_description -> 'types') with ordinality as t (it, position)
     order by t.position
  loop
    perform strata.accept_type(v_type, to_regclass(v_relation));
  end loop;
  if to_regclass(v_relation) is null then
    if v_old.accepted is not null then
      raise exception '%', strata.twin_is_gone(v_old)
        using errcode = 'ST020', hint = strata.remedy('ST020', v_old.name);
    end if;
    perform strata.make_twin(p_description, v_relation);
  elsif v_old.accepted is null then
    perform strata.check_taken(v_relation::regclass);
    perform strata.complete_key(p_description, v_relation::regclass);
  end if;
  if v_old.name is not null and v_old.accepted is null and not strata.is_allowed_twin(v_old) then
    raise exception 'dataset "%" is one of %''s own', v_old.name, strata.tier()
      using errcode = 'ST029',
            hint = format('If it may become a twin, on that tier: select strata.allow_twin(%L)', v_relation);
  end if;
  for v_objection in
    select * from strata.twin_objections(p_description, v_old.accepted, v_relation::regclass) limit 1
  loop
    raise exception '%', v_objection.says
      using errcode = v_objection.code, hint = strata.remedy(v_objection.code);
  end loop;
  perform strata.complete_twin(p_description, v_relation::regclass);
  v_new := strata.described_policy(p_description, v_old, v_relation::regclass);
  v_new.accepted_from := p_from;
  if v_new.delete_triggers = 'skip' then
    perform strata.guard_triggers(v_relation::regclass, true);
  end if;
  perform strata.keep_dataset(v_new);
  perform strata.accept_holds(v_new.name, p_description -> 'holds');
  perform strata.tell_waiting(v_new.name), strata.note_accepted(p_description);
  return strata.twin_columns(v_new.name, p_description -> 'columns');
end
$$;
comment on function strata.accept(jsonb, text) is
  'Takes a description from the hotter tier: makes or completes types and twin, takes over policy and holds. '
  'Returns the order in which this tier wants the columns of a row: its own, null for one the hotter tier '
  'does not have. ST020 to ST026, ST034, ST035, ST037 to ST039: the twin cannot match. ST051: it is older '
  'than what was accepted.';
grant execute on function strata.accept(jsonb, text) to strata_mover;

create function strata.twin_columns(p_dataset text, p_columns jsonb)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(
    case when exists (select from jsonb_array_elements(p_columns) as c (it) where c.it ->> 'name' = a.attname)
           then a.attname::text end order by a.attnum)
    from strata.datasets as d
    join pg_catalog.pg_attribute as a
      on a.attrelid = strata.relation(d)::regclass and a.attnum > 0 and not a.attisdropped
   where d.name = p_dataset
$$;
comment on function strata.twin_columns(text, jsonb) is
  'This table''s columns in its own order, null where the described table has no such column.';

create function strata.forget_twin(p_dataset text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into strata.twins_allowed (schema_name, table_name, allowed_at)
  select d.schema_name, d.table_name, strata.clock() from strata.dataset(p_dataset) as d
  on conflict do nothing;
  delete from strata.labels_told as l
   using strata.datasets as d, jsonb_array_elements(d.accepted -> 'types') as t (it)
   where d.name = p_dataset and (l.schema_name, l.type_name) = (t.it ->> 'schema', t.it ->> 'name');
  update strata.datasets as d
     set accepted = null, accepted_from = null, accepted_revision = null, accepted_digest = null,
         accepted_content = null where d.name = p_dataset;
  delete from strata.came as c where c.dataset = p_dataset;
end
$$;
comment on function strata.forget_twin(text) is
  'On a colder tier: forgets what was agreed about a twin, so that the next description is taken as the '
  'first: a missing table or column is made again, empty, and labels of enums are those of their names. Say '
  'it only when you know where its rows are.';

create function strata.twin(p_dataset strata.datasets)
returns regclass
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case when p_dataset.name is not null then to_regclass(strata.relation(p_dataset)) end;
end
$$;
comment on function strata.twin(strata.datasets) is
  'A dataset''s table; null when either is not known here (any more).';

create function strata.missing_columns(p_dataset strata.datasets, p_columns text[])
returns text[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(array_agg(c.name), '{}')
      from unnest(p_columns) as c (name)
     where c.name is not null
       and not exists (select from pg_catalog.pg_attribute as a
                        where a.attrelid = strata.twin(p_dataset) and a.attname = c.name
                          and not a.attisdropped));
end
$$;
comment on function strata.missing_columns(strata.datasets, text[]) is
  'Those of the given columns that the dataset''s table lacks; all of them when there is no table.';
