-- Arrivals: moves as their destination sees them: receive, prove, close.
--
-- A batch arrives in one transaction together with its arrival row, so the arrival is open exactly when the copy is
-- committed. While it is open this tier neither moves that dataset on nor deletes from it: a copy could otherwise
-- travel out of reach of its retraction. A closed arrival is remembered for a month, so that a straggler (the
-- same batch from a line that was thought dead) finds the door shut instead of bringing rows back.
-- Nothing is ever overwritten here: a row that is there already and identical is fine, any other is a conflict.

create table strata.arrivals (
  move_id uuid not null,
  dataset text not null,
  from_tier text not null,
  opened_at timestamptz not null,
  closed_at timestamptz,
  rows_received integer not null default 0,
  rows_retracted integer not null default 0,
  bytes bigint not null default 0,
  not_ours integer[] not null default '{}',
  refused jsonb not null default '[]',
  outcomes text[],
  constraint arrivals_pkey primary key (move_id),
  constraint arrivals_closed_with_outcomes check ((closed_at is null) = (outcomes is null))
);
comment on table strata.arrivals is
  'Moves into this tier, open until their source closes them. not_ours: positions whose row was here before. refused: '
  'rows this tier would not take (ordinal, code, says). bytes: of text received.';
revoke all on strata.arrivals from public;
alter table strata.arrivals enable row level security;
create index arrivals_open_idx on strata.arrivals (dataset) where closed_at is null;
create index arrivals_closed_idx on strata.arrivals (closed_at);

create function strata.check_columns(p_dataset strata.datasets, p_columns text[])
returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  v_here text[];
begin
  if to_regclass(strata.relation(p_dataset)) is null then
    raise exception 'the twin % is gone from %', strata.relation(p_dataset), strata.tier()
      using errcode = 'ST020', hint = strata.remedy('ST020');
  end if;
  select array_agg(a.attname::text order by a.attnum) into v_here
    from pg_catalog.pg_attribute as a
   where a.attrelid = strata.relation(p_dataset)::regclass and a.attnum > 0 and not a.attisdropped;
  if cardinality(v_here) <> cardinality(p_columns)
     or exists (select from unnest(v_here, p_columns) as c (here, sent) where c.sent <> c.here) then
    raise exception 'the columns of % on % are (%), the batch has (%)', strata.relation(p_dataset), strata.tier(),
      array_to_string(v_here, ', '), array_to_string(p_columns, ', ', '-')
      using errcode = 'ST032', hint = strata.remedy('ST032');
  end if;
end
$$;
comment on function strata.check_columns(strata.datasets, text[]) is
  'Refuses a batch whose columns are not this twin''s, in its order. ST020: no twin. ST032: other columns.';
revoke execute on function strata.check_columns(strata.datasets, text[]) from public;

-- The columns of a batch side by side again: a FROM item u (c1, …, o) in which o counts from 2, because a text that
-- begins with its separator begins with nothing.
create function strata.unpack_sql(p_move uuid, p_columns text[])
returns text
language sql
stable
set search_path = ''
as $$
  select format('unnest(%s) with ordinality as u (%s, o)',
                string_agg(format('string_to_array($1[%s], %L, %L)', n.position, m.between_values, m.for_null), ', ' order by n.position),
                string_agg('c' || n.position, ', ' order by n.position))
    from unnest(p_columns) with ordinality as n (name, position), strata.marks(p_move) as m
$$;
comment on function strata.unpack_sql(uuid, text[]) is 'SQL that makes rows of texts of a batch; $1 is its columns.';
revoke execute on function strata.unpack_sql(uuid, text[]) from public;

-- The fast way in: all rows of a batch by one statement. Returns how many were not here before.
create function strata.insert_batch(p_dataset strata.datasets, p_move uuid, p_columns text[], p_texts text[])
returns integer
language plpgsql
set search_path = ''
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set timezone = 'UTC'
set extra_float_digits = 1
set bytea_output = 'hex'
set lc_monetary = 'C'
set xmlbinary = 'base64'
set xmloption = 'content'
set array_nulls = on
set row_security = off
as $$
declare
  v_relation constant text := strata.relation(p_dataset);
  v_names text;
  v_values text;
  v_count integer;
begin
  select string_agg(quote_ident(c.name), ', ' order by c.position),
         string_agg(format('u.c%s::%s', c.position, format_type(a.atttypid, a.atttypmod)), ', ' order by c.position)
    into v_names, v_values
    from unnest(p_columns) with ordinality as c (name, position)
    join pg_catalog.pg_attribute as a on a.attrelid = v_relation::regclass and a.attname = c.name and a.attgenerated = '';
  execute format('insert into %s as t (%s) overriding system value select %s from %s where u.o > 1 on conflict (%s) do nothing',
    v_relation, v_names, v_values, strata.unpack_sql(p_move, p_columns),
    (select string_agg(quote_ident(k), ', ') from unnest(p_dataset.key_columns) as k)) using p_texts;
  get diagnostics v_count = row_count;
  set constraints all immediate;
  return v_count;
end
$$;
comment on function strata.insert_batch(strata.datasets, uuid, text[], text[]) is
  'Inserts the rows of a batch (a text per column), never over an existing key; returns how many went in.';
revoke execute on function strata.insert_batch(strata.datasets, uuid, text[], text[]) from public;

create function strata.count_values(p_move uuid, p_texts text)
returns integer
language sql
immutable
set search_path = ''
as $$
  select (length(p_texts) - length(replace(p_texts, m.between_values, ''))) / length(m.between_values) from strata.marks(p_move) as m
$$;
comment on function strata.count_values(uuid, text) is 'How many values a column of a batch has.';
revoke execute on function strata.count_values(uuid, text) from public;

create function strata.lines_of(p_move uuid, p_columns text[], p_texts text[])
returns text[]
language plpgsql
stable
set search_path = ''
as $$
declare
  v_lines text[];
begin
  execute format('select array_agg(row(%s)::text order by u.o) from %s where u.o > 1',
    (select string_agg('u.c' || n, ', ' order by n) from generate_series(1, cardinality(p_columns)) as n),
    strata.unpack_sql(p_move, p_columns)) into v_lines using p_texts;
  return v_lines;
end
$$;
comment on function strata.lines_of(uuid, text[], text[]) is 'A batch row by row, each as a record literal: for when rows must be looked at one by one.';
revoke execute on function strata.lines_of(uuid, text[], text[]) from public;

create function strata.has_insert_triggers(p_relation regclass)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (select from pg_catalog.pg_trigger as g
                  where g.tgrelid = p_relation and not g.tgisinternal and g.tgenabled <> 'D' and g.tgtype::integer & 4 = 4)
$$;
comment on function strata.has_insert_triggers(regclass) is 'Whether a trigger of the owner''s sees rows as they arrive, and may change them.';
revoke execute on function strata.has_insert_triggers(regclass) from public;

-- The careful way in: rows written as record literals. A twin with insert triggers is read back in the same
-- transaction: a row they changed must not stay. Returns how many rows were inserted unchanged.
create function strata.insert_lines(p_dataset strata.datasets, p_columns text[], p_lines text[])
returns integer
language plpgsql
set search_path = ''
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set timezone = 'UTC'
set extra_float_digits = 1
set bytea_output = 'hex'
set lc_monetary = 'C'
set xmlbinary = 'base64'
set xmloption = 'content'
set array_nulls = on
set row_security = off
as $$
declare
  v_relation constant text := strata.relation(p_dataset);
  v_names text;
  v_values text;
  v_count integer;
begin
  select string_agg(quote_ident(c.name), ', ' order by c.position), string_agg(format('(s.r).%I', c.name), ', ' order by c.position)
    into v_names, v_values
    from unnest(p_columns) with ordinality as c (name, position)
    join pg_catalog.pg_attribute as a on a.attrelid = v_relation::regclass and a.attname = c.name and a.attgenerated = '';
  execute format(
    'insert into %s as t (%s) overriding system value '
    'select %s from (select l.line::%s as r from unnest($1) as l (line) offset 0) as s '
    'on conflict (%s) do nothing',
    v_relation, v_names, v_values, v_relation,
    (select string_agg(quote_ident(k), ', ') from unnest(p_dataset.key_columns) as k)) using p_lines;
  get diagnostics v_count = row_count;
  if strata.has_insert_triggers(v_relation::regclass) then
    execute format('select count(*) from unnest($1) as l (line) '
                   'join %s as t on (%s) = (%s) where %s = l.line',
      v_relation, (select string_agg(format('t.%I', k), ', ') from unnest(p_dataset.key_columns) as k),
      (select string_agg(format('(l.line::%s).%I', v_relation, k), ', ') from unnest(p_dataset.key_columns) as k),
      (select 'row(' || string_agg(coalesce(format('t.%I', c.name), 'null'), ', ' order by c.position) || ')::text'
         from unnest(p_columns) with ordinality as c (name, position)))
      into v_count using p_lines;
    if v_count < cardinality(p_lines) then
      raise exception 'a trigger on % changes or drops rows as they arrive', strata.tier() using errcode = 'ST042';
    end if;
  end if;
  set constraints all immediate;
  return v_count;
end
$$;
comment on function strata.insert_lines(strata.datasets, text[], text[]) is
  'Inserts rows written as texts, never over an existing key; returns how many went in. ST042: a trigger changed one.';
revoke execute on function strata.insert_lines(strata.datasets, text[], text[]) from public;

-- An error that tells of one row's content, not of the table, the disk or the server.
create function strata.is_row_error(p_sqlstate text)
returns boolean
language sql
immutable
set search_path = ''
as $$ select p_sqlstate = 'ST042' or left(p_sqlstate, 2) not in ('08', '25', '28', '40', '42', '53', '55', '57', '58', 'XX', 'ST') $$;
comment on function strata.is_row_error(text) is 'Whether an error is about one row, so that the others may go on.';
revoke execute on function strata.is_row_error(text) from public;

create function strata.insert_one_by_one(
  p_dataset strata.datasets, p_columns text[], p_lines text[],
  out inserted integer, out not_ours integer[], out refused jsonb
)
language plpgsql
set search_path = ''
as $$
begin
  inserted := 0;
  not_ours := '{}';
  refused := '[]';
  for v_position in 1 .. coalesce(cardinality(p_lines), 0) loop
    begin
      if strata.insert_lines(p_dataset, p_columns, p_lines[v_position : v_position]) = 1 then
        inserted := inserted + 1;
      else
        not_ours := not_ours || v_position;
      end if;
    exception when others then
      if not strata.is_row_error(sqlstate) then
        raise;
      end if;
      refused := refused || jsonb_build_object('ordinal', v_position, 'code', sqlstate, 'says', strata.tier() || ' refuses the row: ' || sqlerrm);
    end;
  end loop;
end
$$;
comment on function strata.insert_one_by_one(strata.datasets, text[], text[]) is
  'insert_lines() for one row after the other: which were here before, and which are refused and why.';
revoke execute on function strata.insert_one_by_one(strata.datasets, text[], text[]) from public;

create function strata.receive(p_move uuid, p_dataset text, p_from text, p_columns text[], p_lines text)
returns jsonb
language plpgsql
security definer -- a pushing tier calls it as strata_mover
set search_path = ''
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_arrival strata.arrivals;
  v_texts text[];
  v_lines text[];
  v_count integer;
begin
  perform strata.lock_dataset(p_dataset);
  select a.* into v_arrival from strata.arrivals as a where a.move_id = p_move;
  if v_arrival.closed_at is not null then
    raise exception 'move % was closed already', p_move using errcode = 'ST031', hint = strata.remedy('ST031');
  elsif v_arrival.move_id is not null then
    return v_arrival.refused;
  end if;
  perform strata.check_columns(v_dataset, p_columns);
  perform set_config('synchronous_commit', 'on', true)
    where current_setting('synchronous_commit') = 'off'; -- a proof promises that the row is on disk
  v_texts := string_to_array(p_lines, (strata.marks(p_move)).between_columns);
  v_count := strata.count_values(p_move, v_texts[array_position(p_columns, v_dataset.key_columns[1])]);
  begin
    v_arrival.rows_received := case when strata.has_insert_triggers(strata.relation(v_dataset)::regclass)
      then strata.insert_lines(v_dataset, p_columns, strata.lines_of(p_move, p_columns, v_texts))
      else strata.insert_batch(v_dataset, p_move, p_columns, v_texts) end;
    if v_arrival.rows_received < v_count then
      raise exception 'some rows are here already' using errcode = 'ST040';
    end if;
    v_arrival.not_ours := '{}';
    v_arrival.refused := '[]';
  exception when others then
    if sqlstate <> 'ST040' and not strata.is_row_error(sqlstate) then
      raise;
    end if;
    v_lines := strata.lines_of(p_move, p_columns, v_texts);
    select o.inserted, o.not_ours, o.refused into v_arrival.rows_received, v_arrival.not_ours, v_arrival.refused
      from strata.insert_one_by_one(v_dataset, p_columns, v_lines) as o;
  end;
  insert into strata.arrivals (move_id, dataset, from_tier, opened_at, rows_received, bytes, not_ours, refused)
  values (p_move, p_dataset, p_from, strata.clock(), v_arrival.rows_received, octet_length(p_lines), v_arrival.not_ours, v_arrival.refused);
  return v_arrival.refused;
end
$$;
comment on function strata.receive(uuid, text, text, text[], text) is
  'Takes a batch in, in one transaction with its arrival, and says which rows it refuses. Run again it changes nothing. '
  'Never overwrites. ST020, ST032: the twin does not fit. ST031: the move was closed.';
revoke execute on function strata.receive(uuid, text, text, text[], text) from public;
grant execute on function strata.receive(uuid, text, text, text[], text) to strata_mover;

create function strata.twin(p_dataset strata.datasets)
returns regclass
language sql
stable
set search_path = ''
as $$ select case when p_dataset.name is not null then to_regclass(strata.relation(p_dataset)) end $$;
comment on function strata.twin(strata.datasets) is 'A dataset''s table; null when either is not known here (any more).';
revoke execute on function strata.twin(strata.datasets) from public;

create function strata.missing_columns(p_dataset strata.datasets, p_columns text[])
returns text[]
language sql
stable
set search_path = ''
as $$
  select coalesce(array_agg(c.name), '{}')
    from unnest(p_columns) as c (name)
   where c.name is not null
     and not exists (select from pg_catalog.pg_attribute as a
                      where a.attrelid = strata.twin(p_dataset) and a.attname = c.name and not a.attisdropped)
$$;
comment on function strata.missing_columns(strata.datasets, text[]) is
  'Those of the given columns that the dataset''s table lacks; all of them when there is no table.';
revoke execute on function strata.missing_columns(strata.datasets, text[]) from public;

-- Columns are taken by name: their order may have changed since the copy. Where nothing of the move can be here
-- (it never arrived, or the twin is gone or was given up), there is nothing to prove, and the source claims anew.
create function strata.prove(p_move uuid, p_dataset text, p_columns text[], p_keys text[])
returns bytea[]
language plpgsql
stable
security definer -- a pushing tier calls it as strata_mover
set search_path = ''
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set timezone = 'UTC'
set extra_float_digits = 1
set bytea_output = 'hex'
set lc_monetary = 'C'
set xmlbinary = 'base64'
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := (select d from strata.datasets as d where d.name = p_dataset);
  v_missing constant text[] := strata.missing_columns(v_dataset, p_columns);
  v_sql record;
  v_proofs bytea[];
begin
  if strata.twin(v_dataset) is null or (v_missing <> '{}' and v_dataset.accepted is null)
     or not exists (select from strata.arrivals as a where a.move_id = p_move) then
    return array_fill(null::bytea, array[array_length(p_keys, 2)]);
  elsif v_missing <> '{}' then
    raise exception 'column "%" is gone from twin % on %', v_missing[1], strata.relation(v_dataset), strata.tier()
      using errcode = 'ST021', hint = strata.remedy('ST021');
  end if;
  v_sql := strata.manifest_sql(v_dataset, '$1');
  execute format(
    'select array_agg(case when t.ctid is not null then strata.fingerprint(%s) end order by m.o) '
    '  from unnest(%s) with ordinality as m (%s, o) left join %s as t on %s',
    strata.content_sql(strata.twin(v_dataset), p_columns), v_sql.items, v_sql.names, strata.relation(v_dataset), v_sql.same_key)
    into v_proofs using p_keys;
  return v_proofs;
end
$$;
comment on function strata.prove(uuid, text, text[], text[]) is
  'The fingerprints of the rows this tier has committed under a move''s keys, in their order; null where there is none, '
  'and everywhere when the move never arrived. Called in a later transaction than receive(). ST021: a column is gone.';
revoke execute on function strata.prove(uuid, text, text[], text[]) from public;
grant execute on function strata.prove(uuid, text, text[], text[]) to strata_mover;

-- Takes back what the source kept: only rows this move brought, and only where they still are what it brought.
create function strata.retract(
  p_dataset strata.datasets, p_columns text[], p_ordinals integer[], p_keys text[], p_fingerprints bytea[], p_not_ours integer[]
)
returns text[]
language plpgsql
set search_path = ''
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set timezone = 'UTC'
set extra_float_digits = 1
set bytea_output = 'hex'
set lc_monetary = 'C'
set xmlbinary = 'base64'
set row_security = off
as $$
declare
  v_sql constant record := strata.manifest_sql(p_dataset, '$1');
  v_retracted bigint[];
  v_outcomes text[];
begin
  if strata.missing_columns(p_dataset, p_columns) <> '{}' then
    return array_fill('other'::text, array[cardinality(p_ordinals)]); -- what is left of the copies is not what was copied
  end if;
  perform set_config('strata.purging', 'on', true);
  execute format(
    'with gone as (delete from %s as t using unnest(%s, $2, $3) with ordinality as m (%s, ordinal, mark, o) '
    '  where %s and not (m.ordinal = any ($4)) and strata.fingerprint(%s) = m.mark returning m.o) '
    'select coalesce(array_agg(g.o), ''{}'') from gone as g',
    strata.relation(p_dataset), v_sql.items, v_sql.names, v_sql.same_key,
    strata.content_sql(strata.relation(p_dataset)::regclass, p_columns))
    into v_retracted using p_keys, p_ordinals, p_fingerprints, p_not_ours;
  perform set_config('strata.purging', 'off', true);
  execute format(
    'select array_agg(case when m.o = any ($2) then ''retracted'' when t.ctid is null then ''absent'' else ''other'' end order by m.o) '
    '  from unnest(%s) with ordinality as m (%s, o) left join %s as t on %s',
    v_sql.items, v_sql.names, strata.relation(p_dataset), v_sql.same_key)
    into v_outcomes using p_keys, v_retracted;
  return v_outcomes;
end
$$;
comment on function strata.retract(strata.datasets, text[], integer[], text[], bytea[], integer[]) is
  'Deletes copies their source kept, where they are still exactly what was copied; says for each: retracted, absent, other.';
revoke execute on function strata.retract(strata.datasets, text[], integer[], text[], bytea[], integer[]) from public;

create function strata.close_arrival(
  p_move uuid, p_dataset text, p_from text, p_columns text[], p_ordinals integer[], p_keys text[], p_fingerprints bytea[]
)
returns text[]
language plpgsql
security definer -- a pushing tier calls it as strata_mover
set search_path = ''
as $$
declare
  v_arrival strata.arrivals;
  v_outcomes text[] := array[]::text[];
begin
  perform strata.lock_dataset(p_dataset);
  perform set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off';
  select a.* into v_arrival from strata.arrivals as a where a.move_id = p_move;
  if v_arrival.closed_at is not null then
    return v_arrival.outcomes;
  end if;
  if v_arrival.move_id is null then -- nothing was copied; shut the door all the same
    v_outcomes := array_fill('absent'::text, array[coalesce(cardinality(p_ordinals), 0)]);
  elsif cardinality(p_ordinals) > 0 then
    v_outcomes := strata.retract((select d from strata.datasets as d where d.name = p_dataset), p_columns, p_ordinals, p_keys, p_fingerprints, v_arrival.not_ours);
  end if;
  insert into strata.arrivals as a (move_id, dataset, from_tier, opened_at, closed_at, outcomes)
  values (p_move, p_dataset, p_from, strata.clock(), strata.clock(), v_outcomes)
  on conflict (move_id) do update
     set closed_at = excluded.closed_at, outcomes = excluded.outcomes,
         rows_retracted = (select count(*) from unnest(excluded.outcomes) as o where o = 'retracted');
  return v_outcomes;
end
$$;
comment on function strata.close_arrival(uuid, text, text, text[], integer[], text[], bytea[]) is
  'Ends an arrival: retracts the rows its source kept (positions, keys, fingerprints) and shuts the door behind the move. '
  'Returns for each: retracted, absent or other. Run again it gives the same answer.';
revoke execute on function strata.close_arrival(uuid, text, text, text[], integer[], text[], bytea[]) from public;
grant execute on function strata.close_arrival(uuid, text, text, text[], integer[], text[], bytea[]) to strata_mover;
