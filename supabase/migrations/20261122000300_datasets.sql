-- Datasets: the tables Strata manages, each with its policy.
--
-- `strata.manage()` adopts a table on the tier where it is called (usually core); the colder tiers learn of it
-- over their link before the first row moves (twins). What cannot be kept safe is refused with its reason.
-- `revision` grows with every change of policy or hold; a colder tier that has seen less is told first.

create table strata.datasets (
  name text not null,
  schema_name text not null,
  table_name text not null,
  key_columns text[] not null,
  age_column text not null,
  core_retention_days integer,
  main_retention_days integer,
  delete_after_days integer,
  due_when text,
  size_limit_kb integer,
  delete_triggers text,
  priority integer not null default 100,
  accepted_from text,
  accepted jsonb,
  revision bigint not null default 1,
  told_revision bigint,
  told_shape text,
  twin_columns text[],
  trouble_sqlstate text,
  trouble text,
  remedy text,
  failures integer not null default 0,
  next_try_at timestamptz,
  managed_at timestamptz not null,
  constraint datasets_pkey primary key (name),
  constraint datasets_one_per_table unique (schema_name, table_name),
  constraint datasets_retentions_are_days check
    (core_retention_days >= 0 and main_retention_days >= 0 and delete_after_days >= 0),
  constraint datasets_retentions_grow_down_the_chain check
    (coalesce(core_retention_days, 2147483647) <= coalesce(main_retention_days, 2147483647)
     and coalesce(main_retention_days, 0) <= coalesce(delete_after_days, 2147483647)
     and coalesce(core_retention_days, 0) <= coalesce(delete_after_days, 2147483647)),
  constraint datasets_size_limit_is_positive check (size_limit_kb > 0),
  constraint datasets_delete_triggers_is_a_decision check (delete_triggers in ('fire', 'skip')),
  constraint datasets_trouble_has_its_code check ((trouble is null) = (trouble_sqlstate is null)),
  constraint datasets_accepted_from_a_tier check ((accepted_from is null) = (accepted is null))
);
comment on table strata.datasets is
  'Managed tables. *_retention_days, delete_after_days: ages in days, null = never. due_when: a further SQL condition. '
  'accepted(_from): the description a hotter tier gave of it. told_*, twin_columns: what the colder tier knows. '
  'trouble, remedy, next_try_at: why the dataset stands still and until when.';
revoke all on strata.datasets from public;
alter table strata.datasets enable row level security;

create function strata.dataset(p_dataset text)
returns strata.datasets
language plpgsql
stable
set search_path = ''
as $$
declare
  v_dataset strata.datasets;
begin
  select d.* into v_dataset from strata.datasets as d where d.name = p_dataset;
  if not found then
    raise exception 'there is no dataset "%"', p_dataset
      using errcode = 'ST011', hint = 'select name from strata.datasets; strata.manage() adds one.';
  end if;
  return v_dataset;
end
$$;
comment on function strata.dataset(text) is 'One dataset by name. ST011: there is none.';
revoke execute on function strata.dataset(text) from public;

create function strata.relation(p_dataset strata.datasets)
returns text
language sql
immutable
set search_path = ''
as $$ select format('%I.%I', p_dataset.schema_name, p_dataset.table_name) $$;
comment on function strata.relation(strata.datasets) is 'The quoted, qualified name of a dataset''s table.';
revoke execute on function strata.relation(strata.datasets) from public;

create function strata.key_columns(p_relation regclass)
returns text[]
language sql
stable
set search_path = ''
as $$
  select array_agg(a.attname::text order by k.position)
    from pg_catalog.pg_index as i
    cross join lateral unnest(i.indkey) with ordinality as k (attnum, position)
    join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
   where i.indrelid = p_relation and i.indisprimary and k.position <= i.indnkeyatts
$$;
comment on function strata.key_columns(regclass) is 'The primary key''s columns in order; null when there is none.';
revoke execute on function strata.key_columns(regclass) from public;

create function strata.delete_triggers(p_relation regclass, p_guarded boolean)
returns text[]
language sql
stable
set search_path = ''
as $$
  select array_agg(g.tgname::text order by g.tgname)
    from pg_catalog.pg_trigger as g
   where g.tgrelid = p_relation and not g.tgisinternal and g.tgenabled <> 'D'
     and g.tgtype::integer & 8 = 8
     and (pg_catalog.pg_get_triggerdef(g.oid) like '%strata.purging%') = p_guarded
$$;
comment on function strata.delete_triggers(regclass, boolean) is
  'Names of the enabled user triggers that fire on DELETE: those that look at strata.purging in their WHEN, or the others.';
revoke execute on function strata.delete_triggers(regclass, boolean) from public;

-- Everything that keeps a table from being managed, in the order a person would mend it. Asked when a table is
-- adopted and again before every batch: a foreign key added last night counts as well.
create function strata.objections(p_relation regclass, p_age_column text, p_delete_triggers text)
returns table (code text, says text, hint text)
language sql
stable
set search_path = ''
as $$
  select 'ST010', format('%s is %s', p_relation, case c.relkind
           when 'v' then 'a view' when 'm' then 'a materialized view' when 'f' then 'a foreign table'
           when 'p' then 'a partitioned table' else 'not a table' end),
         case c.relkind when 'p' then 'Manage its partitions one by one, or drop old partitions instead.'
           else 'Manage the table that holds the rows.' end
    from pg_catalog.pg_class as c where c.oid = p_relation and c.relkind <> 'r'
  union all
  select 'ST010', format('%s is a temporary table', p_relation), 'Manage an ordinary table.'
    from pg_catalog.pg_class as c where c.oid = p_relation and c.relpersistence = 't'
  union all
  select 'ST010', format('%s belongs to Postgres or to Strata itself', p_relation), 'Manage a table of your own.'
    from pg_catalog.pg_class as c
   where c.oid = p_relation
     and c.relnamespace::regnamespace::text in ('pg_catalog', 'information_schema', 'strata', 'cron', 'vault', 'net')
  union all
  select 'ST010', format('%s takes part in table inheritance', p_relation), 'Manage a table without parents or children.'
   where exists (select from pg_catalog.pg_inherits as i where p_relation in (i.inhrelid, i.inhparent))
     and exists (select from pg_catalog.pg_class as c where c.oid = p_relation and c.relkind = 'r')
  union all
  select 'ST010', format('%s has no primary key', p_relation), 'Add one: rows are followed by it from tier to tier.'
    from pg_catalog.pg_class as c
   where c.oid = p_relation and c.relkind = 'r' and strata.key_columns(p_relation) is null
  union all
  select 'ST010',
         case when a.attname is null then format('%s has no column "%s" to tell a row''s age by', p_relation, p_age_column)
           else format('column "%s" of %s is %s, which is not a point in time', a.attname, p_relation,
                       format_type(a.atttypid, a.atttypmod)) end,
         'Name a column of type timestamptz, timestamp or date with p_age_column.'
    from (select) as one
    left join pg_catalog.pg_attribute as a
      on a.attrelid = p_relation and a.attname = p_age_column and a.attnum > 0 and not a.attisdropped
   where a.attname is null
      or a.atttypid not in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
  union all
  select 'ST010', format('column "%s" of %s is of type %s: large objects cannot cross', a.attname, p_relation,
                         format_type(a.atttypid, a.atttypmod)),
         'Keep the content in a bytea column, or the reference as bigint if nothing hangs on it.'
    from pg_catalog.pg_attribute as a
   where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped
     and (a.atttypid in ('oid'::regtype, 'oid[]'::regtype) or format_type(a.atttypid, null) ~ '(^|\.)lo$')
  union all
  select 'ST010', format('deleting a row of %s would delete rows of %s (foreign key %s, on delete cascade)',
                         p_relation, f.conrelid::regclass, f.conname),
         format('Make it on delete restrict or no action: alter table %s drop constraint %I, and add it again.',
                f.conrelid::regclass, f.conname)
    from pg_catalog.pg_constraint as f
   where f.confrelid = p_relation and f.contype = 'f' and f.confdeltype = 'c'
  union all
  select 'ST013', format('%s has triggers that fire on delete: %s', p_relation, array_to_string(g.names, ', ')),
         'A move deletes here what it has brought to the colder tier. Call strata.manage() with p_delete_triggers => '
         '''fire'' (let them) or ''skip'' (they are made to look away while Strata deletes).'
    from (select strata.delete_triggers(p_relation, false) as names) as g
   where g.names is not null and p_delete_triggers is distinct from 'fire'
$$;
comment on function strata.objections(regclass, text, text) is
  'Why a table cannot be managed, or cannot go on being moved: code, sentence and remedy; empty when it can.';
revoke execute on function strata.objections(regclass, text, text) from public;

-- 'skip': each delete trigger gets one more condition, so that it looks away while Strata deletes. A trigger is
-- replaced in place, under its own name; unguard puts the old definition back.
create function strata.guard_triggers(p_relation regclass, p_guard boolean)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_guard constant text := 'current_setting(''strata.purging''::text, true) IS DISTINCT FROM ''on''::text';
  v_definition text;
  v_parts text[];
begin
  for v_definition in
    select pg_catalog.pg_get_triggerdef(g.oid)
      from pg_catalog.pg_trigger as g
     where g.tgrelid = p_relation
       and g.tgname = any (coalesce(strata.delete_triggers(p_relation, not p_guard), '{}'))
  loop
    if p_guard then
      v_parts := regexp_match(v_definition, '^CREATE (.*?)(?: WHEN \((.*)\))? EXECUTE FUNCTION (.*)$');
      execute format('create or replace %s when (%s%s) execute function %s', v_parts[1],
                     '(' || v_parts[2] || ') and ', c_guard, v_parts[3]);
    else
      v_definition := regexp_replace(v_definition, ' WHEN \(\(?\(?' || regexp_replace(c_guard, '([().])', '\\\1', 'g') || '\)?\)?\)', '');
      v_definition := replace(v_definition, ' AND (' || c_guard || ')', '');
      execute regexp_replace(v_definition, '^CREATE ', 'create or replace ');
    end if;
  end loop;
end
$$;
comment on function strata.guard_triggers(regclass, boolean) is
  'Adds to every delete trigger of the table the condition that Strata is not purging, or takes it away again.';
revoke execute on function strata.guard_triggers(regclass, boolean) from public;

create function strata.ensure_age_index(p_relation regclass, p_age_column text)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_table constant text := (select c.relname from pg_catalog.pg_class as c where c.oid = p_relation);
begin
  if exists (
    select from pg_catalog.pg_index as i
      join pg_catalog.pg_class as c on c.oid = i.indexrelid
      join pg_catalog.pg_am as m on m.oid = c.relam and m.amname = 'btree'
      join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
     where i.indrelid = p_relation and a.attname = p_age_column and i.indpred is null and i.indisvalid
  ) then
    return false;
  end if;
  execute format('create index %I on %s (%I)', left('strata_age_' || v_table, 63), p_relation, p_age_column);
  return true;
end
$$;
comment on function strata.ensure_age_index(regclass, text) is
  'Makes an index on the age column unless one that leads with it is there; says whether it did. Writers wait while it '
  'is built: on a large busy table, create it concurrently beforehand.';
revoke execute on function strata.ensure_age_index(regclass, text) from public;

-- The size of a row as its owner sees it: bytes of its texts, bytes and documents, uncompressed. Everything in it is
-- immutable, so that an index can find the few rows above a limit.
create function strata.size_sql(p_relation regclass)
returns text
language sql
stable
set search_path = ''
as $$
  select coalesce(string_agg(
           case when a.atttypid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'bytea'::regtype)
                then format('coalesce(octet_length(%I), 0)', a.attname)
                else format('coalesce(octet_length((%I)::text), 0)', a.attname) end, ' + ' order by a.attnum), '0')
    from pg_catalog.pg_attribute as a
   where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped
     and a.atttypid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'bytea'::regtype,
                        'json'::regtype, 'jsonb'::regtype)
$$;
comment on function strata.size_sql(regclass) is
  'An immutable SQL expression for the bytes of a row''s variable-length columns (text, bytea, json, jsonb).';
revoke execute on function strata.size_sql(regclass) from public;

-- Rows over the size limit are due on a middle tier whatever their age; a partial index finds them.
create function strata.ensure_size_index(p_dataset strata.datasets)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_name constant text := left('strata_size_' || p_dataset.table_name, 63);
  v_relation constant regclass := strata.relation(p_dataset)::regclass;
  v_limit constant text := format('> %s', p_dataset.size_limit_kb * 1024);
  v_old constant text := (select pg_catalog.pg_get_indexdef(i.indexrelid) from pg_catalog.pg_index as i
    join pg_catalog.pg_class as c on c.oid = i.indexrelid where i.indrelid = v_relation and c.relname = v_name);
begin
  if v_old is not null and (p_dataset.size_limit_kb is null or right(v_old, length(v_limit) + 1) <> v_limit || ')') then
    execute format('drop index %I.%I', p_dataset.schema_name, v_name);
  end if;
  if p_dataset.size_limit_kb is not null and strata.size_sql(v_relation) <> '0' then
    execute format('create index if not exists %I on %s (%I) where (%s) %s', v_name, v_relation,
                   p_dataset.age_column, strata.size_sql(v_relation), v_limit);
  end if;
end
$$;
comment on function strata.ensure_size_index(strata.datasets) is
  'Makes, remakes or drops the partial index over the rows above the dataset''s size limit.';
revoke execute on function strata.ensure_size_index(strata.datasets) from public;

create function strata.check_condition(p_relation regclass, p_condition text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format('select from %s as t where (%s) limit 0', p_relation, p_condition);
exception when syntax_error or undefined_column or undefined_function or datatype_mismatch or undefined_table
            or undefined_object or invalid_text_representation or grouping_error or ambiguous_column then
  raise exception 'the condition "%" does not fit %: %', p_condition, p_relation, sqlerrm
    using errcode = 'ST014', hint = strata.remedy('ST014');
end
$$;
comment on function strata.check_condition(regclass, text) is
  'Refuses (ST014) a condition that is not a boolean expression over the table''s columns.';
revoke execute on function strata.check_condition(regclass, text) from public;

create function strata.manage(
  p_relation regclass,
  p_age_column text default 'created_at',
  p_core_retention_days integer default 30,
  p_main_retention_days integer default 365,
  p_delete_after_days integer default 2555,
  p_due_when text default null,
  p_size_limit_kb integer default 100,
  p_delete_triggers text default null,
  p_dataset text default null
)
returns text
language plpgsql
set search_path = ''
as $$
declare
  v_objection record;
  v_new strata.datasets;
begin
  perform strata.tier();
  if p_delete_triggers not in ('fire', 'skip') then
    raise exception 'p_delete_triggers is "%"', p_delete_triggers
      using errcode = 'ST012', hint = 'Say ''fire'' or ''skip'', or leave it out for a table without delete triggers.';
  end if;
  if p_delete_triggers = 'skip' then
    perform strata.guard_triggers(p_relation, true);
  end if;
  for v_objection in select * from strata.objections(p_relation, p_age_column, p_delete_triggers) limit 1 loop
    raise exception '%', v_objection.says using errcode = v_objection.code, hint = v_objection.hint;
  end loop;
  if p_due_when is not null then
    perform strata.check_condition(p_relation, p_due_when);
  end if;
  select n.nspname, c.relname into v_new.schema_name, v_new.table_name
    from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace where c.oid = p_relation;
  v_new.name := coalesce(p_dataset,
    case v_new.schema_name when 'public' then '' else v_new.schema_name || '.' end || v_new.table_name);
  v_new.key_columns := strata.key_columns(p_relation);
  v_new.age_column := p_age_column;
  v_new.core_retention_days := nullif(p_core_retention_days, -1);
  v_new.main_retention_days := nullif(p_main_retention_days, -1);
  v_new.delete_after_days := nullif(p_delete_after_days, -1);
  v_new.due_when := p_due_when;
  v_new.size_limit_kb := p_size_limit_kb;
  v_new.delete_triggers := p_delete_triggers;
  perform strata.ensure_age_index(p_relation, p_age_column);
  return strata.keep_dataset(v_new);
end
$$;
comment on function strata.manage(regclass, text, integer, integer, integer, text, integer, text, text) is
  'Adopts a table, or changes the policy of one that is managed; returns the dataset''s name. Ages in days (null or -1 = '
  'never); p_due_when: a further SQL condition over the row; p_size_limit_kb: larger rows go on from main to archive at '
  'once (null = none); p_delete_triggers: ''fire'' or ''skip''. ST010: cannot be managed. ST012: bad policy. ST013: '
  'delete triggers. ST014: bad condition.';
revoke execute on function strata.manage(regclass, text, integer, integer, integer, text, integer, text, text) from public;

-- Writes a dataset down; its revision grows only if something changed, so that saying it twice tells nobody twice.
create function strata.keep_dataset(p_new strata.datasets)
returns text
language plpgsql
set search_path = ''
as $$
declare
  v_old strata.datasets;
begin
  select d.* into v_old from strata.datasets as d where d.name = p_new.name for update;
  if v_old.name is not null and (v_old.schema_name, v_old.table_name) <> (p_new.schema_name, p_new.table_name) then
    raise exception 'dataset "%" is table %.% already', p_new.name, v_old.schema_name, v_old.table_name
      using errcode = 'ST010', hint = 'Choose another name with p_dataset, or unmanage the other table first.';
  end if;
  insert into strata.datasets as d
    (name, schema_name, table_name, key_columns, age_column, core_retention_days, main_retention_days,
     delete_after_days, due_when, size_limit_kb, delete_triggers, accepted_from, accepted, managed_at)
  values
    (p_new.name, p_new.schema_name, p_new.table_name, p_new.key_columns, p_new.age_column, p_new.core_retention_days,
     p_new.main_retention_days, p_new.delete_after_days, p_new.due_when, p_new.size_limit_kb, p_new.delete_triggers,
     p_new.accepted_from, p_new.accepted, strata.clock())
  on conflict (name) do update
     set key_columns = excluded.key_columns, age_column = excluded.age_column,
         core_retention_days = excluded.core_retention_days, main_retention_days = excluded.main_retention_days,
         delete_after_days = excluded.delete_after_days, due_when = excluded.due_when,
         size_limit_kb = excluded.size_limit_kb, delete_triggers = excluded.delete_triggers,
         accepted_from = coalesce(excluded.accepted_from, d.accepted_from),
         accepted = coalesce(excluded.accepted, d.accepted),
         revision = d.revision + 1, trouble = null, trouble_sqlstate = null, remedy = null, failures = 0, next_try_at = null
   where (d.key_columns, d.age_column, d.core_retention_days, d.main_retention_days, d.delete_after_days, d.due_when,
          d.size_limit_kb, d.delete_triggers, coalesce(excluded.accepted, d.accepted))
         is distinct from
         (excluded.key_columns, excluded.age_column, excluded.core_retention_days, excluded.main_retention_days,
          excluded.delete_after_days, excluded.due_when, excluded.size_limit_kb, excluded.delete_triggers, d.accepted);
  if strata.tier() = 'main' then
    perform strata.ensure_size_index(p_new);
  end if;
  return p_new.name;
exception
  when check_violation then
    raise exception 'the policy of "%" makes no sense: %', p_new.name, sqlerrm
      using errcode = 'ST012', hint = strata.remedy('ST012');
  when unique_violation then
    raise exception 'table %.% is managed already, as another dataset', p_new.schema_name, p_new.table_name
      using errcode = 'ST010', hint = 'Unmanage that dataset first: select name, schema_name, table_name from strata.datasets.';
end
$$;
comment on function strata.keep_dataset(strata.datasets) is
  'Inserts a dataset or takes over its new policy. ST010: name or table is taken. ST012: bad policy.';
revoke execute on function strata.keep_dataset(strata.datasets) from public;

create function strata.unmanage(p_dataset text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
begin
  perform strata.lock_dataset(p_dataset);
  if exists (select from strata.moves as m where m.dataset = p_dataset and m.state <> 'closed') then
    raise exception 'dataset "%" has an open move', p_dataset
      using errcode = 'ST030', hint = 'call strata.move_due() to finish it, then unmanage.';
  end if;
  if to_regclass(strata.relation(v_dataset)) is not null and v_dataset.delete_triggers = 'skip' then
    perform strata.guard_triggers(strata.relation(v_dataset)::regclass, false);
  end if;
  delete from strata.set_aside as a where a.dataset = p_dataset;
  delete from strata.holds as h where h.dataset = p_dataset;
  delete from strata.datasets as d where d.name = p_dataset;
end
$$;
comment on function strata.unmanage(text) is
  'Lets go of a dataset on this tier: table, rows and indexes stay as they are, here and on the colder tiers. '
  'ST011: no such dataset. ST030: a move of it is open.';
revoke execute on function strata.unmanage(text) from public;
