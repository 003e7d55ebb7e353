-- Due: which rows belong in a colder tier now, and what keeps a row where it is.
--
-- A row is due by its age, by its size (on a middle tier) and, where the policy says so, only when a condition over it
-- holds. Whatever its policy says, a row stays while something in its tier references it, while a hold is on it, and
-- while it is set aside. These are five SQL conditions over one table; they are written in one place (conditions) and
-- read by claims, deletions, plan() and explain() alike, so that what is planned is what happens.

create table strata.holds (
  hold_id uuid not null default gen_random_uuid(),
  dataset text not null,
  key text[],
  condition text,
  prevents text not null default 'both',
  reason text not null,
  made_on text not null,
  made_at timestamptz not null,
  hold_until timestamptz,
  released_at timestamptz,
  constraint holds_pkey primary key (hold_id),
  constraint holds_key_or_condition check ((key is null) <> (condition is null)),
  constraint holds_prevents_is_known check (prevents in ('move', 'delete', 'both'))
);
comment on table strata.holds is
  'Reasons not to move or not to delete rows: one key or all rows meeting a condition, until a time or until released. '
  'They travel down the chain with their dataset.';
revoke all on strata.holds from public;
alter table strata.holds enable row level security;
create index holds_dataset_idx on strata.holds (dataset);

create table strata.set_aside (
  dataset text not null,
  key text[] not null,
  code text not null,
  says text not null,
  remedy text not null,
  attempts integer not null default 1,
  first_at timestamptz not null,
  last_at timestamptz not null,
  next_try_at timestamptz not null,
  constraint set_aside_pkey primary key (dataset, key)
);
comment on table strata.set_aside is
  'Rows that could not be moved, each with SQLSTATE, sentence and remedy; tried again with growing pauses (15 minutes, '
  'doubling, at most 64 hours). To try at once: update strata.set_aside set next_try_at = now().';
revoke all on strata.set_aside from public;
alter table strata.set_aside enable row level security;

create function strata.put_aside(p_dataset text, p_key text[], p_code text, p_says text)
returns void
language sql
set search_path = ''
as $$
  insert into strata.set_aside as a (dataset, key, code, says, remedy, first_at, last_at, next_try_at)
  values (p_dataset, p_key, p_code, p_says, strata.remedy(p_code), strata.clock(), strata.clock(),
          strata.clock() + interval '15 minutes')
  on conflict (dataset, key) do update
     set code = excluded.code, says = excluded.says, remedy = excluded.remedy, attempts = a.attempts + 1,
         last_at = excluded.last_at,
         next_try_at = excluded.last_at + interval '15 minutes' * power(2, least(a.attempts, 8))
$$;
comment on function strata.put_aside(text, text[], text, text) is
  'Sets a row aside, or notes that it failed once more and doubles its pause.';
revoke execute on function strata.put_aside(text, text[], text, text) from public;

create function strata.key_sql(p_columns text[], p_alias text default 't')
returns text
language sql
immutable
set search_path = ''
as $$
  select 'array[' || string_agg(format('concat(%s.%I)', p_alias, c.name), ', ' order by c.position) || ']'
    from unnest(p_columns) with ordinality as c (name, position)
$$;
comment on function strata.key_sql(text[], text) is 'SQL for a row''s key as an array of texts, each as its type writes it.';
revoke execute on function strata.key_sql(text[], text) from public;

create function strata.key_is_sql(p_dataset strata.datasets, p_key text default '$1')
returns text
language sql
stable
set search_path = ''
as $$
  select string_agg(format('t.%I %s %s[%s]::%s', k.name, strata.equals_sql(a.attrelid, k.name), p_key, k.position,
                           format_type(a.atttypid, a.atttypmod)), ' and ' order by k.position)
    from unnest(p_dataset.key_columns) with ordinality as k (name, position)
    join pg_catalog.pg_attribute as a
      on a.attrelid = strata.relation(p_dataset)::regclass and a.attname = k.name and not a.attisdropped
$$;
comment on function strata.key_is_sql(strata.datasets, text) is 'SQL: is row t the one under that key, an array of texts? Uses the primary key.';
revoke execute on function strata.key_is_sql(strata.datasets, text) from public;

-- How many days a row may stay on this tier, and what happens then.
create function strata.retention(p_dataset strata.datasets, out action text, out days integer)
language plpgsql
stable
set search_path = ''
as $$
begin
  select case when l.neighbour is not null then 'move' when s.is_last then 'delete' end,
         case when l.neighbour is null then case when s.is_last then p_dataset.delete_after_days end
              when s.tier = 'core' then p_dataset.core_retention_days
              else p_dataset.main_retention_days end
    into action, days
    from strata.self as s
    left join strata.links as l on l.direction = 'colder';
end
$$;
comment on function strata.retention(strata.datasets) is
  'What a dataset''s age leads to on this tier: move (there is a colder one) or delete (this is the last), after how many '
  'days; null days: never, null action: neither, because the chain is not complete yet.';
revoke execute on function strata.retention(strata.datasets) from public;

-- The age column's value before which a row is due, as SQL of the column's own type. Ages are counted in days of 24
-- hours, in UTC: a date is the midnight it begins with, a timestamp without time zone is taken as UTC.
create function strata.cutoff_sql(p_dataset strata.datasets, p_days integer, p_at timestamptz)
returns text
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
set datestyle = 'ISO, MDY'
as $$
begin
  return (
    select case format_type(a.atttypid, null)
             when 'date' then format('%L::date', (p_at - make_interval(days => p_days))::date)
             when 'timestamp without time zone' then format('%L::timestamp', (p_at - make_interval(days => p_days))::timestamp)
             else format('%L::timestamptz', p_at - make_interval(days => p_days)) end
      from pg_catalog.pg_attribute as a
     where a.attrelid = strata.relation(p_dataset)::regclass and a.attname = p_dataset.age_column);
end
$$;
comment on function strata.cutoff_sql(strata.datasets, integer, timestamptz) is
  'SQL of the latest age-column value that is p_days old at p_at.';
revoke execute on function strata.cutoff_sql(strata.datasets, integer, timestamptz) from public;

create function strata.references_sql(p_relation regclass)
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(string_agg(format('exists (select from %s as r where %s%s)', f.conrelid::regclass, (
             select string_agg(format('t.%I operator(%I.%s) r.%I', ta.attname, o.oprnamespace::regnamespace::text, o.oprname, ra.attname), ' and ')
               from unnest(f.conkey, f.confkey, f.conpfeqop) as k (theirs, ours, equals)
               join pg_catalog.pg_operator as o on o.oid = k.equals
               join pg_catalog.pg_attribute as ra on ra.attrelid = f.conrelid and ra.attnum = k.theirs
               join pg_catalog.pg_attribute as ta on ta.attrelid = f.confrelid and ta.attnum = k.ours),
             case when f.conrelid = f.confrelid then ' and r.ctid <> t.ctid' else '' end), -- a row may refer to itself
             ' or ' order by f.conname), 'false')
      from strata.foreign_keys_to(p_relation) as f
     where f.conparentid = 0);
end
$$;
comment on function strata.references_sql(regclass) is 'SQL: does a foreign key of any table here point at row t?';
revoke execute on function strata.references_sql(regclass) from public;

create function strata.held_sql(p_dataset strata.datasets, p_action text, p_at timestamptz default strata.clock())
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(string_agg(
             case when h.key is not null
                  then format('coalesce(%s, false)', strata.key_is_sql(p_dataset, format('(%L::text[])', h.key)))
                  -- over the row alone: a column may be called like something of the query around it
                  else format('coalesce((select (%s)::boolean from (select t.*) as t), false)', h.condition) end, ' or ' order by h.made_at, h.hold_id), 'false')
      from strata.holds as h
     where h.dataset = p_dataset.name and h.prevents in (p_action, 'both')
       and h.released_at is null and (h.hold_until is null or h.hold_until > p_at));
end
$$;
comment on function strata.held_sql(strata.datasets, text, timestamptz) is 'SQL: is a hold against this action on row t at that time?';
revoke execute on function strata.held_sql(strata.datasets, text, timestamptz) from public;

create function strata.set_aside_sql(p_dataset strata.datasets, p_at timestamptz default strata.clock())
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select case when exists (select from strata.set_aside as a where a.dataset = p_dataset.name)
                then format('exists (select from strata.set_aside as a where a.dataset = %L and a.key = %s '
                            'and a.next_try_at > %L::timestamptz)',
                            p_dataset.name, strata.key_sql(p_dataset.key_columns), p_at)
                else 'false' end);
end
$$;
comment on function strata.set_aside_sql(strata.datasets, timestamptz) is 'SQL: is row t set aside and its pause not over at that time?';
revoke execute on function strata.set_aside_sql(strata.datasets, timestamptz) from public;

create function strata.conditions(
  p_dataset strata.datasets,
  p_at timestamptz default strata.clock(),
  out action text, out aged text, out oversize text, out ready text, out referenced text, out held text,
  out set_aside text, out due text, out kept text
)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_relation constant regclass := strata.relation(p_dataset)::regclass;
  v_days integer;
begin
  select r.action, r.days into action, v_days from strata.retention(p_dataset) as r;
  aged := coalesce(format('t.%I <= %s', p_dataset.age_column, strata.cutoff_sql(p_dataset, v_days, p_at)), 'false');
  oversize := case when action = 'move' and strata.tier() = 'main' and p_dataset.size_limit_kb is not null
    then format('(%s) > %s', strata.size_sql(v_relation), p_dataset.size_limit_kb::bigint * 1024) else 'false' end;
  ready := coalesce('(' || p_dataset.due_when || ')', 'true');
  referenced := strata.references_sql(v_relation);
  held := strata.held_sql(p_dataset, coalesce(action, 'both'), p_at);
  set_aside := strata.set_aside_sql(p_dataset, p_at);
  kept := format('%s or (%s) or %s', referenced, held, set_aside);
  due := format('%s and not (%s)', ready, kept);
end
$$;
comment on function strata.conditions(strata.datasets, timestamptz) is
  'A dataset''s policy on this tier as SQL over row t: aged or oversize make it due, ready is its further condition; '
  'referenced, held and set_aside keep it. due = ready and not kept. action: move, delete or null.';
revoke execute on function strata.conditions(strata.datasets, timestamptz) from public;

create function strata.hold(
  p_dataset text,
  p_key text[] default null,
  p_condition text default null,
  p_reason text default null,
  p_until timestamptz default null,
  p_prevents text default 'both'
)
returns uuid
language plpgsql
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_key text[];
  v_hold uuid;
  v_fault record;
begin
  select f.says, f.hint into v_fault
    from (values
      (p_key is null and p_condition is null, 'neither p_key nor p_condition is given',
       'Give p_key to hold one row, or p_condition to hold all rows that meet it.'),
      (p_key is not null and p_condition is not null, 'p_key and p_condition are both given',
       'Give p_key to hold one row, or p_condition to hold all rows that meet it.'),
      (coalesce(p_reason, '') = '', 'p_reason is missing', 'Say why, for those who find the row still there.'),
      (coalesce(p_prevents, '') not in ('move', 'delete', 'both'),
       format('p_prevents is %s', coalesce('"' || p_prevents || '"', 'null')), 'Say ''move'', ''delete'' or ''both''.'),
      (coalesce(p_until <= strata.clock(), false), format('p_until is in the past: %s', to_char(p_until, 'YYYY-MM-DD HH24:MI TZ')),
       'Name a time that is to come, or leave it out and end the hold with strata.release().')) as f (applies, says, hint)
   where f.applies limit 1;
  if found then
    raise exception '%', v_fault.says using errcode = 'ST050', hint = v_fault.hint;
  end if;
  if p_condition is not null then
    perform strata.check_condition(strata.relation(v_dataset)::regclass, p_condition);
  else
    v_key := strata.normal_key(v_dataset, p_key);
  end if;
  perform strata.lock_dataset(p_dataset);
  insert into strata.holds (dataset, key, condition, prevents, reason, made_on, made_at, hold_until)
  values (p_dataset, v_key, p_condition, p_prevents, p_reason, strata.tier(), strata.clock(), p_until)
  returning hold_id into v_hold;
  update strata.datasets as d set revision = d.revision + 1 where d.name = p_dataset;
  return v_hold;
end
$$;
comment on function strata.hold(text, text[], text, text, timestamptz, text) is
  'Keeps one row (p_key: its key''s values as text) or all rows meeting a condition from being moved, deleted or both, '
  'here and on colder tiers, until a time or until released; no policy overrides it. ST011, ST014, ST050: bad arguments.';
revoke execute on function strata.hold(text, text[], text, text, timestamptz, text) from public;

create function strata.release(p_hold uuid)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_dataset text;
begin
  update strata.holds as h set released_at = strata.clock()
   where h.hold_id = p_hold and h.released_at is null returning h.dataset into v_dataset;
  update strata.datasets as d set revision = d.revision + 1 where d.name = v_dataset;
  return v_dataset is not null;
end
$$;
comment on function strata.release(uuid) is
  'Ends a hold, here at once and on colder tiers with the next run; false when there is no such open hold.';
revoke execute on function strata.release(uuid) from public;

create function strata.normal_key(p_dataset strata.datasets, p_key text[])
returns text[]
language plpgsql
stable
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set extra_float_digits = 1
set bytea_output = 'hex'
as $$
declare
  v_column record;
  v_value text;
  v_key text[];
begin
  if coalesce(cardinality(p_key), 0) <> cardinality(p_dataset.key_columns) then
    raise exception 'the key of "%" is (%), % value(s) were given', p_dataset.name,
      array_to_string(p_dataset.key_columns, ', '), coalesce(cardinality(p_key), 0)
      using errcode = 'ST050', hint = 'Give one text per key column, in that order.';
  end if;
  for v_column in
    select k.name, p_key[k.position] as given, format_type(a.atttypid, a.atttypmod) as type
      from unnest(p_dataset.key_columns) with ordinality as k (name, position)
      join pg_catalog.pg_attribute as a
        on a.attrelid = strata.relation(p_dataset)::regclass and a.attname = k.name and not a.attisdropped
     order by k.position
  loop
    begin
      execute format('select concat($1::%s)', v_column.type) into v_value using v_column.given;
    exception when data_exception or integrity_constraint_violation then -- of a domain
      v_value := null;
    end;
    if v_column.given is null or v_value is null then
      raise exception 'the key column "%" of "%" is of type %, % was given', v_column.name, p_dataset.name, v_column.type,
        coalesce('"' || v_column.given || '"', 'null')
        using errcode = 'ST050', hint = 'Give the value of that column in the row that you mean.';
    end if;
    v_key := v_key || v_value;
  end loop;
  return v_key;
end
$$;
comment on function strata.normal_key(strata.datasets, text[]) is
  'A key as Strata writes it: each value in its type''s own text form. ST050: wrong number of values, or not of its type.';
revoke execute on function strata.normal_key(strata.datasets, text[]) from public;

create function strata.accept_holds(p_dataset text, p_holds jsonb)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into strata.holds as h
  select r.* from jsonb_populate_recordset(null::strata.holds, p_holds) as r where r.dataset = p_dataset
  on conflict (hold_id) do update
     set hold_until = excluded.hold_until, released_at = coalesce(h.released_at, excluded.released_at)
   where (h.hold_until, h.released_at) is distinct from (excluded.hold_until, coalesce(h.released_at, excluded.released_at));
  if found then -- the next colder tier has not heard of it
    update strata.datasets as d set revision = d.revision + 1 where d.name = p_dataset;
  end if;
end
$$;
comment on function strata.accept_holds(text, jsonb) is
  'Takes over the holds of the hotter tier. Holds made here are untouched, and what was released here stays released.';
revoke execute on function strata.accept_holds(text, jsonb) from public;
