-- Read-only: the way out of a database that was turned read-only because it is full.
--
-- Every procedure of Strata makes its own transactions writable, and VACUUM and REINDEX may run in read-only
-- ones; so drains and reclaims work all the same. Only pg_cron itself cannot live in a database whose default
-- is read-only: it fails to write its history and begins anew, every second.
--
-- The usual order is: critical, a drain, then read-only. So a drain makes the database writable by default as
-- long as it is open, before anybody has turned it read-only: a setting of the database goes before one of
-- the server, which then does not even stop pg_cron. Whoever comes by an open drain sees to it that it stays
-- so (keep_writable): our own jobs, the command line, and the neighbour that dials, with its heartbeat. A
-- database that was turned read-only before a drain was open, and whose jobs are dead, is helped by the
-- latter two (rescue).
--
-- When the drain has ended below the critical size, a database that was read-only stays writable; otherwise
-- everything is put back as it was. What the server says cannot be seen while the database says otherwise. So
-- the first session after the end looks once more: pg_cron, which read its settings when it began, still runs
-- then.

create function strata.read_only_setting(p_role oid, p_database oid)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select split_part(c.entry, '=', 2)::boolean
    from pg_catalog.pg_db_role_setting as s cross join lateral unnest(s.setconfig) as c (entry)
   where (s.setrole, s.setdatabase) = (p_role, p_database) and c.entry like 'default_transaction_read_only=%'
$$;
comment on function strata.read_only_setting(oid, oid) is
  'What is set of read-only for a role in a database (0: any): true, false, or null: nothing.';

create function strata.database_default()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select strata.read_only_setting(0, d.oid) from pg_catalog.pg_database as d
   where d.datname = current_database()
$$;
comment on function strata.database_default() is
  'What this database says of read-only for its sessions: true, false, or null: nothing.';

create function strata.role_default(p_here boolean)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select strata.read_only_setting(r.oid, case when p_here then d.oid else 0 end)
    from pg_catalog.pg_roles as r, pg_catalog.pg_database as d
   where r.rolname = current_user and d.datname = current_database()
$$;
comment on function strata.role_default(boolean) is
  'What our own role says of read-only for its sessions, in this database or everywhere: true, '
  'false, or null: nothing.';

-- pg_cron begins with what the database says, else the server; our own sessions with what our role says, if
-- it says anything.
create function strata.read_only_default()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(strata.database_default(), s.reset_val = 'on')
      or coalesce(strata.role_default(true), strata.role_default(false), false)
    from pg_catalog.pg_settings as s where s.name = 'default_transaction_read_only'
$$;
comment on function strata.read_only_default() is
  'Whether sessions that begin now, pg_cron''s or ours, are read-only, as far as this session can see: what '
  'the server says shows only in one that began while the database said nothing.';

create function strata.let_write(p_writable boolean)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('alter database %1$I %2$s', current_database(), case
    when p_writable is null then 'reset default_transaction_read_only'
    else format('set default_transaction_read_only = %s', case when p_writable then 'off' else 'on' end) end);
  return true;
exception when insufficient_privilege then
  return false; -- somebody else's database: whoever turned it on will have to turn it off
end
$$;
comment on function strata.let_write(boolean) is
  'Sets whether new sessions of this database may write by default (null: as the server says); false when '
  'that is not ours to say.';

create function strata.let_role_write(p_here boolean, p_writable boolean)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('alter role %1$I %2$s %3$s', current_user,
                 case when p_here then format('in database %I', current_database()) end,
                 case
                   when p_writable is null then 'reset default_transaction_read_only'
                   else format('set default_transaction_read_only = %s',
                               case when p_writable then 'off' else 'on' end) end);
  return true;
exception when insufficient_privilege then
  return false; -- where a platform keeps its roles to itself
end
$$;
comment on function strata.let_role_write(boolean, boolean) is
  'Sets whether new sessions of our own role may write by default, in this database or everywhere (null: it '
  'says nothing of it); false when that is not ours to say.';

create function strata.keep_writable()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_database constant boolean := strata.database_default();
  v_here constant boolean := strata.role_default(true);
  v_role constant boolean := coalesce(v_here, strata.role_default(false), false);
  v_seen constant boolean := strata.read_only_default();
  v_drain strata.drains;
begin
  if not v_seen and not v_database then
    return;
  end if;
  select d.* into v_drain from strata.drains as d where d.ended_at is null for update;
  if v_drain.drain_id is null then
    perform strata.look_once_more() where v_seen and v_database is null and not v_role;
    return;
  end if;
  update strata.drains as d
     set was_read_only = d.was_read_only or v_seen,
         database_default = case when v_database is distinct from false then v_database
                                 else d.database_default end,
         role_default = case when v_role then coalesce(v_here, false) else d.role_default end
   where d.drain_id = v_drain.drain_id;
  perform strata.let_write(true) where v_database is distinct from false;
  perform strata.let_role_write(true, true) where v_role;
end
$$;
comment on function strata.keep_writable() is
  'While a drain is open: makes new sessions of this database writable, unless they are, and '
  'remembers what was said before.';

-- For an hour: what is turned read-only later is somebody's wish.
create function strata.look_once_more()
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  with last as (
    select d.* from strata.drains as d order by d.drain_id desc limit 1
  ), found as (
    update strata.drains as d set was_read_only = true, says = d.says || '; new sessions may write again'
      from last as l, strata.tiers as t
     where d.drain_id = l.drain_id and not l.was_read_only and l.ended_at > strata.clock() - interval '1 hour'
       and t.name = strata.tier() and l.billed_after < t.critical_mb * 1048576::bigint
    returning true
  )
  select strata.let_write(true) from found
$$;
comment on function strata.look_once_more() is
  'Called where the server is seen to be read-only: keeps the database writable if it was turned so while '
  'the last drain was open, which has ended below the critical size.';

create function strata.settle_read_only(p_drain bigint)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_drain strata.drains;
begin
  perform strata.let_role_write(true, case when d.role_default then false end) from strata.drains as d
    where d.drain_id = p_drain and d.role_default is not null;
  select d.* into v_drain from strata.drains as d join strata.tiers as t on t.name = strata.tier()
   where d.drain_id = p_drain and d.was_read_only and d.billed_after < t.critical_mb * 1048576::bigint;
  if v_drain.drain_id is null then
    perform strata.let_write(not d.database_default) from strata.drains as d where d.drain_id = p_drain;
    return;
  end if;
  perform strata.let_role_write(here, null) from unnest(array[true, false]) as h (here)
    where strata.role_default(here);
  update strata.drains as d set says = d.says || '; new sessions may write again'
   where d.drain_id = p_drain and not strata.read_only_default();
end
$$;
comment on function strata.settle_read_only(bigint) is
  'At the end of a drain: what was read-only stays writable when the size is no longer critical; otherwise '
  'the database and our role say again what they said before.';

-- Called for the neighbour that dials: nothing of ours runs any more in a database whose pg_cron cannot
-- write.
create function strata.rescue()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.keep_writable();
  if strata.read_only_default() and not exists (select from strata.drains as d where d.ended_at is null) then
    perform strata.take_sample();
    perform strata.drain_if_critical();
  end if;
end
$$;
comment on function strata.rescue() is
  'Keeps a database writable that drains; measures one that is read-only, and opens a drain if it is '
  'critical: its own jobs may be dead.';
