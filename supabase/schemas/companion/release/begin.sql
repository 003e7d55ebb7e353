-- The companion's release: the personal system and the spoken briefing, for whoever wants them (setup --personal).

select pg_catalog.set_config('client_min_messages', 'warning', true);
select pg_catalog.set_config('check_function_bodies', 'off', true);

do $$
begin
  if pg_catalog.to_regclass('strata.releases') is null then
    raise exception 'the companion needs Strata, and this database has none of this release'
      using errcode = '55000', hint = 'Push the file of Strata itself, <date>_strata.sql, before this one.';
  end if;
  perform pg_catalog.set_config('strata.from', coalesce((
    select r.version from strata.releases as r where r.product = 'companion' order by r.installed_at desc limit 1), ''), true);
end
$$;
