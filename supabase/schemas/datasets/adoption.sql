-- Tables: what Strata asks of a table before it manages it, and the little it adds to one.
--
-- Questions to the catalogue (key_columns, delete_triggers, size_sql), the reason to refuse a condition
-- (check_condition), and the three things Strata ever changes on a table of its owner's: an index on its age
-- column, on main an index over its oversize rows, and, where the owner asked for it, one more condition on
-- its delete triggers. Nothing in here knows of datasets or policies.
--
-- What is asked of the catalogue for every batch is asked in plpgsql, which keeps the plan while the session
-- lives: planning takes ten times as long as answering. And each is answered by an index, because the
-- catalogue grows with the tables.

create function strata.key_columns(p_relation regclass)
returns text[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select array_agg(a.attname::text order by k.position)
      from pg_catalog.pg_index as i
      cross join lateral unnest(i.indkey) with ordinality as k (attnum, position)
      join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
     where i.indrelid = p_relation and i.indisprimary and k.position <= i.indnkeyatts);
end
$$;
comment on function strata.key_columns(regclass) is
  'The primary key''s columns in order; null when there is none.';

-- Keys are compared as their primary key compares them: the type of one may come with an extension, and its
-- `=` lies in no search path of ours. Not finding it can mean to compare as something else: citext as text,
-- letter by letter.
create function strata.equals_sql(p_relation regclass, p_column text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce((
      select format('operator(%1$s.%2$s)', o.oprnamespace::regnamespace::text, o.oprname)
        from pg_catalog.pg_index as i
       cross join lateral unnest(i.indkey, i.indclass) as k (attnum, opclass)
        join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
        join pg_catalog.pg_opclass as c on c.oid = k.opclass
        join pg_catalog.pg_amop as p on p.amopfamily = c.opcfamily and p.amopstrategy = 3
                                    and p.amoplefttype = c.opcintype and p.amoprighttype = c.opcintype
        join pg_catalog.pg_operator as o on o.oid = p.amopopr
       where i.indrelid = p_relation and i.indisprimary and a.attname = p_column), '='));
end
$$;
comment on function strata.equals_sql(regclass, text) is
  'The operator by which a table''s primary key tells values of a column apart, as SQL.';

-- In the condition itself, not in a name or an argument that only reads like it.
create function strata.looks_away(p_trigger oid)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
begin
  return (
    select g.tgqual is not null and coalesce(substring(
             replace(pg_catalog.pg_get_triggerdef(g.oid), quote_ident(g.tgname),
                     '') from '^.*? FOR EACH (?:ROW|STATEMENT) WHEN \((.*?)\) EXECUTE FUNCTION ')
             like '%current_setting(''strata.purging''%', false)
      from pg_catalog.pg_trigger as g where g.oid = p_trigger);
end
$$;
comment on function strata.looks_away(oid) is 'Whether a trigger''s WHEN asks for strata.purging.';
select strata.pin('strata.looks_away(oid)');

create function strata.delete_triggers(p_relation regclass, p_guarded boolean)
returns text[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select array_agg(g.tgname::text order by g.tgname)
      from pg_catalog.pg_trigger as g
     where g.tgrelid = p_relation and not g.tgisinternal and g.tgenabled <> 'D'
       and g.tgtype::integer & 8 = 8 -- on delete
       and strata.looks_away(g.oid) = p_guarded);
end
$$;
comment on function strata.delete_triggers(regclass, boolean) is
  'Names of the enabled user triggers that fire on DELETE: those that look at strata.purging in '
  'their WHEN, or the others.';

-- A trigger is replaced under its own name; how it is enabled and its comment survive.
create function strata.replace_trigger(p_trigger oid, p_definition text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_trigger record;
begin
  select g.tgname as name, g.tgrelid::regclass as relation, g.tgconstraint <> 0 as is_constraint,
         case g.tgenabled when 'D' then 'disable' when 'R' then 'enable replica'
                          when 'A' then 'enable always' end as mode,
         obj_description(g.oid, 'pg_trigger') as says
    into v_trigger from pg_catalog.pg_trigger as g where g.oid = p_trigger;
  if v_trigger.is_constraint then -- Postgres cannot replace these
    execute format('drop trigger %1$I on %2$s', v_trigger.name, v_trigger.relation);
    execute p_definition;
    execute format('comment on trigger %1$I on %2$s is %3$L', v_trigger.name, v_trigger.relation,
                   v_trigger.says);
  else
    execute regexp_replace(p_definition, '^CREATE ', 'create or replace ');
  end if;
  if v_trigger.mode is not null then
    execute format('alter table %1$s %2$s trigger %3$I', v_trigger.relation, v_trigger.mode, v_trigger.name);
  end if;
end
$$;
comment on function strata.replace_trigger(oid, text) is
  'Gives a trigger a new definition and nothing else: name, comment and mode stay.';

-- 'skip': each delete trigger gets one more condition, so that it looks away while Strata deletes; unguarding
-- takes exactly that condition away again. It is written as nobody else would, so that a trigger whose owner
-- looks at strata.purging himself is left alone both ways.
create function strata.guard_triggers(p_relation regclass, p_guard boolean)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  c_guard constant text := '(COALESCE(current_setting(''strata.purging''::text, true), '
                           '''off''::text) <> ''on''::text)';
  v_trigger record;
  v_parts text[];
begin
  for v_trigger in
    select g.oid, g.tgname as name, d.definition, position(c_guard in d.definition) > 0 as guarded
      from pg_catalog.pg_trigger as g
      cross join lateral (select pg_catalog.pg_get_triggerdef(g.oid)) as d (definition)
     where g.tgrelid = p_relation and not g.tgisinternal
  loop
    if p_guard and v_trigger.name = any (coalesce(strata.delete_triggers(p_relation, false), '{}')) then
      v_parts := regexp_match(v_trigger.definition,
                              '^(CREATE .*?)(?: WHEN \((.*)\))? EXECUTE FUNCTION (.*)$');
      perform strata.replace_trigger(v_trigger.oid,
                                     format('%1$s when (%2$s%3$s) execute function %4$s', v_parts[1],
                                            '(' || v_parts[2] || ') and ', c_guard, v_parts[3]));
    elsif v_trigger.guarded and not p_guard then
      perform strata.replace_trigger(v_trigger.oid, replace(replace(v_trigger.definition,
        ' WHEN (' || c_guard || ')', ''), ' AND ' || c_guard, ''));
    end if;
  end loop;
end
$$;
comment on function strata.guard_triggers(regclass, boolean) is
  'Adds to every delete trigger of the table the condition that Strata is not purging, '
  'or takes it away again.';
select strata.pin('strata.guard_triggers(regclass, boolean)');

create function strata.ensure_age_index(p_relation regclass, p_age_column text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
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
  -- Postgres finds a name that is free
  execute format('create index on %1$s (%2$I)', p_relation, p_age_column);
  return true;
end
$$;
comment on function strata.ensure_age_index(regclass, text) is
  'Makes an index '
  'on the age column unless one that leads with it is there; says whether it did. Writers wait while it '
  'is built: on a large busy table, create it concurrently beforehand.';

-- The size of a row as its owner sees it: bytes of its texts, bytes and documents, uncompressed. Everything
-- in it is immutable, so that an index can find the few rows above a limit.
create function strata.size_sql(p_relation regclass)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(string_agg(
           case when a.atttypid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'bytea'::regtype)
                then format('coalesce(octet_length(%I), 0)', a.attname)
                else format('coalesce(octet_length((%I)::text), 0)', a.attname) end, ' + ' order by a.attnum),
                  '0')
    from pg_catalog.pg_attribute as a
   where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped
     and a.atttypid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'bytea'::regtype,
                        'json'::regtype, 'jsonb'::regtype)
$$;
comment on function strata.size_sql(regclass) is
  'An immutable SQL expression for the bytes of a row''s variable-length columns (text, bytea, json, jsonb).';

-- Rows over the size limit are due on a middle tier whatever their age; a partial index finds them. Its
-- comment says what it was made from: another limit, age column or column of text, and it is made anew.
create function strata.ensure_size_index(
  p_relation regclass, p_age_column text, p_limit_kb integer
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  c_says constant text := 'Strata: rows over the size limit, by ';
  v_name constant text := (select 'strata_size_' || left(c.relname, 40) || '_' || left(md5(c.relname), 8)
                             from pg_catalog.pg_class as c where c.oid = p_relation);
  v_schema constant text := (select c.relnamespace::regnamespace from pg_catalog.pg_class as c
                              where c.oid = p_relation);
  v_definition constant text := format('(%1$I) where (%2$s) > %3$s', p_age_column,
                                       strata.size_sql(p_relation), p_limit_kb::bigint * 1024);
  v_there text;
begin
  select obj_description(i.indexrelid, 'pg_class') into v_there
    from pg_catalog.pg_index as i join pg_catalog.pg_class as c on c.oid = i.indexrelid
   where i.indrelid = p_relation and c.relname = v_name;
  if found and v_there is not distinct from c_says || v_definition then
    return;
  end if;
  execute format('drop index if exists %1$s.%2$I', v_schema, v_name);
  if p_limit_kb is not null and strata.size_sql(p_relation) <> '0' then
    execute format('create index %1$I on %2$s %3$s', v_name, p_relation, v_definition);
    execute format('comment on index %1$s.%2$I is %3$L', v_schema, v_name, c_says || v_definition);
  end if;
exception when program_limit_exceeded then
  -- over hundreds of columns a predicate grows too long for the catalogue; the rows are found without it
  null;
end
$$;
comment on function strata.ensure_size_index(regclass, text, integer) is
  'Makes, remakes or drops the partial index over the rows of a table above a size limit (KB; null: none).';

create function strata.check_condition(p_relation regclass, p_condition text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_context text;
begin
  -- First as a claim writes it, then as a hold does: over the row alone, where a name can mean a column and
  -- nothing else. No text closes both kinds of bracket, so what passes is one expression.
  execute format('select from %1$s as t where (%2$s) and (select (array[%2$s]::boolean[])[1] '
                 'from (select t.*) as t) limit 0',
                 p_relation, p_condition);
exception when query_canceled or assert_failure or others then -- what is constant in it is computed already
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context)
     or (left(sqlstate, 2) in ('40', '53', '55', '58') and not strata.is_raised_by_owner(v_context)) then
    raise;
  end if;
  raise exception 'the condition "%" does not fit %: %', p_condition, p_relation, sqlerrm
    using errcode = 'ST014', hint = strata.remedy('ST014');
end
$$;
comment on function strata.check_condition(regclass, text) is
  'Refuses (ST014) a condition that is not a boolean expression over the table''s columns.';

create function strata.database_bytes(p_database oid)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  -- null for one without a file, which is being made or dropped
  return coalesce(pg_database_size(p_database), 0);
exception when invalid_catalog_name or undefined_object then -- 3D000; from PostgreSQL 16 on 42704
  return 0; -- dropped at this moment
end
$$;
comment on function strata.database_bytes(oid) is
  'pg_database_size(), and 0 for a database that is dropped while it is asked about.';
