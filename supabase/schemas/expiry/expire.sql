-- Expire: the end of the chain.
--
-- At the last tier a row whose deletion age has passed, and that nothing holds or references, is deleted: in
-- bounded batches, each one transaction, each logged in strata.moves (kind delete) with count and bytes.

-- Deletes rows of which it was just seen that they are due, if they still are. A place alone would be one of
-- each part.
create function strata.delete_tids(
  p_dataset strata.datasets, p_tids tid[], p_parts oid[], p_due text, out rows integer, out bytes bigint
)
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_relation constant regclass := strata.relation(p_dataset)::regclass;
  v_columns constant text[] := array(
    select a.attname::text from pg_catalog.pg_attribute as a
     where a.attrelid = v_relation and a.attnum > 0 and not a.attisdropped order by a.attnum);
  v_month timestamp;
  v_rows integer;
  v_bytes bigint;
  v_marks bytea[];
begin
  rows := 0;
  bytes := 0;
  perform set_config('strata.purging', 'on', true);
  for v_month, v_rows, v_bytes, v_marks in execute format(
    'with gone as (delete from %1$s as t where t.ctid = any ($1) '
    'and (t.tableoid, t.ctid) in (select m.part, m.tid from unnest($1, $2) as m (tid, part)) and %2$s '
    '               returning %3$s as content, date_trunc(''month'', t.%4$I::timestamp) as month) '
    'select g.month, count(*)::integer, sum(octet_length(g.content)), '
    'array_agg(strata.fingerprint(g.content)) '
    '  from gone as g group by g.month',
    strata.relation(p_dataset), p_due, strata.content_sql(v_relation, v_columns), p_dataset.age_column)
    using p_tids, p_parts
  loop
    rows := rows + v_rows;
    bytes := bytes + v_bytes;
    perform strata.note_left(p_dataset.name, 'deleted', v_month, v_marks, v_columns,
                             strata.shape(v_relation));
  end loop;
  set constraints all immediate; -- what a deferred trigger says must be heard here, not at the commit
  perform set_config('strata.purging', 'off', true);
end
$$;
comment on function strata.delete_tids(strata.datasets, tid[], oid[], text) is
  'Deletes those of the given rows (places, and in which part of the table) that meet a condition, and '
  'writes them into the ledger; returns how many, and their bytes as text.';
select strata.pin('strata.delete_tids(strata.datasets, tid[], oid[], text)');

create function strata.check_published(p_relation regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_objection record;
begin
  for v_objection in select o.* from strata.publication_objections(p_relation) as o limit 1 loop
    raise exception '%', v_objection.says using errcode = v_objection.code, hint = v_objection.hint;
  end loop;
end
$$;
comment on function strata.check_published(regclass) is
  'ST010: a publication refuses every deletion; said with its remedy, before it is tried.';

create function strata.delete_batch(p_dataset text)
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_dataset strata.datasets;
  v_relation text;
  v_policy record;
  v_tids tid[];
  v_parts oid[];
  v_gone record;
  v_context text;
begin
  perform strata.lock_dataset(p_dataset);
  -- as it is now: whoever had the lock may have changed it, or let go of it
  v_dataset := strata.dataset(p_dataset);
  v_relation := strata.relation(v_dataset);
  perform strata.look_at_clock();
  v_policy := strata.conditions(v_dataset);
  if v_policy.action is distinct from 'delete' or strata.unconfirmed(v_dataset) is not null
     or exists (select from strata.arrivals as a where a.dataset = p_dataset and a.closed_at is null) then
    return 0;
  end if;
  -- Locked first, looked at again in a second statement: a reference made in between counts.
  execute format('select array_agg(l.tid), array_agg(l.part) from (select t.ctid as tid, t.tableoid as part '
                 'from %1$s as t where %2$s and %3$s order by t.%4$I limit $1 for update skip locked) as l',
                 v_relation, v_policy.aged, v_policy.due, v_dataset.age_column)
    into v_tids, v_parts using strata.setting('batch_rows');
  perform strata.check_published(v_relation::regclass) where v_tids <> '{}';
  perform strata.settle_contested(p_dataset);
  v_gone := strata.delete_tids(v_dataset, v_tids, v_parts, v_policy.aged || ' and ' || v_policy.due);
  perform strata.forget_contested(v_dataset);
  if v_gone.rows = 0 and cardinality(v_tids) > 0 then
    raise exception 'a trigger on % keeps rows from being deleted', v_relation using errcode = 'ST043';
  end if;
  if v_gone.rows > 0 then
    insert into strata.moves (dataset, from_tier, kind, state, rows_claimed, rows_moved, rows_kept, bytes,
                              started_at, purged_at, finished_at)
    values (p_dataset, strata.tier(), 'delete', 'closed', cardinality(v_tids), v_gone.rows,
            cardinality(v_tids) - v_gone.rows,
            v_gone.bytes, strata.clock(), strata.clock(), strata.clock());
  end if;
  update strata.datasets as d
     set failures = 0, trouble = null, trouble_sqlstate = null, remedy = null, next_try_at = null
   where d.name = p_dataset and d.trouble like 'delete: %';
  return v_gone.rows;
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
  perform strata.note_failure(p_dataset, strata.code_to_note(sqlstate, v_context), 'delete: ' || sqlerrm);
  return 0;
end
$$;
comment on function strata.delete_batch(text) is
  'Deletes the oldest rows past their deletion age, one batch, and logs it; only on the last tier, never '
  'while an arrival of the dataset is open, its policy is not confirmed, or the clock is not to be trusted. '
  'Returns how many; a failure is noted with the dataset.';
select strata.pin('strata.delete_batch(text)');

create procedure strata.delete_due(p_budget interval default '50 seconds')
language plpgsql
as $$
declare
  v_deadline constant timestamptz := pg_catalog.clock_timestamp() + p_budget;
  v_read_only constant text := pg_catalog.current_setting('default_transaction_read_only');
  v_isolation constant text := pg_catalog.current_setting('default_transaction_isolation');
  v_dataset text;
begin
  -- a hold made while we wait for our turn counts
  perform strata.prepare_session(v_read_only, 'read committed');
  commit;
  perform strata.agree_before_deleting();
  commit;
  foreach v_dataset in array array(select d.name from strata.datasets as d order by d.priority, d.name) loop
    while strata.delete_batch(v_dataset) > 0 loop
      commit;
      exit when pg_catalog.clock_timestamp() > v_deadline;
    end loop;
    commit;
  end loop;
  perform strata.prepare_session(v_read_only, v_isolation);
  commit;
end
$$;
comment on procedure strata.delete_due(interval) is
  'Deletes what is past its deletion age, if this is the last tier, until nothing is left or the '
  'budget is spent. Commits.';

-- The freshest word there is: where this tier dials, it asks before it deletes.
create function strata.agree_before_deleting()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_neighbour text;
begin
  if not exists (select from strata.datasets as d cross join lateral strata.retention(d) as r
                  where d.accepted_from is not null and r.action = 'delete' and r.days is not null) then
    return;
  end if;
  for v_neighbour in select l.neighbour from strata.links as l
                      where l.direction = 'hotter' and l.server is not null
                        and not strata.is_pausing(l.neighbour) loop
    begin
      perform strata.agree(v_neighbour);
    exception when others then
      perform strata.note_link(v_neighbour, sqlstate, sqlerrm);
    end;
    perform strata.hang_up(v_neighbour);
  end loop;
end
$$;
comment on function strata.agree_before_deleting() is
  'Compares with the hotter tier, if this one dials it and has rows to delete some day; an error '
  'is noted with the link.';
