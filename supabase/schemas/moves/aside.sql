-- Aside: what was set aside and need not be any more.
--
-- A row is set aside for a reason that may go without a move: its owner deletes it, or holds it, or mends it;
-- or the row of the colder tier that was in its way is deleted. Each look finds that out, so that nothing is
-- told of it any longer, and what may move now moves with the next run instead of after its pause.

create function strata.aside_row(p_dataset strata.datasets, p_key text[])
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_now record;
  v_row text;
  v_context text;
begin
  v_now := strata.conditions(p_dataset); -- here, where its errors are caught: the table may be gone
  execute format('select md5((t.*)::text) from %1$s as t where %2$s and (%3$s or %4$s) '
                 'and coalesce((%5$s), false) and not coalesce((%6$s), false)',
                 strata.relation(p_dataset), strata.key_is_sql(p_dataset), v_now.aged, v_now.oversize,
                 v_now.ready, v_now.held)
     into v_row using p_key;
  return coalesce(v_row, 'not due');
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
  return null;
end
$$;
comment on function strata.aside_row(strata.datasets, text[]) is
  'A hash of the row under a key, if it is to leave this tier; else "not due". Null: it cannot be looked at.';
select strata.pin('strata.aside_row(strata.datasets, text[])');

create function strata.settle_aside()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most constant integer := 1000; -- at a time
  v_aside record;
  v_row text;
begin
  for v_aside in
    select s.dataset, s.key, e.seen, coalesce(e.seen_at >= s.last_at, false) as is_seen
      from strata.set_aside as s left join strata.aside_seen as e on e.dataset = s.dataset and e.key = s.key
     order by e.seen_at nulls first, s.dataset, s.key limit c_most
  loop
    select strata.aside_row(d, v_aside.key) into v_row from strata.datasets as d
     where d.name = v_aside.dataset;
    if not found then
      continue; -- nobody manages it here
    elsif v_row = 'not due' then
      delete from strata.set_aside as s where s.dataset = v_aside.dataset and s.key = v_aside.key;
      continue;
    elsif v_aside.is_seen and v_row <> v_aside.seen then
      update strata.set_aside as s set next_try_at = strata.clock()
       where s.dataset = v_aside.dataset and s.key = v_aside.key;
      perform strata.keep_going(true);
    elsif v_aside.is_seen then
      v_row := v_aside.seen;
    end if;
    insert into strata.aside_seen as e (dataset, key, seen, seen_at)
    select s.dataset, s.key, v_row, strata.clock() from strata.set_aside as s
     -- a move may have taken it back meanwhile
     where s.dataset = v_aside.dataset and s.key = v_aside.key for key share
    on conflict (dataset, key) do update set seen = excluded.seen, seen_at = excluded.seen_at;
  end loop;
end
$$;
comment on function strata.settle_aside() is
  'Forgets rows set aside that are gone, held or not due any more, and has those tried '
  'again that have been mended.';

-- Conflicts: the two tiers of a link find out together whether the other row is still there, whoever of them
-- dials.
create function strata.conflicts()
returns jsonb
language sql
stable
security definer -- a pulling tier asks as strata_mover
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_object_agg(c.dataset, c.keys), '{}')
    from (select s.dataset, jsonb_agg(to_jsonb(s.key) order by s.key) as keys
            from (select x.* from strata.set_aside as x
                   where x.code = 'ST040' order by x.last_at limit 200) as s
           where strata.check_asker('colder') group by s.dataset) as c
$$;
comment on function strata.conflicts() is
  'The keys of rows set aside here because the colder tier has other rows under them, '
  'by dataset; at most 200.';
grant execute on function strata.conflicts() to strata_mover;

create function strata.end_conflicts(p_dataset text, p_keys jsonb)
returns integer
language plpgsql
security definer -- a pulling tier tells as strata_mover
set search_path = pg_catalog, pg_temp
as $$
declare
  v_ended integer;
begin
  perform strata.check_asker('colder'),
          strata.check_heard('colder', 'a list of keys', pg_column_size(p_keys), 'heard_list');
  delete from strata.set_aside as s
   where s.dataset = p_dataset and s.code = 'ST040'
     and to_jsonb(s.key) in (select k.key from jsonb_array_elements(p_keys) as k (key));
  get diagnostics v_ended = row_count;
  if v_ended > 0 then
    perform strata.keep_going(true);
  end if;
  return v_ended;
end
$$;
comment on function strata.end_conflicts(text, jsonb) is
  'Has rows tried again with the next run that were set aside because of others on the colder tier, which '
  'are gone. Returns how many.';
grant execute on function strata.end_conflicts(text, jsonb) to strata_mover;

create function strata.settle_conflicts(p_neighbour text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_colder constant boolean := p_neighbour is not distinct from strata.colder();
  v_conflict record;
  v_keys text[];
  v_gone jsonb;
  v_context text;
begin
  for v_conflict in
    select c.key as dataset, c.value as keys
      from jsonb_each(case when v_colder then strata.conflicts()
                           else strata.ask(p_neighbour, 'select strata.conflicts()::text')::jsonb end) as c
  loop
    v_keys := strata.keys_side_by_side(v_conflict.keys);
    if v_colder then
      v_gone := strata.ask(
        p_neighbour, format('select to_jsonb(strata.keys_here(%L, strata.take_over(''keys'')::text[]))::text',
                            v_conflict.dataset),
        strata.unlogged_sql(strata.handing_sql('keys', v_keys::text)))::jsonb;
      v_gone := (select jsonb_agg(k.key)
                   from jsonb_array_elements(v_conflict.keys) with ordinality as k (key, o)
                  where not v_gone @> to_jsonb(k.o));
      perform strata.end_conflicts(v_conflict.dataset, v_gone) where v_gone is not null;
    else
      continue when not exists (select from strata.datasets as d
                                 where (d.name, d.accepted_from) = (v_conflict.dataset, p_neighbour));
      v_gone := (select jsonb_agg(v_conflict.keys -> (g.o - 1))
                   from unnest(strata.keys_gone(v_conflict.dataset, v_keys)) as g (o));
      perform strata.ask(p_neighbour, format(
        'select strata.end_conflicts(%L, strata.take_over(''keys'')::jsonb)::text', v_conflict.dataset),
                         strata.unlogged_sql(strata.handing_sql('keys', v_gone::text)))
        where v_gone is not null;
    end if;
  end loop;
exception when query_canceled or assert_failure or others then
  get stacked diagnostics v_context = pg_exception_context;
  if strata.is_our_end(sqlstate, sqlerrm, v_context) then
    raise;
  end if;
  perform strata.hang_up(p_neighbour); -- a link that fails has said so; the next try finds the rest out
end
$$;
comment on function strata.settle_conflicts(text) is
  'Over a link that this tier dials: has rows tried again that were set aside because of rows on the '
  'colder tier that are gone.';
