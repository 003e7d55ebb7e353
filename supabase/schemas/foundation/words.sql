create function strata.counted(p_number bigint, p_one text, p_more text default null)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select p_number::text || ' ' || case p_number when 1 then p_one else coalesce(p_more, p_one || 's') end
$$;
comment on function strata.counted(bigint, text, text) is
  'A number with its noun, as people say it: 1 row, 2 rows.';
