-- Owners: whose code runs when Strata writes to a table.

create function strata.routines_run_by(p_relation regclass)
returns table (function oid, says text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- each by its number: never all of a catalogue for one table's
set enable_mergejoin = off
-- asked for every batch, and the planning takes ten times as long as the answer
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  with recursive types (typ) as ( -- and those they are made of
    select a.atttypid from pg_catalog.pg_attribute as a
     where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped
    union
    select x.typ from types as y join pg_catalog.pg_type as t on t.oid = y.typ
      left join pg_catalog.pg_range as r on t.oid in (r.rngtypid, r.rngmultitypid)
      cross join lateral (
        select t.typelem as typ union all select t.typbasetype
        union all select r.rngsubtype union all select r.rngtypid
        union all select a.atttypid from pg_catalog.pg_attribute as a
         where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) as x
     where x.typ <> 0
  ), parts (classid, objid, says) as (
    select 'pg_catalog.pg_attrdef'::regclass, x.oid, 'a default' from pg_catalog.pg_attrdef as x
     where x.adrelid = p_relation
    union all select 'pg_catalog.pg_constraint'::regclass, x.oid, 'check ' || x.conname
      from pg_catalog.pg_constraint as x where x.conrelid = p_relation
    union all select 'pg_catalog.pg_class'::regclass, x.indexrelid, 'index ' || x.indexrelid::regclass
      from pg_catalog.pg_index as x where x.indrelid = p_relation
    union all select 'pg_catalog.pg_policy'::regclass, x.oid, 'policy ' || x.polname
      from pg_catalog.pg_policy as x where x.polrelid = p_relation
    union all select 'pg_catalog.pg_rewrite'::regclass, x.oid, 'rule ' || x.rulename
      from pg_catalog.pg_rewrite as x where x.ev_class = p_relation
    union all select 'pg_catalog.pg_trigger'::regclass, x.oid, 'trigger ' || x.tgname
      from pg_catalog.pg_trigger as x where x.tgrelid = p_relation
    union all select 'pg_catalog.pg_constraint'::regclass, x.oid, 'check ' || x.conname
                from types as y join pg_catalog.pg_constraint as x on x.contypid = y.typ
    union all select 'pg_catalog.pg_type'::regclass, y.typ, 'type ' || format_type(y.typ, null)
      from types as y
  )
  select g.tgfoid, 'trigger ' || g.tgname from pg_catalog.pg_trigger as g
   where g.tgrelid = p_relation and not g.tgisinternal
  union select coalesce(o.oprcode::oid, d.refobjid), p.says
          from parts as p join pg_catalog.pg_depend as d on (d.classid, d.objid) = (p.classid, p.objid)
          left join pg_catalog.pg_operator as o
            on d.refclassid = 'pg_catalog.pg_operator'::regclass and o.oid = d.refobjid
         where d.refclassid in ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass);
end
$$;
comment on function strata.routines_run_by(regclass) is
  'The functions that run when rows of a table are written or read: of its triggers, defaults, checks, '
  'indexes, policies, rules and types; each with what runs it.';
select strata.pin('strata.routines_run_by(regclass)');

-- Strata writes and deletes as the owner of its schema. A table of somebody else, or one on which something
-- of somebody else's runs (a trigger, a default, a check, an index, a policy), would have that run with more
-- rights than its owner has. What comes from a superuser or with an extension is trusted; who can replace it
-- can do anything here already.
create function strata.owner_objections(p_relation regclass)
returns table (code text, says text, hint text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_hashjoin = off -- see routines_run_by()
set enable_mergejoin = off
-- asked for every batch, and the planning takes ten times as long as the answer
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  with ours as (
    select n.nspowner as owner from pg_catalog.pg_namespace as n where n.nspname = 'strata'
  )
  select 'ST010', format('%1$s belongs to %2$s, not to %3$s, as who Strata works', p_relation,
                         c.relowner::regrole, o.owner::regrole),
         format('Manage a table of your own; what belongs to the platform has its own retention. If it is '
                'yours: alter table %1$s owner to %2$s', p_relation, o.owner::regrole)
    from ours as o, pg_catalog.pg_class as c where c.oid = p_relation and c.relowner <> o.owner
  union all
  select 'ST010', format('%1$s of %2$s runs function %3$s, which %4$s can replace', r.says, p_relation,
                         f.oid::regprocedure, f.proowner::regrole),
         format('Let it belong to who owns the table: alter function %1$s owner to %2$s', f.oid::regprocedure,
                o.owner::regrole)
    from ours as o, strata.routines_run_by(p_relation) as r
    join pg_catalog.pg_proc as f on f.oid = r.function
    join pg_catalog.pg_roles as w on w.oid = f.proowner
   where f.proowner <> o.owner and not w.rolsuper
     and not exists (select from pg_catalog.pg_depend as x
                      where x.classid = 'pg_catalog.pg_proc'::regclass and x.objid = f.oid
                        and x.deptype = 'e');
end
$$;
comment on function strata.owner_objections(regclass) is
  'Why Strata would run something of somebody else''s as its own owner if it managed a table; '
  'empty when it would not.';
select strata.pin('strata.owner_objections(regclass)');
