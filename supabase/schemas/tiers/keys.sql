-- Keys: how old passwords and keys are; what they are never comes here.

create function strata.note_key(p_name text, p_rotated_at timestamptz default strata.clock())
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into strata.keys (name, rotated_at) values (p_name, p_rotated_at)
  on conflict (name) do update set rotated_at = excluded.rotated_at
$$;
comment on function strata.note_key(text, timestamptz) is
  'Notes that a key was made or rotated; its content never comes here.';

create function strata.see_key(p_name text, p_mark text default null)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into strata.keys as k (name, rotated_at, mark) values (p_name, strata.clock(), left(p_mark, 8))
  on conflict (name) do update set rotated_at = excluded.rotated_at, mark = excluded.mark
   where k.mark <> excluded.mark or (k.mark is null and excluded.mark is not null)
$$;
comment on function strata.see_key(text, text) is
  'Notes a key that is in use: as new when it has not been seen before, or when its mark is another one.';
