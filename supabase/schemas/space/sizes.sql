-- Sizes: what the platform bills, and what takes the room.
--
-- The billed number is sum(pg_database_size) over every database of the server, catalogues, dead rows and
-- all. It falls when space is given back to the disk, not when rows are deleted; so beside each size stands
-- how much of it could be given back. All of it comes from the catalogue, the planner's statistics and file
-- sizes: no table is read, and a table that someone holds exclusively (a VACUUM FULL at work) is not waited
-- for: its last known size is used.

create function strata.billed_bytes()
returns bigint
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select sum(strata.database_bytes(d.oid))::bigint
    from pg_catalog.pg_database as d
   where pg_catalog.has_database_privilege(d.oid, 'connect')
      or pg_catalog.pg_has_role('pg_read_all_stats', 'member')
$$;
comment on function strata.billed_bytes() is
  'What the platform counts: the size of all databases of this server (that this role may ask about).';

create function strata.relation_bytes(p_least bigint default 0)
returns table (
  relation oid, schema_name name, table_name name, toast oid, heap_bytes bigint, index_bytes bigint,
  toast_bytes bigint
)
language sql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
  with locked as materialized (
    select l.relation from pg_catalog.pg_locks as l
     where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock' and l.pid <> pg_catalog.pg_backend_pid()
       and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
  )
  select c.oid, n.nspname, c.relname, c.reltoastrelid,
         case when k.held then c.relpages::bigint * 8192 else pg_table_size(c.oid) - k.toast end,
         case when k.held then (select coalesce(sum(x.relpages), 0) * 8192 from pg_catalog.pg_index as i
                                  join pg_catalog.pg_class as x on x.oid = i.indexrelid
                                 where i.indrelid = c.oid)
              else pg_indexes_size(c.oid) end,
         k.toast
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    cross join lateral (
      select h.held, case when c.reltoastrelid = 0 then 0
                          when h.held then (select x.relpages::bigint * 8192 from pg_catalog.pg_class as x
                                             where x.oid = c.reltoastrelid)
                          else pg_total_relation_size(c.reltoastrelid) end as toast
        from (select exists (
                select from locked as l
                 where l.relation in (c.oid, c.reltoastrelid)
                    or l.relation in (select i.indexrelid from pg_catalog.pg_index as i
                                       where i.indrelid = c.oid)) as held) as h
      offset 0) as k -- asked once
   where c.relkind in ('r', 'm') and c.relpersistence <> 't' and n.nspname <> 'information_schema'
     and n.nspname !~ '^pg_'
     and (p_least = 0 or k.held or pg_relation_size(c.oid) >= p_least or k.toast >= p_least)
$$;
comment on function strata.relation_bytes(bigint) is
  'Bytes of every table here: heap (with its maps), indexes, TOAST (with its index); only those whose rows '
  'take at least p_least. Waits for nobody.';

create function strata.table_sizes(p_limit integer default 5)
returns table (relation text, dataset text, bytes bigint, row_estimate bigint)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select format('%1$I.%2$I', r.schema_name, r.table_name), d.name, b.bytes, nullif(c.reltuples, -1)::bigint
    from strata.relation_bytes() as r
    join pg_catalog.pg_class as c on c.oid = r.relation
    cross join lateral (select r.heap_bytes + r.index_bytes + r.toast_bytes as bytes) as b
    left join strata.datasets as d on d.schema_name = r.schema_name and d.table_name = r.table_name
   order by b.bytes desc, 1
   limit p_limit
$$;
comment on function strata.table_sizes(integer) is
  'The largest tables of this tier with indexes and TOAST, and about how many rows they '
  'have (null: not known yet).';

-- n_live_tup is what is there unless the counters began anew (a crash) and nothing has counted since: then
-- what was counted before, plus what came and went.
create function strata.live_rows(p_relation oid)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when coalesce(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid),
                  pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid)) is not null
      then pg_stat_get_live_tuples(c.oid)
    when c.reltuples >= 0
      then greatest(
        c.reltuples::bigint + pg_stat_get_tuples_inserted(c.oid) - pg_stat_get_tuples_deleted(c.oid), 0)
    when pg_stat_get_tuples_inserted(c.oid) > 0 then pg_stat_get_live_tuples(c.oid) end
    from pg_catalog.pg_class as c where c.oid = p_relation
$$;
comment on function strata.live_rows(oid) is
  'About how many rows a table has, without counting; null when nobody knows.';

-- One column after the other as Postgres lays them out: short texts are packed, everything else is aligned.
create function strata.tuple_bytes(p_attributes oid, p_statistics oid[], p_header integer)
returns numeric
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation record;
  v_statistics jsonb := jsonb_build_object();
  v_column record;
  v_bytes numeric := 0;
  v_nulls boolean := false;
  v_align integer;
begin
  -- Relation by relation, by names that are known when it is planned: the view is read through its indexes
  -- only then.
  for v_relation in
    select n.nspname, c.relname from unnest(p_statistics) with ordinality as o (relation, position)
      join pg_catalog.pg_class as c on c.oid = o.relation
      join pg_catalog.pg_namespace as n on n.oid = c.relnamespace order by o.position desc
  loop
    v_statistics := v_statistics || (
      select coalesce(jsonb_object_agg(t.attname, jsonb_build_array(t.avg_width, t.null_frac)), '{}')
        from pg_catalog.pg_stats as t
       where t.schemaname = v_relation.nspname and t.tablename = v_relation.relname);
  end loop;
  for v_column in
    select a.attlen, a.attalign, a.attisdropped, coalesce((s.told ->> 1)::numeric, 0) as nulls,
           coalesce((s.told ->> 0)::integer, nullif(greatest(a.attlen, 0), 0), 16) as width
      from pg_catalog.pg_attribute as a
      cross join lateral (select v_statistics -> a.attname::text as told) as s
     where a.attrelid = p_attributes and a.attnum > 0 order by a.attnum
  loop
    v_nulls := v_nulls or v_column.nulls > 0 or v_column.attisdropped;
    continue when v_column.attisdropped;
    v_align := case v_column.attalign when 'd' then 8 when 'i' then 4 when 's' then 2 else 1 end;
    if v_column.attlen <> -1 or v_column.width > 127 then
      v_bytes := ceil(v_bytes / v_align) * v_align;
    end if;
    v_bytes := v_bytes + v_column.width * (1 - v_column.nulls);
  end loop;
  return p_header + case when v_nulls then 8 else 0 end + ceil(v_bytes / 8) * 8;
end
$$;
comment on function strata.tuple_bytes(oid, oid[], integer) is
  'About how long a tuple of a relation is, by the planner''s statistics of the given relations '
  '(the first that has them).';

create function strata.heap_needs(p_relation oid, p_rows bigint, p_heap_bytes bigint)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_rows is null then p_heap_bytes
    when exists (select from pg_catalog.pg_stats as s
                  where s.schemaname = n.nspname and s.tablename = c.relname)
      then 8192 * ceil(p_rows / greatest(
        floor((8192 - 24) * f.fill / (strata.tuple_bytes(c.oid, array[c.oid], 24) + 4)), 1))::bigint
    else p_heap_bytes * p_rows / greatest(p_rows + pg_stat_get_dead_tuples(c.oid), 1) end
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    cross join lateral (select coalesce((select o.option_value::numeric
                                           from pg_options_to_table(c.reloptions) as o
                                          where o.option_name = 'fillfactor'), 100) / 100 as fill) as f
   where c.oid = p_relation
$$;
comment on function strata.heap_needs(oid, bigint, bigint) is
  'Bytes a heap of so many rows takes when freshly written; by the share of dead rows '
  'where it was never analysed.';

-- Four chunks to a page, and as many entries in its index.
create function strata.toast_needs(p_chunks bigint)
returns bigint
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select 8192 * ceil(p_chunks / 4.0 + p_chunks / 300.0 + 1)::bigint $$;
comment on function strata.toast_needs(bigint) is
  'Bytes a TOAST table of so many chunks takes with its index when freshly written.';

-- Looking costs milliseconds, which a small table is not worth.
create function strata.filled_bytes(p_relation regclass, p_rows bigint)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when b.heap + b.toast <= 131072 then b.heap + b.toast
              else least(strata.heap_needs(c.oid, p_rows, b.heap), b.heap)
                 -- null: all of it
                 + least(strata.toast_needs(strata.live_rows(nullif(c.reltoastrelid, 0))), b.toast) end
    from pg_catalog.pg_class as c
    cross join lateral (select case c.reltoastrelid when 0 then 0 else pg_total_relation_size(
      c.reltoastrelid) end as toast offset 0) as s
    cross join lateral (select s.toast, pg_table_size(c.oid) - s.toast as heap offset 0) as b
   where c.oid = p_relation
$$;
comment on function strata.filled_bytes(regclass, bigint) is
  'About how many bytes of a table, TOAST included and indexes not, its so many rows fill; the '
  'rest is free for others.';

create function strata.index_sizes(p_relation regclass)
returns table (index_name regclass, bytes bigint, reclaimable_bytes bigint)
language sql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
  select i.indexrelid::regclass, b.bytes, case
           when m.amname <> 'btree' or r.rows is null then 0
           -- a page in a hundred points to others; the first one describes the index
           else greatest(b.bytes - 8192 * (1 + ceil(1.01 * r.rows / greatest(floor(
             (8192 - 40) * f.fill / (strata.tuple_bytes(i.indexrelid, array[i.indrelid, i.indexrelid],
                                                        8) + 4)), 1))::bigint), 0) end
    from pg_catalog.pg_index as i
    join pg_catalog.pg_class as c on c.oid = i.indexrelid
    join pg_catalog.pg_am as m on m.oid = c.relam
    cross join lateral (select pg_relation_size(i.indexrelid) as bytes) as b
    cross join lateral (select case when i.indpred is null then strata.live_rows(i.indrelid)
                                    else nullif(c.reltuples, -1)::bigint end as rows) as r
    cross join lateral (select coalesce((select o.option_value::numeric
                                           from pg_options_to_table(c.reloptions) as o
                                          where o.option_name = 'fillfactor'), 90) / 100 as fill) as f
   where i.indrelid = p_relation
$$;
comment on function strata.index_sizes(regclass) is
  'The indexes of a table: bytes, and how many of them a rebuilt one would not need (btree only; one that '
  'holds many equal values can shrink further).';

create function strata.table_gains()
returns table (
  relation regclass, schema_name text, table_name text, heap_bytes bigint, index_bytes bigint,
  toast_bytes bigint,
  rows_estimate bigint, heap_gain bigint, index_gain bigint, toast_gain bigint
)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select r.relation::regclass, r.schema_name, r.table_name, r.heap_bytes, r.index_bytes, r.toast_bytes,
         n.rows,
         greatest(r.heap_bytes - strata.heap_needs(r.relation, n.rows, r.heap_bytes), 0),
         coalesce((select sum(i.reclaimable_bytes) from strata.index_sizes(r.relation) as i
                    where r.index_bytes > 65536), 0)::bigint,
         coalesce(greatest(r.toast_bytes - strata.toast_needs(n.chunks), 0), 0)
    from strata.relation_bytes() as r
    cross join lateral (select strata.live_rows(r.relation) as rows,
                               case when r.toast <> 0 then strata.live_rows(r.toast) end as chunks) as n
$$;
comment on function strata.table_gains() is
  'Every table here: bytes of heap, indexes and TOAST, about how many rows it has, and how many bytes of '
  'each part could be given back. Estimated from the catalogue; reads no table.';

create function strata.table_estimates()
returns table (
  relation regclass, schema_name text, table_name text, heap_bytes bigint, index_bytes bigint,
  toast_bytes bigint,
  rows_estimate bigint, dead_rows bigint, reclaimable_bytes bigint
)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select g.relation, g.schema_name, g.table_name, g.heap_bytes, g.index_bytes, g.toast_bytes, g.rows_estimate,
         pg_stat_get_dead_tuples(g.relation), g.heap_gain + g.index_gain + g.toast_gain
    from strata.table_gains() as g
$$;
comment on function strata.table_estimates() is
  'Every table here: bytes, rows and dead rows, and how many bytes could be given back in all. '
  'Estimated from the catalogue.';

create function strata.dataset_sizes()
returns table (
  dataset text, relation regclass, heap_bytes bigint, index_bytes bigint, toast_bytes bigint,
  rows_estimate bigint, dead_rows bigint, reclaimable_bytes bigint
)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select d.name, t.relation, t.heap_bytes, t.index_bytes, t.toast_bytes, t.rows_estimate, t.dead_rows,
         t.reclaimable_bytes
    from strata.table_estimates() as t
    join strata.datasets as d on d.schema_name = t.schema_name and d.table_name = t.table_name
   order by t.heap_bytes + t.index_bytes + t.toast_bytes desc, d.name
$$;
comment on function strata.dataset_sizes() is
  'The managed tables, largest first: bytes of heap, indexes and TOAST, rows (estimated; null: unknown), '
  'dead rows, and bytes that could be given back (estimated). Reads no table.';

-- What is held back from being removed, on servers that say so: not part of the bill, but of the disk.
create function strata.log_sizes()
returns table (part text, kind text, bytes bigint, says text)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select s.slot_name::text, 'slot', pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::bigint,
           format('a replication slot%s that keeps write-ahead log',
                  case when s.active then '' else ' nobody reads' end)
      from pg_catalog.pg_replication_slots as s where s.restart_lsn is not null;
  return query
    select 'write-ahead log', 'wal', sum(w.size)::bigint,
           'kept until it is written to the tables and read by every slot'
      from pg_catalog.pg_ls_waldir() as w;
exception when insufficient_privilege or object_not_in_prerequisite_state then
  return; -- this role may not look, or this server is a standby
end
$$;
comment on function strata.log_sizes() is
  'Bytes of the write-ahead log and of what each replication slot keeps of it, where visible.';

create function strata.parts()
returns table (
  part text, kind text, bytes bigint, rows_estimate bigint, dead_rows bigint, reclaimable_bytes bigint,
  billed boolean, says text
)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  with tables as materialized (
    select case when d.name is not null then d.name
                when t.schema_name in ('auth', 'storage', 'realtime', 'vault', 'supabase_functions',
                                       'supabase_migrations', 'strata')
                  then t.schema_name
                else format('%1$I.%2$I', t.schema_name, t.table_name) end as part,
           case when d.name is not null then 'dataset' when t.schema_name = 'strata' then 'strata'
                when t.schema_name in ('auth', 'storage', 'realtime', 'vault', 'supabase_functions',
                                       'supabase_migrations')
                  then 'platform' else 'table' end as kind,
           t.heap_bytes + t.index_bytes + t.toast_bytes as bytes, t.rows_estimate, t.dead_rows,
           t.reclaimable_bytes
      from strata.table_estimates() as t
      left join strata.datasets as d on d.schema_name = t.schema_name and d.table_name = t.table_name
  )
  select t.part, t.kind, sum(t.bytes)::bigint, sum(t.rows_estimate)::bigint, sum(t.dead_rows)::bigint,
         sum(t.reclaimable_bytes)::bigint, true,
         case when t.part = 'cron.job_run_details' then 'the history of cron jobs: nobody else deletes it'
              when t.part = 'net._http_response' then 'answers to HTTP requests of the last hours' end
    from tables as t group by t.part, t.kind
  union all
  select 'catalogue', 'catalogue',
         pg_database_size(current_database()) - (select coalesce(sum(t.bytes), 0) from tables as t)::bigint,
         null, null, null, true, 'Postgres itself, in this database'
  union all
  select d.datname, 'database', strata.database_bytes(d.oid), null, null, null, true,
         'another database of this server'
    from pg_catalog.pg_database as d
   where d.datname <> current_database()
     and (pg_catalog.has_database_privilege(d.oid, 'connect')
          or pg_catalog.pg_has_role('pg_read_all_stats', 'member'))
  union all
  select l.part, l.kind, l.bytes, null, null, null, false, l.says from strata.log_sizes() as l
$$;
comment on function strata.parts() is
  'Everything that takes room on this server; the billed parts add up to billed_bytes(). '
  'who_fills() is its short form.';

create function strata.who_fills(p_limit integer default 10)
returns table (
  part text, kind text, bytes bigint, rows_estimate bigint, dead_rows bigint, reclaimable_bytes bigint,
  billed boolean, says text
)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  with ranked as (
    select p.*, row_number() over (partition by p.billed order by p.bytes desc, p.part) as place
      from strata.parts() as p
  )
  select r.part, r.kind, r.bytes, r.rows_estimate, r.dead_rows, r.reclaimable_bytes, r.billed, r.says
    from (
      select x.part, x.kind, x.bytes, x.rows_estimate, x.dead_rows, x.reclaimable_bytes, x.billed, x.says,
             x.place
        from ranked as x where x.place <= p_limit
      union all
      select format('%s others', count(*)), 'rest', sum(x.bytes)::bigint, sum(x.rows_estimate)::bigint,
             sum(x.dead_rows)::bigint,
             sum(x.reclaimable_bytes)::bigint, x.billed, null, p_limit + 1
        from ranked as x where x.place > p_limit group by x.billed) as r
   order by r.billed desc, r.place
$$;
comment on function strata.who_fills(integer) is
  'Who fills this server, largest first: datasets, other tables by name, schemas of the platform, strata '
  'itself, the catalogue, other databases; the rest in one row, so that the billed rows add up to the bill. '
  'Not billed: write-ahead log.';
