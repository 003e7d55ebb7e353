-- Self: which tier this database is; become() (tiers) says so.

create function strata.tier()
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
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
