-- Packing: rows at the end of a table are moved to the free pages in front, a piece at a time.

-- One piece of work on a step that is done here: pack and analyze. Pages are emptied from the end on; a row
-- may land on another page of the same piece, or where there is room beside it on its own, so a piece is gone
-- over until it is empty, all in one transaction: only then is the room of the rows that went not used again.
-- A row that is left alone on a page fills it before it leaves; where there are more rows than that after
-- some passes, there is no room for them before the piece.
create function strata.pack_piece(
  p_relation regclass, p_column name, p_from bigint, p_to bigint, out left_over boolean,
  out stuck boolean
)
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
set row_security = off
as $$
declare
  v_highest bigint;
  v_rows bigint;
  v_smallest integer;
begin
  stuck := false;
  left_over := true;
  if exists (select from pg_catalog.pg_trigger as g
              where g.tgrelid = p_relation and not g.tgisinternal and g.tgtype & 16 > 0
                and g.tgenabled <> 'D') then
    -- nothing changes, so there is nothing for them to do
    perform set_config('session_replication_role', 'replica', true);
  end if;
  for v_pass in 1 .. 300 loop
    execute format(
      'with mine as materialized (select t.ctid, pg_column_size(t.*) as bytes from %1$s as t '
      'where t.ctid >= ''(%3$s,0)'' and t.ctid < ''(%4$s,0)'' for update skip locked),'
      ' moved as (update %1$s as t set %2$I = t.%2$I from mine as m where t.ctid = m.ctid returning t.ctid)'
      'select max(split_part(ltrim(m.ctid::text, ''(''), '','', 1)::bigint), count(*), (select min(m.bytes) '
      'from mine as m) from moved as m',
      p_relation, p_column, p_from, p_to) into v_highest, v_rows, v_smallest;
    left_over := v_highest is not null;
    exit when not left_over;
    stuck := v_highest >= p_to;
    exit when stuck or (v_pass >= 12 and (v_rows > p_to - p_from or v_pass > 8192 / v_smallest + 2));
  end loop;
  perform set_config('session_replication_role', 'origin', true)
    where current_setting('session_replication_role') = 'replica';
end
$$;
comment on function strata.pack_piece(regclass, name, bigint, bigint) is
  'Moves the rows '
  'on some pages of a table to free pages before them by an update that changes nothing. left_over: some are '
  'still there; stuck: they went to the end instead, there is no free page before them.';

create function strata.pack_some(p_reclaim strata.reclaims)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation constant regclass := p_reclaim.relation::regclass;
  v_column constant name := strata.pack_column(v_relation);
  v_reclaim strata.reclaims := p_reclaim;
  v_stuck boolean := false;
  v_from bigint;
begin
  if v_column is null then
    perform strata.step_done(p_reclaim, 'an update of its rows would be noticed by now: a trigger, a rule '
                                        'or a subscriber was added');
    return;
  end if;
  if v_reclaim.pack_until is null then
    v_reclaim.packed_to := pg_relation_size(v_relation) / 8192;
    v_reclaim.pack_until := ceil(strata.heap_needs(v_relation, strata.live_rows(v_relation),
                                                   pg_relation_size(v_relation)) * 1.02 / 8192) + 1;
  end if;
  v_from := greatest(v_reclaim.packed_to - 256, v_reclaim.pack_until);
  if v_from < v_reclaim.packed_to then
    v_stuck := (strata.pack_piece(v_relation, v_column, v_from, v_reclaim.packed_to)).stuck;
  end if;
  update strata.reclaims as r set packed_to = v_from, pack_until = v_reclaim.pack_until
   where r.reclaim_id = p_reclaim.reclaim_id;
  if v_from <= v_reclaim.pack_until or v_stuck then
    perform strata.step_done(v_reclaim);
  end if;
exception when lock_not_available or deadlock_detected or serialization_failure then
  perform strata.step_done(p_reclaim, 'lock not available: ' || sqlerrm);
end
$$;
comment on function strata.pack_some(strata.reclaims) is
  'Packs the next 256 pages of a table, and ends the step when the rest would fill what is before them.';
