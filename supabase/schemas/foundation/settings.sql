-- The checks above hold whatever happens; this says what would do. The bounds keep a number from failing
-- where it is used.
create function strata.setting_makes_sense()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_most constant bigint := case
    when new.unit = 'percent' then 100 when new.unit like 'hour%' then 24
    when new.unit = 'day of the month' then 31
    when new.unit = 'days' then 100000
    when new.unit in ('minutes', 'seconds') then 1000000 else 2147483647 end;
begin
  if coalesce(new.value between 1 and v_most, false) then
    return new;
  end if;
  raise exception 'the setting "%" cannot be %', new.name, coalesce(new.value::text, 'null')
    using errcode = 'check_violation',
          hint = format('Write a whole number from 1 to %1$s (%2$s): %3$s.', v_most, new.unit, new.says);
end
$$;
comment on function strata.setting_makes_sense() is
  'Trigger: a setting that is out of its range is refused, and the range named.';

create trigger settings_make_sense
  before insert or update on strata.settings
  for each row execute function strata.setting_makes_sense();
comment on trigger settings_make_sense on strata.settings is
  'Refuses numbers that are out of range, and says what would do.';
-- under session_replication_role = replica as well
alter table strata.settings enable always trigger settings_make_sense;

-- An UPDATE of no row is how a program asks for what is set already, so it is no error; a person has mistyped
-- the name.
create function strata.setting_is_named()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_changes bigint;
begin
  -- given by the trigger: `supabase db lint` knows no transition tables
  execute format('select count(*) from %1$I', tg_argv[0]) into v_changes;
  -- INSERT … ON CONFLICT comes here as well
  if v_changes = 0 and current_query() ~* '^[[:space:]]*update' then
    raise warning 'no setting was changed: none has that name, or the condition fits none'
      using hint = 'select name, value, unit, says from strata.settings';
  end if;
  return null;
end
$$;
comment on function strata.setting_is_named() is 'Trigger: an UPDATE that finds no setting says so.';

create trigger settings_are_named
  after update on strata.settings referencing new table as touched
  for each statement execute function strata.setting_is_named('touched');
comment on trigger settings_are_named on strata.settings is 'Tells who has mistyped a name.';

create function strata.setting(p_name text)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select s.value from strata.settings as s where s.name = p_name);
end
$$;
comment on function strata.setting(text) is 'One number of strata.settings.';
