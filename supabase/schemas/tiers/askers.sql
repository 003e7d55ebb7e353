-- Askers: who may ask what.
--
-- The side that dials asks; the side that is dialled answers only the questions of its side of the link. A
-- colder tier that pulls may have a batch claimed, purged and closed here, and may bring nothing; a hotter
-- tier that pushes may bring rows, and may have nothing deleted but what it brought. Whoever asks is known by
-- the login of the link, and is that link's neighbour, whatever the question says.

create function strata.is_owner(p_role name)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select pg_has_role(p_role, n.nspowner, 'member') from pg_catalog.pg_namespace as n
           where n.nspname = 'strata');
end
$$;
comment on function strata.is_owner(name) is 'Whether a role may do what the owner of schema strata may.';

-- authenticator comes with an edge function, whose questions have names of their own (relay_*) and are
-- checked there.
create function strata.check_asker(p_direction text, p_neighbour text default null)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_asker constant text := strata.asked_by();
begin
  if v_asker is null and (session_user = 'authenticator' or strata.is_owner(session_user)) then
    return true;
  -- an old snapshot would not see a hold made since
  elsif current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'a neighbour''s transaction is %', current_setting('transaction_isolation')
      using errcode = 'ST009', hint = 'Ask in a transaction that is read committed.';
  elsif not exists (
    select from strata.links as l
     where l.neighbour = v_asker and l.neighbour = coalesce(p_neighbour, v_asker)
       and (p_direction is null or l.direction = p_direction)
       and l.driver = case l.direction when 'colder' then 'pull' else 'push' end) then
    raise exception '% may not ask that of %', session_user, strata.tier()
      using errcode = 'ST009', hint = strata.remedy('ST009');
  end if;
  return true;
end
$$;
comment on function strata.check_asker(text, text) is
  'True if this session is the owner''s, or of the neighbour that dials this tier from that direction (null: '
  'from either) and, where one is named, is that one. ST009: it is somebody else''s.';
