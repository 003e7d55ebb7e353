-- Logins: whoever dials this tier has a login of its own here, and each link a password that no other link
-- has.
--
-- strata_mover is a group: it holds the grants and cannot log in. For each neighbour that dials there are two
-- logins in it, strata_mover_main and strata_mover_main_2. One is in use; a rotation gives the other one a
-- password, goes over to it, and only then takes the first one's away, so that nobody is refused meanwhile
-- and a crash anywhere leaves a link that works.
--
-- A password is made by the database that dials, and is nowhere but in its user mapping, which only the owner
-- can read. The other tier gets the SCRAM verifier. It is no parameter of a query either: log_statement = all
-- writes those as well.
--
-- Postgres lets every role change its own password and settings. A changed password shows in that the
-- neighbour is refused (28P01), settings in pg_db_role_setting, a rotation that somebody else began in
-- strata.rotations; setup mends all three.

create function strata.logins_of(p_neighbour text)
returns text[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select array['strata_mover_' || p_neighbour, 'strata_mover_' || p_neighbour || '_2'] $$;
comment on function strata.logins_of(text) is 'The two logins of a neighbour on a tier that it dials.';

create function strata.require_verifier(p_verifier text)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
begin
  if p_verifier is null
     or p_verifier !~ '^SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' then
    raise exception 'that is not a SCRAM-SHA-256 verifier'
      using errcode = 'ST004', hint = 'Give what strata.renew_password() says on the tier that dials; no '
                                      'clear password must reach this database.';
  end if;
end
$$;
comment on function strata.require_verifier(text) is 'ST004 for anything but a SCRAM-SHA-256 verifier.';

-- A role belongs to the whole server: the setup of another database may be at it, too. Who comes second has
-- waited for it and is told that the row was updated meanwhile (XX000) or made (23505, 42710); once more, and
-- it is done.
create function strata.change_role(p_statement text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  for v_attempt in 1 .. 10 loop
    begin
      execute p_statement;
      return;
    exception when internal_error then
      if v_attempt = 10 then
        raise;
      end if;
    when unique_violation or duplicate_object then
      return; -- it is made
    end;
  end loop;
end
$$;
comment on function strata.change_role(text) is
  'Runs a statement that makes or changes a role, beside others of this server that do the same.';

-- What is as it should be is not touched: the roles are shared with every other database of the server.
create function strata.make_logins(p_neighbour text, p_connection_limit integer)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_login text;
  v_database text;
begin
  if not exists (select from strata.tiers as t where t.name = p_neighbour) then
    raise exception 'there is no tier "%"', p_neighbour
      using errcode = 'ST002', hint = 'The tiers are core, main and archive.';
  end if;
  if p_connection_limit is null or p_connection_limit < 1 then
    raise exception 'the connection limit is %', coalesce(p_connection_limit::text, 'missing')
      using errcode = 'ST004', hint = 'Give the number of connections the neighbour may hold here at once.';
  end if;
  foreach v_login in array strata.logins_of(p_neighbour) loop
    if not exists (select from pg_catalog.pg_roles as r where r.rolname = v_login) then
      perform strata.change_role(
        format('create role %1$I login nosuperuser nocreaterole nocreatedb noreplication nobypassrls '
               'connection limit %2$s in role strata_mover', v_login, p_connection_limit));
    end if;
    if not pg_has_role(v_login, 'strata_mover', 'usage') then
      perform strata.change_role(format('grant strata_mover to %I', v_login));
    end if;
    if exists (select from pg_catalog.pg_roles as r where r.rolname = v_login
                  and not (r.rolcanlogin and r.rolconnlimit = p_connection_limit)) then
      perform strata.change_role(format('alter role %1$I login connection limit %2$s', v_login,
                                        p_connection_limit));
    end if;
    for v_database in select coalesce(d.datname, '') from pg_catalog.pg_db_role_setting as s
                        left join pg_catalog.pg_database as d on d.oid = s.setdatabase
                       where s.setrole = v_login::regrole loop
      perform strata.change_role(format('alter role %1$I%2$s reset all', v_login,
                                        ' in database ' || quote_ident(nullif(v_database, ''))));
    end loop;
  end loop;
end
$$;
comment on function strata.make_logins(text, integer) is
  'Makes the two logins of a neighbour that dials this tier, with at most so many connections each, and '
  'without settings that they have given themselves. ST002: no such tier. ST004: no limit.';

create function strata.set_mover_login(
  p_neighbour text, p_verifier text, p_connection_limit integer
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_logins constant text[] := strata.logins_of(p_neighbour);
begin
  perform strata.require_verifier(p_verifier);
  perform strata.make_logins(p_neighbour, p_connection_limit);
  perform strata.change_role(format('alter role %1$I password %2$L', v_logins[1], p_verifier));
  perform strata.change_role(format('alter role %I password null', v_logins[2]));
  delete from strata.rotations as r where r.neighbour = p_neighbour;
end
$$;
comment on function strata.set_mover_login(text, text, integer) is
  'Lets a neighbour dial this tier: makes its logins, gives the first one a password, of which only '
  'the SCRAM-SHA-256 verifier is told, and takes the other one''s away. ST002: no such tier. ST004: not '
  'a verifier, or no limit.';

-- With p_but, sessions of that login stay. Sessions in other databases are ended only where they use up all
-- connections: another tier on the same server may have the same neighbour.
create function strata.end_sessions(p_neighbour text, p_but text default null)
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_ended integer;
begin
  with theirs as (
    select a.pid, a.datname, a.usename,
           count(*) over (partition by a.usename) >= r.rolconnlimit and r.rolconnlimit > 0 as is_full
      from pg_catalog.pg_stat_activity as a join pg_catalog.pg_roles as r on r.rolname = a.usename
     where a.usename = any (strata.logins_of(p_neighbour)))
  select count(*) filter (where pg_terminate_backend(t.pid, 5000)) into v_ended
    from theirs as t where t.usename is distinct from p_but and (t.datname = current_database() or t.is_full);
  return v_ended;
exception when insufficient_privilege then
  return null;
end
$$;
comment on function strata.end_sessions(text, text) is
  'Ends the sessions of a neighbour''s logins, but for those of one of them, and says how many; null: the '
  'owner may not (pg_signal_backend).';

create function strata.other_login()
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if strata.asked_by() is null then
    raise exception 'only a neighbour''s own login can rotate it'
      using errcode = '42501', hint = strata.remedy('42501');
  end if;
  return (select l.login from unnest(strata.logins_of(strata.asked_by())) as l (login)
           where l.login <> session_user);
end
$$;
comment on function strata.other_login() is
  'The one of the asking neighbour''s two logins that it has not come in with. 42501: no neighbour asks.';

create function strata.rotate_login(p_verifier text)
returns text
language plpgsql
security definer -- a tier that dials asks as its login
set search_path = pg_catalog, pg_temp
as $$
declare
  v_login constant text := strata.other_login();
begin
  perform strata.require_verifier(p_verifier);
  insert into strata.rotations as r (neighbour, began_at) values (strata.asked_by(), strata.clock())
  on conflict (neighbour) do nothing; -- since when it has been under way
  perform strata.change_role(format('alter role %1$I password %2$L', v_login, p_verifier));
  return v_login;
end
$$;
comment on function strata.rotate_login(text) is
  'Gives the other login of the neighbour that asks a password; the one it came in with stays. 42501: no '
  'neighbour asks. ST004: not a verifier.';
grant execute on function strata.rotate_login(text) to strata_mover;

create function strata.retire_login()
returns text
language plpgsql
security definer -- a tier that dials asks as its new login
set search_path = pg_catalog, pg_temp
as $$
declare
  v_login constant text := strata.other_login();
begin
  perform strata.change_role(format('alter role %I password null', v_login));
  delete from strata.rotations as r where r.neighbour = strata.asked_by();
  return v_login;
end
$$;
comment on function strata.retire_login() is
  'Takes the password of the login away that the neighbour that asks has not come in with. '
  '42501: no neighbour asks.';
grant execute on function strata.retire_login() to strata_mover;

-- Nobody but the owner of a database needs temporary objects for Strata, and the logins of neighbours must
-- have none.
create function strata.close_temporary()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if has_database_privilege('public', current_database(), 'temporary') and pg_has_role(current_user, (
       select d.datdba from pg_catalog.pg_database as d where d.datname = current_database()), 'usage') then
    execute format('revoke temporary on database %I from public', current_database());
    update strata.self as s set took_temporary = true where true;
  end if;
end
$$;
comment on function strata.close_temporary() is
  'Takes the right to make temporary objects in this database from public, where its owner is who calls.';
