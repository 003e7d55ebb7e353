-- Sizes: what the platform bills, and what takes the room.
--
-- The billed number is sum(pg_database_size) over every database of the server, catalogues, dead rows and
-- all. It falls when space is given back to the disk, not when rows are deleted.

create function strata.billed_bytes()
returns bigint
language sql
volatile
set search_path = ''
as $$
  select sum(pg_catalog.pg_database_size(d.oid))::bigint
    from pg_catalog.pg_database as d
   where pg_catalog.has_database_privilege(d.oid, 'connect')
      or pg_catalog.pg_has_role('pg_read_all_stats', 'member')
$$;
comment on function strata.billed_bytes() is
  'What the platform counts: the size of all databases of this server (that this role may ask about).';
revoke execute on function strata.billed_bytes() from public;

create function strata.table_sizes(p_limit integer default 5)
returns table (relation text, dataset text, bytes bigint, row_estimate bigint)
language sql
volatile
set search_path = ''
as $$
  select format('%I.%I', n.nspname, c.relname), d.name,
         pg_catalog.pg_total_relation_size(c.oid), nullif(c.reltuples, -1)::bigint
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    left join strata.datasets as d on d.schema_name = n.nspname and d.table_name = c.relname
   where c.relkind in ('r', 'm') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
   order by pg_catalog.pg_total_relation_size(c.oid) desc, 1
   limit p_limit
$$;
comment on function strata.table_sizes(integer) is
  'The largest tables of this tier with indexes and TOAST, and about how many rows they have (null: not known yet).';
revoke execute on function strata.table_sizes(integer) from public;
