-- Link security: what must hold of a line before a password is sent over it.
--
-- Outside this machine a line is dialled with verify-full (encrypted, and the certificate of the other side
-- is that of the host that was meant) and TLS 1.3. Less is the owner's decision, with a reason that is kept
-- with the link. libpq holds to what the postgres_fdw server says, and that is read anew for each dial, so
-- that a server edited by hand is not dialled in clear either.

-- A name that only begins like a loopback address is somebody else's host.
create function strata.is_loopback(p_host text)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
  select coalesce(
    bool_and(h.host in ('', 'localhost', '::1') or h.host ~ '^/' or h.host ~ '^127(\.\d{1,3}){3}$'), true)
    from unnest(string_to_array(lower(p_host), ',')) as h (host)
$$;
comment on function strata.is_loopback(text) is
  'Whether a host of libpq is this machine: localhost, ::1, 127.0.0.0/8 or a socket; of several '
  'hosts, whether all are.';

create function strata.require_safe(p_tier text, p_host text, p_sslmode text, p_reason text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not strata.is_loopback(p_host) and p_sslmode <> 'verify-full'
     and nullif(btrim(p_reason), '') is null then
    raise exception 'the line to % at % would not be safe: its sslmode is % instead of verify-full', p_tier,
      p_host, p_sslmode
      using errcode = 'ST007', hint = strata.remedy('ST007');
  end if;
end
$$;
comment on function strata.require_safe(text, text, text, text) is
  'ST007: a host that is not this machine would be dialled with less than verify-full, '
  'and nobody has said why.';

-- What libpq will do, as the server says it now. A pooler (whose logins are named role.project) answers for
-- its own line, while the database behind it sees another one.
create function strata.line_security(p_tier text)
returns table (host text, sslmode text, ca text, demands_tls boolean, pooled boolean, insecure_because text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select o.host, o.sslmode, o.ca,
         o.sslmode in ('require', 'verify-ca', 'verify-full')
         or not (strata.is_loopback(o.host) or l.insecure_because is not null),
         exists (select from pg_catalog.pg_user_mappings as m, unnest(m.umoptions) as u (option)
                  where m.srvname = l.server and m.usename = current_user and u.option like 'user=%.%'),
         l.insecure_because
    from strata.links as l
    join pg_catalog.pg_foreign_server as s on s.srvname = l.server
    cross join lateral (
      select coalesce(max(substr(x.option, 10)) filter (where x.option like 'hostaddr=%'),
                      max(substr(x.option, 6)) filter (where x.option like 'host=%')) as host,
             coalesce(max(substr(x.option, 9)) filter (where x.option like 'sslmode=%'), 'prefer') as sslmode,
             max(substr(x.option, 13)) filter (where x.option like 'sslrootcert=%') as ca
        from unnest(s.srvoptions) as x (option)) as o
   where l.neighbour = p_tier
$$;
comment on function strata.line_security(text) is
  'How a neighbour is dialled: host, sslmode and CA of its server, whether the line must be '
  'encrypted, whether a pooler is in between, and why less than verify-full is allowed. No row for '
  'one that is not dialled.';

create function strata.secure_server(p_server text, p_host text, p_sslmode text, p_ca text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_ca is not null then
    execute format('alter server %1$I options (add sslrootcert %2$L)', p_server, p_ca);
  end if;
  if not strata.is_loopback(p_host) or p_sslmode in ('require', 'verify-ca', 'verify-full') then
    execute format('alter server %I options (add ssl_min_protocol_version ''TLSv1.3'')', p_server);
  end if;
end
$$;
comment on function strata.secure_server(text, text, text, text) is
  'Adds to a link''s server the file of the CA (on this server; system: its roots, with libpq '
  '16 or later) and TLS 1.3.';

create function strata.check_server(p_tier text)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  select strata.require_safe(p_tier, s.host, s.sslmode, s.insecure_because)
    from strata.line_security(p_tier) as s
$$;
comment on function strata.check_server(text) is
  'Before each dial: ST007 when the server of a link, as it is now, is not safe.';

-- Asked in the mover's own name: nobody else may see how its session is encrypted. Whoever stood in between
-- could answer this as he likes; that he cannot stand there is what verify-full sees to. It finds a server or
-- library that did not do as told.
create function strata.check_tls(p_line text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_tier constant text := strata.neighbour_of(p_line);
  v_tls text;
begin
  if not exists (select from strata.line_security(v_tier) as s where s.demands_tls and not s.pooled) then
    return;
  end if;
  select r.tls into v_tls from extensions.dblink('strata_' || p_line,
    'select s.version from pg_catalog.pg_stat_ssl as s '
    'where s.pid = pg_catalog.pg_backend_pid()') as r (tls text);
  if v_tls is distinct from 'TLSv1.3' then
    raise exception 'the line to % is %', v_tier,
      coalesce('encrypted with ' || v_tls || ' only', 'not encrypted')
      using errcode = 'ST008', hint = strata.remedy('ST008');
  end if;
end
$$;
comment on function strata.check_tls(text) is
  'After each dial: ST008 when the other side sees less than TLS 1.3 on a line that must be encrypted.';

create function strata.dial_code(p_sqlstate text, p_detail text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when p_detail ~ 'password authentication failed|no password supplied|is not permitted to log in'
                then '28P01'
              when p_detail ~ 'too many connections|too many clients|connection slots are reserved|EMAXCONN'
                then '53300'
              when p_detail ~ 'SSL|certificate' and p_detail !~ 'pg_hba.conf' then 'ST008'
              else p_sqlstate end
$$;
comment on function strata.dial_code(text, text) is
  'What libpq says of a failed dial, as a code: 28P01, 53300, ST008, or as it was.';
