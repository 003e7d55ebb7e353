-- Read-only: the way out of a database that was turned read-only because it is full.
--
-- Every procedure of Strata makes its own transactions writable, and VACUUM and REINDEX may run in read-only ones; so
-- drains and reclaims work all the same. Only pg_cron itself cannot live in a database whose default is read-only: it
-- fails to write its history and begins anew, every second. So a drain makes the database writable by default for as long
-- as it is open, which revives pg_cron within a second. Where it is dead already, nothing of ours runs to open a drain:
-- then the colder tier that dials does it with its heartbeat (rescue). When the drain has ended below the critical size,
-- the database stays writable; otherwise it is put back as it was.

create function strata.read_only_default()
returns boolean
language sql
stable
set search_path = ''
as $$ select s.reset_val = 'on' from pg_catalog.pg_settings as s where s.name = 'default_transaction_read_only' $$;
comment on function strata.read_only_default() is 'Whether new transactions of this session were read-only when it began.';
revoke execute on function strata.read_only_default() from public;

create function strata.database_default()
returns boolean
language sql
stable
set search_path = ''
as $$
  select (select split_part(c.entry, '=', 2)::boolean
            from pg_catalog.pg_db_role_setting as s cross join lateral unnest(s.setconfig) as c (entry)
           where s.setrole = 0 and s.setdatabase = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
             and c.entry like 'default_transaction_read_only=%')
$$;
comment on function strata.database_default() is 'What this database says of read-only for its sessions: true, false, or null: nothing.';
revoke execute on function strata.database_default() from public;

create function strata.let_write(p_writable boolean)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  execute format('alter database %I %s', current_database(), case
    when p_writable is null then 'reset default_transaction_read_only'
    else format('set default_transaction_read_only = %s', case when p_writable then 'off' else 'on' end) end);
  return true;
exception when insufficient_privilege then
  return false; -- somebody else's database: whoever turned it on will have to turn it off
end
$$;
comment on function strata.let_write(boolean) is
  'Sets whether new sessions of this database may write by default (null: as the server says); false when that is not ours to say.';
revoke execute on function strata.let_write(boolean) from public;

create function strata.lift_own_read_only()
returns void
language plpgsql
set search_path = ''
as $$
begin
  if exists (select from pg_catalog.pg_db_role_setting as s cross join lateral unnest(s.setconfig) as c (entry)
              where s.setdatabase = 0 and s.setrole = (select r.oid from pg_catalog.pg_roles as r where r.rolname = current_user)
                and c.entry ~* '^default_transaction_read_only=(on|true|yes|1)$') then
    execute format('alter role %I reset default_transaction_read_only', current_user);
  end if;
end
$$;
comment on function strata.lift_own_read_only() is 'Takes a read-only default of our own role away.';
revoke execute on function strata.lift_own_read_only() from public;

-- Called for the neighbour that dials: nothing of ours runs any more in a database whose pg_cron cannot write.
create function strata.rescue()
returns void
language plpgsql
set search_path = ''
as $$
begin
  if strata.read_only_default() and strata.database_default() is distinct from false
     and not exists (select from strata.drains as d where d.ended_at is null) then
    perform strata.take_sample();
    perform strata.drain_if_critical();
  end if;
end
$$;
comment on function strata.rescue() is 'Measures a database that is read-only, and opens a drain if it is critical: its own jobs may be dead.';
revoke execute on function strata.rescue() from public;
