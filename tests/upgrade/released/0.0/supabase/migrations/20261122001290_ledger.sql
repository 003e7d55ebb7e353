-- Ledger: what has left this tier for good, per dataset and month of the rows' age, with how many and a digest.
--
-- It is written in the transaction that deletes the rows (purge, delete_batch), one row per dataset and month, for ever:
-- the log of moves is rolled up and pruned, this is what the audit goes by. A tier's rows of a month must be what its
-- hotter neighbour's ledger says left there, less what its own says left here. So the evidence of what should be on a tier
-- lies on another one, and a tier that is put back from an old backup is found out.
--
-- Months are UTC; what lies before 1970 or from 2100 on shares a bucket each, and so do rows without an age. A digest is
-- good for one frame, the columns and types it was taken of: a batch in another frame begins a new one (frames counts
-- them), and counts go on.

create table strata.ledger (
  dataset text not null,
  what text not null,
  month text not null,
  rows bigint not null,
  digest bigint not null,
  frame text not null,
  columns text[] not null,
  frames integer not null default 1,
  constraint ledger_pkey primary key (dataset, what, month),
  constraint ledger_what_is_known check (what in ('moved', 'deleted', 'met'))
);
comment on table strata.ledger is
  'Rows that left this tier, per dataset and month of their age: moved to the next, or deleted at their age. met: rows of '
  'moves into this tier that were here already. digest: xor of their fingerprints over columns, since the frame began.';
revoke all on strata.ledger from public;
alter table strata.ledger enable row level security;

create table strata.met (
  move_id uuid not null,
  ordinal integer not null,
  month text not null,
  digest bigint not null,
  constraint met_pkey primary key (move_id, ordinal)
);
comment on table strata.met is
  'Rows of open arrivals that were here before, identical: they will leave the hotter tier, and none is added here for them.';
revoke all on strata.met from public;
alter table strata.met enable row level security;

create function strata.month_of(p_age timestamp)
returns text
language sql
immutable
set search_path = ''
as $$
  select case when p_age is null then 'no age' when p_age < '1970-01-01' then 'before 1970' when p_age >= '2100-01-01' then 'from 2100'
              else to_char(p_age, 'YYYY-MM') end
$$;
comment on function strata.month_of(timestamp) is 'The ledger''s month of an age in UTC.';
revoke execute on function strata.month_of(timestamp) from public;

create function strata.month_sql(p_dataset strata.datasets, p_month text)
returns text
language sql
stable
set search_path = ''
as $$
  select case p_month
           when 'no age' then format('t.%I is null', p_dataset.age_column)
           when 'before 1970' then format('t.%I < %L::%s', p_dataset.age_column, '1970-01-01', b.type)
           when 'from 2100' then format('t.%I >= %L::%s', p_dataset.age_column, '2100-01-01', b.type)
           else format('t.%1$I >= %2$L::%4$s and t.%1$I < %3$L::%4$s', p_dataset.age_column, p_month || '-01',
                       (to_date(p_month, 'YYYY-MM') + interval '1 month')::date, b.type) end
    from (select format_type(a.atttypid, null) as type from pg_catalog.pg_attribute as a
           where a.attrelid = strata.relation(p_dataset)::regclass and a.attname = p_dataset.age_column) as b
$$;
comment on function strata.month_sql(strata.datasets, text) is
  'SQL: is the age of row t in a month of the ledger? For sessions in UTC; uses the age column''s index.';
revoke execute on function strata.month_sql(strata.datasets, text) from public;

create function strata.note_left(
  p_dataset text, p_what text, p_month timestamp, p_rows bigint, p_digest bigint, p_columns text[], p_shape text
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into strata.ledger as l (dataset, what, month, rows, digest, frame, columns)
  select p_dataset, p_what, strata.month_of(p_month), p_rows, p_digest, md5(p_shape || c.names::text), c.names
    from (select array_remove(p_columns, null) as names) as c
  on conflict (dataset, what, month) do update
     set rows = l.rows + excluded.rows,
         digest = case when l.frame = excluded.frame then l.digest # excluded.digest else excluded.digest end,
         frame = excluded.frame, columns = excluded.columns,
         frames = l.frames + case when l.frame = excluded.frame then 0 else 1 end;
end
$$;
comment on function strata.note_left(text, text, timestamp, bigint, bigint, text[], text) is
  'Adds rows of one month to the ledger, in the transaction that deletes them.';
revoke execute on function strata.note_left(text, text, timestamp, bigint, bigint, text[], text) from public;

-- Batches are claimed by age: most lie within one month, and then nothing is looked at row by row.
create function strata.note_moved(p_dataset text, p_manifest strata.manifests, p_moved integer[], p_ages timestamp[], p_digest bigint)
returns void
language plpgsql
set search_path = ''
set enable_hashjoin = on -- delete_proved() puts it off, and each row of a batch would be compared with all the others
as $$
declare
  v_first timestamp;
  v_last timestamp;
begin
  select date_trunc('month', min(a.age)), date_trunc('month', max(a.age)) into v_first, v_last from unnest(p_ages) as a (age);
  if v_first = v_last and array_position(p_ages, null) is null then
    perform strata.note_left(p_dataset, 'moved', v_first, cardinality(p_moved), p_digest, p_manifest.columns, p_manifest.shape);
  else
    perform strata.note_left(p_dataset, 'moved', m.month, m.rows, m.digest, p_manifest.columns, p_manifest.shape)
       from (select date_trunc('month', g.age) as month, count(*) as rows, bit_xor(strata.digest(f.mark)) as digest
               from unnest(p_moved, p_ages) as g (o, age)
               join unnest(p_manifest.fingerprints) with ordinality as f (mark, o) on f.o = g.o
              group by 1 order by 1) as m;
  end if;
end
$$;
comment on function strata.note_moved(text, strata.manifests, integer[], timestamp[], bigint) is
  'Adds what a purge has deleted (positions in the manifest, ages in UTC, digest of all) to the ledger, month by month.';
revoke execute on function strata.note_moved(text, strata.manifests, integer[], timestamp[], bigint) from public;

-- Seldom, and so it may cost: a copy that was left here by a source put back from a backup, or a row its owner wrote to
-- both tiers. Only identical ones count: another row under the same key is a conflict and does not leave its source.
create function strata.note_met(p_move uuid, p_dataset strata.datasets, p_columns text[], p_lines text[], p_not_ours integer[])
returns void
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
  v_relation constant text := strata.relation(p_dataset);
begin
  if coalesce(cardinality(p_not_ours), 0) = 0 then
    return;
  end if;
  execute format(
    'insert into strata.met (move_id, ordinal, month, digest) '
    'select $1, l.o, strata.month_of(t.%I::timestamp), strata.digest(strata.fingerprint(%s)) '
    '  from (select i.o, ($2)[i.o] as line from unnest($3) as i (o)) as l '
    '  join %s as t on %s '
    ' where %s = l.line on conflict do nothing',
    p_dataset.age_column, strata.content_sql(v_relation::regclass, p_columns), v_relation, strata.same_line_sql(p_dataset),
    (select 'row(' || string_agg(coalesce(format('t.%I', c.name), 'null'), ', ' order by c.position) || ')::text'
       from unnest(p_columns) with ordinality as c (name, position)))
    using p_move, p_lines, p_not_ours;
end
$$;
comment on function strata.note_met(uuid, strata.datasets, text[], text[], integer[]) is
  'Writes down which rows of an arriving batch were here already, identical.';
revoke execute on function strata.note_met(uuid, strata.datasets, text[], text[], integer[]) from public;

create function strata.settle_met(p_move uuid, p_dataset text, p_columns text[], p_kept integer[])
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_month record;
begin
  for v_month in
    select m.month, count(*) as rows, bit_xor(m.digest) as digest
      from strata.met as m
     where m.move_id = p_move and cardinality(p_columns) > 0 -- else it was abandoned: nothing left its source
       and not (m.ordinal = any (coalesce(p_kept, '{}')))
     group by m.month order by m.month
  loop
    insert into strata.ledger as l (dataset, what, month, rows, digest, frame, columns)
    values (p_dataset, 'met', v_month.month, v_month.rows, v_month.digest, md5(array_remove(p_columns, null)::text), array_remove(p_columns, null))
    on conflict (dataset, what, month) do update
       set rows = l.rows + excluded.rows,
           digest = case when l.frame = excluded.frame then l.digest # excluded.digest else excluded.digest end,
           frame = excluded.frame, columns = excluded.columns,
           frames = l.frames + case when l.frame = excluded.frame then 0 else 1 end;
  end loop;
  delete from strata.met as m where m.move_id = p_move;
end
$$;
comment on function strata.settle_met(uuid, text, text[], integer[]) is
  'At the end of an arrival: adds the rows it met here, and that have left their source, to the ledger.';
revoke execute on function strata.settle_met(uuid, text, text[], integer[]) from public;

create function strata.ledger_entry(p_dataset text, p_whats text[], p_month text, p_prefix text)
returns jsonb
language sql
stable
security definer -- a colder tier that audits asks as strata_mover
set search_path = ''
as $$
  select jsonb_build_object(
           p_prefix || '_rows', coalesce(sum(l.rows), 0), p_prefix || '_digest', coalesce(bit_xor(l.digest), 0),
           p_prefix || '_frames', coalesce(sum(l.frames), 0),
           p_prefix || '_columns', case when count(distinct l.columns) = 1 then (array_agg(to_jsonb(l.columns)))[1] end)
    from strata.ledger as l
   where l.dataset = p_dataset and l.what = any (p_whats) and l.month = p_month
$$;
comment on function strata.ledger_entry(text, text[], text, text) is
  'What the ledger has of one dataset and month, its fields named with a prefix: rows, digest, frames, columns.';
revoke execute on function strata.ledger_entry(text, text[], text, text) from public;
grant execute on function strata.ledger_entry(text, text[], text, text) to strata_mover;

create function strata.ledger_months(p_dataset text, p_whats text[])
returns text[]
language sql
stable
security definer -- a colder tier that audits asks as strata_mover
set search_path = ''
as $$
  select coalesce(array_agg(distinct l.month), '{}') from strata.ledger as l where l.dataset = p_dataset and l.what = any (p_whats)
$$;
comment on function strata.ledger_months(text, text[]) is 'The months for which the ledger has something of a dataset.';
revoke execute on function strata.ledger_months(text, text[]) from public;
grant execute on function strata.ledger_months(text, text[]) to strata_mover;

-- From month to month through the age column's index: as many look-ups as there are months.
create function strata.stock_months(p_dataset text)
returns text[]
language plpgsql
stable
security definer -- a hotter tier that audits asks as strata_mover
set search_path = ''
set timezone = 'UTC'
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_months text[] := array[]::text[];
  v_month text;
  v_from timestamp := timestamp '1970-01-01';
  v_there boolean;
begin
  if to_regclass(strata.relation(v_dataset)) is null then
    return v_months;
  end if;
  foreach v_month in array array['before 1970', 'from 2100', 'no age'] loop
    execute format('select exists (select from %s as t where %s)', strata.relation(v_dataset), strata.month_sql(v_dataset, v_month)) into v_there;
    if v_there then
      v_months := v_months || v_month;
    end if;
  end loop;
  loop
    execute format('select date_trunc(''month'', t.%1$I::timestamp) from %2$s as t where t.%1$I >= $1 and t.%1$I < $2 order by t.%1$I limit 1',
                   v_dataset.age_column, strata.relation(v_dataset)) into v_from using v_from, timestamp '2100-01-01';
    exit when v_from is null;
    v_months := v_months || strata.month_of(v_from);
    v_from := v_from + interval '1 month';
  end loop;
  return v_months;
end
$$;
comment on function strata.stock_months(text) is 'The months of a dataset''s rows on this tier.';
revoke execute on function strata.stock_months(text) from public;
grant execute on function strata.stock_months(text) to strata_mover;

-- Stable, and so all of it as of one moment: rows, arrivals and ledger agree with each other.
create function strata.take_stock(p_dataset text, p_month text, p_columns text[])
returns jsonb
language plpgsql
stable
security definer -- a hotter tier that audits asks as strata_mover
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
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_columns text[] := p_columns;
  v_rows bigint := 0;
  v_digest bigint := 0;
begin
  if strata.twin(v_dataset) is not null then
    v_columns := coalesce(p_columns, array(
      select a.attname::text from pg_catalog.pg_attribute as a
       where a.attrelid = strata.twin(v_dataset) and a.attnum > 0 and not a.attisdropped order by a.attnum));
    if strata.missing_columns(v_dataset, v_columns) = '{}' then
      execute format('select count(*), coalesce(bit_xor(strata.digest(strata.fingerprint(%s))), 0) from %s as t where %s',
        strata.content_sql(strata.twin(v_dataset), v_columns), strata.relation(v_dataset), strata.month_sql(v_dataset, p_month))
        into v_rows, v_digest;
    else
      execute format('select count(*) from %s as t where %s', strata.relation(v_dataset), strata.month_sql(v_dataset, p_month)) into v_rows;
      v_columns := null;
    end if;
  end if;
  return jsonb_build_object('rows', v_rows, 'digest', v_digest, 'columns', v_columns, 'open', exists (
             select from strata.arrivals as a where a.dataset = p_dataset and a.closed_at is null))
         || strata.ledger_entry(p_dataset, '{moved,deleted}', p_month, 'left') || strata.ledger_entry(p_dataset, '{met}', p_month, 'met');
end
$$;
comment on function strata.take_stock(text, text, text[]) is
  'What there is of a dataset''s month on this tier: rows, their digest over the given columns (null: the table''s own; the '
  'answer has none where one is missing), whether an arrival is open, and the ledger''s entries. Reads every row of the month.';
revoke execute on function strata.take_stock(text, text, text[]) from public;
grant execute on function strata.take_stock(text, text, text[]) to strata_mover;
