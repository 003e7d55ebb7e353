-- Ledger: what has left this tier for good, per dataset and month of the rows' age, with how many and a
-- digest.
--
-- It is written in the transaction that deletes the rows (purge, delete_batch), one row per dataset and
-- month, for ever: the log of moves is rolled up and pruned, this is what the audit goes by. A tier's rows of
-- a month must be what its hotter neighbour's ledger says left there, less what its own says left here. So
-- the evidence of what should be on a tier lies on another one, and a tier that is put back from an old
-- backup is found out.
--
-- Months are UTC; what lies before 1970 or from 2100 on shares a bucket each, and so do rows without an age.
-- A digest is good for one frame, the columns and types it was taken of: a batch in another frame begins a
-- new one (frames counts them), and counts go on.
--
-- Of a month with one row the digest would be that row's fingerprint, and would confirm a guess of what it
-- said, long after the row is gone. So it is masked by a secret of this tier, which lies in Vault, where
-- there is one: whoever has a copy of the tables has not the key. Where there is none it lies in a table, and
-- whoever has all tables can still guess. With another key (restored where Vault cannot be read) a new frame
-- begins: once, contents are only counted.

create function strata.month_of(p_age timestamp)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when p_age is null then 'no age' when p_age < '1970-01-01' then 'before 1970'
              when p_age >= '2100-01-01' then 'from 2100'
              else to_char(p_age, 'YYYY-MM') end
$$;
comment on function strata.month_of(timestamp) is 'The ledger''s month of an age in UTC.';

-- There are as many months as this, whatever a neighbour names.
create function strata.is_month(p_month text)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(p_month ~ '^((19[7-9]|20[0-9])[0-9]-(0[1-9]|1[0-2])|no age|before 1970|from 2100)$', false)
$$;
comment on function strata.is_month(text) is 'Whether that is one of the ledger''s months.';

create function strata.check_month(p_month text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not strata.is_month(p_month) then
    raise exception 'there is no such month' using errcode = 'ST066', hint = strata.remedy('ST066');
  end if;
end
$$;
comment on function strata.check_month(text) is
  'ST066: a neighbour tells or asks of something that is no month of the ledger.';

create function strata.month_sql(p_dataset strata.datasets, p_month text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case p_month
           when 'no age' then format('t.%I is null', p_dataset.age_column)
           when 'before 1970' then format('t.%1$I < %2$L::%3$s', p_dataset.age_column, '1970-01-01', b.type)
           when 'from 2100' then format('t.%1$I >= %2$L::%3$s', p_dataset.age_column, '2100-01-01', b.type)
           else format('t.%1$I >= %2$L::%4$s and t.%1$I < %3$L::%4$s', p_dataset.age_column, p_month || '-01',
                       (to_date(p_month, 'YYYY-MM') + interval '1 month')::date, b.type) end
    from (select format_type(a.atttypid, null) as type from pg_catalog.pg_attribute as a
           where a.attrelid = strata.relation(p_dataset)::regclass and a.attname = p_dataset.age_column) as b
$$;
comment on function strata.month_sql(strata.datasets, text) is
  'SQL: is the age of row t in a month of the ledger? For sessions in UTC; uses the age column''s index.';
select strata.pin('strata.month_sql(strata.datasets, text)');

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
  v_key := coalesce(strata.ledger_key(), sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                                                || uuid_send(gen_random_uuid())));
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

create function strata.mask(p_key bytea, variadic p_of text[])
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return strata.digest(sha256(p_key || convert_to(p_of::text, 'UTF8')));
end
$$;
comment on function strata.mask(bytea, text[]) is
  'What a digest is xored with at rest, another one for each thing it is a digest of.';

create function strata.key_name(p_key bytea)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select left(encode(sha256(p_key), 'hex'), 8) $$;
comment on function strata.key_name(bytea) is 'Tells keys apart without telling anything of them.';

create function strata.masked(p_entry strata.ledger, p_key bytea)
returns strata.ledger
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_entry strata.ledger := p_entry;
begin
  v_entry.digest := p_entry.digest # strata.mask(p_key, p_entry.dataset, p_entry.what, p_entry.month,
                                                 p_entry.rows::text, p_entry.frames::text);
  v_entry.strips := strata.seal_strips(p_entry.strips, p_key, p_entry.dataset, p_entry.what, p_entry.month,
                                       p_entry.rows::text, p_entry.frames::text);
  return v_entry;
end
$$;
comment on function strata.masked(strata.ledger, bytea) is
  'An entry of the ledger with the mask put on, or taken off.';

-- The counts are part of the mask: two copies of the ledger tell nothing of the rows that left in between.
create function strata.add_to_ledger(
  p_dataset text, p_what text, p_month text, p_fingerprints bytea[], p_columns text[], p_frame text
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key constant bytea := strata.make_ledger_key();
  v_strips constant bigint[] := strata.strips_of(p_fingerprints);
  v_old strata.ledger;
  v_new strata.ledger;
begin
  select l.* into v_old from strata.ledger as l
   where (l.dataset, l.what, l.month) = (p_dataset, p_what, p_month) for update;
  v_new := row(p_dataset, p_what, p_month, coalesce(v_old.rows, 0) + cardinality(p_fingerprints),
               (select bit_xor(d) from unnest(v_strips[33:]) as d), md5(p_frame || strata.key_name(v_key)),
               p_columns,
               coalesce(v_old.frames, 1), v_strips, strata.key_name(v_key));
  if v_old.frame = v_new.frame then
    v_old := strata.masked(v_old, v_key);
    v_new.digest := v_new.digest # v_old.digest;
    v_new.strips := strata.add_strips(v_old.strips, v_new.strips);
  else
    v_new.frames := v_new.frames + (v_old.frame is not null)::integer;
  end if;
  v_new := strata.masked(v_new, v_key);
  insert into strata.ledger as l select v_new.*
  on conflict (dataset, what, month) do update
     set rows = excluded.rows, digest = excluded.digest, strips = excluded.strips, frame = excluded.frame,
         columns = excluded.columns,
         frames = excluded.frames, mask = excluded.mask;
end
$$;
comment on function strata.add_to_ledger(text, text, text, bytea[], text[], text) is
  'Adds rows, of which these are the fingerprints, to what the ledger has of a month; a new frame '
  'begins where they have other columns or types, or the key is another. One transaction at a time has '
  'a dataset''s lock here.';

create function strata.note_left(
  p_dataset text, p_what text, p_month timestamp, p_fingerprints bytea[], p_columns text[],
  p_shape text
)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  select strata.add_to_ledger(p_dataset, p_what, strata.month_of(p_month), p_fingerprints, c.names,
                              p_shape || c.names::text)
    from (select array_remove(p_columns, null) as names) as c
$$;
comment on function strata.note_left(text, text, timestamp, bytea[], text[], text) is
  'Adds rows of one month to the ledger, in the transaction that deletes them.';

-- Batches are claimed by age: most lie within one month, and then nothing is looked at row by row.
create function strata.note_moved(
  p_dataset text, p_manifest strata.manifests, p_moved integer[], p_ages timestamp[]
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
-- delete_proved() puts it off, and each row of a batch would be compared with all the others
set enable_hashjoin = on
as $$
declare
  v_first timestamp;
  v_last timestamp;
begin
  select date_trunc('month', min(a.age)), date_trunc('month', max(a.age)) into v_first, v_last
    from unnest(p_ages) as a (age);
  if v_first = v_last and array_position(p_ages, null) is null then
    perform strata.note_left(p_dataset, 'moved', v_first,
      case when cardinality(p_moved) = cardinality(p_manifest.fingerprints) then p_manifest.fingerprints
           else (select array_agg(f.mark) from unnest(p_moved) as g (o)
                   join unnest(p_manifest.fingerprints) with ordinality as f (mark, o) on f.o = g.o) end,
      p_manifest.columns, p_manifest.shape);
  else
    perform strata.note_left(p_dataset, 'moved', m.month, m.marks, p_manifest.columns, p_manifest.shape)
       from (select date_trunc('month', g.age) as month, array_agg(f.mark) as marks
               from unnest(p_moved, p_ages) as g (o, age)
               join unnest(p_manifest.fingerprints) with ordinality as f (mark, o) on f.o = g.o
              group by 1 order by 1) as m;
  end if;
end
$$;
comment on function strata.note_moved(text, strata.manifests, integer[], timestamp[]) is
  'Adds what a purge has deleted (positions in the manifest, ages in UTC) to the ledger, month by month.';

-- Seldom, and so it may cost: a copy that was left here by a source put back from a backup, or a row its
-- owner wrote to both tiers. Only identical ones count: another row under the same key is a conflict and does
-- not leave its source.
create function strata.note_met(
  p_move uuid, p_dataset strata.datasets, p_columns text[], p_lines text[], p_not_ours integer[]
)
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
    'insert into strata.met (move_id, ordinal, month, fingerprint) '
    'select $1, l.o, strata.month_of(t.%1$I::timestamp), strata.fingerprint(%2$s) '
    '  from (select i.o, ($2)[i.o] as line from unnest($3) as i (o)) as l '
    '  join %3$s as t on %4$s '
    ' where %5$s = l.line on conflict do nothing',
    p_dataset.age_column, strata.content_sql(v_relation::regclass, p_columns), v_relation,
    strata.same_line_sql(p_dataset),
    strata.line_sql(v_relation::regclass, p_columns))
    using p_move, p_lines, p_not_ours;
end
$$;
comment on function strata.note_met(uuid, strata.datasets, text[], text[], integer[]) is
  'Writes down which rows of an arriving batch were here already, identical.';
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
    select m.month, array_agg(m.fingerprint) as marks
      from strata.met as m
     where m.move_id = p_move and cardinality(p_columns) > 0 -- else it was abandoned: nothing left its source
       and not (m.ordinal = any (coalesce(p_kept, '{}')))
     group by m.month order by m.month
  loop
    perform strata.add_to_ledger(p_dataset, 'met', v_month.month, v_month.marks,
                                 array_remove(p_columns, null), array_remove(p_columns, null)::text);
  end loop;
  delete from strata.met as m where m.move_id = p_move;
end
$$;
comment on function strata.settle_met(uuid, text, text[], integer[]) is
  'At the end of an arrival: adds the rows it met here, and that have left their source, to the ledger.';

create function strata.ledger_entry(p_dataset text, p_whats text[], p_month text, p_prefix text)
returns jsonb
language plpgsql
stable
security definer -- a colder tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key constant bytea := strata.ledger_key();
  v_entry strata.ledger;
  v_sum strata.ledger;
begin
  perform strata.check_asker(null);
  v_sum.rows := 0; v_sum.digest := 0; v_sum.frames := 0; v_sum.strips := strata.no_strips();
  for v_entry in
    select l.* from strata.ledger as l
     where l.dataset = p_dataset and l.what = any (p_whats) and l.month = p_month
  loop
    v_sum.rows := v_sum.rows + v_entry.rows;
    v_sum.frames := v_sum.frames + v_entry.frames;
    v_sum.columns := case when v_sum.mask is null or v_sum.columns = v_entry.columns then v_entry.columns end;
    v_sum.mask := 'some';
    if v_entry.mask = strata.key_name(v_key) then
      v_entry := strata.masked(v_entry, v_key);
      v_sum.digest := v_sum.digest # v_entry.digest;
      v_sum.strips := strata.add_strips(v_sum.strips, v_entry.strips);
    else -- as if a new frame had begun
      v_sum.frames := v_sum.frames + 1;
    end if;
  end loop;
  return jsonb_build_object(p_prefix || '_rows', v_sum.rows, p_prefix || '_digest', v_sum.digest,
                            p_prefix || '_frames', v_sum.frames,
                            p_prefix || '_columns', v_sum.columns, p_prefix || '_strips', v_sum.strips,
                            p_prefix || '_forgotten',
           coalesce((select f.rows from strata.forgotten as f
                      where f.dataset = p_dataset and f.month = p_month and 'moved' = any (p_whats)), 0));
end
$$;
comment on function strata.ledger_entry(text, text[], text, text) is
  'What the ledger has of one dataset and month, its fields named with a prefix: rows, digest and strips '
  '(without their mask), frames, columns.';
grant execute on function strata.ledger_entry(text, text[], text, text) to strata_mover;

create function strata.ledger_months(p_dataset text, p_whats text[])
returns text[]
language sql
stable
security definer -- a colder tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(distinct m.month), '{}')
    from (select l.month from strata.ledger as l where l.dataset = p_dataset and l.what = any (p_whats)
          union all
          select f.month from strata.forgotten as f
           where f.dataset = p_dataset and f.rows > 0 and 'moved' = any (p_whats)) as m
   where strata.check_asker('colder')
$$;
comment on function strata.ledger_months(text, text[]) is
  'The months for which the ledger has something of a dataset, or is said to have forgotten something: so '
  'that it is looked at again.';
grant execute on function strata.ledger_months(text, text[]) to strata_mover;
