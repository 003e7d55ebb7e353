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
--
-- Of a month with one row the digest would be that row's fingerprint, and would confirm a guess of what it said, long after
-- the row is gone. So it is masked by a secret of this tier, which lies in Vault, where there is one: whoever has a copy of
-- the tables has not the key. Where there is none it lies in a table, and whoever has all tables can still guess. With
-- another key (restored where Vault cannot be read) a new frame begins: once, contents are only counted.

create table strata.ledger (
  dataset text not null,
  what text not null,
  month text not null,
  rows bigint not null,
  digest bigint not null,
  frame text not null,
  columns text[] not null,
  frames integer not null default 1,
  mask text not null,
  constraint ledger_pkey primary key (dataset, what, month),
  constraint ledger_what_is_known check (what in ('moved', 'deleted', 'met'))
);
comment on table strata.ledger is
  'Rows that left this tier, per dataset and month of their age: moved to the next, or deleted at their age. met: rows of '
  'moves into this tier that were here already. digest: xor of their fingerprints over columns, since the frame began, under '
  'the mask made of the key that mask names.';
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
set search_path = pg_catalog, pg_temp
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
set search_path = pg_catalog, pg_temp
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
select strata.pin('strata.month_sql(strata.datasets, text)');

create table strata.ledger_keys (
  only_row boolean not null default true,
  key bytea not null,
  constraint ledger_keys_pkey primary key (only_row),
  constraint ledger_keys_are_one_row check (only_row)
);
comment on table strata.ledger_keys is 'The key that digests are masked with, where this database has no Vault that takes it; else empty.';
revoke all on strata.ledger_keys from public;
alter table strata.ledger_keys enable row level security;

create function strata.ledger_key()
returns bytea
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce((select k.key from strata.ledger_keys as k), decode(strata.secret('strata_ledger'), 'hex'));
exception when others then
  return null; -- a Vault that was restored without its own key
end
$$;
comment on function strata.ledger_key() is 'The key that digests are masked with; null while there is none.';
revoke execute on function strata.ledger_key() from public;

create function strata.make_ledger_key()
returns bytea
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key bytea := strata.ledger_key();
begin
  if v_key is not null then
    return v_key;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('strata/ledger key', 0));
  v_key := coalesce(strata.ledger_key(), sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
  begin
    if strata.set_secret('strata_ledger', encode(v_key, 'hex')) then
      return v_key;
    end if;
  exception when others then null; -- see ledger_key()
  end;
  insert into strata.ledger_keys (key) values (v_key) on conflict do nothing;
  return v_key;
end
$$;
comment on function strata.make_ledger_key() is 'ledger_key(), made if there is none.';
revoke execute on function strata.make_ledger_key() from public;

create function strata.mask(p_key bytea, variadic p_of text[])
returns bigint
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select strata.digest(sha256(p_key || convert_to(p_of::text, 'UTF8'))) $$;
comment on function strata.mask(bytea, text[]) is 'What a digest is xored with at rest, another one for each thing it is a digest of.';
revoke execute on function strata.mask(bytea, text[]) from public;

create function strata.key_name(p_key bytea)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select left(encode(sha256(p_key), 'hex'), 8) $$;
comment on function strata.key_name(bytea) is 'Tells keys apart without telling anything of them.';
revoke execute on function strata.key_name(bytea) from public;

-- The counts are part of the mask: two copies of the ledger tell nothing of the rows that left in between.
create function strata.add_to_ledger(p_dataset text, p_what text, p_month text, p_rows bigint, p_digest bigint, p_columns text[], p_frame text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key constant bytea := strata.make_ledger_key();
  v_mask constant text := strata.key_name(v_key);
begin
  insert into strata.ledger as l (dataset, what, month, rows, digest, frame, columns, mask)
  values (p_dataset, p_what, p_month, p_rows, p_digest # strata.mask(v_key, p_dataset, p_what, p_month, p_rows::text, '1'),
          md5(p_frame || v_mask), p_columns, v_mask)
  on conflict (dataset, what, month) do update
     set rows = l.rows + excluded.rows, frame = excluded.frame, columns = excluded.columns, mask = excluded.mask,
         frames = l.frames + (l.frame <> excluded.frame)::integer,
         digest = p_digest # strata.mask(v_key, p_dataset, p_what, p_month, (l.rows + excluded.rows)::text, (l.frames + (l.frame <> excluded.frame)::integer)::text)
                  # case when l.frame = excluded.frame
                         then l.digest # strata.mask(v_key, p_dataset, p_what, p_month, l.rows::text, l.frames::text) else 0 end;
end
$$;
comment on function strata.add_to_ledger(text, text, text, bigint, bigint, text[], text) is
  'Adds rows to what the ledger has of a month; a new frame begins where they have other columns or types, or the key is another.';
revoke execute on function strata.add_to_ledger(text, text, text, bigint, bigint, text[], text) from public;

create function strata.note_left(
  p_dataset text, p_what text, p_month timestamp, p_rows bigint, p_digest bigint, p_columns text[], p_shape text
)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  select strata.add_to_ledger(p_dataset, p_what, strata.month_of(p_month), p_rows, p_digest, c.names, p_shape || c.names::text)
    from (select array_remove(p_columns, null) as names) as c
$$;
comment on function strata.note_left(text, text, timestamp, bigint, bigint, text[], text) is
  'Adds rows of one month to the ledger, in the transaction that deletes them.';
revoke execute on function strata.note_left(text, text, timestamp, bigint, bigint, text[], text) from public;

-- Batches are claimed by age: most lie within one month, and then nothing is looked at row by row.
create function strata.note_moved(p_dataset text, p_manifest strata.manifests, p_moved integer[], p_ages timestamp[], p_digest bigint)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
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
set search_path = pg_catalog, pg_temp
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
    strata.line_sql(v_relation::regclass, p_columns))
    using p_move, p_lines, p_not_ours;
end
$$;
comment on function strata.note_met(uuid, strata.datasets, text[], text[], integer[]) is
  'Writes down which rows of an arriving batch were here already, identical.';
revoke execute on function strata.note_met(uuid, strata.datasets, text[], text[], integer[]) from public;
select strata.pin('strata.note_met(uuid, strata.datasets, text[], text[], integer[])');

create function strata.settle_met(p_move uuid, p_dataset text, p_columns text[], p_kept integer[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
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
    perform strata.add_to_ledger(p_dataset, 'met', v_month.month, v_month.rows, v_month.digest, array_remove(p_columns, null),
                                 array_remove(p_columns, null)::text);
  end loop;
  delete from strata.met as m where m.move_id = p_move;
end
$$;
comment on function strata.settle_met(uuid, text, text[], integer[]) is
  'At the end of an arrival: adds the rows it met here, and that have left their source, to the ledger.';
revoke execute on function strata.settle_met(uuid, text, text[], integer[]) from public;

create function strata.ledger_entry(p_dataset text, p_whats text[], p_month text, p_prefix text)
returns jsonb
language plpgsql
stable
security definer -- a colder tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key constant bytea := strata.ledger_key();
begin
  perform strata.check_asker(null);
  return (
    select jsonb_build_object(
             p_prefix || '_rows', coalesce(sum(l.rows), 0),
             p_prefix || '_digest', coalesce(bit_xor(l.digest # strata.mask(v_key, l.dataset, l.what, l.month, l.rows::text, l.frames::text))
                                             filter (where l.mask = strata.key_name(v_key)), 0),
             p_prefix || '_frames', coalesce(sum(l.frames + (l.mask is distinct from strata.key_name(v_key))::integer), 0),
             p_prefix || '_columns', case when count(distinct l.columns) = 1 then (array_agg(to_jsonb(l.columns)))[1] end)
      from strata.ledger as l
     where l.dataset = p_dataset and l.what = any (p_whats) and l.month = p_month);
end
$$;
comment on function strata.ledger_entry(text, text[], text, text) is
  'What the ledger has of one dataset and month, its fields named with a prefix: rows, digest (without its mask), frames, columns.';
revoke execute on function strata.ledger_entry(text, text[], text, text) from public;
grant execute on function strata.ledger_entry(text, text[], text, text) to strata_mover;

create function strata.ledger_months(p_dataset text, p_whats text[])
returns text[]
language sql
stable
security definer -- a colder tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(distinct l.month), '{}') from strata.ledger as l
   where l.dataset = p_dataset and l.what = any (p_whats) and strata.check_asker('colder')
$$;
comment on function strata.ledger_months(text, text[]) is 'The months for which the ledger has something of a dataset.';
revoke execute on function strata.ledger_months(text, text[]) from public;
grant execute on function strata.ledger_months(text, text[]) to strata_mover;
