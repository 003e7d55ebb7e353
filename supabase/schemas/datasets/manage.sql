-- Datasets: the tables Strata manages, each with its policy.
--
-- `strata.manage()` adopts a table on the tier where it is called (usually core); the colder tiers learn of
-- it over their link before the first row moves (twins). What cannot be kept safe is refused with its reason.
-- `revision` grows with every change of policy or hold; a colder tier that has seen less is told first.

create function strata.dataset(p_dataset text)
returns strata.datasets
language plpgsql
stable
set search_path = pg_catalog, pg_temp
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

create function strata.relation(p_dataset strata.datasets)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return format('%1$I.%2$I', p_dataset.schema_name, p_dataset.table_name);
end
$$;
comment on function strata.relation(strata.datasets) is 'The quoted, qualified name of a dataset''s table.';

-- The dataset a call of manage() is about: as it is where the table is managed already, with the defaults for
-- a new one. It comes locked, so that no batch is claimed or deleted by the old policy once the new one
-- holds.
create function strata.policy_before(p_relation regclass, p_dataset text)
returns strata.datasets
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_new strata.datasets;
  v_old strata.datasets;
begin
  select n.nspname, c.relname into v_new.schema_name, v_new.table_name
    from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
   where c.oid = p_relation;
  if not found then
    raise exception 'p_relation is %', coalesce(p_relation::text || ', which is no table', 'null')
      using errcode = 'ST010', hint = 'Name the table: strata.manage(''public.orders'').';
  end if;
  v_new.name := coalesce(p_dataset,
    (select d.name from strata.datasets as d
      where (d.schema_name, d.table_name) = (v_new.schema_name, v_new.table_name)),
    case v_new.schema_name when 'public' then '' else v_new.schema_name || '.' end || v_new.table_name);
  perform strata.lock_dataset(v_new.name);
  select d.* into v_old from strata.datasets as d
   where (d.name, d.schema_name, d.table_name) = (v_new.name, v_new.schema_name, v_new.table_name);
  if found then
    return v_old;
  end if;
  v_new.age_column := 'created_at';
  v_new.core_retention_days := 30;
  v_new.main_retention_days := 365;
  v_new.delete_after_days := 2555;
  v_new.size_limit_kb := 100;
  return v_new;
end
$$;
comment on function strata.policy_before(regclass, text) is
  'Locks the dataset of a table and returns it as it is, or as a new one with the default policy. ST010: '
  'there is no such table.';

create function strata.check_retentions(p_policy strata.datasets)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_wrong record;
begin
  select r.name, r.days into v_wrong
    from (values ('core_retention_days', p_policy.core_retention_days),
                 ('main_retention_days', p_policy.main_retention_days),
                 ('delete_after_days', p_policy.delete_after_days)) as r (name, days)
   where r.days not between 0 and 100000 limit 1;
  if found then
    raise exception 'the policy of "%" makes no sense: % is %', p_policy.name, v_wrong.name, v_wrong.days
      using errcode = 'ST012',
            hint = 'Write whole days from 0 to 100000; null or -1 means never, left out it stays as it is.';
  end if;
  select r.* into v_wrong
    from (values
      ('core_retention_days', coalesce(p_policy.core_retention_days::text, 'never'),
       coalesce(p_policy.core_retention_days, 2147483647),
       'main_retention_days', p_policy.main_retention_days),
      ('main_retention_days', p_policy.main_retention_days::text, p_policy.main_retention_days,
       'delete_after_days', p_policy.delete_after_days),
      ('core_retention_days', p_policy.core_retention_days::text, p_policy.core_retention_days,
       'delete_after_days', p_policy.delete_after_days)) as r (name, says, days, next_name, next_days)
   where r.next_days < r.days limit 1;
  if found then
    raise exception 'the policy of "%" makes no sense: % is %, % is %', p_policy.name, v_wrong.name,
      v_wrong.says,
      v_wrong.next_name, v_wrong.next_days
      using errcode = 'ST012', hint = format(
        'Ages grow down the chain: make %1$s %2$s, or %3$s %4$s or less.', v_wrong.next_name,
        case v_wrong.says when 'never' then 'never as well' else v_wrong.says || ' or more, or never' end,
        v_wrong.name, v_wrong.next_days);
  end if;
end
$$;
comment on function strata.check_retentions(strata.datasets) is
  'ST012: an age is no number of days, or rows would have to leave a tier before they come '
  'to it; with the numbers.';

create function strata.manage(
  p_relation regclass,
  p_age_column text default null,
  p_core_retention_days integer default -2147483648,
  p_main_retention_days integer default -2147483648,
  p_delete_after_days integer default -2147483648,
  p_due_when text default 'as before',
  p_size_limit_kb integer default -2147483648,
  p_delete_triggers text default null,
  p_dataset text default null
)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- null means never, so what was left out has a number no policy has
  c_unsaid constant integer := -2147483648;
  v_objection record;
  v_new strata.datasets;
begin
  perform strata.tier();
  if p_delete_triggers not in ('fire', 'skip') then
    raise exception 'p_delete_triggers is "%"', p_delete_triggers
      using errcode = 'ST012',
            hint = 'Say ''fire'' or ''skip'', or leave it out for a table without delete triggers.';
  end if;
  v_new := strata.policy_before(p_relation, p_dataset);
  v_new.age_column := coalesce(p_age_column, v_new.age_column);
  v_new.delete_triggers := coalesce(p_delete_triggers, v_new.delete_triggers);
  v_new.core_retention_days :=
    nullif(case p_core_retention_days when c_unsaid then v_new.core_retention_days
                                      else p_core_retention_days end, -1);
  v_new.main_retention_days :=
    nullif(case p_main_retention_days when c_unsaid then v_new.main_retention_days
                                      else p_main_retention_days end, -1);
  v_new.delete_after_days :=
    nullif(case p_delete_after_days when c_unsaid then v_new.delete_after_days else p_delete_after_days end,
           -1);
  v_new.size_limit_kb := case p_size_limit_kb when c_unsaid then v_new.size_limit_kb else p_size_limit_kb end;
  v_new.due_when := case p_due_when when 'as before' then v_new.due_when else p_due_when end;
  for v_objection in
    select * from strata.objections(p_relation, v_new.age_column,
                                    case when v_new.delete_triggers is not null then 'fire' end) limit 1
  loop
    raise exception '%', v_objection.says using errcode = v_objection.code, hint = v_objection.hint;
  end loop;
  perform strata.check_retentions(v_new);
  if v_new.due_when is not null then
    perform strata.check_condition(p_relation, v_new.due_when);
  end if;
  v_new.key_columns := strata.key_columns(p_relation);
  perform strata.ensure_age_index(p_relation, v_new.age_column);
  if v_new.delete_triggers is not null then
    perform strata.guard_triggers(p_relation, v_new.delete_triggers = 'skip');
  end if;
  return strata.keep_dataset(v_new);
end
$$;
comment on function strata.manage(regclass, text, integer, integer, integer, text, integer, text, text) is
  'Adopts a table, or changes the policy of one that is managed; returns the dataset''s name. What is '
  'left out stays as it is; a new dataset gets created_at, 30, 365 and 2555 days, no condition, 100 KB. '
  'Ages in days (null or -1 = never); p_due_when: a further SQL condition over the row (null = none); '
  'p_size_limit_kb: larger rows go on from main to archive at once (null = none); p_delete_triggers: '
  '''fire'' or ''skip''. Left out is written as null for age column, triggers and name, as -2147483648 for '
  'numbers and ''as before'' for the condition. ST010: cannot be managed. ST012: bad policy. ST013: delete '
  'triggers. ST014: bad condition.';

-- Writes a dataset down; its revision grows only if something changed, so that saying it twice tells nobody
-- twice.
create function strata.keep_dataset(p_new strata.datasets)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old strata.datasets;
begin
  select d.* into v_old from strata.datasets as d where d.name = p_new.name for update;
  if v_old.name is not null
     and (v_old.schema_name, v_old.table_name) <> (p_new.schema_name, p_new.table_name) then
    raise exception 'dataset "%" is table %.% already', p_new.name, v_old.schema_name, v_old.table_name
      using errcode = 'ST010',
            hint = 'Choose another name with p_dataset, or unmanage the other table first.';
  end if;
  insert into strata.datasets as d
    (name, schema_name, table_name, key_columns, age_column, core_retention_days, main_retention_days,
     delete_after_days, due_when, waits_for, size_limit_kb, delete_triggers, accepted_from, accepted,
     managed_at, revision)
  values
    (p_new.name, p_new.schema_name, p_new.table_name, p_new.key_columns, p_new.age_column,
     p_new.core_retention_days, p_new.main_retention_days, p_new.delete_after_days, p_new.due_when,
     p_new.waits_for, p_new.size_limit_kb, p_new.delete_triggers,
     p_new.accepted_from, p_new.accepted, strata.clock(), strata.first_revision(p_new.name))
  on conflict (name) do update
     set key_columns = excluded.key_columns, age_column = excluded.age_column,
         core_retention_days = excluded.core_retention_days,
         main_retention_days = excluded.main_retention_days,
         delete_after_days = excluded.delete_after_days, due_when = excluded.due_when,
         waits_for = excluded.waits_for,
         size_limit_kb = excluded.size_limit_kb, delete_triggers = excluded.delete_triggers,
         accepted_from = coalesce(excluded.accepted_from, d.accepted_from),
         accepted = coalesce(excluded.accepted, d.accepted),
         revision = d.revision + 1
   where (d.key_columns, d.age_column, d.core_retention_days, d.main_retention_days,
          d.delete_after_days, d.due_when, d.waits_for, d.size_limit_kb, d.delete_triggers,
          coalesce(excluded.accepted, d.accepted), coalesce(excluded.accepted_from, d.accepted_from))
         is distinct from
         (excluded.key_columns, excluded.age_column, excluded.core_retention_days,
          excluded.main_retention_days,
          excluded.delete_after_days, excluded.due_when, excluded.waits_for, excluded.size_limit_kb,
          excluded.delete_triggers, d.accepted, d.accepted_from);
  update strata.datasets as d -- whoever says it again has mended something: no reason to wait
     set trouble = null, trouble_sqlstate = null, remedy = null, failures = 0, next_try_at = null
   where d.name = p_new.name and (d.trouble is not null or d.failures > 0);
  if strata.tier() = 'main' then
    perform strata.ensure_size_index(strata.relation(p_new)::regclass, p_new.age_column, p_new.size_limit_kb);
  end if;
  return p_new.name;
exception
  when check_violation then
    raise exception 'the policy of "%" makes no sense: %', p_new.name, sqlerrm
      using errcode = 'ST012', hint = strata.remedy('ST012');
  when unique_violation then
    raise exception 'table %.% is managed already, as another dataset', p_new.schema_name, p_new.table_name
      using errcode = 'ST010',
            hint = 'Unmanage that dataset first: select name, schema_name, table_name from strata.datasets.';
end
$$;
comment on function strata.keep_dataset(strata.datasets) is
  'Inserts a dataset or takes over its new policy. ST010: name or table is taken. ST012: bad policy.';

create function strata.unmanage(p_dataset text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
begin
  perform strata.lock_dataset(p_dataset);
  perform strata.call_registered('unmanage', p_dataset);
  if to_regclass(strata.relation(v_dataset)) is not null and v_dataset.delete_triggers = 'skip' then
    begin
      perform strata.guard_triggers(strata.relation(v_dataset)::regclass, false);
    exception when insufficient_privilege then -- the table is somebody else's by now
      raise warning 'the delete triggers of % keep the condition that Strata is not '
                    'purging: it holds for everybody', strata.relation(v_dataset);
    end;
  end if;
  delete from strata.failures as f where f.dataset = p_dataset;
  delete from strata.holds as h where h.dataset = p_dataset;
  delete from strata.datasets as d where d.name = p_dataset;
end
$$;
comment on function strata.unmanage(text) is
  'Lets go of a dataset on this tier: table, rows and indexes stay as they are, here and on the colder '
  'tiers. ST011: no such dataset. ST033: a move of it is open.';

create function strata.remedy(p_sqlstate text, p_dataset text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select replace(replace(strata.remedy(p_sqlstate), '<dataset>', quote_literal(coalesce(p_dataset, '…'))),
                 '<table>', coalesce(
                   (select format('%1$I.%2$I', d.schema_name, d.table_name) from strata.datasets as d
                     where d.name = p_dataset), p_dataset, '…'))
$$;
comment on function strata.remedy(text, text) is
  'remedy(), with the name of a dataset and its table where it names them.';

-- Nobody tells a writer that a row has settled: an upsert starts it anew, and a new row that refers to it is
-- refused. Updates are what can be seen of upserts. With a column that is set by each of them as the age,
-- what is in use is never old.
create function strata.writing_advice(p_dataset strata.datasets)
returns setof text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  c_often constant integer := 50; -- fewer are corrections by hand
begin
  return query
    select format('rows of %1$s are written again (%2$s updates to %3$s inserts): an upsert on a '
                  'row that has settled starts it anew. Let due_when say when a row is finished, or '
                  'hold those that are in use', p_dataset.name, s.n_tup_upd, s.n_tup_ins)
      from pg_catalog.pg_stat_user_tables as s
     where s.relid = to_regclass(strata.relation(p_dataset)) and s.n_tup_upd >= c_often
       and s.n_tup_upd >= s.n_tup_ins / 10;
  return query
    select format('%1$s refers to it (%2$s): a new row there cannot refer to one that has settled. Keep this '
                  'one longer than what refers to it',
                  f.conrelid::regclass, quote_ident(f.conname))
      from strata.foreign_keys_to(to_regclass(strata.relation(p_dataset))) as f
     where f.conparentid = 0 and f.conrelid <> f.confrelid order by f.conrelid::regclass::text, f.conname;
end
$$;
comment on function strata.writing_advice(strata.datasets) is
  'What the writers of a managed table should know, as far as it can be seen: updates that may be upserts, '
  'tables that refer to it.';
select strata.pin('strata.writing_advice(strata.datasets)');
