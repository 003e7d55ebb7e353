-- Schema storage as the platform's own service makes it in every project, as far as migrations of an owner build on
-- it: its tables are there, with RLS, and policies may be made on them. Runs as supabase_admin.
--
-- supautils lets `postgres` make policies on tables that it does not own; here it does so as a member of their owner.

create schema storage authorization supabase_storage_admin;
grant usage on schema storage to postgres with grant option;
grant usage on schema storage to anon, authenticated, service_role;

create table storage.buckets (
  id                 text primary key,
  name               text not null,
  owner              uuid,
  created_at         timestamptz default now(),
  updated_at         timestamptz default now(),
  public             boolean default false,
  avif_autodetection boolean default false,
  file_size_limit    bigint,
  allowed_mime_types text[],
  owner_id           text
);
create unique index bname on storage.buckets (name);
comment on column storage.buckets.owner is 'Field is deprecated, use owner_id instead';

create table storage.objects (
  id               uuid primary key default gen_random_uuid(),
  bucket_id        text constraint "objects_bucketId_fkey" references storage.buckets (id),
  name             text,
  owner            uuid,
  created_at       timestamptz default now(),
  updated_at       timestamptz default now(),
  last_accessed_at timestamptz default now(),
  metadata         jsonb,
  path_tokens      text[] generated always as (string_to_array(name, '/')) stored,
  version          text,
  owner_id         text,
  user_metadata    jsonb
);
create unique index bucketid_objname on storage.objects (bucket_id, name);
comment on column storage.objects.owner is 'Field is deprecated, use owner_id instead';

create function storage.filename (name text)
returns text
language sql
immutable
set search_path = ''
begin atomic
  select (string_to_array(name, '/'))[cardinality(string_to_array(name, '/'))];
end;

create function storage.foldername (name text)
returns text[]
language sql
immutable
set search_path = ''
begin atomic
  select (string_to_array(name, '/'))[1 : cardinality(string_to_array(name, '/')) - 1];
end;

create function storage.extension (name text)
returns text
language sql
immutable
set search_path = ''
begin atomic
  select reverse(split_part(reverse(storage.filename(name)), '.', 1));
end;

alter table storage.buckets owner to supabase_storage_admin;
alter table storage.objects owner to supabase_storage_admin;
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
grant all on storage.buckets, storage.objects to postgres with grant option;
grant all on storage.buckets, storage.objects to anon, authenticated, service_role;
