-- Holds: reasons to stay, made, ended, carried down the chain; and the conditions of a hotter tier that wait
-- for the owner here.

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
set search_path = pg_catalog, pg_temp
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
      (coalesce(p_reason, '') = '', 'p_reason is missing',
       'Say why, for those who find the row still there.'),
      (coalesce(p_prevents, '') not in ('move', 'delete', 'both'),
       format('p_prevents is %s', coalesce('"' || p_prevents || '"', 'null')),
       'Say ''move'', ''delete'' or ''both''.'),
      (coalesce(p_until <= strata.clock(), false),
       format('p_until is in the past: %s', to_char(p_until, 'YYYY-MM-DD HH24:MI TZ')),
       'Name a time that is to come, or leave it out and end the '
       'hold with strata.release().')) as f (applies, says, hint)
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
  'Keeps one row (p_key: its key''s values as text) or all rows meeting a condition from being moved, '
  'deleted or both, here and on colder tiers, until a time or until released; no policy overrides it. ST011, '
  'ST014, ST050: bad arguments.';

create function strata.release(p_hold uuid)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
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

-- Whoever types release('…') gives a text, which need not be a hold's id at all.
create function strata.release(p_hold text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if translate(lower(trim(p_hold)), '{}-', '') ~ '^[0-9a-f]{32}$' then
    return strata.release(translate(trim(p_hold), '{}-', '')::uuid);
  end if;
  raise exception '"%" is not the id of a hold', p_hold
    using errcode = 'ST050', hint = 'Look it up: select hold_id, dataset, key, condition, reason '
                                    'from strata.holds where released_at is null';
end
$$;
comment on function strata.release(text) is
  'release() of an id written as text. ST050: it is none.';

create function strata.text_of(p_value anyelement)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return concat(p_value);
end
$$;
comment on function strata.text_of(anyelement) is 'A value as its type writes it when Strata writes it.';
select strata.pin('strata.text_of(anyelement)');

-- Not pinned, nor is who calls it: what a person gives is read as that session reads it.
create function strata.normal_key(p_dataset strata.datasets, p_key text[])
returns text[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
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
      execute format('select strata.text_of($1::%s)', v_column.type) into v_value using v_column.given;
    exception when data_exception or integrity_constraint_violation then -- of a domain
      v_value := null;
    end;
    if v_column.given is null or v_value is null then
      raise exception 'the key column "%" of "%" is of type %, % was given', v_column.name, p_dataset.name,
        v_column.type,
        coalesce('"' || v_column.given || '"', 'null')
        using errcode = 'ST050', hint = 'Give the value of that column in the row that you mean.';
    end if;
    v_key := v_key || v_value;
  end loop;
  return v_key;
end
$$;
comment on function strata.normal_key(strata.datasets, text[]) is
  'A key as Strata writes it: each value in its type''s own text form. ST050: wrong number of '
  'values, or not of its type.';

-- A condition that the grammar cannot say holds everything until the owner of this tier has taken it.
create function strata.accept_holds(p_dataset text, p_holds jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation constant regclass := strata.relation(strata.dataset(p_dataset))::regclass;
begin
  insert into strata.holds as h (hold_id, dataset, key, condition, prevents, reason, made_on, made_at,
                                 hold_until, released_at, waits_for)
  select r.hold_id, r.dataset, r.key,
         case
           when r.key is null then coalesce(strata.condition_sql(r.condition::jsonb, v_relation), 'true') end,
         r.prevents, r.reason, r.made_on, r.made_at, r.hold_until, r.released_at,
         case when r.key is null then r.condition_sql end
    from jsonb_to_recordset(p_holds) as r (hold_id uuid, dataset text, key text[], condition jsonb,
                                           condition_sql text, prevents text, reason text,
                                           made_on text, made_at timestamptz, hold_until timestamptz,
                                           released_at timestamptz)
   where r.dataset = p_dataset
  on conflict (hold_id) do update
     set hold_until = excluded.hold_until, released_at = coalesce(h.released_at, excluded.released_at)
   where (h.hold_until, h.released_at) is distinct from (excluded.hold_until,
                                                         coalesce(h.released_at, excluded.released_at));
  if found then -- the next colder tier has not heard of it
    update strata.datasets as d set revision = d.revision + 1 where d.name = p_dataset;
  end if;
end
$$;
comment on function strata.accept_holds(text, jsonb) is
  'Takes over the holds of the hotter tier. Holds made here are untouched, and what was '
  'released here stays released.';

create function strata.waiting_conditions()
returns table (dataset text, condition text, is_for text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select d.name, d.waits_for, 'due_when' from strata.datasets as d where d.waits_for is not null
  union all
  select h.dataset, h.waits_for, 'hold: ' || h.reason from strata.holds as h
   where h.waits_for is not null and h.released_at is null
     and (h.hold_until is null or h.hold_until > strata.clock())
   order by 1, 3
$$;
comment on function strata.waiting_conditions() is
  'Conditions of a hotter tier that are SQL only the owner of this tier may run here, and have not been '
  'taken: of which dataset, the SQL, what for.';

-- By their text: what waits may be another one by the time its owner has read it.
create function strata.take_conditions(p_dataset text, p_conditions text[])
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_taken integer := 0;
  v_condition text;
begin
  perform strata.lock_dataset(p_dataset);
  for v_condition in
    select distinct w.condition from strata.waiting_conditions() as w
     where w.dataset = p_dataset and w.condition = any (p_conditions)
  loop
    perform strata.check_condition(strata.relation(v_dataset)::regclass, v_condition);
    update strata.datasets as d set due_when = d.waits_for, waits_for = null, revision = d.revision + 1
     where d.name = p_dataset and d.waits_for = v_condition;
    update strata.holds as h set condition = h.waits_for, waits_for = null
     where h.dataset = p_dataset and h.waits_for = v_condition;
    v_taken := v_taken + 1;
  end loop;
  perform strata.tell_waiting(p_dataset);
  return v_taken;
end
$$;
comment on function strata.take_conditions(text, text[]) is
  'The owner of this tier takes conditions that a hotter tier sent as SQL, each given as it was read, so '
  'that they count here; returns how many. ST014: one does not fit the table here.';

create function strata.tell_waiting(p_dataset text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_waits record;
begin
  select count(*) as n, min(w.condition) as condition,
         array_agg(distinct quote_literal(w.condition)) as literals into v_waits
    from strata.waiting_conditions() as w where w.dataset = p_dataset;
  if v_waits.n > 0 then
    update strata.datasets as d
       set trouble_sqlstate = 'ST028', remedy = format(
         'On %1$s, if they may run there: select strata.take_conditions(%2$L, array[%3$s]);', strata.tier(),
         p_dataset, array_to_string(v_waits.literals, ', ')),
           trouble = format('%1$s condition(s) of the hotter tier wait for the owner of %2$s: %3$s',
                            v_waits.n, strata.tier(), left(v_waits.condition, 200))
     where d.name = p_dataset;
  else
    update strata.datasets as d
       set trouble = null, trouble_sqlstate = null, remedy = null, failures = 0, next_try_at = null
     where d.name = p_dataset and d.trouble_sqlstate = 'ST028';
  end if;
end
$$;
comment on function strata.tell_waiting(text) is
  'Makes it the trouble of a dataset that conditions of it wait to be taken, or ends that trouble.';
