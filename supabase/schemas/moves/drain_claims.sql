-- Drain claims: rows that an open drain wants are claimed ahead of their policy. What it wants is decided by
-- space.

create function strata.open_drain_row()
returns strata.drains
language sql
stable
set search_path = pg_catalog, pg_temp
as $$ select d.* from strata.drains as d where d.ended_at is null $$;
comment on function strata.open_drain_row() is 'The drain that is open, if one is.';

-- What a drain may take: everything with an age that is ready and that nothing keeps, whatever its policy
-- says.
create function strata.drainable_sql(p_dataset strata.datasets, p_until timestamptz, p_due text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('t.%1$I <= %2$s and %3$s', p_dataset.age_column, strata.cutoff_sql(p_dataset, 0, p_until),
                p_due)
$$;
comment on function strata.drainable_sql(strata.datasets, timestamptz, text) is
  'SQL: may a drain take row t, which is due as far as p_due says, and not younger than p_until?';

-- Moves of the policy free space as well; what their rows weigh is not known one by one, so they count as
-- average ones.
create function strata.drain_left(p_drain strata.drains)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select p_drain.need_bytes - coalesce(sum(
           case when m.state = 'claimed' then 1
                else m.rows_moved / greatest(m.rows_claimed, 1)::double precision end
             * coalesce(f.weighs, m.rows_claimed * s.row_bytes)), 0)::bigint
    from strata.moves as m
    left join strata.drain_moves as f on f.move_id = m.move_id
    left join strata.drain_shares as s on s.drain_id = p_drain.drain_id and s.dataset = m.dataset
   where m.started_at >= p_drain.round_at and m.kind = 'move' and (f.round is null or f.round = p_drain.round)
$$;
comment on function strata.drain_left(strata.drains) is
  'How many bytes the present round of a drain has still to free; rows on their way count as gone.';

create function strata.drain_wants(p_drain strata.drains)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select p_drain.state = 'moving'
         and p_drain.round > 0 and strata.drain_left(p_drain) > p_drain.need_bytes * 0.01
$$;
comment on function strata.drain_wants(strata.drains) is
  'Whether a drain wants more rows to go; the last hundredth is not worth a batch.';

create function strata.has_drainable(p_dataset strata.datasets)
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_drain constant strata.drains := strata.open_drain_row();
  v_until timestamptz;
  v_found boolean;
begin
  if v_drain.drain_id is null or not strata.drain_wants(v_drain) then
    return false;
  end if;
  select s.until into v_until from strata.drain_shares as s
   where s.drain_id = v_drain.drain_id and s.dataset = p_dataset.name;
  if v_until is null then
    return false;
  end if;
  execute format('select exists (select from %1$s as t where %2$s order by t.%3$I limit 1)',
                 strata.relation(p_dataset),
                 strata.drainable_sql(p_dataset, v_until, (strata.conditions(p_dataset)).due),
                 p_dataset.age_column) into v_found;
  return v_found;
end
$$;
comment on function strata.has_drainable(strata.datasets) is
  'Whether the drain that is open wants a row of this dataset.';
select strata.pin('strata.has_drainable(strata.datasets)');

-- The third rule of claim(), after aged and oversize. Whoever claims beside others may have purged in the
-- same transaction: rows and moves are locked then, and the drain, which is locked before them everywhere
-- else, is not waited for.
create function strata.claim_to_drain(
  p_dataset strata.datasets, p_to text, p_due text, p_waits boolean, p_rows bigint, p_bytes bigint
)
returns strata.batch
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_drain strata.drains;
  v_share strata.drain_shares;
  v_batch strata.batch;
  v_weight bigint;
begin
  if p_waits then
    -- claims count one after the other
    select d.* into v_drain from strata.drains as d where d.ended_at is null for update;
  else
    select d.* into v_drain from strata.drains as d where d.ended_at is null for update skip locked;
  end if;
  if v_drain.drain_id is null or not strata.drain_wants(v_drain) then
    return null;
  end if;
  select s.* into v_share from strata.drain_shares as s
   where s.drain_id = v_drain.drain_id and s.dataset = p_dataset.name;
  if v_share.until is null then
    return null;
  end if;
  v_batch := strata.claim_rows(p_dataset, p_to, strata.drainable_sql(p_dataset, v_share.until, p_due), p_rows,
    least(p_bytes, (strata.drain_left(v_drain) / v_share.weight_factor)::bigint));
  if v_batch.move_id is not null then
    update strata.manifests as f set for_drain = true where f.move_id = v_batch.move_id;
    execute format('select sum(%1$s) from (select unnest(f.tids) as tid from strata.manifests as f '
                   'where f.move_id = $1) as m '
                   '  join %2$s as t on t.ctid = m.tid',
                   strata.weight_sql(strata.relation(p_dataset)::regclass), strata.relation(p_dataset))
       into v_weight using v_batch.move_id;
    insert into strata.drain_moves (move_id, drain_id, round, weighs)
    values (v_batch.move_id, v_drain.drain_id, v_drain.round, (v_weight * v_share.weight_factor)::bigint);
  end if;
  return v_batch;
end
$$;
comment on function strata.claim_to_drain(strata.datasets, text, text, boolean, bigint, bigint) is
  'Claims the oldest rows a drain wants of a dataset, ahead of their policy, no more of them than '
  'are still needed; null when no drain is open or it wants none. p_due: ready and not kept. p_rows, '
  'p_bytes: what a batch may hold.';
select strata.pin('strata.claim_to_drain(strata.datasets, text, text, boolean, bigint, bigint)');
