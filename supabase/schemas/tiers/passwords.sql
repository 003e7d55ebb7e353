-- Passwords of links, on the tier that dials: made here, changed here, known to nobody else.

create function strata.random_password()
returns text
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  -- four times 122 bits of the server's strong randomness; no extension is needed for that
  select rtrim(translate(encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                                       || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
                                'base64'), '+/', '-_'), '=')
$$;
comment on function strata.random_password() is '32 random bytes, as base64url.';

create function strata.scram_verifier(
  p_password text, p_salt bytea default null, p_iterations integer default 4096
)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  v_secret constant bytea := convert_to(normalize(p_password, NFKC), 'UTF8');
  v_salt constant bytea := coalesce(p_salt, uuid_send(gen_random_uuid()));
  v_inner constant bytea := strata.padded_key(v_secret, 54);
  v_outer constant bytea := strata.padded_key(v_secret, 92);
  v_round bytea := sha256(v_outer || sha256(v_inner || v_salt || '\x00000001'));
  v_bits bit(256) := ('x' || encode(v_round, 'hex'))::bit(256);
  v_salted bytea;
begin
  for i in 2 .. p_iterations loop
    v_round := sha256(v_outer || sha256(v_inner || v_round));
    v_bits := v_bits # ('x' || encode(v_round, 'hex'))::bit(256);
  end loop;
  v_salted := (select string_agg(set_byte('\x00', 0, substring(v_bits from 8 * i + 1 for 8)::bit(8)::integer),
                                 ''::bytea order by i)
                 from generate_series(0, 31) as i);
  return format('SCRAM-SHA-256$%1$s:%2$s$%3$s:%4$s', p_iterations, encode(v_salt, 'base64'),
                encode(sha256(strata.hmac_sha256(v_salted, 'Client Key')), 'base64'),
                encode(strata.hmac_sha256(v_salted, 'Server Key'), 'base64'));
end
$$;
comment on function strata.scram_verifier(text, bytea, integer) is
  'The SCRAM-SHA-256 verifier of a password, as Postgres stores it: the server that has it can check the '
  'password and not know it.';

create function strata.link_option(p_neighbour text, p_option text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select substr(o.option, length(p_option) + 2) from pg_catalog.pg_user_mappings as m
   cross join lateral unnest(m.umoptions) as o (option)
   where m.srvname = 'strata_' || p_neighbour and m.usename = current_user and o.option like p_option || '=%'
$$;
comment on function strata.link_option(text, text) is
  'An option of the user mapping with which this tier dials a neighbour: user or password.';

-- The statement holds the password, because a user mapping takes it in no other way. As a statement within a
-- function it is not logged (but by pgaudit, where a superuser has it log ddl), and its error is raised again
-- from here, without the context that would quote it. A session that is killed in the very middle of it, for
-- which it would have to wait, is the exception.
create function strata.map_user(p_neighbour text, p_user text, p_password text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_is_there constant boolean := strata.link_option(p_neighbour, 'user') is not null;
  v_code text;
  v_says text;
begin
  begin
    execute format(
      case when v_is_there
           then 'alter user mapping for current_user server %1$I options (set user %2$L, set password %3$L)'
           else 'create user mapping for current_user server %1$I options (user %2$L, password %3$L)' end,
      'strata_' || p_neighbour, p_user, p_password);
    return;
  exception when query_canceled or others then
    v_code := sqlstate;
    v_says := sqlerrm;
  end;
  raise exception 'the user mapping of the link to % cannot be written: %', p_neighbour,
    replace(v_says, p_password, '…') using errcode = v_code;
end
$$;
comment on function strata.map_user(text, text, text) is
  'Writes the login and the password with which this tier dials a neighbour into the user mapping.';

-- Between reading the user mapping and showing the password, a rotation may have gone over to the other
-- login. dblink goes by what its session has heard of the mapping, and it hears of changes when it locks a
-- table that it has not locked yet: asking for the size of one that nothing here reads is such a moment. From
-- PostgreSQL 18 on there is often no other.
create function strata.connect(p_line text, p_neighbour text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_login text;
begin
  for v_try in 1 .. 2 loop
    v_login := strata.link_option(p_neighbour, 'user');
    perform pg_relation_size('pg_catalog.pg_largeobject');
    begin
      perform extensions.dblink_connect(p_line, 'strata_' || p_neighbour);
      return;
    exception when others then
      if v_try = 2 or strata.link_option(p_neighbour, 'user') is not distinct from v_login then
        raise;
      end if;
    end;
  end loop;
end
$$;
comment on function strata.connect(text, text) is
  'Opens a line to a neighbour; once more, if its login was rotated at that moment.';

create function strata.note_link_key(p_neighbour text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.note_key('link ' || p_neighbour);
  -- a week in which to rotate it
  update strata.keys as k set max_age_days = strata.setting('rotate_links_after') + 7
   where k.name = 'link ' || p_neighbour;
end
$$;
comment on function strata.note_link_key(text) is 'Notes that the password of a link is new.';

create function strata.renew_password(p_neighbour text, p_password text default null)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  v_password constant text := coalesce(p_password, strata.random_password());
  v_user constant text := strata.link_option(p_neighbour, 'user');
begin
  if v_user is null then
    raise exception '% does not dial %', strata.tier(), p_neighbour
      using errcode = 'ST002', hint = 'Only the tier that dials has a password.';
  end if;
  if length(v_password) < 24 then
    raise exception 'the password of the link to % has fewer than 24 characters', p_neighbour
      using errcode = 'ST004', hint = 'Take a long random one, or none: then one is made here.';
  end if;
  perform strata.map_user(p_neighbour, regexp_replace(v_user, '^(strata_mover_[a-z]+)_2(?=\.|$)', '\1'),
                          v_password);
  perform strata.note_link_key(p_neighbour);
  update strata.links as l set failures = 0, trouble = null, trouble_sqlstate = null, next_try_at = null
   where l.neighbour = p_neighbour;
  return strata.scram_verifier(v_password);
end
$$;
comment on function strata.renew_password(text, text) is
  'Gives the link to a neighbour that this tier dials a new password and returns its verifier, for '
  'strata.set_mover_login() there. Until that is called the link is refused. ST002: this tier does not dial '
  'it. ST004: a password under 24 characters.';

create function strata.try_link(p_neighbour text)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.hang_up(p_neighbour);
  perform strata.dial(p_neighbour);
  perform strata.hang_up(p_neighbour);
  return null;
exception when others then
  return format('%1$s [%2$s]', sqlerrm, sqlstate);
end
$$;
comment on function strata.try_link(text) is 'Dials a neighbour anew; says why that does not work, or null.';
