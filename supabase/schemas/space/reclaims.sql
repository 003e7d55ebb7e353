-- Reclaims: freed space is given back to the disk, so that the bill falls.
--
-- Rows that left make room in their table, not on the disk. What gives it back, per table, the cheapest way
-- that does:
--
--   vacuum    the end of the table is empty: plain VACUUM cuts it off
--   reindex   it is the indexes that are bloated: REINDEX CONCURRENTLY makes them anew, nobody waits
--   pack      rows at the end are moved to the free pages in front, a few at a time, then VACUUM cuts the end
--             off: nobody waits, and no second copy is made, which a full database has no room for. Only
--             where an update that changes nothing is nobody's business: no update trigger that cannot be
--             silenced, no publication, an age column that may be set
--   rewrite   VACUUM FULL: the table is copied, and locked while that lasts
--
-- A reclaim is one row of strata.reclaims per attempt, with its steps: commands that must be a statement of
-- their own (run as a pg_cron job of one minute only, or by the command line) and `pack`, which is done here.
-- One at a time, the largest gain first. It gives way to users: VACUUM FULL does not begin while somebody
-- uses the table (skip_locked; from the second attempt on it waits its turn), and is cancelled when somebody
-- has waited for it for reclaim_wait seconds.

create function strata.is_rewriting(p_relation text)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from strata.reclaims as r
                  where r.state = 'running' and r.relation = p_relation and r.steps[1] like 'vacuum (full%'
                    and r.step_at < clock_timestamp())
$$;
comment on function strata.is_rewriting(text) is
  'Whether a table is being rewritten at this moment, and so locked.';

create function strata.may_vacuum(p_relation regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select pg_catalog.pg_has_role(c.relowner, 'usage')
      or exists (select from pg_catalog.pg_database as d
                  where d.datname = current_database() and pg_catalog.pg_has_role(d.datdba, 'usage'))
    from pg_catalog.pg_class as c where c.oid = p_relation
$$;
comment on function strata.may_vacuum(regclass) is
  'Whether this role may VACUUM a table, also FULL: its owner may, and the owner of the database.';

create function strata.owns(p_relation regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select pg_catalog.pg_has_role(c.relowner, 'usage') from pg_catalog.pg_class as c where c.oid = p_relation
$$;
comment on function strata.owns(regclass) is 'Whether this role may do to a table what only its owner may.';

-- Hosted lets its owner silence ordinary triggers for a transaction (as pg_dump's data is restored there);
-- elsewhere that is the superuser's to grant. Asking the catalogue is not enough where an extension decides,
-- so it is tried.
create function strata.may_silence()
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('session_replication_role', 'replica', true);
  perform set_config('session_replication_role', 'origin', true);
  return true;
exception when insufficient_privilege then
  return false;
end
$$;
comment on function strata.may_silence() is
  'Whether this role may keep ordinary triggers from firing in a transaction of its own.';

-- Which column an update may set to what it is, so that the row is written anew and nobody notices.
create function strata.pack_column(p_relation regclass)
returns name
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select a.attname
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    join strata.datasets as d on d.schema_name = n.nspname and d.table_name = c.relname
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attname = d.age_column
   where c.oid = p_relation and strata.owns(p_relation) and a.attgenerated = '' and a.attidentity = ''
     and not exists (select from pg_catalog.pg_trigger as g
                      where g.tgrelid = c.oid and not g.tgisinternal and g.tgtype & 16 > 0
                        and g.tgenabled <> 'D'
                        and (g.tgenabled <> 'O' or not strata.may_silence()))
     and not exists (select from pg_catalog.pg_rewrite as r where r.ev_class = c.oid)
     and not exists (select from pg_catalog.pg_publication_tables as p
                      where p.schemaname = n.nspname and p.tablename = c.relname)
$$;
comment on function strata.pack_column(regclass) is
  'The column by which the rows of a dataset can be packed; null '
  'where an update would be noticed: by an update trigger '
  'that cannot be silenced, a rule, or subscribers.';

create function strata.tail_is_free(p_relation regclass, p_bytes bigint)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  v_found boolean;
begin
  execute format('select exists (select from %1$s as t where t.ctid >= ''(%2$s,0)'')', p_relation,
                 ceil(p_bytes * 1.05 / 8192)::bigint)
     into v_found;
  return not v_found;
end
$$;
comment on function strata.tail_is_free(regclass, bigint) is
  'Whether no row of a table is beyond so many bytes (and a twentieth). Reads the end of the '
  'table until it finds one.';

-- Rows that are still in use somewhere, or the end of a TOAST table that cannot be looked at: seen by its
-- effect.
create function strata.vacuum_was_in_vain(p_relation regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce((select r.method = 'vacuum' and r.bytes_before - r.bytes_after < r.gain_bytes / 2
                     from strata.reclaims as r
                    where r.relation = p_relation::text and r.state = 'done'
                      and r.finished_at > strata.clock() - interval '1 day'
                    order by r.reclaim_id desc limit 1), false)
$$;
comment on function strata.vacuum_was_in_vain(regclass) is
  'Whether the last reclaim of a table, within a day, was a plain VACUUM that gave back less than half '
  'of what it should have.';

create function strata.plan_reclaim(
  p_relation regclass, p_heap_bytes bigint, p_heap_gain bigint, p_index_bytes bigint, p_index_gain bigint,
  p_toast_bytes bigint, p_toast_gain bigint, p_least bigint
)
returns strata.reclaim_plan
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_plan strata.reclaim_plan;
  v_reindex constant text[] := case when p_index_gain >= p_least or p_index_gain > p_index_bytes / 2
    then array[format('reindex (concurrently) table %s', p_relation)] else '{}' end;
  v_vacuum constant text := format('vacuum (skip_locked, analyze) %s', p_relation);
begin
  v_plan.gain_bytes := p_heap_gain + p_toast_gain + p_index_gain;
  v_plan.copy_bytes := case when v_reindex = '{}' then 0 else p_index_bytes - p_index_gain end;
  if p_heap_gain + p_toast_gain < least(p_least, v_plan.gain_bytes / 3) and strata.owns(p_relation) then
    v_plan.method := 'reindex';
    v_plan.steps := array[format('reindex (concurrently) table %s', p_relation)];
    v_plan.copy_bytes := p_index_bytes - p_index_gain;
  elsif (p_toast_gain < p_least or p_toast_bytes - p_toast_gain < p_toast_bytes / 20)
        and strata.may_vacuum(p_relation) and not strata.vacuum_was_in_vain(p_relation)
        and strata.tail_is_free(p_relation, p_heap_bytes - p_heap_gain) then
    v_plan.method := 'vacuum';
    v_plan.steps := array[v_vacuum] || case when strata.owns(p_relation) then v_reindex else '{}' end;
  elsif p_toast_gain < p_least and strata.pack_column(p_relation) is not null then
    v_plan.method := 'pack';
    v_plan.steps := array[v_vacuum, 'pack', v_vacuum, format('reindex (concurrently) table %s', p_relation)];
    v_plan.copy_bytes := p_index_bytes;
  elsif strata.may_vacuum(p_relation) then
    v_plan.method := 'rewrite';
    -- pg_cron itself writes to its history whenever a job begins: it can wait, for the moment that takes
    v_plan.steps :=
      array[format('vacuum (full%1$s) %2$s',
                   case when p_relation::text <> 'cron.job_run_details' then ', skip_locked' else '' end,
                   p_relation), 'analyze'];
    v_plan.copy_bytes := p_heap_bytes + p_index_bytes + p_toast_bytes - v_plan.gain_bytes;
  elsif p_relation::text = 'cron.job_run_details' then
    v_plan.method := 'copy';
    v_plan.steps := array['copy'];
    v_plan.copy_bytes := p_heap_bytes + p_index_bytes + p_toast_bytes - v_plan.gain_bytes;
  end if;
  return v_plan;
end
$$;
comment on function strata.plan_reclaim(regclass, bigint, bigint, bigint, bigint, bigint, bigint, bigint) is
  'The cheapest way to give space of a table back that works for this role; its method is '
  'null when there is none.';

-- Ours to reclaim: managed tables, Strata's own, and the history of cron jobs, which nobody else looks after.
create function strata.plan_reclaims(p_urgent boolean default false)
returns table (
  relation text, method text, steps text[], gain_bytes bigint, copy_bytes bigint, total_bytes bigint,
  dataset text
)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  with worth as (
    select g.*, g.heap_gain + g.index_gain + g.toast_gain as gain,
           g.heap_bytes + g.index_bytes + g.toast_bytes as total,
           d.name as dataset,
           case when p_urgent then 1048576 else strata.setting('reclaim_min_mb') * 1048576 end as least_bytes
      from strata.table_gains() as g
      left join strata.datasets as d on d.schema_name = g.schema_name and d.table_name = g.table_name
     where d.name is not null or g.schema_name = 'strata'
        or (g.schema_name, g.table_name) = ('cron', 'job_run_details')
  )
  select w.relation::text, p.method, p.steps, p.gain_bytes, p.copy_bytes, w.total, w.dataset
    from worth as w
    cross join lateral strata.plan_reclaim(w.relation, w.heap_bytes, w.heap_gain, w.index_bytes, w.index_gain,
                                           w.toast_bytes, w.toast_gain, w.least_bytes) as p
   where w.gain >= w.least_bytes and p.method is not null
     -- below a twentieth it may as well be an error of the estimate
     and w.gain >= w.total * case when p_urgent then 5 else strata.setting('reclaim_min_percent') end / 100.0
   order by p.gain_bytes desc, 1
$$;
comment on function strata.plan_reclaims(boolean) is
  'What could be given back now and how, the largest gain first: what is worth it by the settings, or '
  '(urgent) everything over 1 MB and a twentieth of its table. Changes nothing.';

create function strata.queue_reclaims(p_reason text)
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  insert into strata.reclaims (relation, method, reason, state, steps, gain_bytes, copy_bytes, planned_at)
  select p.relation, p.method, p_reason, 'planned', p.steps, p.gain_bytes, p.copy_bytes, strata.clock()
    from strata.plan_reclaims(p_reason <> 'upkeep') as p
   where not exists (select from strata.reclaims as r
                      where r.relation = p.relation and r.state in ('planned', 'running'));
  get diagnostics v_count = row_count;
  if p_reason <> 'upkeep' then -- what was planned for the night is wanted now
    update strata.reclaims as r set reason = p_reason where r.state = 'planned' and r.reason = 'upkeep';
  end if;
  return v_count;
end
$$;
comment on function strata.queue_reclaims(text) is
  'Plans everything that is worth being given back: for a drain, for upkeep (at night, if the gain is large '
  'enough) or because somebody asked. Returns how many were added.';

create function strata.is_reclaim_hour()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when n.starts <= n.ends then n.hour >= n.starts and n.hour < n.ends
              else n.hour >= n.starts or n.hour < n.ends end
    from (select extract(hour from strata.clock() at time zone 'UTC') as hour,
                 strata.setting('reclaim_from_hour') % 24 as starts,
                 strata.setting('reclaim_until_hour') as ends) as n
$$;
comment on function strata.is_reclaim_hour() is
  'Whether it is the time of day at which space may be given back without need.';

-- The write-ahead log takes part of the disk: what is seen of it, a tenth of the disk where it cannot be
-- seen, and never more than a quarter, because older segments are reused.
create function strata.head_room()
returns bigint
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select d.bytes - strata.billed_bytes()
         - least(coalesce((select sum(l.bytes) from strata.log_sizes() as l where l.kind = 'wal'),
                          d.bytes / 10), d.bytes / 4)::bigint
    from (select t.capacity_mb * 1048576::bigint * strata.setting('disk_percent') / 100 as bytes
            from strata.tiers as t where t.name = strata.tier()) as d
$$;
comment on function strata.head_room() is
  'How many bytes are free on the disk of this tier, by its capacity and the setting disk_percent.';

create function strata.total_bytes(p_relation text)
returns bigint
language sql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$ select pg_catalog.pg_total_relation_size(to_regclass(p_relation)) $$;
comment on function strata.total_bytes(text) is
  'Bytes of a table with its indexes and TOAST; null when it is gone.';
