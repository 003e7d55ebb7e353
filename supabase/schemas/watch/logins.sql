-- Login watch: what can be seen of a link's password in wrong hands, and the daily rotation.
--
-- The hash of a password cannot be read by an owner who is no superuser, so a changed one shows by its
-- effect: the neighbour is refused (link_down, 28P01). Whoever has the password and only uses it, as the
-- neighbour would, is not seen; the next rotation ends it.

create function strata.login_sessions()
returns table (neighbour text, login text, sessions bigint, most integer, hosts text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select l.neighbour, r.rolname::text, count(a.pid), r.rolconnlimit,
         string_agg(distinct host(a.client_addr), ', ')
    from strata.links as l
    join pg_catalog.pg_roles as r on r.rolname = any (strata.logins_of(l.neighbour))
    join pg_catalog.pg_stat_activity as a on a.usename = r.rolname
   where l.server is null and l.driver <> 'relay'
   group by l.neighbour, r.rolname, r.rolconnlimit
$$;
comment on function strata.login_sessions() is
  'The sessions of neighbours'' logins on this server: how many, how many at most, and, as far as the owner '
  'may see it, from where.';

create function strata.login_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'link_crowded', strata.tier(), s.neighbour, strata.after_grace('link_crowded', s.neighbour),
         format('all %1$s connections of %2$s are in use%3$s', s.most, s.login, ', from ' || s.hosts),
         strata.remedy('53300')
    from strata.login_sessions() as s where s.most > 0 and s.sessions >= s.most
  union all
  select 'link_crowded', strata.tier(), l.neighbour, strata.after_grace('link_crowded', l.neighbour),
         format('the link to %1$s finds no free connection: %2$s', l.neighbour, l.trouble),
         strata.remedy('53300')
    from strata.links as l where l.trouble_sqlstate = '53300' and l.server is not null
  union all
  select 'login_changed', strata.tier(), r.neighbour, 'critical',
         format('the other login of %1$s was given a password on %2$s, and nobody has come in with it since',
                r.neighbour,
                to_char(r.began_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')),
         'Run `deno task strata setup --rotate`: then both logins have new passwords.'
    from strata.rotations as r where r.began_at < strata.clock() - interval '1 hour'
  union all
  select 'login_changed', strata.tier(), min(o.rolname), 'critical',
         format('login %1$s has settings of its own: %2$s', o.rolname,
                string_agg(array_to_string(s.setconfig, ', '), ', ')),
         'Run `deno task strata setup --init`, which takes them away; then `setup --rotate`, because '
         'somebody knows its password.'
    from pg_catalog.pg_db_role_setting as s join pg_catalog.pg_roles as o on o.oid = s.setrole
    join strata.links as l on o.rolname = any (strata.logins_of(l.neighbour)) and l.server is null
   group by o.rolname
$$;
comment on function strata.login_conditions() is
  'Alerts about logins of links: crowded, rotated by nobody who came back, with settings of their own.';
