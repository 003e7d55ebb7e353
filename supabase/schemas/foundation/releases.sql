-- Releases: which one this database has, and what the end of a release file does.

create function strata.version()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select r.version from strata.releases as r where r.product = 'strata' order by r.installed_at desc limit 1
$$;
comment on function strata.version() is 'The release of Strata that this database has.';

create function strata.protocols()
returns integer[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select array[%PROTOCOLS%] $$;
comment on function strata.protocols() is
  'The least and the most protocol that this release speaks with neighbours of other releases.';

create function strata.note_release(p_product text, p_version text, p_digest text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_not_ours constant oid[] := coalesce(nullif(current_setting('strata.not_ours', true), ''), '{}')::oid[];
begin
  insert into strata.releases (product, version, digest, routines, installed_at)
  values (p_product, p_version, p_digest, array(
    select p.oid::regprocedure::text from pg_catalog.pg_proc as p
     where p.pronamespace = 'strata'::regnamespace and p.oid <> all (v_not_ours)
       and p.prorettype <> 'trigger'::regtype
     order by p.oid::regprocedure::text), clock_timestamp())
  on conflict (product, version) do update
     set digest = excluded.digest, routines = excluded.routines, installed_at = excluded.installed_at;
  -- a tier that knows which one it is has jobs
  perform strata.apply_schedules() where exists (select from strata.self);
end
$$;
comment on function strata.note_release(text, text, text) is
  'The last thing that a release file does: writes down what it brought, and hands the jobs, '
  'new ones too, to pg_cron.';
select strata.pin('strata.note_release(text, text, text)');
