-- Tiers: which one this database is, who its neighbours are, and how they reach each other.
--
-- A tier knows itself and at most two neighbours: a hotter one, from which rows come, and a colder one,
-- to which they settle. The link between two neighbours is driven by one of them: with `push` the hotter
-- one dials, with `pull` the colder one, with `relay` neither (an edge function carries the bytes).
-- The side that dials keeps the address in a postgres_fdw server and the password in its user mapping,
-- which only the owner can read; dblink dials by that server's name, so no password is ever SQL text
-- of a query or of a cron job.

create table strata.tiers (
  name text not null,
  position integer not null,
  capacity_mb integer not null,
  warn_mb integer not null,
  critical_mb integer not null,
  pool_size integer not null,
  constraint tiers_pkey primary key (name),
  constraint tiers_position_key unique (position),
  constraint tiers_name_is_known check (name in ('core', 'main', 'archive')),
  constraint tiers_warn_before_critical_before_full check (0 < warn_mb and warn_mb < critical_mb and critical_mb <= capacity_mb),
  constraint tiers_pool_is_positive check (pool_size > 0)
);
comment on table strata.tiers is
  'The three tiers in their order, with their capacity and thresholds (MB of 1024*1024 bytes, as Supabase bills) '
  'and the most connections Strata may hold there.';
revoke all on strata.tiers from public;
alter table strata.tiers enable row level security;

insert into strata.tiers (name, position, capacity_mb, warn_mb, critical_mb, pool_size) values
  ('core', 1, 500, 400, 450, 10),
  ('main', 2, 10000, 8500, 9500, 20),
  ('archive', 3, 50000, 42500, 47500, 5);

create table strata.self (
  only_row boolean not null default true,
  tier text not null,
  is_last boolean not null,
  became_at timestamptz not null,
  constraint self_pkey primary key (only_row),
  constraint self_is_one_row check (only_row),
  constraint self_tier_fkey foreign key (tier) references strata.tiers (name)
);
comment on table strata.self is
  'Which tier this database is (one row). is_last: rows do not settle any further and are deleted here at the age '
  'their policy says.';
revoke all on strata.self from public;
alter table strata.self enable row level security;
create index self_tier_idx on strata.self (tier);

create table strata.links (
  neighbour text not null,
  direction text not null,
  driver text not null,
  server text,
  joined_at timestamptz not null,
  last_ok_at timestamptz,
  failures integer not null default 0,
  trouble_sqlstate text,
  trouble text,
  next_try_at timestamptz,
  rested interval not null default '0',
  constraint links_pkey primary key (neighbour),
  constraint links_one_per_direction unique (direction),
  constraint links_neighbour_fkey foreign key (neighbour) references strata.tiers (name),
  constraint links_direction_is_hotter_or_colder check (direction in ('hotter', 'colder')),
  constraint links_driver_is_known check (driver in ('push', 'pull', 'relay')),
  constraint links_server_iff_driven check
    ((server is not null) = ((driver, direction) in (('push', 'colder'), ('pull', 'hotter')))),
  constraint links_trouble_has_its_code check ((trouble is null) = (trouble_sqlstate is null))
);
comment on table strata.links is
  'The neighbours of this tier. server: the postgres_fdw server we dial when we drive the link, else null. '
  'trouble, failures, next_try_at: why the line is down and when it is dialled again. rested: how long runs over it have '
  'paused, in all, because others were using the hotter tier.';
revoke all on strata.links from public;
alter table strata.links enable row level security;

create function strata.tier()
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_tier constant text := (select s.tier from strata.self as s);
begin
  if v_tier is null then
    raise exception 'this database does not know which tier it is'
      using errcode = 'ST001', hint = strata.remedy('ST001');
  end if;
  return v_tier;
end
$$;
comment on function strata.tier() is 'The name of this tier. ST001: become() has not been called.';
revoke execute on function strata.tier() from public;

create function strata.become(p_tier text, p_is_last boolean default null)
returns text
language plpgsql
set search_path = ''
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
         is_last = case when p_is_last is null and s.tier = excluded.tier then s.is_last else excluded.is_last end,
         became_at = case when s.tier = excluded.tier then s.became_at else excluded.became_at end;
  return strata.apply_schedules();
end
$$;
comment on function strata.become(text, boolean) is
  'Tells this database which tier it is and schedules that tier''s jobs; running it again changes nothing. '
  'p_is_last: rows end here and are deleted at their deletion age (null: true for archive, else as it was). '
  'Returns a sentence about the jobs. ST002: no such tier, or this one is linked already.';
revoke execute on function strata.become(text, boolean) from public;

create function strata.set_tier(
  p_tier text,
  p_capacity_mb integer default null,
  p_warn_mb integer default null,
  p_critical_mb integer default null,
  p_pool_size integer default null
)
returns void
language plpgsql
set search_path = ''
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
revoke execute on function strata.set_tier(text, integer, integer, integer, integer) from public;

-- A role belongs to the whole server: the setup of another database may be at it, too. Who comes second has waited for it and
-- is told that the row was updated meanwhile (XX000); once more, and it is done.
create function strata.set_mover_login(p_verifier text, p_connection_limit integer)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_verifier is null or p_verifier !~ '^SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' then
    raise exception 'that is not a SCRAM-SHA-256 verifier'
      using errcode = 'ST004', hint = 'Compute it on the client; the clear password must not reach this database.';
  end if;
  if p_connection_limit is null or p_connection_limit < 1 then
    raise exception 'the connection limit is %', coalesce(p_connection_limit::text, 'missing')
      using errcode = 'ST004', hint = 'Give the number of connections the neighbours may hold here at once.';
  end if;
  for v_attempt in 1 .. 10 loop
    begin
      execute format('alter role strata_mover login password %L connection limit %s', p_verifier, p_connection_limit);
      return;
    exception when internal_error then
      if v_attempt = 10 then
        raise;
      end if;
    end;
  end loop;
end
$$;
comment on function strata.set_mover_login(text, integer) is
  'Lets role strata_mover log in, with a password given only as its SCRAM-SHA-256 verifier, and at most so many '
  'connections at once. ST004: not a verifier, or no limit.';
revoke execute on function strata.set_mover_login(text, integer) from public;

-- (Re)makes the server and the user mapping of a link. A null password keeps the one that is there.
create function strata.make_server(
  p_server text, p_host text, p_port integer, p_database text, p_user text, p_password text, p_sslmode text
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_password text := p_password;
begin
  if v_password is null then
    v_password := substr((
      select o.option from pg_catalog.pg_user_mappings as m
       cross join lateral unnest(m.umoptions) as o (option)
       where m.srvname = p_server and m.usename = current_user and o.option like 'password=%'), 10);
  end if;
  if v_password is null then
    raise exception 'server % has no password yet', p_server
      using errcode = 'ST004', hint = 'Give p_password: the one of strata_mover on that tier.';
  end if;
  execute format('drop server if exists %I cascade', p_server);
  -- keep-alive and user timeout: a line that went dead is noticed within about 30 seconds, not never.
  execute format(
    'create server %I foreign data wrapper postgres_fdw options (host %L, port %L, dbname %L, sslmode %L, '
    'connect_timeout ''10'', keepalives_idle ''10'', keepalives_interval ''5'', keepalives_count ''4'', '
    'tcp_user_timeout ''30000'', application_name ''strata'', keep_connections ''off'')',
    p_server, p_host, p_port::text, p_database, p_sslmode);
  execute format('create user mapping for current_user server %I options (user %L, password %L)',
                 p_server, p_user, v_password);
end
$$;
comment on function strata.make_server(text, text, integer, text, text, text, text) is
  'Makes the postgres_fdw server and the user mapping with which this tier dials a neighbour.';
revoke execute on function strata.make_server(text, text, integer, text, text, text, text) from public;

-- Whoever else stood in that direction is left, and what it was told of the datasets counts no more.
create function strata.make_way(p_direction text, p_tier text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if exists (select from strata.links as l where l.neighbour = p_tier) then
    return;
  end if;
  if p_direction = 'colder' then
    if exists (select from strata.moves as m where m.state <> 'closed' and m.to_tier <> p_tier) then
      raise exception 'a move to another tier is open, so % cannot be the next one yet', p_tier
        using errcode = 'ST033', hint = 'Join that tier again and call strata.move_due() until nothing is open.';
    end if;
    update strata.datasets as d set told_revision = null where d.told_revision is not null;
  end if;
  perform strata.leave_tier(l.neighbour) from strata.links as l where l.direction = p_direction;
end
$$;
comment on function strata.make_way(text, text) is
  'Before a tier becomes the neighbour in a direction: leaves the one that was. ST033: a move to that one is open.';
revoke execute on function strata.make_way(text, text) from public;

create function strata.join_tier(
  p_tier text,
  p_driver text,
  p_host text default null,
  p_port integer default null,
  p_database text default null,
  p_user text default 'strata_mover',
  p_password text default null,
  p_sslmode text default 'prefer'
)
returns text
language plpgsql
set search_path = ''
as $$
declare
  v_self constant text := strata.tier();
  v_server constant text := 'strata_' || p_tier;
  v_direction text;
  v_drives boolean;
begin
  if p_tier = v_self or not exists (select from strata.tiers as t where t.name = p_tier) then
    raise exception '% cannot be a neighbour of %', p_tier, v_self
      using errcode = 'ST002', hint = 'The tiers are core, main and archive.';
  end if;
  if p_driver is null or p_driver not in ('push', 'pull', 'relay') then
    raise exception 'there is no driver "%"', p_driver
      using errcode = 'ST004', hint = 'push: the hotter tier dials; pull: the colder one; relay: an edge function.';
  end if;
  select case when n.position > s.position then 'colder' else 'hotter' end into v_direction
    from strata.tiers as n, strata.tiers as s where n.name = p_tier and s.name = v_self;
  v_drives := (p_driver, v_direction) in (('push', 'colder'), ('pull', 'hotter'));
  if v_drives and (p_host is null or p_port is null or p_database is null or p_user is null or p_sslmode is null) then
    raise exception 'with % it is % that dials %, but no address was given', p_driver, v_self, p_tier
      using errcode = 'ST004', hint = 'Give p_host, p_port, p_database, p_user and p_sslmode.';
  end if;
  perform strata.make_way(v_direction, p_tier);
  if v_drives then
    perform strata.make_server(v_server, p_host, p_port, p_database, p_user, p_password, p_sslmode);
  else
    execute format('drop server if exists %I cascade', v_server);
  end if;
  insert into strata.links (neighbour, direction, driver, server, joined_at)
  values (p_tier, v_direction, p_driver, case when v_drives then v_server end, strata.clock())
  on conflict (neighbour) do update
     set driver = excluded.driver, server = excluded.server,
         failures = 0, trouble = null, trouble_sqlstate = null, next_try_at = null;
  if v_direction = 'colder' then
    update strata.self as s set is_last = false where s.is_last;
  end if;
  return format('%s %s %s (%s)', v_self,
    case when v_drives then 'dials' when p_driver = 'relay' then 'is linked with' else 'is dialled by' end,
    p_tier, p_driver);
end
$$;
comment on function strata.join_tier(text, text, text, integer, text, text, text, text) is
  'Declares a neighbour and how the link is driven. The side that dials (push: the hotter, pull: the colder) gives the '
  'address and the password of strata_mover there; again with another password takes it over, with null keeps it. '
  'ST002: no such neighbour. ST004: unknown driver, or an address or password is missing. ST033: a move to another '
  'neighbour is open.';
revoke execute on function strata.join_tier(text, text, text, integer, text, text, text, text) from public;

create function strata.leave_tier(p_tier text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from strata.links as l where l.neighbour = p_tier;
  execute format('drop server if exists %I cascade', 'strata_' || p_tier);
end
$$;
comment on function strata.leave_tier(text) is
  'Forgets a neighbour: link, server and password. Rows stay where they are; open moves wait for the link to return.';
revoke execute on function strata.leave_tier(text) from public;

create function strata.colder()
returns text
language sql
stable
set search_path = ''
as $$ select l.neighbour from strata.links as l where l.direction = 'colder' $$;
comment on function strata.colder() is 'The next colder tier, or null: nothing settles any further from here.';
revoke execute on function strata.colder() from public;
