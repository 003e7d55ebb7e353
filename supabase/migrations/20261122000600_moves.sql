-- Moves, as their source sees them: claim, take up, purge, close.
--
-- A move is one batch of one dataset on its way to the next tier. Its steps, each committed on its own:
--
--   claim    here    the oldest due rows, written down in a manifest: key, version, fingerprint   -> state claimed
--   copy     there   arrivals: strata.receive()
--   prove    there   arrivals: strata.prove(), in a later transaction than the copy
--   purge    here    deletes what is proved and still the claimed version; notes what was kept    -> state purged
--   close    there   arrivals: strata.close_arrival() retracts what was kept
--            here    strata.close_move() drops the manifest, sets failed rows aside               -> state closed
--
-- A crash after any of them leaves a state from which the same functions go on, from `prove` (take_up).
--
-- How rows are written for the way, and what their fingerprint is, is in the chapter on texts.
-- A row's version is (ctid, xmin): an update, and also a rewrite of the table, changes it. A ctid and an xmin may
-- meet again in another row after a rewrite, so the key and the content are compared with them, unless the table is still
-- the same file.

create table strata.moves (
  move_id uuid not null default gen_random_uuid(),
  dataset text not null,
  from_tier text not null,
  to_tier text,
  kind text not null,
  state text not null,
  rows_claimed integer not null,
  rows_moved integer,
  rows_kept integer,
  bytes bigint not null default 0,
  digest text,
  started_at timestamptz not null,
  purged_at timestamptz,
  finished_at timestamptz,
  attempts integer not null default 1,
  last_sqlstate text,
  last_error text,
  constraint moves_pkey primary key (move_id),
  constraint moves_kind_is_move_or_delete check (kind in ('move', 'delete')),
  constraint moves_state_is_known check (state in ('claimed', 'purged', 'closed')),
  constraint moves_go_somewhere_unless_deleting check ((to_tier is null) = (kind = 'delete')),
  constraint moves_are_counted_once_purged check ((state = 'claimed') = (rows_moved is null)),
  constraint moves_finish_when_closed check ((state = 'closed') = (finished_at is not null))
);
comment on table strata.moves is
  'Every batch that left this tier, kept as the log. bytes: as they crossed, as text. rows_kept: claimed, but changed by '
  'their writer, held, refused or set aside, and so left here. digest: xor of the moved rows'' fingerprints (64 bits, hex).';
revoke all on strata.moves from public;
alter table strata.moves enable row level security;
create index moves_open_idx on strata.moves (dataset) where state <> 'closed';
create index moves_started_idx on strata.moves (started_at);
create index moves_dataset_idx on strata.moves (dataset, started_at);

create table strata.manifests (
  move_id uuid not null,
  shape text not null,
  columns text[] not null,
  keys text[] not null,
  tids tid[] not null,
  versions xid[] not null,
  fingerprints bytea[] not null,
  seal bytea not null,
  file text,
  youngest text,
  kept integer[],
  reasons text[],
  constraint manifests_pkey primary key (move_id),
  constraint manifests_move_fkey foreign key (move_id) references strata.moves (move_id) on delete cascade
);
comment on table strata.manifests is
  'What an open move has claimed, as arrays in one order: keys (one row of texts per key column), versions, '
  'fingerprints and their seal; columns in the order they cross. file: of the table, in which places were; null for one of '
  'several files, or if versions may still be given to other rows. youngest: the age of its last row. kept, reasons: positions not purged, and why. Dropped at close.';
revoke all on strata.manifests from public;
alter table strata.manifests enable row level security;
-- Texts of keys and hashes do not compress worth the time, and the row lives for a second.
alter table strata.manifests alter column keys set storage external;
alter table strata.manifests alter column fingerprints set storage external;

create type strata.batch as (
  status text,
  move_id uuid,
  dataset text,
  columns text[],
  seal bytea,
  lines text,
  share integer
);
comment on type strata.batch is
  'A claimed batch on its way. status: claimed; open, purged (an interrupted one, to be proved or closed '
  'first); or nothing (is due), blocked (an arrival is open here), unknown (the colder tier must be told of the table). '
  'seal: what prove() answers with if all of it is there. share: share_now(), where a driver asked for it.';

-- A place tells nothing in a table of several (partitions, children), and nothing once the table has been rewritten. The
-- numbers of files and of transactions begin anew on a server restored from a dump, and meet those of the old one.
create function strata.file_of(p_relation regclass)
returns text
language sql
stable
set search_path = ''
as $$
  select format('%s/%s/%s', s.system_identifier, d.oid, pg_relation_filenode(c.oid))
    from pg_catalog.pg_class as c, pg_catalog.pg_control_system() as s, pg_catalog.pg_database as d
   where c.oid = p_relation and c.relkind = 'r' and not c.relhassubclass and d.datname = current_database()
$$;
comment on function strata.file_of(regclass) is 'Server, database and file of a table that has one file; null for any other.';
revoke execute on function strata.file_of(regclass) from public;

create type strata.kept as (moved integer, ordinals integer[], keys text[], fingerprints bytea[]);
comment on type strata.kept is 'Answer of a purge: how many rows left, and which were kept (position, key, fingerprint).';

-- The pieces of a claim: each value once as text (v1, …), the keys' texts gathered, and the columns' texts gathered into one.
create function strata.batch_sql(p_dataset strata.datasets, p_move uuid, out texts text, out keys text, out lines text)
language sql
stable
set search_path = ''
as $$
  select string_agg(v.list, ', ' order by v.chunk),
         (select string_agg('array_agg(z.v' || array_position(p_dataset.twin_columns, k.name) || ')', ', ' order by k.position)
            from unnest(p_dataset.key_columns) with ordinality as k (name, position)),
         -- concat_ws() takes at most 100 arguments; one call for few columns, because each copies the batch once more
         case when count(*) = 1 then min(v.texts)
              else 'concat_ws(' || quote_literal(m.between_columns) || ', ' || string_agg(v.texts, ', ' order by v.chunk) || ')' end
    from strata.marks(p_move) as m,
    lateral (
      select n.position / 90 as chunk,
             -- a text is needed twice, for the way and for the fingerprint: fetched from TOAST once
             string_agg(strata.value_sql(a.atttypid, n.name) || case when a.atttypid in ('text'::regtype, 'varchar'::regtype)
                        then ' || ''''' else '' end || ' as v' || n.position, ', ' order by n.position) as list,
             'concat_ws(' || quote_literal(m.between_columns) || ', ' ||
             string_agg(case when n.name is null then '''''' else format('string_agg(%L || coalesce(z.v%s, %L), '''')',
               m.between_values, n.position, m.for_null) end, ', ' order by n.position) || ')' as texts
        from unnest(p_dataset.twin_columns) with ordinality as n (name, position)
        left join pg_catalog.pg_attribute as a
          on a.attrelid = strata.relation(p_dataset)::regclass and a.attname = n.name and not a.attisdropped
       group by n.position / 90) as v
   group by m.between_columns
$$;
comment on function strata.batch_sql(strata.datasets, uuid) is 'SQL pieces with which claim_rows() writes a batch down.';
revoke execute on function strata.batch_sql(strata.datasets, uuid) from public;

-- Reads the due rows by one rule (aged or oversize) and writes them down. Returns null when there are none. A row keeps the
-- number of its transaction for good, but numbers begin anew after 2^32: what wrote a claimed row may have the number that
-- is given to a writer now. So unless all of them lie before every transaction that runs, places are not relied upon.
create function strata.claim_rows(p_dataset strata.datasets, p_to text, p_due text, p_batch_bytes bigint)
returns strata.batch
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
  v_batch strata.batch;
  v_manifest strata.manifests;
  v_are_past boolean;
  v_sql record;
begin
  v_batch.move_id := gen_random_uuid();
  v_batch.columns := p_dataset.twin_columns;
  v_sql := strata.batch_sql(p_dataset, v_batch.move_id);
  execute format(
    'select array[%s], array_agg(z.strata_tid), array_agg(z.strata_version), array_agg(strata.fingerprint(%s)), max(z.strata_age)::text, %s, '
    '       bool_and(age(z.strata_version) > (select age(pg_snapshot_xmin(pg_current_snapshot())::xid))) '
    '  from (select %s, t.strata_tid, t.strata_version, t.%I as strata_age '
    '          from (select t.*, t.ctid as strata_tid, t.xmin as strata_version, '
    '                       sum(%s) over (order by t.%I rows between unbounded preceding and current row) - (%s) as strata_before '
    '                  from %s as t where %s order by t.%I limit $1) as t '
    '         where t.strata_before < $2 offset 0) as z',
    v_sql.keys, strata.content_sql(v_relation::regclass, v_batch.columns, true), v_sql.lines, v_sql.texts, p_dataset.age_column,
    strata.weight_sql(v_relation::regclass), p_dataset.age_column, strata.weight_sql(v_relation::regclass),
    v_relation, p_due, p_dataset.age_column)
    into v_manifest.keys, v_manifest.tids, v_manifest.versions, v_manifest.fingerprints, v_manifest.youngest, v_batch.lines, v_are_past
   using strata.setting('batch_rows'), p_batch_bytes;
  if v_manifest.tids is null then
    return null;
  end if;
  v_batch.seal := strata.seal(v_manifest.fingerprints);
  insert into strata.moves (move_id, dataset, from_tier, to_tier, kind, state, rows_claimed, bytes, started_at)
  values (v_batch.move_id, p_dataset.name, strata.tier(), p_to, 'move', 'claimed', cardinality(v_manifest.tids), octet_length(v_batch.lines), strata.clock());
  insert into strata.manifests (move_id, shape, columns, keys, tids, versions, fingerprints, seal, file, youngest)
  values (v_batch.move_id, p_dataset.told_shape, v_batch.columns, v_manifest.keys, v_manifest.tids,
          v_manifest.versions, v_manifest.fingerprints, v_batch.seal,
          case when v_are_past then strata.file_of(v_relation::regclass) end, v_manifest.youngest);
  v_batch.status := 'claimed';
  v_batch.dataset := p_dataset.name;
  return v_batch;
end
$$;
comment on function strata.claim_rows(strata.datasets, text, text, bigint) is
  'Claims the oldest rows meeting a condition, up to batch_rows and about p_batch_bytes; null when there are none.';
revoke execute on function strata.claim_rows(strata.datasets, text, text, bigint) from public;

create function strata.note_well(p_dataset text)
returns void
language sql
set search_path = ''
as $$
  update strata.datasets as d
     set failures = 0, trouble = null, trouble_sqlstate = null, remedy = null, next_try_at = null
   where d.name = p_dataset and (d.trouble is not null or d.failures > 0)
$$;
comment on function strata.note_well(text) is 'Takes back what note_failure() wrote: the dataset moves, or has nothing to move.';
revoke execute on function strata.note_well(text) from public;

-- Not the rows of these open moves: they are on their way already, whatever their version is by now. Of a move that has
-- been purged only what it kept can still be here. And nothing older than theirs, so that what is gone from the front of
-- the age's index, and not yet vacuumed, is not gone through again by each claim; what came in late has its turn when
-- nothing is under way.
create function strata.besides_sql(p_dataset strata.datasets, p_besides uuid[])
returns text
language sql
stable
set search_path = ''
as $$
  select coalesce(string_agg(format(
             case when k.is_one_operator then ' and not ((%1$s) %2$s any (select %3$s from ' else ' and not exists (select from ' end
             || 'strata.manifests as f, unnest(%4$s) with ordinality as m (%5$s, o) '
                'where f.move_id = any (%6$L) and f.kept is distinct from ''{}'' and (f.kept is null or m.o = any (f.kept))'
             || case when k.is_one_operator then '))' else ' and %7$s)' end,
           k.ours, k.equals, k.theirs, s.items, s.names, p_besides, s.same_key), ''), '')
         || (select coalesce(string_agg(format(' and t.%I >= %L', p_dataset.age_column, f.youngest), ''), '')
               from strata.manifests as f where f.move_id = any (p_besides))
    from strata.manifest_sql(p_dataset, 'f.keys') as s,
         (select string_agg(format('t.%I', c.name), ', ' order by c.position) as ours,
                 min(strata.equals_sql(a.attrelid, c.name)) as equals,
                 count(distinct strata.equals_sql(a.attrelid, c.name)) = 1 as is_one_operator, -- by which rows can be compared at once
                 string_agg(format('m.k%s::%s', c.position, format_type(a.atttypid, a.atttypmod)), ', ' order by c.position) as theirs
            from unnest(p_dataset.key_columns) with ordinality as c (name, position)
            join pg_catalog.pg_attribute as a
              on a.attrelid = strata.relation(p_dataset)::regclass and a.attname = c.name and not a.attisdropped) as k
   where p_besides <> '{}'
$$;
comment on function strata.besides_sql(strata.datasets, uuid[]) is
  'SQL that passes over the rows of open moves, changed or not, and over what is older; empty for none.';
revoke execute on function strata.besides_sql(strata.datasets, uuid[]) from public;

-- strata.smaller: how often the batch, tried in this transaction, turned out too long to be carried.
create function strata.batch_bytes(p_to text)
returns bigint
language sql
stable
set search_path = ''
as $$
  select case when exists (select from strata.links as l where l.neighbour = p_to and l.driver = 'relay')
              then least(strata.setting('batch_bytes'), strata.setting('relay_batch_bytes'))
              else strata.setting('batch_bytes') end
         >> coalesce(nullif(current_setting('strata.smaller', true), '')::integer, 0)
$$;
comment on function strata.batch_bytes(text) is 'How much a batch for a neighbour may hold, which depends on who carries it.';
revoke execute on function strata.batch_bytes(text) from public;

create function strata.claim(p_dataset text, p_to text, p_besides uuid[] default '{}')
returns strata.batch
language plpgsql
security definer -- a pulling tier calls it as strata_mover
set search_path = ''
as $$
declare
  v_dataset strata.datasets;
  v_batch strata.batch;
  v_open uuid;
  v_policy record;
  v_objection record;
begin
  perform strata.lock_dataset(p_dataset);
  v_dataset := strata.dataset(p_dataset); -- as it is now: whoever had the lock may have changed it, or let go of it
  perform set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off'; -- no copy outlives its move
  if strata.colder() <> p_to then -- its copies and those of the next tier would not know of each other
    raise exception 'the next tier of % is %, not %', strata.tier(), strata.colder(), p_to
      using errcode = 'ST003', hint = strata.remedy('ST003');
  end if;
  select m.move_id into v_open from strata.moves as m
   where m.dataset = p_dataset and m.state <> 'closed' and m.move_id <> all (p_besides) order by m.started_at limit 1;
  if v_open is not null and p_besides = '{}' then
    return strata.take_up(v_open);
  end if;
  v_batch.dataset := p_dataset;
  v_batch.status := case
    when v_open is not null
      or exists (select from strata.arrivals as a where a.dataset = p_dataset and a.closed_at is null) then 'blocked'
    when (v_dataset.told_revision, v_dataset.told_shape)
         is distinct from (v_dataset.revision, strata.shape(strata.relation(v_dataset)::regclass)) then 'unknown' end;
  if v_batch.status is not null then
    return v_batch;
  end if;
  for v_objection in
    select * from strata.objections(strata.relation(v_dataset)::regclass, v_dataset.age_column, v_dataset.delete_triggers) limit 1
  loop
    raise exception '%', v_objection.says using errcode = v_objection.code, hint = v_objection.hint;
  end loop;
  v_policy := strata.conditions(v_dataset);
  v_policy.due := v_policy.due || strata.besides_sql(v_dataset, p_besides);
  if v_policy.action = 'move' then
    v_batch := strata.claim_rows(v_dataset, p_to, v_policy.aged || ' and ' || v_policy.due,
                                 strata.batch_bytes(p_to) >> least(v_dataset.failures, 6));
    if v_batch is null and v_policy.oversize <> 'false' then
      v_batch := strata.claim_rows(v_dataset, p_to, v_policy.oversize || ' and ' || v_policy.due, strata.batch_bytes(p_to));
    end if;
    if v_batch is null then
      v_batch := strata.claim_to_drain(v_dataset, p_to, v_policy.due);
    end if;
  end if;
  if v_batch is null or v_batch.status is null then
    perform strata.note_well(p_dataset) where p_besides = '{}';
    v_batch := (select ('nothing', null, p_dataset, null, null, null, null)::strata.batch);
  end if;
  return v_batch;
exception when program_limit_exceeded or out_of_memory then
  return strata.set_aside_giants(v_dataset, v_policy.due);
end
$$;
comment on function strata.claim(text, text, uuid[]) is
  'The next batch of a dataset for the colder tier: an interrupted move first, then the oldest due rows, then oversize '
  'ones, then what a drain wants. p_besides: the driver''s own open moves, while which it claims ahead. The answer''s status '
  'says when there is none. '
  'ST003: another tier asks than the next one. ST010, ST011, ST013: the dataset cannot be moved as it is.';
revoke execute on function strata.claim(text, text, uuid[]) from public;
grant execute on function strata.claim(text, text, uuid[]) to strata_mover;

create function strata.set_aside_giants(p_dataset strata.datasets, p_due text)
returns strata.batch
language plpgsql
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
  v_key text[];
  v_found integer := 0;
begin
  for v_key in execute format(
    'select %s from %s as t where %s and (%s) > 60000000 order by (%s) desc limit 100',
    strata.key_sql(p_dataset.key_columns), strata.relation(p_dataset), p_due,
    strata.weight_sql(strata.relation(p_dataset)::regclass), strata.weight_sql(strata.relation(p_dataset)::regclass))
  loop
    v_found := v_found + 1;
    perform strata.put_aside(p_dataset.name, v_key, 'ST044', 'the row is too large to be written as one text');
  end loop;
  if v_found = 0 then
    raise exception 'a batch of "%" does not fit into memory', p_dataset.name
      using errcode = '53200', hint = 'Lower batch_bytes in strata.settings.';
  end if;
  return ('blocked', null, p_dataset.name, null, null, null, null)::strata.batch;
end
$$;
comment on function strata.set_aside_giants(strata.datasets, text) is
  'After a batch did not fit into one text: sets the rows over 60 MB aside (ST044), so that the others go on.';
revoke execute on function strata.set_aside_giants(strata.datasets, text) from public;

-- An interrupted move, in whatever step it was: it is not copied again but proved at once. What the colder tier has
-- committed of it is purged, or retracted where its writer was faster; what never got there is claimed anew, by a new
-- move, with what the table and its twin look like by then. So a batch that cannot be copied never stands in the way.
create function strata.take_up(p_move uuid)
returns strata.batch
language sql
set search_path = ''
as $$
  update strata.moves as m set attempts = m.attempts + 1 where m.move_id = p_move;
  select case m.state when 'claimed' then 'open' else 'purged' end, f.move_id, m.dataset, f.columns, f.seal, null, null::integer
    from strata.moves as m join strata.manifests as f on f.move_id = m.move_id where m.move_id = p_move
$$;
comment on function strata.take_up(uuid) is
  'The batch of an interrupted move, without its rows: to be proved next, or closed if it was purged.';
revoke execute on function strata.take_up(uuid) from public;

create function strata.claimed_keys(p_move uuid)
returns text[]
language sql
stable
security definer -- a pulling tier calls it as strata_mover
set search_path = ''
as $$ select f.keys from strata.manifests as f where f.move_id = p_move $$;
comment on function strata.claimed_keys(uuid) is
  'The keys an open move has claimed, for prove(): needed only where its rows are not found at the places they were put.';
revoke execute on function strata.claimed_keys(uuid) from public;
grant execute on function strata.claimed_keys(uuid) to strata_mover;
