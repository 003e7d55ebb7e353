-- Publications: a published table of which the publication cannot say which row was deleted refuses every
-- deletion.

-- What a subscriber is told of a deleted row: nothing, its key or another index, all of it.
create function strata.identity_columns(p_relation regclass)
returns name[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    select a.attname
      from pg_catalog.pg_class as c
      join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.oid = p_relation
       and (c.relreplident = 'f'
            or exists (select from pg_catalog.pg_index as i
                        where i.indrelid = c.oid and a.attnum = any (i.indkey)
                          and case c.relreplident when 'd' then i.indisprimary
                                                  when 'i' then i.indisreplident end))
     order by a.attnum);
end
$$;
comment on function strata.identity_columns(regclass) is
  'The columns of a table''s replica identity: what a publication tells of a deleted row.';

-- A partition is published with its parents, too. What holds for it (filter, columns) is said of it, or,
-- where all is published as of the root, of the topmost of its parents in the publication.
create function strata.publications_of(p_relation regclass)
returns table (
  part regclass, identity name[], relreplident "char", pubname name, published regclass, columns name[],
  filter pg_node_tree, filters name[]
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  select l.relid, strata.identity_columns(l.relid), c.relreplident, p.pubname, t.relid,
         (select array_agg(a.attname order by a.attnum) from pg_catalog.pg_attribute as a
           where a.attrelid = r.prrelid and a.attnum = any (r.prattrs::smallint[])),
         r.prqual,
         (select array_agg(a.attname) from pg_catalog.pg_attribute as a
           where a.attrelid = r.prrelid and a.attnum > 0
             and position(format(':varattno %s ', a.attnum) in r.prqual::text) > 0)
    from pg_catalog.pg_publication as p
   cross join (select p_relation as relid
               union select x.relid from pg_catalog.pg_partition_tree(p_relation) as x where x.isleaf) as l
    join pg_catalog.pg_class as c on c.oid = l.relid and c.relkind = 'r' and c.relpersistence = 'p'
   cross join lateral (
     select (array_agg(u.relid order by u.up desc))[1] as top
       from (select l.relid as relid, 0 as up union all
             select x.relid,
                    x.o from pg_catalog.pg_partition_ancestors(l.relid) with ordinality as x (relid, o)
                                               where x.relid <> l.relid) as u
      where p.puballtables
         or exists (select from pg_catalog.pg_publication_rel as x
                     where (x.prpubid, x.prrelid) = (p.oid, u.relid))
         or exists (select from pg_catalog.pg_publication_namespace as n
                      join pg_catalog.pg_class as k on k.relnamespace = n.pnnspid
                     where (n.pnpubid, k.oid) = (p.oid, u.relid))) as h
   cross join lateral (select case when p.pubviaroot then h.top else l.relid end as relid) as t
    left join pg_catalog.pg_publication_rel as r on (r.prpubid, r.prrelid) = (p.oid, t.relid)
   where p.pubdelete and h.top is not null
   order by l.relid::regclass::text, p.pubname;
end
$$;
comment on function strata.publications_of(regclass) is
  'Which publications publish deletions from a table (or which part of it), as of which table, with which '
  'columns (null: all) and filter.';
select strata.pin('strata.publications_of(regclass)');

-- Its list of columns must have all of the identity; its row filter may read nothing else. The remedy
-- publishes no column that was left out but the identity's.
create function strata.publication_objections(p_relation regclass)
returns table (code text, says text, hint text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  select 'ST010', format('publication "%1$s" publishes deletions of %2$s, which has no replica identity, so '
                         'every deletion is refused', p.pubname, p.part),
         format('alter table %s replica identity default', p.part)
    from strata.publications_of(p_relation) as p where p.identity = '{}' and p.relreplident <> 'f'
  union all
  select 'ST010', format('publication "%1$s" publishes not all columns of the replica identity of %2$s, so '
                         'every deletion is refused', p.pubname, p.part),
         case when p.relreplident = 'f' then format('alter table %s replica identity default', p.part)
              else format('alter publication %1$I drop table only %2$s; alter publication %1$I add '
                          'table only %2$s (%3$s)%4$s', p.pubname, p.published,
           (select string_agg(quote_ident(a.attname), ', ' order by a.attnum)
              from pg_catalog.pg_attribute as a
             where a.attrelid = p.published and a.attnum > 0 and a.attname = any (p.columns || p.identity)),
           ' where (' || pg_get_expr(p.filter, p.published) || ')') end
    from strata.publications_of(p_relation) as p where p.identity <> '{}' and not p.columns @> p.identity
  union all
  select 'ST010', format('publication "%1$s" filters rows of %2$s by columns outside its replica identity, '
                         'so every deletion is refused', p.pubname, p.part),
         case when p.columns is null then format('alter table %s replica identity full', p.part)
              else format('Let the filter read columns of the replica identity alone, '
                          'of which %s publishes all', p.pubname) end
    from strata.publications_of(p_relation) as p where p.identity <> '{}' and not p.identity @> p.filters;
end
$$;
comment on function strata.publication_objections(regclass) is
  'Publications by which every deletion is refused, of the table itself or by way of its parents or '
  'partitions: without a replica identity, with a list of columns that has not all of it, or with a row '
  'filter over other columns.';
select strata.pin('strata.publication_objections(regclass)');
