-- Publications: a published table of which the publication cannot say which row was deleted refuses every deletion.

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
      from pg_catalog.pg_class as c join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.oid = p_relation
       and (c.relreplident = 'f'
            or exists (select from pg_catalog.pg_index as i
                        where i.indrelid = c.oid and a.attnum = any (i.indkey)
                          and case c.relreplident when 'd' then i.indisprimary when 'i' then i.indisreplident end))
     order by a.attnum);
end
$$;
comment on function strata.identity_columns(regclass) is 'The columns of a table''s replica identity: what a publication tells of a deleted row.';

-- Its list of columns must have all of the identity; its row filter may read nothing else. The remedy publishes no column that
-- was left out but the identity's.
create function strata.publication_objections(p_relation regclass)
returns table (code text, says text, hint text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan -- asked for every batch, and the planning takes longer than the answer
as $$
declare
  v_identity constant name[] := strata.identity_columns(p_relation);
begin
  return query
  select 'ST010', format('publication "%s" publishes deletions of %s, which has no replica identity, so every deletion is refused', p.pubname, p_relation),
         format('alter table %s replica identity default', p_relation)
    from pg_catalog.pg_publication as p join pg_catalog.pg_class as c on c.oid = p_relation and c.relreplident = 'n'
   where p.pubdelete and p_relation in (select t.relid from pg_catalog.pg_get_publication_tables(p.pubname) as t)
  union all
  select 'ST010', format('publication "%s" publishes not all columns of the replica identity of %s, so every deletion is refused', p.pubname, p_relation),
         case when c.relreplident = 'f' then format('alter table %s replica identity default', p_relation)
              else format('alter publication %1$I drop table only %2$s; alter publication %1$I add table only %2$s (%3$s)%4$s', p.pubname, p_relation,
           (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_catalog.pg_attribute as a
             where a.attrelid = p_relation and (a.attnum = any (r.prattrs::smallint[]) or a.attname = any (v_identity))),
           ' where (' || pg_get_expr(r.prqual, r.prrelid) || ')') end
    from pg_catalog.pg_publication_rel as r join pg_catalog.pg_publication as p on p.oid = r.prpubid
    join pg_catalog.pg_class as c on c.oid = r.prrelid
   where r.prrelid = p_relation and p.pubdelete and v_identity <> '{}'
     and exists (select from pg_catalog.pg_attribute as a
                  where a.attrelid = p_relation and a.attname = any (v_identity) and not a.attnum = any (r.prattrs::smallint[]))
  union all
  select 'ST010', format('publication "%s" filters rows of %s by columns outside its replica identity, so every deletion is refused',
                         p.pubname, p_relation),
         case when r.prattrs is null then format('alter table %s replica identity full', p_relation)
              else format('Let the filter read columns of the replica identity alone, of which %s publishes all', p.pubname) end
    from pg_catalog.pg_publication_rel as r join pg_catalog.pg_publication as p on p.oid = r.prpubid
   where r.prrelid = p_relation and p.pubdelete and r.prqual is not null and v_identity <> '{}'
     and exists (select from pg_catalog.pg_attribute as a
                  where a.attrelid = p_relation and not a.attname = any (v_identity)
                    and position(format(':varattno %s ', a.attnum) in r.prqual::text) > 0);
end
$$;
comment on function strata.publication_objections(regclass) is
  'Publications by which every deletion is refused: without a replica identity, with a list of columns that has not all of it, or '
  'with a row filter over other columns.';
select strata.pin('strata.publication_objections(regclass)');
