-- Due: which rows belong in a colder tier now, and what keeps a row where it is.
--
-- A row is due by its age, by its size (on a middle tier) and, where the policy says so, only when a
-- condition over it holds. Whatever its policy says, a row stays while something in its tier references it,
-- while a hold is on it, and while it is set aside. These are five SQL conditions over one table; they are
-- written in one place (conditions) and read by claims, deletions, plan() and explain() alike, so that what
-- is planned is what happens.

create function strata.put_aside(p_dataset text, p_key text[], p_code text, p_says text)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into strata.set_aside as a (dataset, key, code, says, remedy, first_at, last_at, next_try_at)
  values (p_dataset, p_key, left(p_code, 5), left(p_says, 1000), strata.remedy(p_code, p_dataset),
          strata.clock(), strata.clock(),
          strata.clock() + interval '15 minutes')
  on conflict (dataset, key) do update
     set code = excluded.code, says = excluded.says, remedy = excluded.remedy, attempts = a.attempts + 1,
         last_at = excluded.last_at,
         next_try_at = excluded.last_at + interval '15 minutes' * power(2, least(a.attempts, 8))
$$;
comment on function strata.put_aside(text, text[], text, text) is
  'Sets a row aside, or notes that it failed once more and doubles its pause.';

create function strata.key_sql(p_columns text[], p_alias text default 't')
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select 'array[' || string_agg(format('concat(%1$s.%2$I)', p_alias, c.name), ', ' order by c.position) || ']'
    from unnest(p_columns) with ordinality as c (name, position)
$$;
comment on function strata.key_sql(text[], text) is
  'SQL for a row''s key as an array of texts, each as its type writes it.';

create function strata.key_is_sql(p_dataset strata.datasets, p_key text default '$1')
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('t.%1$I %2$s %3$s', k.name, strata.equals_sql(a.attrelid, k.name),
                           strata.key_value_sql(a.atttypid, a.atttypmod, a.attcollation,
                                                format('%1$s[%2$s]', p_key, k.position))),
                    ' and ' order by k.position)
    from unnest(p_dataset.key_columns) with ordinality as k (name, position)
    join pg_catalog.pg_attribute as a
      on a.attrelid = strata.relation(p_dataset)::regclass and a.attname = k.name and not a.attisdropped
$$;
comment on function strata.key_is_sql(strata.datasets, text) is
  'SQL: is row t the one under that key, an array of texts? Uses the primary key.';
select strata.pin('strata.key_is_sql(strata.datasets, text)');

-- How many days a row may stay on this tier, and what happens then.
create function strata.retention(p_dataset strata.datasets, out action text, out days integer)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
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
  'What a dataset''s age leads to on this tier: move (there is a colder one) or delete (this is the last), '
  'after how many days; null days: never, null action: neither, because the chain is not complete yet.';

-- The age column's value before which a row is due, as SQL of the column's own type. Ages are counted in days
-- of 24 hours, in UTC: a date is the midnight it begins with, a timestamp without time zone is taken as UTC.
create function strata.cutoff_sql(p_dataset strata.datasets, p_days integer, p_at timestamptz)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select case format_type(a.atttypid, null)
             when 'date' then format('%L::date', (p_at - make_interval(days => p_days))::date)
             when 'timestamp without time zone'
               then format('%L::timestamp', (p_at - make_interval(days => p_days))::timestamp)
             else format('%L::timestamptz', p_at - make_interval(days => p_days)) end
      from pg_catalog.pg_attribute as a
     where a.attrelid = strata.relation(p_dataset)::regclass and a.attname = p_dataset.age_column);
end
$$;
comment on function strata.cutoff_sql(strata.datasets, integer, timestamptz) is
  'SQL of the latest age-column value that is p_days old at p_at.';
select strata.pin('strata.cutoff_sql(strata.datasets, integer, timestamptz)');

create function strata.reference_sql(p_key pg_catalog.pg_constraint)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('t.%1$I operator(%2$s.%3$s) r.%4$I', ta.attname,
                           o.oprnamespace::regnamespace::text, o.oprname, ra.attname), ' and ')
         -- a row may refer to itself
         || case when p_key.conrelid = p_key.confrelid
                   then ' and (r.ctid <> t.ctid or r.tableoid <> t.tableoid)' else '' end
    from unnest(p_key.conkey, p_key.confkey, p_key.conpfeqop) as k (theirs, ours, equals)
    join pg_catalog.pg_operator as o on o.oid = k.equals
    join pg_catalog.pg_attribute as ra on ra.attrelid = p_key.conrelid and ra.attnum = k.theirs
    join pg_catalog.pg_attribute as ta on ta.attrelid = p_key.confrelid and ta.attnum = k.ours
$$;
comment on function strata.reference_sql(pg_catalog.pg_constraint) is
  'SQL: does row r refer to row t by this foreign key?';

-- p_among: SQL of the places of rows of the same table that go together with row t, or `all` of them: such
-- rows do not keep it, unless they would be set to null.
create function strata.references_sql(p_relation regclass, p_among text default null)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
begin
  return (
    select coalesce(string_agg(format('exists (select from %1$s as r where %2$s%3$s)', f.conrelid::regclass,
                                      strata.reference_sql(f),
             case when f.conrelid = f.confrelid and p_among is not null and f.confdeltype in ('a', 'r')
                  then format(' and not r.ctid = any (%s)', p_among) else '' end),
             ' or ' order by f.conname), 'false')
      from strata.foreign_keys_to(p_relation) as f
     where f.conparentid = 0 and not (p_among is not distinct from 'all' and f.conrelid = f.confrelid
                                      and f.confdeltype in ('a', 'r')));
end
$$;
comment on function strata.references_sql(regclass, text) is
  'SQL: does a foreign key of any table here point at row t, from a row not among those at some places?';

create function strata.held_sql(
  p_dataset strata.datasets, p_action text, p_at timestamptz default strata.clock()
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(string_agg(
             case when h.key is not null
                  then format('coalesce(%s, false)',
                              strata.key_is_sql(p_dataset, format('(%L::text[])', h.key)))
                  -- over the row alone: a column may be called like something of the query around it
                  else format('coalesce((select (%s)::boolean from (select t.*) as t), false)',
                              h.condition) end, ' or ' order by h.made_at, h.hold_id), 'false')
      from strata.holds as h
     where h.dataset = p_dataset.name and h.prevents in (p_action, 'both')
       and h.released_at is null and (h.hold_until is null or h.hold_until > p_at));
end
$$;
comment on function strata.held_sql(strata.datasets, text, timestamptz) is
  'SQL: is a hold against this action on row t at that time?';
select strata.pin('strata.held_sql(strata.datasets, text, timestamptz)');

create function strata.set_aside_sql(
  p_dataset strata.datasets, p_at timestamptz default strata.clock()
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select case when exists (select from strata.set_aside as a where a.dataset = p_dataset.name)
                then format(
                  'exists (select from strata.set_aside as a where a.dataset = %1$L and a.key = %2$s '
                  'and a.next_try_at > %3$L::timestamptz)',
                  p_dataset.name, strata.key_sql(p_dataset.key_columns), p_at)
                else 'false' end);
end
$$;
comment on function strata.set_aside_sql(strata.datasets, timestamptz) is
  'SQL: is row t set aside and its pause not over at that time?';
select strata.pin('strata.set_aside_sql(strata.datasets, timestamptz)');

create function strata.conditions(
  p_dataset strata.datasets,
  p_at timestamptz default strata.clock(),
  out action text, out aged text, out oversize text, out ready text, out referenced text, out held text,
  out set_aside text, out due text, out kept text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
declare
  v_relation constant regclass := strata.relation(p_dataset)::regclass;
  v_is_lost constant boolean := p_at = strata.clock() and strata.clock_trouble() is not null;
  v_days integer;
begin
  select r.action, r.days into action, v_days from strata.retention(p_dataset) as r;
  aged := case when v_is_lost then 'false' end;
  aged := coalesce(aged, format('t.%1$I <= %2$s', p_dataset.age_column,
                                strata.cutoff_sql(p_dataset, v_days, p_at)), 'false');
  oversize := case when action = 'move' and strata.tier() = 'main' and p_dataset.size_limit_kb is not null
    then format('(%1$s) > %2$s', strata.size_sql(v_relation), p_dataset.size_limit_kb::bigint * 1024)
                   else 'false' end;
  ready := case when p_dataset.waits_for is not null then 'false'
                else coalesce('(' || p_dataset.due_when || ')', 'true') end;
  referenced := strata.references_sql(v_relation);
  held := strata.held_sql(p_dataset, coalesce(action, 'both'),
                          case when v_is_lost then '-infinity' else p_at end);
  set_aside := strata.set_aside_sql(p_dataset, p_at);
  kept := format('%1$s or (%2$s) or %3$s', referenced, held, set_aside);
  due := format('%1$s and not (%2$s)', ready, kept);
end
$$;
comment on function strata.conditions(strata.datasets, timestamptz) is
  'A dataset''s policy on this tier as SQL over row t: aged or oversize make it due, ready is its further '
  'condition; referenced, held and set_aside keep it. due = ready and not kept. action: move, delete or '
  'null. While the clock is not to be trusted nothing is aged, and no hold is over.';
