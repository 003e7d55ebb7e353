-- Rotations: the tier that dials changes the password of its links by itself.
--
--   rotate_link()   the neighbour gives the other login a password; our user mapping names that login; it is
--                   dialled
--   (commit)
--   end_rotation()  the neighbour, asked by the new login, takes the old one's password away
--
-- Killed before the commit, the old login still works; after it, the new one does. In both cases the password
-- counts as old still, and the next day's rotation begins anew, with whichever login is not in use.

create function strata.rotate_link(p_neighbour text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user constant text := strata.link_option(p_neighbour, 'user');
  v_login constant text := split_part(v_user, '.', 1); -- a pooler wants the project's reference after it
  v_password constant text := strata.random_password();
  v_other constant text := (select l.login from unnest(strata.logins_of(strata.tier())) as l (login)
                             where l.login <> v_login);
begin
  if not coalesce(v_login = any (strata.logins_of(strata.tier())), false) then
    raise exception 'the login of the link to % is %', p_neighbour, coalesce(v_login, 'missing')
      using errcode = 'ST004', hint = 'Join that tier again without p_user, and give its login a password.';
  end if;
  -- a line from before might have come in with the login that is to be changed
  perform strata.hang_up(p_neighbour);
  -- dblink has no parameters, so a neighbour that logs all statements has the verifier in its log: 32 random
  -- bytes cannot be guessed from it.
  perform strata.ask(p_neighbour,
                     format('select strata.rotate_login(%L)', strata.scram_verifier(v_password)));
  perform strata.map_user(p_neighbour, v_other || substr(v_user, length(v_login) + 1), v_password);
  perform strata.hang_up(p_neighbour);
  -- goes by the user mapping as this transaction sees it; if it fails, all is as it was
  perform strata.dial(p_neighbour);
end
$$;
comment on function strata.rotate_link(text) is
  'Goes over to the other login of a link, with a new password; the old one still works until '
  'end_rotation(). To be committed first.';

create function strata.end_rotation(p_neighbour text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.ask(p_neighbour, 'select strata.retire_login()');
  perform strata.hang_up(p_neighbour);
  perform strata.note_link_key(p_neighbour);
end
$$;
comment on function strata.end_rotation(text) is
  'Has the password of the login taken away that a link no longer uses.';

create function strata.links_to_rotate(p_all boolean)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(l.neighbour order by l.direction), '{}') from strata.links as l
    left join strata.keys as k on k.name = 'link ' || l.neighbour
   where l.server is not null
     and (p_all or coalesce(k.rotated_at, l.joined_at) < strata.clock() - make_interval(
       days => strata.setting('rotate_links_after')::integer))
$$;
comment on function strata.links_to_rotate(boolean) is
  'The neighbours that this tier dials with a password that is too old, or all it dials.';

create function strata.try_rotation(p_neighbour text, p_is_over boolean)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_is_over then
    perform strata.end_rotation(p_neighbour);
  else
    perform strata.rotate_link(p_neighbour);
  end if;
  return null;
exception when others then
  perform strata.hang_up(p_neighbour);
  insert into strata.failures (failed_at, link, code, says)
  values (strata.clock(), p_neighbour, sqlstate, left('the password cannot be rotated: ' || sqlerrm, 1000));
  return format('%1$s: %2$s', p_neighbour, sqlerrm);
end
$$;
comment on function strata.try_rotation(text, boolean) is
  'Takes a step of a rotation, the first or the last; says why it failed, which is logged, or null.';

-- Unpinned, as all procedures that commit; everything in it is qualified.
create procedure strata.rotate_links(
  p_all boolean default false, inout p_failed text[] default '{}'
)
language plpgsql
as $$
declare
  v_neighbour text;
  v_says text;
begin
  if not strata.begin_turn('strata/rotate') then
    p_failed := array['another rotation is under way'];
    return;
  end if;
  foreach v_neighbour in array strata.links_to_rotate(p_all) loop
    v_says := strata.try_rotation(v_neighbour, false);
    commit;
    if v_says is null then
      v_says := strata.try_rotation(v_neighbour, true);
      commit;
    end if;
    p_failed := pg_catalog.array_remove(p_failed operator(pg_catalog.||) v_says, null);
  end loop;
  perform strata.begin_turn(null);
end
$$;
comment on procedure strata.rotate_links(boolean, text[]) is
  'Gives the links this tier dials new passwords: those older than rotate_links_after days, or all. '
  'p_failed: which could not be, and why. Commits.';
