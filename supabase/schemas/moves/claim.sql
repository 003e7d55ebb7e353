-- Claims: how the next batch of a dataset is chosen at its source and written down.
--
-- A claim reads the rows that are due, oldest first, once: their texts for the way, their keys, versions and
-- fingerprints for the manifest. While other batches of its driver are on their way, it goes on behind them.

-- glibc gives large pieces of memory back to the system as soon as they are free, and a quarter of a batch's
-- time went into having them mapped and cleared again. Once a piece of almost 32 MB, the most that counts,
-- has been freed, it keeps up to 64 MB until the session ends. The sessions of PostgREST do not end; there it
-- stays as it is.
create function strata.keep_memory(p_batch_bytes bigint)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_batch_bytes < 1048576 or session_user = 'authenticator'
     or current_setting('strata.keeps_memory', true) = 'on' then
    return;
  end if;
  -- not known to the planner, which would do it as well
  perform octet_length(repeat(repeat(' ', 65536), (select 511)));
  perform set_config('strata.keeps_memory', 'on', false);
end
$$;
comment on function strata.keep_memory(bigint) is
  'Has this session keep memory it has freed, if it carries batches of 1 MB or more and ends with the run.';

-- The pieces of a claim: each value once as text (v1, …), the keys' texts gathered, and the columns' texts
-- gathered into one.
create function strata.batch_sql(
  p_dataset strata.datasets, p_move uuid, out texts text, out keys text, out lines text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  select string_agg(v.list, ', ' order by v.chunk),
         (select string_agg('array_agg(z.v' || array_position(p_dataset.twin_columns, k.name) || ')',
                            ', ' order by k.position)
            from unnest(p_dataset.key_columns) with ordinality as k (name, position)),
         -- concat_ws() takes at most 100 arguments; one call for few columns, because each copies the batch
         -- once more
         case when count(*) = 1 then min(v.texts)
              else 'concat_ws(' || quote_literal(m.between_columns) || ', '
                   || string_agg(v.texts, ', ' order by v.chunk) || ')' end
    into texts, keys, lines
    from strata.marks(p_move) as m,
    lateral (
      select n.position / 90 as chunk,
             -- a text is needed twice, for the way and for the fingerprint: fetched from TOAST once
             string_agg(strata.value_sql(a.atttypid, n.name)
                        || case when a.atttypid in ('text'::regtype, 'varchar'::regtype)
                                  then ' || ''''' else '' end || ' as v' || n.position,
                        ', ' order by n.position) as list,
             'concat_ws(' || quote_literal(m.between_columns) || ', ' ||
             string_agg(case when n.name is null then ''''''
                             else format('string_agg(%1$L || coalesce(z.v%2$s, %3$L), '''')',
                                         m.between_values, n.position, m.for_null) end,
                        ', ' order by n.position) || ')' as texts
        from unnest(p_dataset.twin_columns) with ordinality as n (name, position)
        left join pg_catalog.pg_attribute as a
          on a.attrelid = strata.relation(p_dataset)::regclass and a.attname = n.name and not a.attisdropped
       group by n.position / 90) as v
   group by m.between_columns;
end
$$;
comment on function strata.batch_sql(strata.datasets, uuid) is
  'SQL pieces with which claim_rows() writes a batch down.';

-- Reads the due rows by one rule (aged or oversize) and writes them down. Returns null when there are none. A
-- row keeps the number of its transaction for good, but numbers begin anew after 2^32: what wrote a claimed
-- row may have the number that is given to a writer now. So unless all of them lie before every transaction
-- that runs, places are not relied upon.
create function strata.claim_rows(
  p_dataset strata.datasets, p_to text, p_due text, p_rows bigint, p_bytes bigint
)
returns strata.batch
language plpgsql
set search_path = pg_catalog, pg_temp
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
    'select array[%1$s], array_agg(z.strata_tid), array_agg(z.strata_version), '
    'array_agg(strata.fingerprint(z.strata_content)), sha256(string_agg(z.strata_content, '''')), case when '
    'count(z.strata_age) = count(*) then min(z.strata_age)::text end, max(z.strata_age)::text, %2$s, '
    '       (select pg_snapshot_xmin(pg_current_snapshot())::xid), '
    '       bool_and(age(z.strata_version) > (select age(pg_snapshot_xmin(pg_current_snapshot())::xid))) '
    '  from (select z.*, convert_to(%3$s, ''UTF8'') as strata_content '
    '          from (select %4$s, t.strata_tid, t.strata_version, t.%5$I as strata_age '
    '                  from (select t.*, t.ctid as strata_tid, t.xmin as strata_version, '
    '                               sum(%6$s) over (order by t.%5$I rows between unbounded preceding '
    'and current row) - (%7$s) as strata_before '
    '                          from %8$s as t where %9$s order by t.%5$I limit $1) as t '
    '                 where t.strata_before < $2 offset 0) as z offset 0) as z',
    v_sql.keys, v_sql.lines, strata.content_sql(v_relation::regclass, v_batch.columns, true), v_sql.texts,
    p_dataset.age_column, strata.weight_sql(v_relation::regclass), strata.weight_sql(v_relation::regclass),
    v_relation, p_due)
    into v_manifest.keys, v_manifest.tids, v_manifest.versions, v_manifest.fingerprints,
         v_manifest.batch_proof, v_manifest.oldest, v_manifest.youngest, v_batch.lines, v_manifest.since,
         v_are_past
   using p_rows, p_bytes;
  if v_manifest.tids is null then
    return null;
  end if;
  v_manifest.batch_proof := strata.batch_proof(v_batch.move_id, v_manifest.batch_proof);
  v_batch.proof_hash := sha256(v_manifest.batch_proof);
  perform strata.keep_memory(octet_length(v_batch.lines));
  insert into strata.moves (move_id, dataset, from_tier, to_tier, kind, state, rows_claimed, bytes,
                            started_at)
  values (v_batch.move_id, p_dataset.name, strata.tier(), p_to, 'move', 'claimed',
          cardinality(v_manifest.tids), octet_length(v_batch.lines), strata.clock());
  insert into strata.manifests (move_id, shape, columns, keys, tids, versions, fingerprints, batch_proof,
                                file, oldest, youngest, since)
  values (v_batch.move_id, p_dataset.told_shape, v_batch.columns, v_manifest.keys, v_manifest.tids,
          v_manifest.versions, v_manifest.fingerprints, v_manifest.batch_proof,
          case when v_are_past then strata.file_of(v_relation::regclass) end, v_manifest.oldest,
          v_manifest.youngest, v_manifest.since);
  v_batch.status := 'claimed';
  v_batch.dataset := p_dataset.name;
  return v_batch;
end
$$;
comment on function strata.claim_rows(strata.datasets, text, text, bigint, bigint) is
  'Claims the oldest rows meeting a condition, up to p_rows and about p_bytes; null when there are none.';
select strata.pin('strata.claim_rows(strata.datasets, text, text, bigint, bigint)');

-- Not the rows of these open moves: they are on their way already, whatever their version is by now. Of a
-- move that has been purged only what it kept can still be here. And nothing older than theirs, so that what
-- is gone from the front of the age's index, and not yet vacuumed, is not gone through again by each claim;
-- what came in late has its turn when nothing is under way. A younger row that had been written before they
-- were claimed is not one of them: while there are such rows, which is the rule, no key is looked up. p_ties:
-- also rows of the very age at which they end.
create function strata.besides_sql(p_dataset strata.datasets, p_besides uuid[], p_ties boolean)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_besides = '{}' then
    return '';
  end if;
  return (
    select format(case when k.is_one_operator then '%8$s and (%9$s or not ((%1$s) %2$s any (select %3$s from '
                       else '%8$s and (%9$s or not exists (select from ' end
                  || 'strata.manifests as f, unnest(%4$s) with ordinality as m (%5$s, o) where '
                     'f.move_id = any (%6$L) and f.kept is distinct from ''{}'' and (f.kept is '
                     'null or m.o = any (f.kept))'
                  || case when k.is_one_operator then ')))' else ' and %7$s))' end,
                  k.ours, k.equals, k.theirs, s.items, s.names, p_besides, s.same_key, b.bounds, b.are_others)
      from strata.manifest_sql(p_dataset, 'f.keys') as s,
           (select coalesce(string_agg(format(' and t.%1$I %2$s %3$L', p_dataset.age_column,
                                              case when p_ties then '>=' else '>' end, f.youngest), ''),
                            '') as bounds,
                   coalesce('(' || string_agg(format('t.%1$I > %2$L and age(t.xmin) > age(%3$L::xid)',
                                                     p_dataset.age_column, f.youngest, f.since), ' and ')
                            || ')', 'false') as are_others
              from strata.manifests as f where f.move_id = any (p_besides)) as b,
           (select string_agg(format('t.%I', c.name), ', ' order by c.position) as ours,
                   min(strata.equals_sql(a.attrelid, c.name)) as equals,
                   -- by which rows can be compared at once
                   count(distinct strata.equals_sql(a.attrelid, c.name)) = 1 as is_one_operator,
                   string_agg(strata.key_value_sql(a.atttypid, a.atttypmod, a.attcollation,
                                                   'm.k' || c.position), ', ' order by c.position) as theirs
              from unnest(p_dataset.key_columns) with ordinality as c (name, position)
              join pg_catalog.pg_attribute as a
                on a.attrelid = strata.relation(p_dataset)::regclass and a.attname = c.name
               and not a.attisdropped) as k);
end
$$;
comment on function strata.besides_sql(strata.datasets, uuid[], boolean) is
  'SQL that passes over the rows of open moves, changed or not, and over what is older; empty for none.';
select strata.pin('strata.besides_sql(strata.datasets, uuid[], boolean)');

-- The first batch in five minutes is a small one: what is wrong with a dataset shows with few rows, and
-- nothing else is done while it is on its way. If all of it went, others will follow while one is on its way,
-- and the first of them is small as well, so that the other side soon has something to do. Not if writers
-- kept rows of it: others are due behind them. strata.smaller: how often the batch, tried in this
-- transaction, turned out too long to be carried. What a relay carries is text, which may be several times
-- what the rows take on disk: it goes by the texts of the batch before.
create function strata.batch_size(
  p_dataset text, p_to text, p_besides uuid[], out rows bigint, out bytes bigint
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_log record;
begin
  rows := strata.setting('batch_rows');
  bytes := strata.setting('batch_bytes');
  if exists (select from strata.links as l where l.neighbour = p_to and l.driver = 'relay') then
    bytes := least(bytes, strata.setting('relay_batch_bytes'));
    rows := least(rows, (select greatest(strata.setting('relay_batch_bytes') * m.rows_claimed / m.bytes, 1)
                           from strata.moves as m
                          where m.dataset = p_dataset and m.kind = 'move' and m.bytes > 0
                            and m.started_at > strata.clock() - interval '5 minutes'
                          order by m.started_at desc limit 1));
  end if;
  if p_besides = '{}' then
    select count(*) as batches, sum(r.rows_kept) as kept into v_log
      from (select m.rows_kept from strata.moves as m
             where m.dataset = p_dataset and m.rows_moved is not null
               and m.started_at > strata.clock() - interval '5 minutes' limit 2) as r;
    if v_log.batches = 0 or (v_log.batches = 1 and v_log.kept = 0) then
      rows := least(rows, case when v_log.batches = 0 then 2500 else 5000 end);
      bytes := least(bytes, 1048576);
    end if;
  end if;
  bytes := bytes >> coalesce(nullif(current_setting('strata.smaller', true), '')::integer, 0);
end
$$;
comment on function strata.batch_size(text, text, uuid[]) is
  'How many rows and bytes a batch for a neighbour may hold, which depends on who carries it and on what '
  'came before it. p_besides: as of claim().';

create function strata.claim_by_policy(
  p_dataset strata.datasets, p_to text, p_besides uuid[], p_ties boolean
)
returns strata.batch
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_policy constant record := strata.conditions(p_dataset);
  v_size constant record := strata.batch_size(p_dataset.name, p_to, p_besides);
  v_due constant text := v_policy.due || strata.besides_sql(p_dataset, p_besides, p_ties);
  v_batch strata.batch;
begin
  if v_policy.action = 'move' then
    if p_besides = '{}' then
      v_batch := strata.claim_chains(p_dataset, p_to, v_size.rows,
                                     v_size.bytes >> least(p_dataset.failures, 6));
    end if;
    if v_batch.status is null then
      v_batch := strata.claim_rows(p_dataset, p_to, v_policy.aged || ' and ' || v_due, v_size.rows,
                                   v_size.bytes >> least(p_dataset.failures, 6));
    end if;
    if v_batch is null and v_policy.oversize <> 'false' then
      v_batch := strata.claim_rows(p_dataset, p_to, v_policy.oversize || ' and ' || v_due, v_size.rows,
                                   v_size.bytes);
    end if;
    if v_batch is null then
      v_batch := strata.claim_to_drain(p_dataset, p_to, v_due, p_besides = '{}', v_size.rows,
                                       v_size.bytes >> least(p_dataset.failures, 6));
    end if;
  end if;
  return v_batch;
end
$$;
comment on function strata.claim_by_policy(strata.datasets, text, uuid[], boolean) is
  'Claims the oldest rows that are due, or oversize ones, or what a drain wants; without a status when there '
  'are none. p_besides: as of claim(). p_ties: as of besides_sql().';

create function strata.why_not_now(p_dataset strata.datasets, p_open uuid)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when p_dataset.ahead is not null then 'nothing'
    when p_open is not null
      or exists (select from strata.arrivals as a
                  where a.dataset = p_dataset.name and a.closed_at is null) then 'blocked'
    when (p_dataset.told_revision, p_dataset.told_shape)
         is distinct from (p_dataset.revision, strata.shape(strata.relation(p_dataset)::regclass))
      then 'unknown' end;
end
$$;
comment on function strata.why_not_now(strata.datasets, uuid) is
  'The status with which a claim ends before it looks for rows, p_open being a move that is under way: '
  'nothing, blocked or unknown; null: it may look.';

create function strata.claim(p_dataset text, p_to text, p_besides uuid[] default '{}')
returns strata.batch
language plpgsql
security definer -- a pulling tier calls it as strata_mover
set search_path = pg_catalog, pg_temp
as $$
declare
  v_dataset strata.datasets;
  v_batch strata.batch;
  v_open uuid;
  v_context text;
begin
  perform strata.check_asker('colder', p_to), strata.lock_dataset(p_dataset);
  -- as it is now: whoever had the lock may have changed it, or let go of it
  v_dataset := strata.dataset(p_dataset);
  -- no copy outlives its move
  perform set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off';
  -- its copies and those of the next tier would not know of each other
  if strata.colder() is distinct from p_to then
    raise exception 'the next tier of % is %, not %', strata.tier(), coalesce(strata.colder(), 'none'), p_to
      using errcode = 'ST003', hint = strata.remedy('ST003');
  end if;
  select m.move_id into v_open from strata.moves as m
   where m.dataset = p_dataset and m.state <> 'closed'
     and m.move_id <> all (p_besides) order by m.started_at limit 1;
  if v_open is not null and p_besides = '{}' then
    return strata.take_up(v_open);
  end if;
  perform strata.look_at_clock();
  v_batch.dataset := p_dataset;
  v_batch.status := strata.why_not_now(v_dataset, v_open);
  if v_batch.status is not null then
    return v_batch;
  end if;
  perform strata.check_table(v_dataset);
  if p_besides <> '{}' then
    v_batch := strata.claim_by_policy(v_dataset, p_to, p_besides, false);
  end if;
  if v_batch.status is null then
    v_batch := strata.claim_by_policy(v_dataset, p_to, p_besides, true);
  end if;
  if v_batch.status is null then
    perform strata.note_well(p_dataset) where p_besides = '{}';
    v_batch := (select ('nothing', null, p_dataset, null, null, null, null)::strata.batch);
  end if;
  return v_batch;
exception
  when program_limit_exceeded or out_of_memory then
    return strata.set_aside_giants(v_dataset, (strata.conditions(v_dataset)).due
                                              || strata.besides_sql(v_dataset, p_besides, true));
  when query_canceled or assert_failure or others then
    get stacked diagnostics v_context = pg_exception_context;
    if not strata.is_our_end(sqlstate, sqlerrm, v_context)
       and strata.set_aside_unreadable(v_dataset, sqlstate, p_besides) then
      return (select ('blocked', null, p_dataset, null, null, null, null)::strata.batch);
    end if;
    perform strata.blame_owner(sqlstate, sqlerrm, v_context);
    raise;
end
$$;
comment on function strata.claim(text, text, uuid[]) is
  'The next batch of a dataset for the colder tier: an interrupted move first, then the oldest due rows, '
  'then oversize ones, then what a drain wants. p_besides: the driver''s own open moves, while which it '
  'claims ahead. The answer''s status says when there is none. ST003: another tier asks than the next one. '
  'ST010, ST011, ST013: the dataset cannot be moved as it is.';
grant execute on function strata.claim(text, text, uuid[]) to strata_mover;

create function strata.set_aside_giants(p_dataset strata.datasets, p_due text)
returns strata.batch
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key text[];
  v_found integer := 0;
begin
  for v_key in execute format(
    'select %1$s from %2$s as t where %3$s and (%4$s) > 60000000 order by (%5$s) desc limit 100',
    strata.key_sql(p_dataset.key_columns), strata.relation(p_dataset), p_due,
    strata.weight_sql(strata.relation(p_dataset)::regclass),
    strata.weight_sql(strata.relation(p_dataset)::regclass))
  loop
    v_found := v_found + 1;
    perform strata.put_aside(p_dataset.name, v_key, 'ST044',
                             'the row is too large to be written as one text');
  end loop;
  if v_found = 0 then
    raise exception 'a batch of "%" does not fit into memory', p_dataset.name
      using errcode = '53200', hint = 'Lower batch_bytes in strata.settings.';
  end if;
  return ('blocked', null, p_dataset.name, null, null, null, null)::strata.batch;
end
$$;
comment on function strata.set_aside_giants(strata.datasets, text) is
  'After a batch did not fit into one text: sets the rows over 60 MB aside (ST044), '
  'so that the others go on.';
select strata.pin('strata.set_aside_giants(strata.datasets, text)');
