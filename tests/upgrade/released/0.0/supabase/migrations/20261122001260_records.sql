-- Records: what Strata keeps of its own stays small.
--
-- strata.moves is the log of every batch; after 90 days it is rolled up into totals per dataset, month, tier and next
-- tier, which stay for ever: a row per dataset and month. Everything else ages out. prune() (lifecycle) does it weekly.

insert into strata.settings (name, value, unit, says) values
  ('keep_moves', 90, 'days', 'how long closed moves stay one by one before they are rolled up into totals');

create table strata.moves_totals (
  dataset text not null,
  month date not null,
  from_tier text not null,
  to_tier text,
  moves bigint not null,
  rows_moved bigint not null,
  bytes bigint not null,
  digest text not null,
  constraint moves_totals_key unique nulls not distinct (dataset, month, from_tier, to_tier)
);
comment on table strata.moves_totals is
  'Closed moves older than 90 days, added up per dataset, month (UTC) they finished in, tier and next tier (null: deleted). '
  'digest: xor of their digests.';
revoke all on strata.moves_totals from public;
alter table strata.moves_totals enable row level security;

create function strata.roll_up_moves()
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_moves uuid[];
begin
  v_moves := array(
    select m.move_id from strata.moves as m
     where m.state = 'closed' and m.finished_at < strata.clock() - make_interval(days => strata.setting('keep_moves')::integer)
     order by m.started_at limit 50000 for update skip locked);
  insert into strata.moves_totals as t (dataset, month, from_tier, to_tier, moves, rows_moved, bytes, digest)
  select m.dataset, date_trunc('month', m.finished_at at time zone 'UTC')::date, m.from_tier, m.to_tier, count(*),
         sum(m.rows_moved), sum(m.bytes), strata.xor_digests(null, array_agg(m.digest))
    from strata.moves as m where m.move_id = any (v_moves)
   group by 1, 2, 3, 4
  on conflict (dataset, month, from_tier, to_tier) do update
     set moves = t.moves + excluded.moves, rows_moved = t.rows_moved + excluded.rows_moved, bytes = t.bytes + excluded.bytes,
         digest = strata.xor_digests(t.digest, array[excluded.digest]);
  delete from strata.moves as m where m.move_id = any (v_moves);
  return cardinality(v_moves);
end
$$;
comment on function strata.roll_up_moves() is
  'Adds moves closed 90 days ago to the totals and drops them; at most 50,000 a call. Returns how many.';
revoke execute on function strata.roll_up_moves() from public;

create function strata.xor_digests(p_digest text, p_digests text[])
returns text
language sql
immutable
set search_path = ''
as $$
  select lpad(to_hex(bit_xor(('x' || d)::bit(64)::bigint)), 16, '0')
    from unnest(p_digests || coalesce(p_digest, '0000000000000000')) as d
$$;
comment on function strata.xor_digests(text, text[]) is 'The digest of all rows of several digests together: their xor; null counts as no rows.';
revoke execute on function strata.xor_digests(text, text[]) from public;

create function strata.prune_records()
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_most constant integer := 10000; -- of anything that errors can fill, whatever its age
begin
  perform strata.roll_up_moves();
  perform strata.thin_samples();
  perform strata.prune_audit();
  delete from strata.drains as d
   where d.ended_at < strata.clock() - make_interval(days => strata.setting('keep_reclaims')::integer);
  delete from strata.reclaims as r
   where r.finished_at < strata.clock() - make_interval(days => strata.setting('keep_reclaims')::integer);
  delete from strata.failures as f
   where f.failed_at < strata.clock() - make_interval(days => strata.setting('keep_failures')::integer)
      or f.failure_id <= (select x.failure_id from strata.failures as x order by x.failure_id desc offset c_most limit 1);
  delete from strata.alerts as a
   where a.cleared_at < strata.clock() - make_interval(days => strata.setting('keep_alerts')::integer)
      or (a.cleared_at is not null
          and a.alert_id <= (select x.alert_id from strata.alerts as x order by x.alert_id desc offset c_most limit 1));
  perform strata.roll_up_costs();
  perform strata.prune_briefings();
  delete from strata.usage as u
   where u.day < (strata.clock() at time zone 'UTC')::date - strata.setting('keep_costs')::integer;
  perform strata.prune_outbox();
end
$$;
comment on function strata.prune_records() is
  'Rolls up moves and costs, thins samples, and drops failures, cleared alerts, briefings, counted use and messages '
  'that are old enough; of failures and alerts at most 10,000 stay.';
revoke execute on function strata.prune_records() from public;
