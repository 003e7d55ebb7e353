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
  v_context text;
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
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
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
