-- Tiers: which one this database is, who its neighbours are, and how they reach each other.
--
-- A tier knows itself and at most two neighbours: a hotter one, from which rows come, and a colder one,
-- to which they settle. The link between two neighbours is driven by one of them: with `push` the hotter
-- one dials, with `pull` the colder one, with `relay` neither (an edge function carries the bytes).
-- The side that dials keeps the address in a postgres_fdw server and the password in its user mapping,
-- which only the owner can read; dblink dials by that server's name, so no password is ever SQL text
-- of a query or of a cron job.

create function strata.become(p_tier text, p_is_last boolean default null)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_was constant text := (select s.tier from strata.self as s);
begin
  if not exists (select from strata.tiers as t where t.name = p_tier) then
    raise exception 'there is no tier "%"', p_tier
      using errcode = 'ST002', hint = 'The tiers are core, main and archive.';
  end if;
  if v_was <> p_tier and exists (select from strata.links) then
    raise exception 'this database is % and has neighbours, it cannot become %', v_was, p_tier
      using errcode = 'ST002', hint = 'select strata.leave_tier(neighbour) from strata.links first.';
  end if;
  insert into strata.self as s (tier, is_last, became_at)
  values (p_tier, coalesce(p_is_last, p_tier = 'archive'), strata.clock())
  on conflict (only_row) do update
     set tier = excluded.tier,
         is_last = case when p_is_last is null and s.tier = excluded.tier then s.is_last
                        else excluded.is_last end,
         became_at = case when s.tier = excluded.tier then s.became_at else excluded.became_at end;
  perform strata.close_temporary(), strata.restore_rights();
  return strata.apply_schedules();
end
$$;
comment on function strata.become(text, boolean) is
  'Tells this database which tier it is, takes temporary objects from public, gives back what the migrations '
  'granted and schedules that tier''s jobs; running it again changes nothing. p_is_last: rows end here and '
  'are deleted at their deletion age (null: true for archive, else as it was). Returns a sentence about the '
  'jobs. ST002: no such tier, or this one is linked already.';

create function strata.set_tier(
  p_tier text,
  p_capacity_mb integer default null,
  p_warn_mb integer default null,
  p_critical_mb integer default null,
  p_pool_size integer default null
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  update strata.tiers as t
     set capacity_mb = coalesce(p_capacity_mb, t.capacity_mb),
         warn_mb = coalesce(p_warn_mb, t.warn_mb),
         critical_mb = coalesce(p_critical_mb, t.critical_mb),
         pool_size = coalesce(p_pool_size, t.pool_size)
   where t.name = p_tier;
  if not found then
    raise exception 'there is no tier "%"', p_tier
      using errcode = 'ST002', hint = 'The tiers are core, main and archive.';
  end if;
end
$$;
comment on function strata.set_tier(text, integer, integer, integer, integer) is
  'Changes this database''s copy of a tier''s capacity, thresholds (MB) and connections; null keeps.';

-- By the session's login, which neither security definer nor `set role` changes.
create function strata.asked_by()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select t.name from strata.tiers as t
   where session_user in ('strata_mover_' || t.name, 'strata_mover_' || t.name || '_2')
$$;
comment on function strata.asked_by() is
  'The neighbour whose login this session is, by the name of the login; null for everybody '
  'else, the owner included.';

-- (Re)makes the server and the user mapping of a link. A null password keeps the one that is there, with the
-- one of the two logins that it opens; where there is none, one is made.
create function strata.make_server(
  p_server text, p_host text, p_port integer, p_database text, p_user text, p_password text, p_sslmode text
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  v_neighbour constant text := substr(p_server, length('strata_') + 1);
  v_password constant text := coalesce(p_password, strata.link_option(v_neighbour, 'password'),
                                       strata.random_password());
  v_is_kept constant boolean := p_password is null
                                and v_password = strata.link_option(v_neighbour, 'password');
  v_user text := p_user;
begin
  if v_is_kept
     and split_part(strata.link_option(v_neighbour, 'user'), '.', 1) = split_part(p_user, '.', 1) || '_2' then
    v_user := regexp_replace(p_user, '^[^.]*', '\&_2');
  end if;
  execute format('drop server if exists %I cascade', p_server);
  -- A line that went dead is noticed within about 30 seconds, one that carries rows within 10. From 16 on
  -- dblink and postgres_fdw ignore connect_timeout: there the user timeout alone ends the wait for an address
  -- that does not answer.
  execute format(
    'create server %1$I foreign data wrapper postgres_fdw options (host %2$L, port %3$L, '
    'dbname %4$L, sslmode %5$L, '
    'connect_timeout ''10'', keepalives_idle ''10'', keepalives_interval ''5'', keepalives_count ''4'', '
    'tcp_user_timeout ''10000'', application_name ''strata'', keep_connections ''off'')',
    p_server, p_host, p_port::text, p_database, p_sslmode);
  perform strata.map_user(v_neighbour, v_user, v_password);
  if not v_is_kept then
    perform strata.note_link_key(v_neighbour);
  end if;
end
$$;
comment on function strata.make_server(text, text, integer, text, text, text, text) is
  'Makes the postgres_fdw server and the user mapping with which this tier dials a neighbour.';

-- Whoever else stood in that direction is left, and what it was told of the datasets counts no more.
create function strata.make_way(p_direction text, p_tier text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from strata.links as l where l.neighbour = p_tier) then
    return;
  end if;
  if p_direction = 'colder' then
    perform strata.call_registered('new_colder', p_tier);
  end if;
  perform strata.leave_tier(l.neighbour) from strata.links as l where l.direction = p_direction;
end
$$;
comment on function strata.make_way(text, text) is
  'Before a tier becomes the neighbour in a direction: leaves the one that was. ST033: a '
  'move to that one is open.';

create function strata.join_tier(
  p_tier text, p_driver text, p_host text default null, p_port integer default null,
  p_database text default null, p_user text default null, p_password text default null,
  p_sslmode text default null, p_ca text default null, p_insecure_because text default null
)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_self constant text := strata.tier();
  v_server constant text := 'strata_' || p_tier;
  v_sslmode constant text :=
    coalesce(p_sslmode, case when strata.is_loopback(p_host) then 'prefer' else 'verify-full' end);
  v_direction text;
  v_drives boolean;
begin
  if p_tier = v_self or not exists (select from strata.tiers as t where t.name = p_tier) then
    raise exception '% cannot be a neighbour of %', p_tier, v_self
      using errcode = 'ST002', hint = 'The tiers are core, main and archive.';
  end if;
  if p_driver is null or p_driver not in ('push', 'pull', 'relay') then
    raise exception 'there is no driver "%"', p_driver
      using errcode = 'ST004',
            hint = 'push: the hotter tier dials; pull: the colder one; relay: an edge function.';
  end if;
  select case when n.position > s.position then 'colder' else 'hotter' end into v_direction
    from strata.tiers as n, strata.tiers as s where n.name = p_tier and s.name = v_self;
  v_drives := (p_driver, v_direction) in (('push', 'colder'), ('pull', 'hotter'));
  if v_drives and (p_host is null or p_port is null or p_database is null) then
    raise exception 'with % it is % that dials %, but no address was given', p_driver, v_self, p_tier
      using errcode = 'ST004', hint = 'Give p_host, p_port and p_database.';
  end if;
  perform strata.require_safe(p_tier, p_host, v_sslmode, p_insecure_because) where v_drives;
  perform strata.make_way(v_direction, p_tier);
  if v_drives then
    perform strata.make_server(v_server, p_host, p_port, p_database,
                               coalesce(p_user, 'strata_mover_' || v_self), p_password, v_sslmode);
    perform strata.secure_server(v_server, p_host, v_sslmode, p_ca);
  else
    execute format('drop server if exists %I cascade', v_server);
    delete from strata.keys as k where k.name = 'link ' || p_tier;
  end if;
  insert into strata.links (neighbour, direction, driver, server, insecure_because, joined_at)
  values (p_tier, v_direction, p_driver, case when v_drives then v_server end,
          case when v_drives then nullif(btrim(p_insecure_because), '') end, strata.clock())
  on conflict (neighbour) do update
     set driver = excluded.driver, server = excluded.server, insecure_because = excluded.insecure_because,
         failures = 0, trouble = null, trouble_sqlstate = null, next_try_at = null;
  if v_direction = 'colder' then
    update strata.self as s set is_last = false where s.is_last;
  end if;
  return format('%1$s %2$s %3$s (%4$s)', v_self,
                case when v_drives then 'dials' when p_driver = 'relay' then 'is linked with'
                     else 'is dialled by' end, p_tier, p_driver);
end
$$;
comment on function strata.join_tier(text, text, text, integer, text, text, text, text, text, text) is
  'Declares a neighbour and how the link is driven. The side that dials (push: the hotter, pull: the colder) '
  'gives the address; its login there is strata_mover_ and its own name, unless p_user says otherwise. '
  'p_password: null keeps the one that is there, or makes one (see renew_password). p_sslmode null: '
  'verify-full, or prefer on this machine; less needs p_insecure_because. p_ca: a file here, or system. '
  'ST002: no such neighbour. ST004: unknown driver, or no address. ST007: not safe, and no reason. ST033: a '
  'move to another neighbour is open.';

create function strata.leave_tier(p_tier text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from strata.links as l where l.neighbour = p_tier;
  delete from strata.failures as f where f.link = p_tier;
  delete from strata.keys as k where k.name = 'link ' || p_tier;
  execute format('drop server if exists %I cascade', 'strata_' || p_tier);
end
$$;
comment on function strata.leave_tier(text) is
  'Forgets a neighbour: link, server and password. Rows stay where they are; open moves wait '
  'for the link to return.';

create function strata.colder()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$ select l.neighbour from strata.links as l where l.direction = 'colder' $$;
comment on function strata.colder() is
  'The next colder tier, or null: nothing settles any further from here.';
