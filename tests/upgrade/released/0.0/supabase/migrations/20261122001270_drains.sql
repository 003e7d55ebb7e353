-- Drains: a tier that is critical gives rows away ahead of their policy, until it would be well below its warning.
--
-- A drain is one row of strata.drains; at most one is open. It goes in rounds:
--
--   moving      rows are claimed by the third rule of claim(): older than their dataset's share, ready, not kept; no more
--               of them than are needed
--   reclaiming  what they took is given back to the disk (reclaims), then the bill is measured again. First it waits for
--               snapshots from before the rows left: as long as one is open, nothing gets at their room
--   done        the bill is below the target; exhausted: it is not, and nothing more can be done; stopped: by a person
--
-- What is needed is bytes of the bill: billed size - target - what could be given back anyway. A round begins with a
-- look at a sample of each dataset: how many bytes on disk a byte of weight_sql() stands for, and how old the rows are.
-- Of that come the shares: the dataset with the lowest priority number first, among equals the oldest rows of all of
-- them. They are an estimate; so the bill is measured after reclaiming, and a second round makes up for what is missing.
--
-- Lock order: dataset, then the row of the drain (only claims and the end of a round lock it), then move and rows.

insert into strata.alert_kinds (kind, is_condition, says) values
  ('drain_blocked', false, 'a tier is critical and the next one takes nothing in, or nothing can be given back');

insert into strata.settings (name, value, unit, says) values
  ('drain_to_percent', 80, '% of the warning size', 'a drain goes on until the bill is below this'),
  ('drain_wait', 60, 'minutes', 'how long a drain waits for transactions that keep the room of deleted rows, before it gives back what it can'),
  ('drain_rounds', 4, 'rounds', 'how often a drain moves, gives back and measures before it says that it is exhausted'),
  ('drain_patience', 20, 'minutes', 'the next tier, where it is the one that dials, may be silent for so long before a drain is blocked'),
  ('drain_stall', 30, 'minutes', 'without any progress for so long a drain gives back what it has freed so far'),
  ('drain_again', 240, 'minutes', 'how long after an exhausted drain the next one begins by itself'),
  ('drain_sample', 2000, 'pages', 'how much of each dataset is looked at when a drain is planned');

create table strata.drains (
  drain_id bigint generated always as identity,
  state text not null,
  reason text not null,
  round integer not null default 0,
  target_bytes bigint not null,
  billed_before bigint not null,
  billed_after bigint,
  need_bytes bigint not null default 0,
  was_read_only boolean not null default false,
  database_was_read_only boolean not null default false,
  says text,
  started_at timestamptz not null,
  round_at timestamptz,
  freed_before xid8,
  waits_since timestamptz,
  ended_at timestamptz,
  constraint drains_pkey primary key (drain_id),
  constraint drains_state_is_known check (state in ('moving', 'reclaiming', 'done', 'exhausted', 'stopped')),
  constraint drains_reason_is_known check (reason in ('critical', 'asked')),
  constraint drains_end_once check ((state in ('moving', 'reclaiming')) = (ended_at is null))
);
comment on table strata.drains is
  'Every drain of this tier. need_bytes: what the present round is to free; billed_before, billed_after: the bill when it '
  'began and ended; was_read_only: new sessions were read-only when it began, database_was_read_only: by a setting of the '
  'database. freed_before: whoever has an older snapshot keeps the room of the rows of this round; waits_since: since when '
  'that is waited for. says: what it waits for, or how it ended.';
revoke all on strata.drains from public;
alter table strata.drains enable row level security;
create unique index drains_one_open_idx on strata.drains ((true)) where ended_at is null;

create table strata.drain_shares (
  drain_id bigint not null,
  dataset text not null,
  until timestamptz,
  row_bytes double precision not null,
  weight_factor double precision not null,
  movable_bytes bigint not null,
  share_bytes bigint not null,
  constraint drain_shares_pkey primary key (drain_id, dataset),
  constraint drain_shares_drain_fkey foreign key (drain_id) references strata.drains (drain_id) on delete cascade
);
comment on table strata.drain_shares is
  'What the present round of a drain may take of each dataset: rows not younger than until (null: none). row_bytes: a row '
  'with its index entries; weight_factor: bytes on disk per byte of weight_sql(); movable_bytes, share_bytes: estimates.';
revoke all on strata.drain_shares from public;
alter table strata.drain_shares enable row level security;

create table strata.drain_moves (
  move_id uuid not null,
  drain_id bigint not null,
  round integer not null,
  weighs bigint not null,
  constraint drain_moves_pkey primary key (move_id),
  constraint drain_moves_move_fkey foreign key (move_id) references strata.moves (move_id) on delete cascade,
  constraint drain_moves_drain_fkey foreign key (drain_id) references strata.drains (drain_id) on delete cascade
);
comment on table strata.drain_moves is 'Moves that a drain claimed, and what their rows weigh on disk. Gone with the move when the log is rolled up.';
revoke all on strata.drain_moves from public;
alter table strata.drain_moves enable row level security;
create index drain_moves_drain_idx on strata.drain_moves (drain_id);

create function strata.open_drain_row()
returns strata.drains
language sql
stable
set search_path = ''
as $$ select d.* from strata.drains as d where d.ended_at is null $$;
comment on function strata.open_drain_row() is 'The drain that is open, if one is.';
revoke execute on function strata.open_drain_row() from public;

create function strata.drain_target()
returns bigint
language sql
stable
set search_path = ''
as $$
  select t.warn_mb * 1048576::bigint * strata.setting('drain_to_percent') / 100 from strata.tiers as t where t.name = strata.tier()
$$;
comment on function strata.drain_target() is 'The bill a drain is to reach on this tier, in bytes.';
revoke execute on function strata.drain_target() from public;

-- What a drain may take: everything with an age that is ready and that nothing keeps, whatever its policy says.
create function strata.drainable_sql(p_dataset strata.datasets, p_until timestamptz, p_due text)
returns text
language sql
stable
set search_path = ''
as $$ select format('t.%I <= %s and %s', p_dataset.age_column, strata.cutoff_sql(p_dataset, 0, p_until), p_due) $$;
comment on function strata.drainable_sql(strata.datasets, timestamptz, text) is
  'SQL: may a drain take row t, which is due as far as p_due says, and not younger than p_until?';
revoke execute on function strata.drainable_sql(strata.datasets, timestamptz, text) from public;

create type strata.drain_piece as (age timestamptz, weight double precision);
comment on type strata.drain_piece is 'A hundredth of what a drain could take of a dataset: the age of its youngest row, its share of the weight.';

-- A sample of pages, taken at random; the pieces are of equally many rows, from old to young.
create function strata.sample_dataset(
  p_dataset strata.datasets, out weight double precision, out movable double precision, out pieces strata.drain_piece[]
)
language plpgsql
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set row_security = off
as $$
declare
  v_relation constant regclass := strata.relation(p_dataset)::regclass;
  v_due constant text := (strata.conditions(p_dataset)).due;
  v_pages constant bigint := pg_relation_size(v_relation) / 8192;
begin
  execute format(
    'with sample as materialized ('
    '  select t.%I::timestamptz as age, (%s)::double precision as weight, coalesce(t.%I is not null and %s, false) as movable'
    '    from %s as t tablesample system (%s)),'
    ' numbered as (select s.*, ntile(100) over (order by s.age) as piece from sample as s where s.movable),'
    ' pieces as (select n.piece, max(n.age) as age, sum(n.weight) as weight from numbered as n group by n.piece)'
    'select (select avg(s.weight) from sample as s),'
    '       coalesce((select sum(n.weight) from numbered as n) / nullif((select sum(s.weight) from sample as s), 0), 0),'
    '       array(select (p.age, p.weight / (select sum(n.weight) from numbered as n))::strata.drain_piece from pieces as p order by p.piece)',
    p_dataset.age_column, strata.weight_sql(v_relation), p_dataset.age_column, v_due, v_relation,
    least(100, round(100.0 * strata.setting('drain_sample') / greatest(v_pages, 1), 4)))
    into weight, movable, pieces;
end
$$;
comment on function strata.sample_dataset(strata.datasets) is
  'A sample of a dataset: the mean weight of its rows, the share of the weight a drain could take, and that share in pieces by age.';
revoke execute on function strata.sample_dataset(strata.datasets) from public;

create function strata.drain_sample(p_dataset strata.datasets)
returns table (row_bytes double precision, weight_factor double precision, movable_bytes bigint, pieces strata.drain_piece[])
language plpgsql
set search_path = ''
set lock_timeout = '2s'
as $$
declare
  v_size record;
  v_sample record;
begin
  if strata.live_rows(strata.relation(p_dataset)::regclass) is null then
    execute format('analyze %s', strata.relation(p_dataset)); -- nobody knows anything about it yet
  end if;
  select s.heap_bytes + s.index_bytes + s.toast_bytes - s.reclaimable_bytes as bytes, s.rows_estimate as rows into v_size
    from strata.dataset_sizes() as s where s.dataset = p_dataset.name;
  v_sample := strata.sample_dataset(p_dataset);
  if v_size.rows > 0 and v_sample.weight > 0 then
    row_bytes := v_size.bytes / v_size.rows::double precision;
    weight_factor := row_bytes / v_sample.weight;
    movable_bytes := (v_size.bytes * v_sample.movable)::bigint;
    pieces := v_sample.pieces;
    return next;
  end if;
exception when syntax_error_or_access_rule_violation or data_exception or lock_not_available or no_data_found then
  return; -- what is wrong with it is said by whoever tries to move it
end
$$;
comment on function strata.drain_sample(strata.datasets) is
  'What a dataset''s rows take on disk and how much of it a drain could take; no row for a dataset that is empty or cannot be read.';
revoke execute on function strata.drain_sample(strata.datasets) from public;

-- A fifth more than needed is allowed by age, so that it is the claims' own counting that ends a round.
create function strata.plan_drain(p_need bigint)
returns table (dataset text, until timestamptz, row_bytes double precision, weight_factor double precision, movable_bytes bigint, share_bytes bigint)
language sql
volatile
set search_path = ''
set jit = off -- it compiled for a second what runs in a few milliseconds
as $$
  with samples as materialized (
    select d.name, d.priority, s.* from strata.datasets as d cross join lateral strata.drain_sample(d) as s
     where to_regclass(strata.relation(d)) is not null
  ), pieces as (
    select s.name, s.priority, p.age, p.weight * s.movable_bytes as bytes,
           sum(p.weight * s.movable_bytes) over (order by s.priority, p.age, s.name) - p.weight * s.movable_bytes as before
      from samples as s cross join lateral unnest(s.pieces) as p
  )
  select s.name, (select max(p.age) from pieces as p where p.name = s.name and p.before < p_need * 1.2),
         s.row_bytes, s.weight_factor, s.movable_bytes,
         coalesce((select sum(least(p.bytes, p_need - p.before)) from pieces as p where p.name = s.name and p.before < p_need), 0)::bigint
    from samples as s order by s.priority, s.name
$$;
comment on function strata.plan_drain(bigint) is
  'What a drain that needs so many bytes would take of each dataset: rows not younger than until (null: none), and how many '
  'bytes. Reads a sample of each; changes nothing.';
revoke execute on function strata.plan_drain(bigint) from public;

-- Moves of the policy free space as well; what their rows weigh is not known one by one, so they count as average ones.
create function strata.drain_left(p_drain strata.drains)
returns bigint
language sql
stable
set search_path = ''
as $$
  select p_drain.need_bytes - coalesce(sum(
           case when m.state = 'claimed' then 1 else m.rows_moved / greatest(m.rows_claimed, 1)::double precision end
             * coalesce(f.weighs, m.rows_claimed * s.row_bytes)), 0)::bigint
    from strata.moves as m
    left join strata.drain_moves as f on f.move_id = m.move_id
    left join strata.drain_shares as s on s.drain_id = p_drain.drain_id and s.dataset = m.dataset
   where m.started_at >= p_drain.round_at and m.kind = 'move' and (f.round is null or f.round = p_drain.round)
$$;
comment on function strata.drain_left(strata.drains) is
  'How many bytes the present round of a drain has still to free; rows on their way count as gone.';
revoke execute on function strata.drain_left(strata.drains) from public;

create function strata.drain_wants(p_drain strata.drains)
returns boolean
language sql
stable
set search_path = ''
as $$ select p_drain.state = 'moving' and p_drain.round > 0 and strata.drain_left(p_drain) > p_drain.need_bytes * 0.01 $$;
comment on function strata.drain_wants(strata.drains) is 'Whether a drain wants more rows to go; the last hundredth is not worth a batch.';
revoke execute on function strata.drain_wants(strata.drains) from public;

create function strata.has_drainable(p_dataset strata.datasets)
returns boolean
language plpgsql
stable
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
  v_drain constant strata.drains := strata.open_drain_row();
  v_until timestamptz;
  v_found boolean;
begin
  if v_drain.drain_id is null or not strata.drain_wants(v_drain) then
    return false;
  end if;
  select s.until into v_until from strata.drain_shares as s where s.drain_id = v_drain.drain_id and s.dataset = p_dataset.name;
  if v_until is null then
    return false;
  end if;
  execute format('select exists (select from %s as t where %s order by t.%I limit 1)', strata.relation(p_dataset),
                 strata.drainable_sql(p_dataset, v_until, (strata.conditions(p_dataset)).due), p_dataset.age_column) into v_found;
  return v_found;
end
$$;
comment on function strata.has_drainable(strata.datasets) is 'Whether the drain that is open wants a row of this dataset.';
revoke execute on function strata.has_drainable(strata.datasets) from public;

-- The third rule of claim(), after aged and oversize. Whoever claims beside others may have purged in the same transaction:
-- rows and moves are locked then, and the drain, which is locked before them everywhere else, is not waited for.
create function strata.claim_to_drain(p_dataset strata.datasets, p_to text, p_due text, p_waits boolean, p_rows bigint, p_bytes bigint)
returns strata.batch
language plpgsql
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
  v_drain strata.drains;
  v_share strata.drain_shares;
  v_batch strata.batch;
  v_weight bigint;
begin
  if p_waits then
    select d.* into v_drain from strata.drains as d where d.ended_at is null for update; -- claims count one after the other
  else
    select d.* into v_drain from strata.drains as d where d.ended_at is null for update skip locked;
  end if;
  if v_drain.drain_id is null or not strata.drain_wants(v_drain) then
    return null;
  end if;
  select s.* into v_share from strata.drain_shares as s where s.drain_id = v_drain.drain_id and s.dataset = p_dataset.name;
  if v_share.until is null then
    return null;
  end if;
  v_batch := strata.claim_rows(p_dataset, p_to, strata.drainable_sql(p_dataset, v_share.until, p_due), p_rows,
    least(p_bytes, (strata.drain_left(v_drain) / v_share.weight_factor)::bigint));
  if v_batch.move_id is not null then
    execute format('select sum(%s) from (select unnest(f.tids) as tid from strata.manifests as f where f.move_id = $1) as m '
                   '  join %s as t on t.ctid = m.tid',
                   strata.weight_sql(strata.relation(p_dataset)::regclass), strata.relation(p_dataset))
       into v_weight using v_batch.move_id;
    insert into strata.drain_moves (move_id, drain_id, round, weighs)
    values (v_batch.move_id, v_drain.drain_id, v_drain.round, (v_weight * v_share.weight_factor)::bigint);
  end if;
  return v_batch;
end
$$;
comment on function strata.claim_to_drain(strata.datasets, text, text, boolean, bigint, bigint) is
  'Claims the oldest rows a drain wants of a dataset, ahead of their policy, no more of them than are still needed; null '
  'when no drain is open or it wants none. p_due: ready and not kept. p_rows, p_bytes: what a batch may hold.';
revoke execute on function strata.claim_to_drain(strata.datasets, text, text, boolean, bigint, bigint) from public;

-- Rows that are deleted keep their room as long as a snapshot from before may see them, and no reclaim gets at it: VACUUM
-- leaves them, a rewrite copies them, and packing a table makes it larger. Who only reads is of no account in another
-- database; who writes there is, because the snapshot with which we rewrite is as old as the oldest writer on the server.
create function strata.what_pins(p_before xid8)
returns text
language sql
volatile
set search_path = ''
as $$
  select string_agg(p.says, ', ' order by p.says) from (
    select format('a transaction of %s since %s (process %s)', a.usename,
                  to_char(coalesce(a.xact_start, a.backend_start) at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), a.pid) as says
      from pg_catalog.pg_stat_activity as a
     where a.pid <> pg_backend_pid()
       and greatest(age(a.backend_xid), case when a.datname = current_database() or a.backend_type = 'walsender'
                                             then age(a.backend_xmin) end) > age(p_before::xid)
    union all
    select format('the prepared transaction %s', x.gid) from pg_catalog.pg_prepared_xacts as x
     where age(x.transaction) > age(p_before::xid)
    union all
    select format('the replication slot %s', t.slot_name) from pg_catalog.pg_replication_slots as t
     where age(t.xmin) > age(p_before::xid)) as p
$$;
comment on function strata.what_pins(xid8) is
  'What keeps rows that were deleted before a transaction from being given back, as far as this role may see it: '
  'transactions, prepared ones, slots. Null: nothing.';
revoke execute on function strata.what_pins(xid8) from public;

create function strata.end_moving(p_drain strata.drains)
returns void
language sql
set search_path = ''
as $$
  update strata.drains as d set state = 'reclaiming', freed_before = pg_current_xact_id(), waits_since = strata.clock()
   where d.drain_id = p_drain.drain_id
$$;
comment on function strata.end_moving(strata.drains) is
  'Ends the first half of a round: what is free is given back once nobody can see the rows that left.';
revoke execute on function strata.end_moving(strata.drains) from public;

create function strata.wait_for_room(p_drain strata.drains)
returns text
language plpgsql
set search_path = ''
as $$
declare
  c_moment constant interval := interval '2 seconds'; -- most transactions are over by then
  v_pins constant text := strata.what_pins(p_drain.freed_before);
begin
  if v_pins is null or p_drain.waits_since < strata.clock() - make_interval(mins => strata.setting('drain_wait')::integer) then
    update strata.drains as d set waits_since = null, says = null where d.drain_id = p_drain.drain_id;
    perform strata.clear_alert('drain_blocked');
    perform strata.queue_reclaims('drain');
    return 'again';
  elsif clock_timestamp() < p_drain.waits_since + c_moment then
    return 'wait';
  end if;
  update strata.drains as d set says = 'waits for ' || v_pins where d.drain_id = p_drain.drain_id;
  perform strata.raise_alert('drain_blocked', null, null, 'critical',
    format('%s is at %s, and the room of rows that have left it is kept by %s', strata.tier(), strata.megabytes(strata.billed_bytes()), v_pins),
    'End it: the drain goes on by itself.');
  return 'rest';
end
$$;
comment on function strata.wait_for_room(strata.drains) is
  'Plans the reclaims of a round once nobody can see the rows that left, or after drain_wait minutes. Returns again, wait (look '
  'again in a moment) or rest.';
revoke execute on function strata.wait_for_room(strata.drains) from public;
