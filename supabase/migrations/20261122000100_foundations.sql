-- Foundations: the schema, the roles, the clock, the errors and the two seams to the outside.
--
-- Strata keeps everything of its own in one schema, `strata`. Its tables are never reached over the API.
-- Every tier of the chain gets the same migrations; `strata.become()` (tiers) tells a database which
-- tier it is. All logic that touches rows is SQL in here; TypeScript only starts things and carries bytes.
--
-- Who may do what: the owner (`postgres`) may do everything; `strata_mover`, the group of
-- the logins with which neighbouring tiers come in, may execute the functions of the move protocol and nothing else;
-- `service_role`, as which the edge functions come in over REST with the secret key, may execute what
-- is granted to it (security definer functions) and reach no table; nobody else may even look.
--
-- Lock order, everywhere: dataset (advisory, strata.lock_dataset) before move row before rows.

create schema if not exists extensions;
create extension if not exists postgres_fdw with schema extensions;
create extension if not exists dblink with schema extensions;

-- Who made it before may call it where it is: it is not moved without asking.
do $$
declare
  v_schema constant name := (select n.nspname from pg_catalog.pg_extension as e join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
                              where e.extname = 'dblink');
begin
  if v_schema <> 'extensions' then
    raise exception 'dblink is in schema %, and Strata calls it in schema extensions; what moves it: '
                    'create schema if not exists extensions; alter extension dblink set schema extensions;', v_schema
      using errcode = '55000';
  end if;
end
$$;

create schema strata;
comment on schema strata is
  'Strata: rows settle from core to main to archive, proved, then deleted. Over the API only service_role calls in.';

do $$
begin
  if not exists (select from pg_catalog.pg_roles as r where r.rolname = 'strata_mover') then
    create role strata_mover nologin;
  end if;
  if not exists (select from pg_catalog.pg_roles as r where r.rolname = 'service_role') then -- no Supabase
    create role service_role nologin;
  end if;
end
$$;

revoke all on schema strata from public;
grant usage on schema strata to strata_mover, service_role;

-- The one clock. Policies, pauses and logs read it; a test replaces it in its own database.
create function strata.clock()
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$ select pg_catalog.now() $$;

comment on function strata.clock() is
  'The time Strata goes by: the start of the transaction. Tests replace it, production never.';
revoke execute on function strata.clock() from public;

-- Errors: our own codes and what to do about other people's.
create table strata.errors (
  code text not null,
  cause text not null,
  remedy text not null,
  constraint errors_pkey primary key (code),
  constraint errors_code_is_a_class_or_a_sqlstate check (code ~ '^([0-9A-Z]{2}|[0-9A-Z]{5})$')
);
comment on table strata.errors is
  'What an SQLSTATE means for Strata and how to mend it: a whole code, or its two-character class. '
  'Codes ST... are ours.';
revoke all on strata.errors from public;
alter table strata.errors enable row level security;

insert into strata.errors (code, cause, remedy) values
  ('ST001', 'this database does not know which tier it is', 'select strata.become(''core''), ''main'' or ''archive'''),
  ('ST002', 'there is no such tier, or it cannot take that place in the chain', 'use core, main or archive, each once'),
  ('ST003', 'the database behind the link is another tier than the one it was declared as', 'run strata.join_tier() with the right address'),
  ('ST004', 'the two ends of a link do not fit together', 'run `deno task strata setup --init`: it pushes the same migrations to both tiers, grants what they grant, and sets both up again'),
  ('ST005', 'the neighbour did not answer in time', 'check the line; the work is taken up again by itself'),
  ('ST010', 'the table cannot be managed', 'change what the message names, or let go of the table with strata.unmanage()'),
  ('ST011', 'there is no such dataset', 'select name from strata.datasets'),
  ('ST012', 'the policy makes no sense', 'retentions are whole days that grow down the chain; null or -1 means never'),
  ('ST013', 'the table has delete triggers and nobody said whether a move may fire them',
            'call strata.manage() again with p_delete_triggers => ''fire'' or ''skip'''),
  ('ST014', 'the condition is not a boolean expression over the row', 'write it as you would in a WHERE clause'),
  ('ST020', 'the twin is gone from the colder tier', 'restore the table on that tier from a backup; if there is none, make it anew there, without those rows: select strata.forget_twin(<dataset>);'),
  ('ST021', 'a column is gone from the twin', 'add it again on that tier: alter table <table> add column …; or accept that its values there are lost: select strata.forget_twin(<dataset>);'),
  ('ST022', 'a column has another type on the two tiers', 'on the colder tier, with the column and the type that the message names: alter table <table> alter column … type …;'),
  ('ST023', 'a column was dropped or renamed on the hotter tier', 'on the colder tier, with the column that the message names: alter table <table> drop column …; or alter table <table> rename column … to …;'),
  ('ST024', 'the twin has another primary key, or none', 'on the colder tier, with the columns that the message names: alter table <table> drop constraint …, add primary key (…);'),
  ('ST025', 'the twin has a column that must be filled and that the hotter tier does not know', 'on the colder tier, with the column that the message names: alter table <table> alter column … drop not null;'),
  ('ST026', 'a type could not be made on the colder tier, or is another one there', 'create or alter it there by hand so that both are the same'),
  ('ST027', 'the twin is unlogged: a crash would empty it', 'on the colder tier: alter table <table> set logged;'),
  ('ST030', 'there is no such move, or it is not in that step', 'nothing: the next run takes up what is open'),
  ('ST031', 'the move was closed already; a late copy of it is refused', 'nothing: this is a straggler being turned away'),
  ('ST032', 'the shape of the table changed while the batch was under way', 'nothing: the next run starts with the new shape'),
  ('ST033', 'a move is still under way', 'call strata.move_due() on the tier that drives the link until it is closed, then try again'),
  ('ST040', 'the colder tier holds another row under the same key', 'nothing was overwritten: compare the two (deno task strata explain), and delete one of them, or give it another key, on its tier; the rest follows by itself'),
  ('ST041', 'the colder tier took the row and did not keep it', 'on the colder tier, drop or guard the trigger or rule of <table> that keeps rows from being inserted; then run `deno task strata sync`'),
  ('ST042', 'a trigger on the colder tier changes the row as it arrives', 'on the colder tier, drop or guard that trigger of <table>: values must cross unchanged; then run `deno task strata sync`'),
  ('ST043', 'a trigger here keeps the row from being deleted', 'guard it (current_setting(''strata.purging'', true) is ''on'' while Strata deletes), or drop it; then run `deno task strata sync`'),
  ('ST044', 'the row is too large to cross in one piece', 'rows up to about 200 MB of text can move: make it smaller, or hold it: select strata.hold(<dataset>, p_key => …, p_reason => …);'),
  ('ST050', 'what is to be held or explained is not named as it must be', 'give the key, one value of its type for each key column; or, for a hold, a condition; and its reason'),
  ('08', 'the neighbour cannot be reached', 'check that it runs and that host, port and firewall are right; it is tried again by itself'),
  ('2F003', 'the neighbour does not ask for a password', 'use an address where Postgres asks for one (scram-sha-256), not a trusted or local one'),
  ('28', 'the neighbour refuses the login: the password was changed there, or the login is gone',
         'run `deno task strata setup --init`: it gives a link that is refused a new password'),
  ('22', 'a value does not fit', 'widen the column of <table> on the colder tier, or mend the value here; then run `deno task strata sync`'),
  ('23', 'a constraint on the colder tier refuses the row', 'on the colder tier, with the constraint that the message names: alter table <table> drop constraint …; or mend the row here; then run `deno task strata sync`'),
  ('25006', 'the neighbour is read-only', 'free space there, or: alter database … reset default_transaction_read_only; then run `deno task strata sync`'),
  ('40', 'it collided with other work', 'nothing: it is tried again'),
  ('42501', 'a privilege is missing', 'run `deno task strata setup --init`, which grants what it granted before; what is your own, grant to the owner of Strata as the message names it'),
  ('42P01', 'a table is missing', 'restore <table>, or let go of it: select strata.unmanage(<dataset>);'),
  ('42', 'the statement does not fit the table', 'read the message: put back on this tier what it names, or change the policy that needs it with strata.manage(); then run `deno task strata sync`'),
  ('53100', 'the disk there is full', 'free space on that server; moves go on by themselves'),
  ('53300', 'all connections of the link''s login, or of the server, are in use',
            'run `deno task strata setup --rotate`: it gives the login a new password and ends the sessions of others; if it is the server that is full, end sessions there'),
  ('53', 'the server there is out of resources', 'look at its memory, disk and connection limit'),
  ('54', 'a limit of Postgres is exceeded', 'the row or an index entry is too large for that tier'),
  ('55', 'something held a lock for too long', 'nothing: it is tried again'),
  ('57', 'the server there was stopped or the statement cancelled', 'nothing: it is tried again'),
  ('58', 'the server there has trouble with its files', 'look at its log and its disk'),
  ('P0', 'a trigger or function on the table raised an error', 'read the message: guard the trigger (current_setting(''strata.purging'', true) is ''on'' while Strata deletes), or mend the row; then run `deno task strata sync`'),
  ('XX', 'the server there reports an internal error', 'look at its log; check its disks');

create function strata.remedy(p_sqlstate text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (select e.remedy from strata.errors as e
      where e.code in (p_sqlstate, left(p_sqlstate, 2))
      order by length(e.code) desc limit 1),
    'read the message; the row, the table or the tier named there needs a look')
$$;
comment on function strata.remedy(text) is
  'What to do about an SQLSTATE: the remedy of the whole code, else of its class, else a general word.';
revoke execute on function strata.remedy(text) from public;

-- Settings: numbers an owner may change, each with its unit and its reason.
create table strata.settings (
  name text not null,
  value bigint not null,
  unit text not null,
  says text not null,
  constraint settings_pkey primary key (name),
  constraint settings_are_positive check (value > 0),
  constraint settings_percent_is_a_share check (unit <> 'percent' or value <= 100)
);
comment on table strata.settings is 'Numbers that may be changed with a plain UPDATE; each row says what it does.';
revoke all on strata.settings from public;
alter table strata.settings enable row level security;

-- The checks above hold whatever happens; this says what would do. The bounds keep a number from failing where it is used.
create function strata.setting_makes_sense()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_most constant bigint := case
    when new.unit = 'percent' then 100 when new.unit like 'hour%' then 24 when new.unit = 'day of the month' then 31
    when new.unit = 'days' then 100000 when new.unit in ('minutes', 'seconds') then 1000000 else 2147483647 end;
begin
  if coalesce(new.value between 1 and v_most, false) then
    return new;
  end if;
  raise exception 'the setting "%" cannot be %', new.name, coalesce(new.value::text, 'null')
    using errcode = 'check_violation', hint = format('Write a whole number from 1 to %s (%s): %s.', v_most, new.unit, new.says);
end
$$;
comment on function strata.setting_makes_sense() is 'Trigger: a setting that is out of its range is refused, and the range named.';
revoke execute on function strata.setting_makes_sense() from public;

create trigger settings_make_sense
  before insert or update on strata.settings
  for each row execute function strata.setting_makes_sense();
comment on trigger settings_make_sense on strata.settings is 'Refuses numbers that are out of range, and says what would do.';
alter table strata.settings enable always trigger settings_make_sense; -- under session_replication_role = replica as well

insert into strata.settings (name, value, unit, says) values
  ('batch_rows', 20000, 'rows', 'the most rows of one move'),
  ('flow_batches', 64, 'batches', 'so many batches follow each other without a pause in which the same dataset may move on from the colder tier'),
  ('batch_bytes', 4194304, 'bytes', 'a move is closed to further rows when their stored size passes this'),
  ('relay_batch_bytes', 3145728, 'bytes', 'as batch_bytes, for links that an edge function drives: all of it passes through its memory'),
  ('relay_text_bytes', 6291456, 'bytes', 'the most text one call of the relay carries; a longer row is set aside'),
  ('link_timeout', 60, 'seconds', 'how long one call to a neighbour may take before the line is given up'),
  ('keep_closed_arrivals', 30, 'days', 'how long a tier remembers finished arrivals, to turn stragglers away'),
  ('keep_job_runs', 7, 'days', 'how long rows of our own jobs stay in cron.job_run_details');

create function strata.setting(p_name text)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select s.value from strata.settings as s where s.name = p_name);
end
$$;
comment on function strata.setting(text) is 'One number of strata.settings.';
revoke execute on function strata.setting(text) from public;

create function strata.counted(p_number bigint, p_one text, p_more text default null)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select p_number::text || ' ' || case p_number when 1 then p_one else coalesce(p_more, p_one || 's') end $$;
comment on function strata.counted(bigint, text, text) is 'A number with its noun, as people say it: 1 row, 2 rows.';
revoke execute on function strata.counted(bigint, text, text) from public;

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
revoke execute on function strata.secret(text) from public;

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
revoke execute on function strata.set_secret(text, text) from public;

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
comment on function strata.forget_secret(text) is 'Takes a secret out of Vault; returns whether it was there.';
revoke execute on function strata.forget_secret(text) from public;

-- The stand-in of the local stack is no extension, and somebody else's schema may be called net.
create function strata.has_net()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from pg_catalog.pg_proc as p where p.pronamespace = to_regnamespace('net') and p.proname = 'http_post'
                    and p.proargnames @> '{url,body,headers,timeout_milliseconds}')
$$;
comment on function strata.has_net() is 'Whether this database can make HTTP requests: pg_net is there.';
revoke execute on function strata.has_net() from public;

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
revoke execute on function strata.http_post(text, jsonb, jsonb) from public;

-- HMAC-SHA256 (RFC 2104) of what Postgres brings itself: pgcrypto is not everywhere.
create function strata.padded_key(p_key bytea, p_pad integer)
returns bytea
language sql
immutable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
  select string_agg(set_byte('\x00', 0, case when i < length(k.key) then get_byte(k.key, i) else 0 end # p_pad), ''::bytea order by i)
    from (select case when length(p_key) > 64 then sha256(p_key) else p_key end as key) as k, generate_series(0, 63) as i
$$;
comment on function strata.padded_key(bytea, integer) is 'A key of HMAC-SHA-256, filled up to a block and xored with its pad (54 inside, 92 outside).';
revoke execute on function strata.padded_key(bytea, integer) from public;

create function strata.hmac_sha256(p_key bytea, p_message bytea)
returns bytea
language sql
immutable strict
set search_path = pg_catalog, pg_temp
as $$ select sha256(strata.padded_key(p_key, 92) || sha256(strata.padded_key(p_key, 54) || p_message)) $$;
comment on function strata.hmac_sha256(bytea, bytea) is 'HMAC-SHA256 of a message under a key of any length.';
revoke execute on function strata.hmac_sha256(bytea, bytea) from public;

-- Every login may read what pg_net has queued. So what wakes a function is good for nothing else: a signature over the
-- time, the function and the body, which the function takes for five minutes and answers by looking for work that is due.
create function strata.wake(p_project text, p_secret text, p_function text, p_body jsonb default '{}')
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_at constant bigint := floor(extract(epoch from clock_timestamp()));
  v_signed constant text := concat_ws('.', v_at, p_function, encode(sha256(convert_to(p_body::text, 'UTF8')), 'hex'));
begin
  if p_project is null or p_secret is null then
    return null;
  end if;
  return strata.http_post(rtrim(p_project, '/') || '/functions/v1/' || p_function, p_body,
    jsonb_build_object('x-strata-wake', format('t=%s,v1=%s', v_at,
      encode(strata.hmac_sha256(convert_to(p_secret, 'UTF8'), convert_to(v_signed, 'UTF8')), 'hex'))));
end
$$;
comment on function strata.wake(text, text, text, jsonb) is
  'Wakes an edge function of a project up, as http_post() does, with a signature that is good for that alone; null, and '
  'nothing happens, where address, secret or pg_net are missing.';
revoke execute on function strata.wake(text, text, text, jsonb) from public;

create function strata.invoke(p_function text, p_body jsonb default '{}')
returns bigint
language sql
set search_path = pg_catalog, pg_temp
as $$ select strata.wake(strata.secret('project_url'), strata.secret('wake_secret'), p_function, p_body) $$;
comment on function strata.invoke(text, jsonb) is
  'Wakes an edge function of this tier''s own project up: wake() with the secrets project_url and wake_secret of Vault.';
revoke execute on function strata.invoke(text, jsonb) from public;

-- A dataset is worked on by one transaction at a time: claims, arrivals and deletions wait for one another.
create function strata.lock_dataset(p_dataset text)
returns void
language sql
set search_path = pg_catalog, pg_temp
set lock_timeout = '60s' -- it is held for a step of a move, and there may be one before us
as $$ select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('strata/' || p_dataset, 0)) $$;
comment on function strata.lock_dataset(text) is
  'Waits until this transaction alone works on the dataset in this database. Released with the transaction; '
  'never held across a call to another tier.';
revoke execute on function strata.lock_dataset(text) from public;
