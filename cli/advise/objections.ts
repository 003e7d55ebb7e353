/**
 * Why a table cannot settle: what `strata.manage()` objects to, asked before there is any Strata. The
 * sentences are its own, so that nobody meets another one later; a test holds both side by side.
 */
import type { TransactionSql } from "postgres";
import type { Reader } from "./reader.ts";
import type { Server } from "./server.ts";
import type { Table } from "./tables.ts";

/** One reason, with what to do about it. */
export interface Objection {
  oid: number;
  code: string;
  says: string;
  remedy: string;
}

const ANYWHERE = ["cron", "net", "vault", "strata", "supabase_migrations"];
const ON_SUPABASE = [
  ...[
    "auth",
    "storage",
    "realtime",
    "_realtime",
    "extensions",
    "graphql",
    "graphql_public",
    "pgsodium",
  ],
  ...["pgbouncer", "supabase_functions", "_analytics", "_supavisor", "pgtle"],
];

/** Schemas whose tables are nobody's to move: extensions', the platform's and Strata's. */
export const platformSchemas = ({ supabase }: Pick<Server, "supabase">): string[] =>
  supabase ? [...ANYWHERE, ...ON_SUPABASE] : ANYWHERE;

/** Asked of so many tables, the largest; the catalogue of a large database is slow to search. */
const MOST_ASKED = 400;

type Part = (sql: TransactionSql, oids: number[], worker: number) => Promise<Objection[]>;

/** What the table is. */
const shape: Part = (sql, oids) =>
  sql<Objection[]>`
  select c.oid::bigint::float8 as oid, 'ST010' as code, format('%s %s', c.oid::regclass, o.says) as says,
    o.remedy
    from pg_class as c, lateral (values
      (c.relkind <> 'r',
       case c.relkind when 'm' then 'is a materialized view' when 'f' then 'is a foreign table'
         when 'p' then 'is a partitioned table' else 'is not a table' end,
       case c.relkind when 'p' then 'Drop old partitions instead.'
         else 'Manage the table that holds the rows.' end),
      (c.relkind = 'r' and not exists (select from pg_index as i where i.indrelid = c.oid and i.indisprimary),
       'has no primary key',
       format('Add one: rows are followed by it from tier to tier. If no column is one: alter table %s '
              'add column id bigint '
              'generated always as identity primary key; (it is rewritten, and others wait meanwhile)',
                c.oid::regclass)),
      (c.relkind = 'r' and exists (select from pg_inherits as i where c.oid in (i.inhrelid, i.inhparent)),
       'takes part in table inheritance', 'Manage a table without parents or children.')) as o (applies,
         says, remedy)
   where c.oid = any (${oids}::oid[]) and o.applies
  union all
  select a.attrelid::bigint::float8, 'ST010',
         format('column "%s" of %s is called like one that Strata adds while it reads', a.attname,
           a.attrelid::regclass),
         'Give the column another name.'
    from pg_attribute as a
   where a.attrelid = any (${oids}::oid[])
     and a.attname in ('strata_tid', 'strata_version', 'strata_age', 'strata_before', 'strata_content')`;

/** Values that mean nothing on another server. */
const values: Part = (sql, oids) =>
  sql<Objection[]>`
  with recursive parts (oid, attname, attnum, whole, typ) as (
    select a.attrelid, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.atttypid
      from pg_attribute as a
     where a.attrelid = any (${oids}::oid[]) and a.attnum > 0 and not a.attisdropped
    union
    select p.oid, p.attname, p.attnum, p.whole, x.typ from parts as p join pg_type as t on t.oid = p.typ
      left join pg_range as r on t.oid in (r.rngtypid, r.rngmultitypid)
      cross join lateral (
        select t.typelem as typ where t.typlen = -1 union all select t.typbasetype
          union all select r.rngsubtype
         union all select a.atttypid from pg_attribute as a
                    where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0
                      and not a.attisdropped) as x
     where x.typ <> 0
  ), named as (
    select p.*, t.typname, t.typnamespace = 'pg_catalog'::regnamespace as builtin
      from parts as p join pg_type as t on t.oid = p.typ
  )
  select p.oid::bigint::float8 as oid, 'ST010' as code,
         format('column "%s" of %s is of type %s: large objects cannot cross', p.attname, p.oid::regclass,
           p.whole) as says,
         'Keep the content in a bytea column, or the reference as bigint if nothing hangs on it.' as remedy
    from named as p where (p.builtin and p.typname in ('oid', 'oidvector')) or p.typname = 'lo'
  union all
  select p.oid::bigint::float8, 'ST010',
    format('column "%s" of %s is of type %s: Postgres writes values of %s and reads none',
                                p.attname, p.oid::regclass, p.whole, p.typname),
         'Keep its text, in a column of type text.'
    from named as p
   where p.builtin and (p.typname in ('pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list',
     'gtsvector')
                        or p.typname ~ '^pg_brin_')
  union all
  select p.oid::bigint::float8, 'ST010',
         format('column "%s" of the primary key of %s is of type %s: '
                'its values are other ones on each server',
                p.attname, p.oid::regclass, p.whole),
         'Make the key of the name, as text.'
    from named as p
    join pg_index as i on i.indrelid = p.oid and i.indisprimary and p.attnum = any (i.indkey)
   where p.builtin and (p.typname ~ '^reg' or p.typname = 'aclitem')`;

/** What a deletion would refuse, or take along. */
const deletions: Part = (sql, oids) =>
  sql<Objection[]>`
  select f.confrelid::bigint::float8 as oid, 'ST010' as code,
         format('deleting a row of %s would delete rows of %s (foreign key %s, on delete cascade)',
                f.confrelid::regclass, f.conrelid::regclass, f.conname) as says,
         format('Make it on delete restrict, and delete there first where you delete here: alter table %1$s '
                'drop constraint %2$I, add constraint %2$I %3$s;', f.conrelid::regclass, f.conname,
                replace(pg_get_constraintdef(f.oid), ' ON DELETE CASCADE', ' ON DELETE RESTRICT')) as remedy
    from pg_constraint as f where f.contype = 'f' and f.confdeltype = 'c'
      and f.confrelid = any (${oids}::oid[])
  union all
  select r.ev_class::bigint::float8, 'ST010',
         format('%s has rule "%s", which is followed when a row is deleted', r.ev_class::regclass,
           r.rulename),
         format('Drop it, and use a trigger instead: drop rule %I on %s', r.rulename, r.ev_class::regclass)
    from pg_rewrite as r where r.ev_type = '4' and r.ev_class = any (${oids}::oid[])
  union all
  select g.tgrelid::bigint::float8, 'ST013',
         format('%s has triggers that fire on delete: %s', g.tgrelid::regclass, string_agg(g.tgname, ', '
           order by g.tgname)),
         'Say whether a move may fire them: delete_triggers: fire, or skip.'
    from pg_trigger as g
   where g.tgrelid = any (${oids}::oid[]) and not g.tgisinternal and g.tgenabled <> 'D'
     and g.tgtype::integer & 8 = 8
     and (g.tgqual is null or pg_get_triggerdef(g.oid) not like '%current_setting(''strata.purging''%')
   group by g.tgrelid`;

/** Publications by which every deletion is refused. */
const publications: Part = (sql, oids) =>
  sql<Objection[]>`
  with published as (
    select c.oid, p.pubname, r.prattrs, r.prqual, r.prrelid, c.relreplident,
           array(select a.attnum from pg_attribute as a
                  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                    and (c.relreplident = 'f'
                         or exists (select from pg_index as i where i.indrelid = c.oid
                           and a.attnum = any (i.indkey)
                                      and case c.relreplident when 'd' then i.indisprimary
                                                              when 'i' then i.indisreplident end)))
                                                                as identity
      from pg_publication as p cross join pg_class as c
      left join pg_publication_rel as r on r.prpubid = p.oid and r.prrelid = c.oid
     where p.pubdelete and c.oid = any (${oids}::oid[])
       and c.oid in (select t.relid from pg_get_publication_tables(p.pubname) as t)
  )
  select p.oid::bigint::float8 as oid, 'ST010' as code,
         format('publication "%s" publishes deletions of %s, which has no replica identity, '
                'so every deletion is refused',
                p.pubname, p.oid::regclass) as says,
         format('alter table %s replica identity default', p.oid::regclass) as remedy
    from published as p where p.relreplident = 'n'
  union all
  select p.oid::bigint::float8, 'ST010',
         format('publication "%s" publishes not all columns of the replica identity of %s, '
                'so every deletion is refused',
                p.pubname, p.oid::regclass), 'Publish all of them.'
    from published as p
   where exists (select from unnest(p.identity) as x (attnum)
     where not x.attnum = any (p.prattrs::smallint[]))
  union all
  select p.oid::bigint::float8, 'ST010',
         format('publication "%s" filters rows of %s by columns outside its replica identity, '
                'so every deletion is refused',
                p.pubname, p.oid::regclass),
         case when p.prattrs is null then format('alter table %s replica identity full', p.oid::regclass)
              else format('Let the filter read columns of the replica identity alone, '
                          'of which %s publishes all', p.pubname) end
    from published as p
   where p.prqual is not null and cardinality(p.identity) > 0
     and exists (select from pg_attribute as a
                  where a.attrelid = p.oid and a.attnum > 0 and not a.attnum = any (p.identity)
                    and position(format(':varattno %s ', a.attnum) in p.prqual::text) > 0)`;

/** Whose table it is, and whose code would run as Strata. */
const owners: Part = (sql, oids, worker) =>
  sql<Objection[]>`
  with recursive types (oid, typ) as (
    select a.attrelid, a.atttypid from pg_attribute as a
     where a.attrelid = any (${oids}::oid[]) and a.attnum > 0 and not a.attisdropped
    union
    select y.oid, x.typ from types as y join pg_type as t on t.oid = y.typ
      left join pg_range as r on t.oid in (r.rngtypid, r.rngmultitypid)
      cross join lateral (
        select t.typelem as typ union all select t.typbasetype union all select r.rngsubtype
          union all select r.rngtypid
         union all select a.atttypid from pg_attribute as a
                    where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0
                      and not a.attisdropped) as x
     where x.typ <> 0
  ), parts (oid, classid, objid, says) as (
    select x.adrelid, 'pg_attrdef'::regclass, x.oid, 'a default' from pg_attrdef as x
      where x.adrelid = any (${oids}::oid[])
    union all select x.conrelid, 'pg_constraint'::regclass, x.oid, 'check ' || x.conname
                from pg_constraint as x where x.conrelid = any (${oids}::oid[])
    union all select x.indrelid, 'pg_class'::regclass, x.indexrelid, 'index ' || x.indexrelid::regclass
                from pg_index as x where x.indrelid = any (${oids}::oid[])
    union all select x.polrelid, 'pg_policy'::regclass, x.oid, 'policy ' || x.polname
                from pg_policy as x where x.polrelid = any (${oids}::oid[])
    union all select x.ev_class, 'pg_rewrite'::regclass, x.oid, 'rule ' || x.rulename
                from pg_rewrite as x where x.ev_class = any (${oids}::oid[])
    union all select x.tgrelid, 'pg_trigger'::regclass, x.oid, 'trigger ' || x.tgname
                from pg_trigger as x where x.tgrelid = any (${oids}::oid[])
    union all select y.oid, 'pg_constraint'::regclass, x.oid, 'check ' || x.conname
                from types as y join pg_constraint as x on x.contypid = y.typ
    union all select y.oid, 'pg_type'::regclass, y.typ, 'type ' || format_type(y.typ, null) from types as y
  ), runs (oid, function, says) as (
    select g.tgrelid, g.tgfoid, 'trigger ' || g.tgname from pg_trigger as g
     where g.tgrelid = any (${oids}::oid[]) and not g.tgisinternal
    union select p.oid, coalesce(o.oprcode::oid, d.refobjid), p.says
      from parts as p join pg_depend as d on (d.classid, d.objid) = (p.classid, p.objid)
      left join pg_operator as o on d.refclassid = 'pg_operator'::regclass and o.oid = d.refobjid
     where d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass)
  )
  select c.oid::bigint::float8 as oid, 'ST010' as code,
         format('%s belongs to %s, not to %s, as who Strata works', c.oid::regclass, c.relowner::regrole,
                ${worker}::oid::regrole) as says,
         format('Manage a table of your own; what belongs to the platform has its own retention. '
                'If it is yours: alter table %s owner to %s',
                c.oid::regclass, ${worker}::oid::regrole) as remedy
    from pg_class as c where c.oid = any (${oids}::oid[]) and c.relowner <> ${worker}::oid
  union all
  select r.oid::bigint::float8, 'ST010', format('%s of %s runs function %s, which %s can replace', r.says,
    r.oid::regclass,
                                f.oid::regprocedure, f.proowner::regrole),
         format('Let it belong to who owns the table: alter function %s owner to %s', f.oid::regprocedure,
           ${worker}::oid::regrole)
    from runs as r join pg_proc as f on f.oid = r.function join pg_roles as w on w.oid = f.proowner
   where f.proowner <> ${worker}::oid and not w.rolsuper
     and not exists (select from pg_depend as x
                      where x.classid = 'pg_proc'::regclass and x.objid = f.oid and x.deptype = 'e')`;

const PARTS: readonly [string, Part][] = [
  ["what tables are", shape],
  ["who owns tables, and what runs on them", owners],
  ["the values of tables", values],
  ["what hangs on deletions", deletions],
  ["publications", publications],
];

/** Everything that keeps tables from being managed, but for their age columns. */
export async function objectionsTo(
  reader: Reader,
  { worker_id }: Pick<Server, "worker_id">,
  tables: readonly Table[],
): Promise<Objection[]> {
  const oids = tables.slice(0, MOST_ASKED).map(({ oid }) => oid);
  const found: Objection[] = [];
  for (const [what, part] of PARTS) {
    found.push(...await reader.ask(what, (sql) => part(sql, oids, worker_id)) ?? []);
  }
  return found;
}

/** Which tables refer to which, each pair once. */
export async function references(reader: Reader): Promise<{ to: number; from: string }[]> {
  return await reader.ask("foreign keys", (sql) =>
    sql<{ to: number; from: string }[]>`
    select distinct f.confrelid::bigint::float8 as to, format('%I.%I', n.nspname, c.relname) as from
      from pg_constraint as f join pg_class as c on c.oid = f.conrelid join pg_namespace as n
        on n.oid = c.relnamespace
     where f.contype = 'f' and f.conparentid = 0 and f.conrelid <> f.confrelid
     order by 1, 2`) ?? [];
}
