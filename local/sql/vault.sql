-- A stand-in for the extension supabase_vault, made where that is not installed: the same schema,
-- names, signatures, grants and refusals. It encrypts with pgcrypto under a key that, as in the
-- extension, is not in the database: local/cluster.ts puts it into a file beside the data.

create schema vault;

create table vault.secrets (
  id          uuid primary key default gen_random_uuid(),
  name        text,
  description text not null default '',
  secret      text not null,
  key_id      uuid,
  nonce       bytea,
  created_at  timestamptz not null default current_timestamp,
  updated_at  timestamptz not null default current_timestamp
);
create unique index secrets_name_idx on vault.secrets (name) where name is not null;
comment on table vault.secrets is
  'Table with encrypted `secret` column for storing sensitive information on disk.';

create function vault._encrypt (p_secret text)
returns text
language sql
volatile
security definer -- only a superuser reads files
set search_path = ''
begin atomic
  -- The key is random: stretching it, as is done to what people think up, would only take time.
  select encode(extensions.pgp_sym_encrypt(p_secret, pg_read_file('vault.key'), 's2k-mode=1'), 'base64');
end;

create function vault._decrypt (p_secret text)
returns text
language sql
stable
security definer -- only a superuser reads files
set search_path = ''
begin atomic
  select extensions.pgp_sym_decrypt(decode(p_secret, 'base64'), pg_read_file('vault.key'));
end;

create view vault.decrypted_secrets as
select s.id, s.name, s.description, s.secret, vault._decrypt(s.secret) as decrypted_secret,
       s.key_id, s.nonce, s.created_at, s.updated_at
  from vault.secrets as s;

-- Arguments are named as in the extension: callers use the names.
create function vault.create_secret (
  new_secret text,
  new_name text default null,
  new_description text default '',
  new_key_id uuid default null
)
returns uuid
language sql
volatile
security definer
set search_path = ''
begin atomic
  insert into vault.secrets (secret, name, description)
  values (vault._encrypt(new_secret), new_name, new_description)
  returning id;
end;

create function vault.update_secret (
  secret_id uuid,
  new_secret text default null,
  new_name text default null,
  new_description text default null,
  new_key_id uuid default null
)
returns void
language sql
volatile
security definer
set search_path = ''
begin atomic
  update vault.secrets as s
     set secret = coalesce(vault._encrypt(new_secret), s.secret),
         name = coalesce(new_name, s.name),
         description = coalesce(new_description, s.description),
         updated_at = current_timestamp
   where s.id = secret_id;
end;

revoke execute on all functions in schema vault from public;
grant usage on schema vault to postgres with grant option;
grant select, delete on vault.secrets, vault.decrypted_secrets to postgres with grant option;
grant execute on all functions in schema vault to postgres with grant option;
revoke execute on function vault._encrypt (text) from postgres;
grant usage on schema vault to service_role;
grant select, delete on vault.secrets, vault.decrypted_secrets to service_role;
grant execute on function vault.create_secret (text, text, text, uuid),
  vault.update_secret (uuid, text, text, text, uuid), vault._decrypt (text) to service_role;
