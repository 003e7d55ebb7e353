-- The two seams to what a plain Postgres lacks: Vault and pg_net.
create function strata.secret(p_name text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_secret text;
begin
  if to_regclass('vault.decrypted_secrets') is null then
    return null;
  end if;
  execute 'select s.decrypted_secret from vault.decrypted_secrets as s where s.name = $1'
     into v_secret using p_name;
  return v_secret;
end
$$;
comment on function strata.secret(text) is
  'A secret from Vault by name; null when there is none or this database has no Vault.';

create function strata.set_secret(p_name text, p_secret text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  if to_regclass('vault.decrypted_secrets') is null then
    return false;
  end if;
  execute 'select s.id from vault.secrets as s where s.name = $1' into v_id using p_name;
  if v_id is null then
    execute 'select vault.create_secret(new_secret := $1, new_name := $2)' using p_secret, p_name;
  elsif p_secret is distinct from strata.secret(p_name) then
    execute 'select vault.update_secret(secret_id := $1, new_secret := $2)' using v_id, p_secret;
  end if;
  return true;
end
$$;
comment on function strata.set_secret(text, text) is
  'Puts a secret into Vault, or changes it there; false where this database has no Vault. Pass the secret by '
  'take_over(), so that it stands neither in a statement nor among the parameters that a server may log.';

create function strata.forget_secret(p_name text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_gone integer := 0;
begin
  if to_regclass('vault.secrets') is not null then
    execute 'delete from vault.secrets as s where s.name = $1' using p_name;
    get diagnostics v_gone = row_count;
  end if;
  return v_gone > 0;
end
$$;
comment on function strata.forget_secret(text) is
  'Takes a secret out of Vault; returns whether it was there.';

-- The stand-in of the local stack is no extension, and somebody else's schema may be called net.
create function strata.has_net()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from pg_catalog.pg_proc as p
                  where p.pronamespace = to_regnamespace('net') and p.proname = 'http_post'
                    and p.proargnames @> '{url,body,headers,timeout_milliseconds}')
$$;
comment on function strata.has_net() is 'Whether this database can make HTTP requests: pg_net is there.';

create function strata.http_post(p_url text, p_body jsonb, p_headers jsonb default '{}')
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_request bigint;
begin
  if not strata.has_net() then
    return null;
  end if;
  -- Named arguments and a timeout of our own: both have changed between versions of pg_net.
  execute 'select net.http_post(url := $1, body := $2, headers := $3, timeout_milliseconds := 8000)'
     into v_request
    using p_url, p_body, jsonb_build_object('Content-Type', 'application/json') || p_headers;
  return v_request;
end
$$;
comment on function strata.http_post(text, jsonb, jsonb) is
  'Wakes something up over HTTP through pg_net: neither retried nor certain. Returns its request id, '
  'or null where there is no pg_net.';

-- HMAC-SHA256 (RFC 2104) of what Postgres brings itself: pgcrypto is not everywhere.
create function strata.padded_key(p_key bytea, p_pad integer)
returns bytea
language sql
immutable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
  select string_agg(set_byte('\x00', 0, case when i < length(k.key) then get_byte(k.key, i)
                                             else 0 end # p_pad), ''::bytea order by i)
    from (select case when length(p_key) > 64 then sha256(p_key) else p_key end as key) as k,
         generate_series(0, 63) as i
$$;
comment on function strata.padded_key(bytea, integer) is
  'A key of HMAC-SHA-256, filled up to a block and xored with its pad (54 inside, 92 outside).';

create function strata.hmac_sha256(p_key bytea, p_message bytea)
returns bytea
language sql
immutable strict
set search_path = pg_catalog, pg_temp
as $$ select sha256(strata.padded_key(p_key, 92) || sha256(strata.padded_key(p_key, 54) || p_message)) $$;
comment on function strata.hmac_sha256(bytea, bytea) is 'HMAC-SHA256 of a message under a key of any length.';

-- Every login may read what pg_net has queued. So what wakes a function is good for nothing else: a signature
-- over the time, the function and the body, which the function takes for five minutes and answers by looking
-- for work that is due.
create function strata.wake(
  p_project text, p_secret text, p_function text, p_body jsonb default '{}'
)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_at constant bigint := floor(extract(epoch from clock_timestamp()));
  v_signed constant text := concat_ws('.', v_at, p_function,
                                      encode(sha256(convert_to(p_body::text, 'UTF8')), 'hex'));
begin
  if p_project is null or p_secret is null then
    return null;
  end if;
  return strata.http_post(rtrim(p_project, '/') || '/functions/v1/' || p_function, p_body,
    jsonb_build_object('x-strata-wake', format('t=%1$s,v1=%2$s', v_at,
      encode(strata.hmac_sha256(convert_to(p_secret, 'UTF8'), convert_to(v_signed, 'UTF8')), 'hex'))));
end
$$;
comment on function strata.wake(text, text, text, jsonb) is
  'Wakes an edge function of a project up, as http_post() does, with a signature that is good for that '
  'alone; null, and nothing happens, where address, secret or pg_net are missing.';

create function strata.invoke(p_function text, p_body jsonb default '{}')
returns bigint
language sql
set search_path = pg_catalog, pg_temp
as $$ select strata.wake(strata.secret('project_url'), strata.secret('wake_secret'), p_function, p_body) $$;
comment on function strata.invoke(text, jsonb) is
  'Wakes an edge function of this tier''s own project up: wake() with the secrets project_url '
  'and wake_secret of Vault.';
