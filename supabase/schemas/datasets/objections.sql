-- Objections: what keeps a table from being managed, each with what to do about it.

-- The catalogue has no index by the table a foreign key points at, but one by what depends on a table.
create function strata.foreign_keys_to(p_relation regclass)
returns setof pg_catalog.pg_constraint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- each by its number: never all constraints for one table's
set enable_mergejoin = off
as $$
begin
  return query
    select f.*
      from (select distinct d.objid as oid from pg_catalog.pg_depend as d
             where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = p_relation
               and d.classid = 'pg_catalog.pg_constraint'::regclass) as d
      join pg_catalog.pg_constraint as f on f.oid = d.oid
     where f.contype = 'f' and f.confrelid = p_relation;
end
$$;
comment on function strata.foreign_keys_to(regclass) is
  'The foreign keys of any table that point at this one.';

create function strata.delete_rules(p_relation regclass)
returns text[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(array_agg(r.rulename::text order by r.rulename), '{}')
      from pg_catalog.pg_rewrite as r where r.ev_class = p_relation and r.ev_type = '4');
end
$$;
comment on function strata.delete_rules(regclass) is
  'Rules (create rule … on delete) that do something else than delete, '
  'or more, while a DELETE says that the row is gone.';

create function strata.deletion_objections(p_relation regclass)
returns table (code text, says text, hint text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  select 'ST010',
         format('deleting a row of %1$s would delete rows of %2$s (foreign key %3$s, on delete cascade)',
                p_relation, f.conrelid::regclass, f.conname),
         format('Make it on delete restrict '
                'or no action: alter table %1$s drop constraint %2$I, and add it again.',
                f.conrelid::regclass, f.conname)
    from strata.foreign_keys_to(p_relation) as f where f.confdeltype = 'c'
  union all
  select p.* from strata.publication_objections(p_relation) as p
  union all
  select 'ST010', format('%1$s has rule "%2$s", which is followed when a row is deleted', p_relation, d.rule),
         format('Drop it, and use a trigger instead: drop rule %1$I on %2$s', d.rule, p_relation)
    from unnest(strata.delete_rules(p_relation)) as d (rule);
end
$$;
comment on function strata.deletion_objections(regclass) is
  'What would refuse the deletion of a row, or make more of it: foreign keys, publications, rules.';

create function strata.kind_objections(p_relation regclass)
returns table (code text, says text, hint text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  select 'ST010', format('%1$s %2$s', p_relation, o.says), o.hint
    from pg_catalog.pg_class as c,
    lateral (values
      (c.relkind <> 'r',
       case c.relkind when 'v' then 'is a view' when 'm' then 'is a materialized view'
                      when 'f' then 'is a foreign table' when 'p' then 'is a partitioned table'
                      else 'is not a table' end,
       case c.relkind when 'p' then 'Drop old partitions instead.'
                      else 'Manage the table that holds the rows.' end),
      (c.relpersistence = 't', 'is a temporary table', 'Manage an ordinary table.'),
      (c.relnamespace::regnamespace::text
         in ('pg_catalog', 'information_schema', 'strata', 'cron', 'vault', 'net'),
       'belongs to Postgres or to Strata itself', 'Manage a table of your own.'),
      (c.relkind = 'r' and strata.key_columns(p_relation) is null,
       'has no primary key', 'Add one: rows are followed by it from tier to tier.')
    ) as o (applies, says, hint)
   where c.oid = p_relation and o.applies;
end
$$;
comment on function strata.kind_objections(regclass) is
  'Why what has that name is no table that can be managed, whatever is in it (ST010); empty when it is one.';

-- Everything that keeps a table from being managed, in the order a person would mend it. Asked when a table
-- is adopted and again before every batch: a foreign key added last night counts as well.
create function strata.objections(p_relation regclass, p_age_column text, p_delete_triggers text)
returns table (code text, says text, hint text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  select o.code, o.says, o.hint from strata.kind_objections(p_relation) as o
  union all
  select o.code, o.says, o.hint from strata.owner_objections(p_relation) as o
  union all
  select 'ST010', format('column "%1$s" of %2$s is called like one that Strata adds while it reads',
                         a.attname, p_relation), 'Give the column another name.'
    from pg_catalog.pg_attribute as a
   where a.attrelid = p_relation
     and a.attname in ('strata_tid', 'strata_version', 'strata_age', 'strata_before', 'strata_content')
  union all
  select 'ST010', format('%s takes part in table inheritance', p_relation),
         'Manage a table without parents or children.'
   where exists (select from pg_catalog.pg_inherits as i where p_relation in (i.inhrelid, i.inhparent))
     and exists (select from pg_catalog.pg_class as c where c.oid = p_relation and c.relkind = 'r')
  union all
  select 'ST010',
         case when a.attname is null
                then format('%1$s has no column "%2$s" to tell a row''s age by', p_relation, p_age_column)
           else format('column "%1$s" of %2$s is %3$s, which is not a point in time', a.attname, p_relation,
                       format_type(a.atttypid, a.atttypmod)) end,
         'Name a column of type timestamptz, timestamp or date: p_age_column in SQL, --age, or '
         'age_column in strata.yaml.'
    from (select) as one
    left join pg_catalog.pg_attribute as a
      on a.attrelid = p_relation and a.attname = p_age_column and a.attnum > 0 and not a.attisdropped
   where a.attname is null
      or a.atttypid not in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
  union all
  select o.code, o.says, o.hint from strata.value_objections(p_relation) as o
  union all
  select o.code, o.says, o.hint from strata.deletion_objections(p_relation) as o
  union all
  select 'ST013',
         format('%1$s has triggers that fire on delete: %2$s', p_relation, array_to_string(g.names, ', ')),
         'A move deletes here what it has brought to the colder tier. Call strata.manage() '
         'with p_delete_triggers => ''fire'' (let them) or ''skip'' (they are made to look '
         'away while Strata deletes).'
    from (select strata.delete_triggers(p_relation, false) as names) as g
   where g.names is not null and p_delete_triggers is distinct from 'fire';
end
$$;
comment on function strata.objections(regclass, text, text) is
  'Why a table cannot be managed, or cannot go on being moved: code, sentence and remedy; empty when it can.';
select strata.pin('strata.objections(regclass, text, text)');
