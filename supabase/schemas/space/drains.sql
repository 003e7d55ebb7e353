-- Drains: a tier that is critical gives rows away ahead of their policy, until it would be well below its
-- warning.
--
-- A drain is one row of strata.drains; at most one is open. It goes in rounds:
--
--   moving      rows are claimed by the third rule of claim(): older than their dataset's share, ready, not
--               kept; no more of them than are needed
--   reclaiming  what they took is given back to the disk (reclaims), then the bill is measured again. First
--               it waits for snapshots from before the rows left: as long as one is open, nothing gets at
--               their room
--   done        the bill is below the target; exhausted: it is not, and nothing more can be done; stopped:
--               by a person
--
-- What is needed is bytes of the bill: billed size - target - what could be given back anyway. A round begins
-- with a look at a sample of each dataset: how many bytes on disk a byte of weight_sql() stands for, and how
-- old the rows are. Of that come the shares: the dataset with the lowest priority number first, among equals
-- the oldest rows of all of them. They are an estimate; so the bill is measured after reclaiming, and a
-- second round makes up for what is missing.
--
-- Lock order: dataset, then the row of the drain (only claims and the end of a round lock it), then move and
-- rows.

create function strata.open_drain_row()
returns strata.drains
language sql
stable
set search_path = pg_catalog, pg_temp
as $$ select d.* from strata.drains as d where d.ended_at is null $$;
comment on function strata.open_drain_row() is 'The drain that is open, if one is.';

create function strata.drain_target()
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select t.warn_mb * 1048576::bigint * strata.setting('drain_to_percent') / 100 from strata.tiers as t
   where t.name = strata.tier()
$$;
comment on function strata.drain_target() is 'The bill a drain is to reach on this tier, in bytes.';

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

-- A sample of pages, taken at random; the pieces are of equally many rows, from old to young.
create function strata.sample_dataset(
  p_dataset strata.datasets, out weight double precision, out movable double precision,
  out pieces strata.drain_piece[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_relation constant regclass := strata.relation(p_dataset)::regclass;
  v_due constant text := (strata.conditions(p_dataset)).due;
  v_pages constant bigint := pg_relation_size(v_relation) / 8192;
begin
  execute format(
    'with sample as materialized ('
    '  select t.%1$I::timestamptz as age, (%2$s)::double precision as weight, coalesce(t.%1$I is not null '
    'and %3$s, false) as movable'
    '    from %4$s as t tablesample system (%5$s)),'
    ' numbered as (select s.*, ntile(100) over (order by s.age) as piece from sample as s where s.movable),'
    ' pieces as (select n.piece, max(n.age) as age, sum(n.weight) as weight '
    'from numbered as n group by n.piece)'
    'select (select avg(s.weight) from sample as s),'
    '       coalesce((select sum(n.weight) from numbered as n) / nullif((select sum(s.weight) '
    'from sample as s), 0), 0),'
    '       array(select (p.age, p.weight / (select sum(n.weight) from numbered as n))::strata.drain_piece '
    'from pieces as p order by p.piece)',
    p_dataset.age_column, strata.weight_sql(v_relation), v_due, v_relation,
    least(100, round(100.0 * strata.setting('drain_sample') / greatest(v_pages, 1), 4)))
    into weight, movable, pieces;
end
$$;
comment on function strata.sample_dataset(strata.datasets) is
  'A sample of a dataset: the mean weight of its rows, the share of the weight a drain could take, and that '
  'share in pieces by age.';
select strata.pin('strata.sample_dataset(strata.datasets)');

create function strata.drain_sample(p_dataset strata.datasets)
returns table (
  row_bytes double precision, weight_factor double precision, movable_bytes bigint,
  pieces strata.drain_piece[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  v_size record;
  v_sample record;
begin
  if strata.live_rows(strata.relation(p_dataset)::regclass) is null then
    execute format('analyze %s', strata.relation(p_dataset)); -- nobody knows anything about it yet
  end if;
  select s.heap_bytes + s.index_bytes + s.toast_bytes - s.reclaimable_bytes as bytes, s.rows_estimate as rows
    into v_size
    from strata.dataset_sizes() as s where s.dataset = p_dataset.name;
  v_sample := strata.sample_dataset(p_dataset);
  if v_size.rows > 0 and v_sample.weight > 0 then
    row_bytes := v_size.bytes / v_size.rows::double precision;
    weight_factor := row_bytes / v_sample.weight;
    movable_bytes := (v_size.bytes * v_sample.movable)::bigint;
    pieces := v_sample.pieces;
    return next;
  end if;
exception when syntax_error_or_access_rule_violation or data_exception or lock_not_available
or no_data_found then
  return; -- what is wrong with it is said by whoever tries to move it
end
$$;
comment on function strata.drain_sample(strata.datasets) is
  'What a dataset''s rows take on disk and how much of it a drain could take; no row for a dataset that is '
  'empty or cannot be read.';

-- A fifth more than needed is allowed by age, so that it is the claims' own counting that ends a round.
create function strata.plan_drain(p_need bigint)
returns table (
  dataset text, until timestamptz, row_bytes double precision, weight_factor double precision,
  movable_bytes bigint, share_bytes bigint
)
language sql
volatile
set search_path = pg_catalog, pg_temp
set jit = off -- it compiled for a second what runs in a few milliseconds
as $$
  with samples as materialized (
    select d.name, d.priority, s.* from strata.datasets as d cross join lateral strata.drain_sample(d) as s
     where to_regclass(strata.relation(d)) is not null
  ), pieces as (
    select s.name, s.priority, p.age, p.weight * s.movable_bytes as bytes,
           sum(p.weight * s.movable_bytes) over (order by s.priority, p.age,
                                                          s.name) - p.weight * s.movable_bytes as before
      from samples as s cross join lateral unnest(s.pieces) as p
  )
  select s.name, (select max(p.age) from pieces as p where p.name = s.name and p.before < p_need * 1.2),
         s.row_bytes, s.weight_factor, s.movable_bytes,
         coalesce((select sum(least(p.bytes, p_need - p.before)) from pieces as p
                    where p.name = s.name and p.before < p_need), 0)::bigint
    from samples as s order by s.priority, s.name
$$;
comment on function strata.plan_drain(bigint) is
  'What a drain that needs so many bytes would take of each dataset: rows not younger than until (null: '
  'none), and how many bytes. Reads a sample of each; changes nothing.';

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

-- Rows that are deleted keep their room as long as a snapshot from before may see them, and no reclaim gets
-- at it: VACUUM leaves them, a rewrite copies them, and packing a table makes it larger. Who only reads is of
-- no account in another database; who writes there is, because the snapshot with which we rewrite is as old
-- as the oldest writer on the server.
