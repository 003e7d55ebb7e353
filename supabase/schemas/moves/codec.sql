-- Texts: how rows are written, for the way and for their fingerprint.
--
-- Rows travel column by column: the texts of a column's values one after the other, the columns one after the
-- other, with marks between them that are made of the move's own id, so that nothing is escaped and nothing
-- is looked at byte by byte. Both ends write values under the same pinned output settings, so equal texts are
-- equal values on every version and locale. A row's fingerprint is a hash of its values' texts in the colder
-- tier's column order.

-- Not pinned and not immutable (convert_to() is not), on purpose: only so are they inlined, and they run once
-- per row. They name nothing outside pg_catalog.
create function strata.fingerprint(p_content bytea)
returns bytea
language sql
stable
parallel safe
as $$ select pg_catalog.substr(pg_catalog.sha256(p_content), 1, 16) $$;
comment on function strata.fingerprint(bytea) is
  'The first 128 bits of the SHA-256 of a row''s content, in UTF-8.';

create function strata.fingerprint(p_content text)
returns bytea
language sql
stable
parallel safe
as $$ select pg_catalog.substr(pg_catalog.sha256(pg_catalog.convert_to(p_content, 'UTF8')), 1, 16) $$;
comment on function strata.fingerprint(text) is 'fingerprint(bytea) of a content that is text.';

create function strata.digest(p_fingerprint bytea)
returns bigint
language sql
immutable
parallel safe
as $$
  select (pg_catalog.get_byte(p_fingerprint, 0)::bigint << 56)
           | (pg_catalog.get_byte(p_fingerprint, 1)::bigint << 48)
       | (pg_catalog.get_byte(p_fingerprint, 2)::bigint << 40)
           | (pg_catalog.get_byte(p_fingerprint, 3)::bigint << 32)
       | (pg_catalog.get_byte(p_fingerprint, 4)::bigint << 24)
           | (pg_catalog.get_byte(p_fingerprint, 5)::bigint << 16)
       | (pg_catalog.get_byte(p_fingerprint, 6)::bigint << 8) | pg_catalog.get_byte(p_fingerprint, 7)
$$;
comment on function strata.digest(bytea) is
  'A fingerprint''s share in a digest; digests of many rows are their xor. Not pinned: see fingerprint.';

-- A value as its type writes it. Not every cast to text does that (char(n) loses blanks, a boolean is spelled
-- out), concat() always does, and takes half as long again. And `is not null` would take a composite value
-- with a NULL in it for NULL.
create function strata.value_sql(p_type oid, p_column text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select case when p_column is null then 'null::text'
                when p_type in ('text'::regtype, 'varchar'::regtype) then format('t.%I', p_column)
                when p_type in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'float4'::regtype,
                                'float8'::regtype, 'numeric'::regtype,
                                'uuid'::regtype, 'date'::regtype, 'timestamp'::regtype,
                                'timestamptz'::regtype) then format('t.%I::text', p_column)
                else strata.text_sql(p_type, format('t.%I', p_column)) end);
end
$$;
comment on function strata.value_sql(oid, text) is
  'SQL for the text of a column''s value in row t; null for null.';

-- Of a type whose equal values are the same, its own hash is a third of the price of its text's.
create function strata.value_hash_sql(p_type oid, p_column text, p_seed text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select format(case p_type when 'uuid'::regtype then 'uuid_hash_extended(t.%1$I, %2$s)'
                              when 'int2'::regtype then 'hashint2extended(t.%1$I, %2$s)'
                              when 'int4'::regtype then 'hashint4extended(t.%1$I, %2$s)'
                              when 'int8'::regtype then 'hashint8extended(t.%1$I, %2$s)'
                              when 'timestamp'::regtype then 'timestamp_hash_extended(t.%1$I, %2$s)'
                              when 'timestamptz'::regtype
                                then 'timestamp_hash_extended(t.%1$I::timestamp, %2$s)'
                              else 'hashtextextended((%3$s) collate "C", %2$s)' end, p_column, p_seed,
                  strata.value_sql(p_type, p_column)));
end
$$;
comment on function strata.value_hash_sql(oid, text, text) is
  'SQL for the hash, under a seed (SQL), of a column''s value in row t; null for null.';

create function strata.key_hash_sql(p_relation regclass, p_key text[], p_seed text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_sql text := p_seed;
  v_column record;
begin
  for v_column in
    select a.attname, a.atttypid from unnest(p_key) with ordinality as k (name, position)
      join pg_catalog.pg_attribute as a
        on a.attrelid = p_relation and a.attname = k.name and not a.attisdropped
     order by k.position
  loop
    v_sql := strata.value_hash_sql(v_column.atttypid, v_column.attname, v_sql);
  end loop;
  return v_sql;
end
$$;
comment on function strata.key_hash_sql(regclass, text[], text) is
  'SQL for the hash of row t''s key under a seed (SQL).';

-- Of the rows' contents one after the other, each of which tells where it ends; so a batch that is all there
-- is proved by one hash instead of one for each row.
create function strata.contents_hash(p_contents text)
returns bytea
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$ select sha256(convert_to(p_contents, 'UTF8')) $$;
comment on function strata.contents_hash(text) is
  'One SHA-256 over the contents of all rows of a batch, in their order.';

-- Bound to the move, and so of use once. The source hands out only a hash of it: whoever proves the batch has
-- to read the rows.
create function strata.batch_proof(p_move uuid, p_contents_hash bytea)
returns bytea
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$ select sha256(uuid_send(p_move) || p_contents_hash) $$;
comment on function strata.batch_proof(uuid, bytea) is
  'What proves that all rows of a move are there: a hash over the move and all contents.';

-- Every value is told from its neighbours: by its length in front, or, for types whose texts cannot contain
-- it and are never empty, by a bar behind. NULL has neither length nor text. concat() takes at most 100
-- arguments.
create function strata.content_sql(
  p_relation regclass, p_columns text[], p_has_texts boolean default false
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select case when count(*) = 1 then 'concat(' || min(c.texts) || ')'
                else 'concat(' || string_agg('concat(' || c.texts || ')', ', ' order by c.chunk) || ')' end
      from (
        select n.position / 30 as chunk,
               string_agg(case when a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype,
                                                   'float4'::regtype, 'float8'::regtype, 'numeric'::regtype,
                                                   'bool'::regtype, 'uuid'::regtype, 'date'::regtype,
                                   'timestamp'::regtype, 'timestamptz'::regtype, 'time'::regtype,
                                   'bytea'::regtype)
                               then format('%s, ''|''',
                                           case when p_has_texts then v.text else format('t.%I', n.name) end)
                               else format('octet_length(%1$s), '':'', %1$s', v.text) end,
                          ', ' order by n.position) as texts
          from unnest(p_columns) with ordinality as n (name, position)
          join pg_catalog.pg_attribute as a
            on a.attrelid = p_relation and a.attname = n.name and not a.attisdropped,
               lateral (select case when p_has_texts then 'z.v' || n.position
                                    else strata.value_sql(a.atttypid, n.name) end) as v (text)
         group by n.position / 30) as c);
end
$$;
comment on function strata.content_sql(regclass, text[], boolean) is
  'SQL for the content of row t, of which the fingerprint is taken: the named columns'' texts in the given '
  'order; of row z whose v1, … are these texts, with p_has_texts.';

-- Ten characters that no value contains: they are younger than all of them, and 48 random bits are not to be
-- guessed. If they were, the rows would not be proved.
create function strata.marks(
  p_move uuid, out between_values text, out between_columns text, out for_null text
)
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select m.start || E'\n', m.start || '/', m.start || '-'
    from concat(E'\n', encode(substr(uuid_send(p_move), 1, 6), 'base64')) as m (start)
$$;
comment on function strata.marks(uuid) is
  'What stands in front of each value of a batch, between two columns, and for NULL.';

-- The pieces that take a manifest apart again: unnest(…) as m (k1, …, then the rest), and its match with row
-- t.
create function strata.manifest_sql(
  p_dataset strata.datasets, p_keys text, out items text, out names text, out same_key text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- asked for every batch, and the planning takes longer than the answer
set plan_cache_mode = force_generic_plan
as $$
begin
  select string_agg(format('%1$s[%2$s:%2$s]', p_keys, k.position), ', ' order by k.position),
         string_agg('k' || k.position, ', ' order by k.position),
         string_agg(format('t.%1$I %2$s %3$s', k.name, strata.equals_sql(a.attrelid, k.name),
                           strata.key_value_sql(a.atttypid, a.atttypmod, a.attcollation,
                                                'm.k' || k.position)), ' and ' order by k.position)
    into items, names, same_key
    from unnest(p_dataset.key_columns) with ordinality as k (name, position)
    join pg_catalog.pg_attribute as a
      on a.attrelid = strata.relation(p_dataset)::regclass and a.attname = k.name and not a.attisdropped;
end
$$;
comment on function strata.manifest_sql(strata.datasets, text) is
  'SQL to unnest an array of keys: its items, their names, and the comparison with row t.';
select strata.pin('strata.manifest_sql(strata.datasets, text)');

-- A cheap guess at a row's bytes, for filling batches: nothing is fetched from TOAST for it.
create function strata.weight_sql(p_relation regclass)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select '24' || coalesce(string_agg(
             format(case when a.atttypid in ('text'::regtype, 'varchar'::regtype, 'bytea'::regtype)
                         then ' + coalesce(octet_length(t.%I), 0)'
                         else ' + coalesce(pg_column_size(t.%I), 0)' end, a.attname), ''), '')
      from pg_catalog.pg_attribute as a
     where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped and a.attlen = -1);
end
$$;
comment on function strata.weight_sql(regclass) is 'SQL for the approximate bytes of row t.';
