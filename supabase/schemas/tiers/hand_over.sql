-- Handing over: how values of rows, and secrets, come into a session past its server's log.
--
-- What goes wrong with a statement is logged together with its text. So no question holds a value, a key or a
-- hash of a row: they go ahead in a message that does nothing else and has nothing to wait for, and stay in
-- the session until the question takes them. That message begins with a comment as long as what a server
-- keeps of a running statement's text (1 kB), which it shows to others and logs when a process crashes.

create function strata.hand_over(p_name text, p_value text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- performed, it would be copied once more
  return set_config('strata.handed_' || p_name, p_value, false) is not null;
end
$$;
comment on function strata.hand_over(text, text) is
  'Keeps a value in this session for the next question, which gets it from take_over(); true.';
grant execute on function strata.hand_over(text, text) to strata_mover;

create function strata.take_over(p_name text)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_value constant text := nullif(current_setting('strata.handed_' || p_name, true), '');
begin
  if v_value is null then
    raise exception 'no % was handed over', p_name using errcode = 'ST036', hint = strata.remedy('ST036');
  end if;
  perform set_config('strata.handed_' || p_name, '', false);
  return v_value;
end
$$;
comment on function strata.take_over(text) is
  'What hand_over() has kept in this session under a name; gone once the transaction that takes it '
  'commits. ST036: nothing.';
grant execute on function strata.take_over(text) to strata_mover;

create function strata.hand_over_row()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.hand_over(new.name, new.value);
  return null;
end
$$;
comment on function strata.hand_over_row() is
  'Trigger: keeps a row for the next question of this session instead of storing it.';

create trigger handed_is_kept
  before insert on strata.handed
  for each row execute function strata.hand_over_row();
comment on trigger handed_is_kept on strata.handed is 'Nothing is stored.';
-- under session_replication_role = replica as well
alter table strata.handed enable always trigger handed_is_kept;

create function strata.handing_sql(p_name text, p_value text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when p_value is not null then format('select strata.hand_over(%1$L, %2$L); ', p_name, p_value)
              else '' end
$$;
comment on function strata.handing_sql(text, text) is
  'SQL that hands a value over, for send(); nothing for null.';

create function strata.handed_sql(p_name text, p_value text, p_type text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when p_value is not null then format('strata.take_over(%1$L)::%2$s', p_name, p_type)
              else 'null' end
$$;
comment on function strata.handed_sql(text, text, text) is
  'What stands in a question for a value that was handed over; null for null.';

create function strata.unlogged_sql(variadic p_handing text[])
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return '/*' || repeat(' values of rows', 80) || ' */ ' || nullif(array_to_string(p_handing, ''), '');
end
$$;
comment on function strata.unlogged_sql(text[]) is
  'A message that hands values over, of several handing_sql(); null if there are none.';
