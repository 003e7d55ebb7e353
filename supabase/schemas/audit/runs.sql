-- Audit runs: one dataset's turn after the other, a step at a time, each in a transaction of its own.
--
-- Cron calls it every night; it audits what has not been audited for audit_every days, stops when its budget
-- is spent, and goes on from there the night after. Of a dataset it reads every row of the colder tier once
-- and every key of the hotter one. Over a link that an edge function drives, a turn only begins here; the
-- relay takes its steps (audit_relay).

-- Looks at one page of keys: more, end, or busy (to be looked at again; with p_skip it is passed over).
create function strata.audit_page(p_link strata.links, p_turn strata.audit_turns, p_skip boolean)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_page constant text[] :=
    strata.ask_end(p_link, 'hotter', 'keys_page', p_turn.dataset, p_turn.key_after::text)::text[];
  v_count constant integer := coalesce(array_length(v_page, 2), 0);
  v_doubled jsonb;
  v_colder constant text := case p_link.direction when 'colder' then p_link.neighbour else strata.tier() end;
begin
  if v_count = 0 then
    return 'end';
  end if;
  v_doubled := strata.find_doubled(p_link, p_turn, v_page);
  if v_doubled is null and not p_skip then
    return 'busy';
  end if;
  insert into strata.audit_findings as f (neighbour, dataset, month, kind, rows, says, keys, turn_at,
                                          first_seen_at)
  select p_link.neighbour, p_turn.dataset, d.month, d.kind, d.rows,
         format('rows of %1$s are both on %2$s and on the tier before %3$s', d.month,
                case d.kind when 'beyond' then 'the tier after ' || v_colder else v_colder end,
                case d.kind when 'beyond' then v_colder else 'it' end),
         format(' (%1$s%2$s)', strata.plain_text(array_to_string(d.keys[1:3], '; '), 500),
                case when d.rows > 3 then ' …' else '' end), p_turn.started_at, strata.clock()
    from jsonb_to_recordset(v_doubled) as d (kind text, month text, rows bigint, keys text[])
   where strata.is_month(d.month)
  on conflict (neighbour, dataset, month, kind) do update
     set rows = excluded.rows + case when f.turn_at = excluded.turn_at then f.rows else 0 end,
         says = excluded.says,
         keys = case when f.turn_at = excluded.turn_at and f.keys <> '' then f.keys else excluded.keys end,
         turn_at = excluded.turn_at;
  update strata.audit_turns as t
     set keys = t.keys + v_count, key_after = strata.nth_key(v_page, v_count), busy = 0,
         skipped = t.skipped + case when v_doubled is null then 1 else 0 end
   where t.neighbour = p_link.neighbour and t.dataset = p_turn.dataset;
  return 'more';
end
$$;
comment on function strata.audit_page(strata.links, strata.audit_turns, boolean) is
  'Looks for the next keys of the hotter tier on the colder ones, and writes down those that are there as '
  'well: more, busy or end.';
select strata.pin('strata.audit_page(strata.links, strata.audit_turns, boolean)');

create function strata.audit_alert(p_link strata.links, p_dataset text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_colder constant text := case p_link.direction when 'colder' then p_link.neighbour else strata.tier() end;
  v_found record;
begin
  select string_agg(f.says || f.keys, '; ' order by f.month, f.kind) filter (where f.place <= 3) as says,
         count(*) as number,
         bool_or(f.kind = 'missing') as lost
    into v_found
    from (select x.*, row_number() over (order by x.month, x.kind) as place from strata.audit_findings as x
           where x.neighbour = p_link.neighbour and x.dataset = p_dataset
             and coalesce(x.rows, 1) > x.accepted_rows) as f;
  if v_found.number = 0 then
    perform strata.clear_alert('audit_mismatch', v_colder, p_dataset);
  else
    perform strata.raise_alert('audit_mismatch', v_colder, p_dataset,
                               case when v_found.lost then 'critical' else 'warning' end,
      format('"%1$s" on %2$s is not what settled there: %3$s%4$s', p_dataset, v_colder, v_found.says,
             case when v_found.number > 3 then format('; and %s more', v_found.number - 3) else '' end),
      format('Find out who deleted, changed or put back rows there. Restore them, or, if it was meant, '
             'on %1$s: select strata.accept_audit(%2$L); '
             '`deno task strata audit` looks again.', strata.tier(), p_dataset));
  end if;
end
$$;
comment on function strata.audit_alert(strata.links, text) is
  'Raises or clears the alert about what the audit of a dataset finds wrong.';

create function strata.audits_link(p_link strata.links)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select p_link.server is not null or (p_link.driver = 'relay' and p_link.direction = 'colder') $$;
comment on function strata.audits_link(strata.links) is 'Whether it is this tier that audits a link.';

create function strata.audited_datasets(p_link strata.links)
returns setof text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select d.name from strata.datasets as d
   where case p_link.direction when 'colder' then d.told_shape is not null
                               else d.accepted_from = p_link.neighbour end
$$;
comment on function strata.audited_datasets(strata.links) is 'The datasets that settle over a link.';

create function strata.audits_due(p_neighbour text, p_dataset text)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    array_agg(d.name order by t.step is not distinct from 'done', t.finished_at nulls first, d.name), '{}')
    from strata.links as l
    cross join lateral strata.audited_datasets(l) as d (name)
    left join strata.audit_turns as t on t.neighbour = l.neighbour and t.dataset = d.name
   where l.neighbour = p_neighbour
     and case when p_dataset is null
              then t.step is distinct from 'done' or t.finished_at <= strata.clock() - make_interval(
                days => strata.setting('audit_every')::integer)
                   or (l.direction = 'hotter' and exists (
                         select from strata.keys_beyond as b
                          where b.dataset = d.name and b.seen_at > t.finished_at))
                   or (l.direction = 'hotter' and exists ( -- what is missing here may have moved on
                         select from strata.forgotten as f
                          where f.dataset = d.name and f.noted_at > t.started_at))
              else d.name = p_dataset end
$$;
comment on function strata.audits_due(text, text) is
  'The datasets to audit over a link now, those first whose turn was interrupted; only the '
  'given one, if one is given.';

create function strata.start_audit(p_neighbour text, p_dataset text, p_anew boolean default false)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into strata.audit_turns as t (neighbour, dataset, step, started_at)
  values (p_neighbour, p_dataset, 'begin', clock_timestamp())
  on conflict (neighbour, dataset) do update
     set step = 'begin', started_at = excluded.started_at, finished_at = null, months_left = '{}',
         key_after = null, busy = 0, months = 0,
         rows = 0, keys = 0, skipped = 0, besides = 0, milliseconds = 0, trouble = null,
         trouble_sqlstate = null
   where t.step = 'done' or p_anew
$$;
comment on function strata.start_audit(text, text, boolean) is
  'Begins a dataset''s turn over a link, unless one is under way; anew all the same with p_anew.';

create function strata.audit_anew(p_dataset text default null)
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_started integer;
begin
  perform strata.start_audit(l.neighbour, d.name, true)
     from strata.links as l cross join lateral strata.audited_datasets(l) as d (name)
    where strata.audits_link(l) and (p_dataset is null or d.name = p_dataset);
  get diagnostics v_started = row_count;
  return v_started;
end
$$;
comment on function strata.audit_anew(text) is
  'Makes every dataset, or one, due for an audit over the links this tier audits, whenever its '
  'last was; returns how many.';

-- Of what the hotter tier has forgotten to have moved, it may still have some: put back with it, and on both
-- tiers until they move once more.
create function strata.tell_doubled(p_link strata.links, p_turn strata.audit_turns)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  select strata.ask_end(p_link, 'hotter', 'note_forgotten', p_turn.dataset, f.month,
                        greatest(-(a.seen).ahead - f.rows, 0)::text)
    from strata.audit_findings as f
    join strata.audit_accounts as a on (a.neighbour, a.dataset, a.month) = (f.neighbour, f.dataset, f.month)
   where (f.neighbour, f.dataset, f.kind) = (p_link.neighbour, p_turn.dataset, 'doubled')
     and (a.seen).ahead < 0
$$;
comment on function strata.tell_doubled(strata.links, strata.audit_turns) is
  'Tells the hotter tier how many rows it has forgotten to have moved, without those it has still.';

-- Takes one step of a turn: more, busy or done.
create function strata.take_audit_step(p_link strata.links, p_turn strata.audit_turns)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  c_patience constant integer := 20; -- looks at something that is never quiet
  v_next strata.audit_turns := p_turn;
  v_outcome text := 'more';
begin
  case p_turn.step
    when 'begin' then
      v_next.step := 'months';
      v_next.months_left := strata.months_to_audit(p_link, p_turn.dataset);
    when 'months' then
      if p_turn.months_left = '{}' then
        v_next.step := 'keys';
      elsif strata.audit_month(p_link, p_turn, p_turn.months_left[1]) then
        v_next.months_left := p_turn.months_left[2:];
        v_next.busy := 0;
      elsif p_turn.busy >= c_patience then
        v_next.months_left := p_turn.months_left[2:];
        v_next.skipped := p_turn.skipped + 1;
      else
        v_next.months_left := p_turn.months_left[2:] || p_turn.months_left[1];
        v_next.busy := p_turn.busy + 1;
        v_outcome := 'busy';
      end if;
    when 'keys' then
      v_outcome := strata.audit_page(p_link, p_turn, p_turn.busy >= c_patience);
      v_next.busy := case v_outcome when 'busy' then p_turn.busy + 1 else 0 end;
      v_next.step := case v_outcome when 'end' then 'passed' else 'keys' end;
    when 'passed' then
      v_outcome := strata.audit_passed(p_link, p_turn);
      v_next.step := case v_outcome when 'end' then 'finish' else 'passed' end;
    else
      delete from strata.audit_findings as f
       where f.neighbour = p_link.neighbour and f.dataset = p_turn.dataset and f.kind in ('doubled', 'beyond')
         and f.turn_at < p_turn.started_at;
      perform strata.tell_doubled(p_link, p_turn);
      perform strata.audit_alert(p_link, p_turn.dataset);
      v_next.step := 'done';
      update strata.audit_turns as t set key_after = null
       where t.neighbour = p_link.neighbour and t.dataset = p_turn.dataset;
      v_next.finished_at := strata.clock();
      v_outcome := 'done';
  end case;
  update strata.audit_turns as t
     set step = v_next.step, months_left = v_next.months_left, busy = v_next.busy,
         finished_at = v_next.finished_at,
         skipped = t.skipped + v_next.skipped - p_turn.skipped, trouble = null, trouble_sqlstate = null
   where t.neighbour = p_link.neighbour and t.dataset = p_turn.dataset;
  return v_outcome;
end
$$;
comment on function strata.take_audit_step(strata.links, strata.audit_turns) is
  'Takes one step of a dataset''s turn (the months there are, one month, one page of keys, one page of the '
  'tier before, the alert): more, busy or done.';

create function strata.note_audit_trouble(
  p_link strata.links, p_turn strata.audit_turns, p_code text, p_says text
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_colder constant text := case p_link.direction when 'colder' then p_link.neighbour else strata.tier() end;
begin
  update strata.audit_turns as t set trouble_sqlstate = p_code, trouble = p_says
   where t.neighbour = p_link.neighbour and t.dataset = p_turn.dataset;
  if p_turn.started_at < clock_timestamp() - make_interval(
    days => strata.setting('audit_every')::integer) then
    perform strata.raise_alert('audit_mismatch', v_colder, p_turn.dataset, 'warning',
      format('"%1$s" on %2$s could not be audited since %3$s: %4$s', p_turn.dataset, v_colder,
             to_char(p_turn.started_at at time zone 'UTC', 'YYYY-MM-DD'), p_says),
      'Mend what the message names; deno task strata audit tries again at once.');
  end if;
end
$$;
comment on function strata.note_audit_trouble(strata.links, strata.audit_turns, text, text) is
  'Writes down why a turn does not go on; raises the alert about a dataset whose audit has been failing for '
  'audit_every days, which the end of an audit clears.';

create function strata.audit_step(p_neighbour text, p_dataset text)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '10s'
as $$
declare
  v_began constant timestamptz := clock_timestamp();
  v_link strata.links;
  v_turn strata.audit_turns;
  v_outcome text;
  v_context text;
begin
  select l.* into v_link from strata.links as l where l.neighbour = p_neighbour;
  select t.* into v_turn from strata.audit_turns as t
   where t.neighbour = p_neighbour and t.dataset = p_dataset for update;
  begin
    v_outcome := strata.take_audit_step(v_link, v_turn);
  exception when sqlstate 'ST081' then
    raise; -- no error: a question for the relay
  when query_canceled or assert_failure or others then
    get stacked diagnostics v_context = pg_exception_context;
    if strata.is_our_end(sqlstate, sqlerrm, v_context) then
      raise;
    end if;
    perform strata.hang_up(p_neighbour);
    -- A month that takes longer to read than a call may last is no reason to give the line up.
    v_outcome := case when strata.is_link_error(sqlstate) and sqlstate <> 'ST005' then 'link down'
                      else 'failed' end;
    if v_outcome = 'link down' then
      perform strata.note_link(p_neighbour, sqlstate, sqlerrm);
    end if;
    perform strata.note_audit_trouble(v_link, v_turn, sqlstate, sqlerrm);
  end;
  update strata.audit_turns as t
     set milliseconds = t.milliseconds + extract(epoch from clock_timestamp() - v_began) * 1000
   where t.neighbour = p_neighbour and t.dataset = p_dataset;
  return v_outcome;
end
$$;
comment on function strata.audit_step(text, text) is
  'take_audit_step(), with an error written down with the turn: failed or link down. The next '
  'run goes on from there.';
select strata.pin('strata.audit_step(text, text)');

-- Unpinned because it commits.
create procedure strata.audit(p_budget interval default '50 seconds', p_dataset text default null)
language plpgsql
as $$
declare
  v_deadline constant timestamptz := pg_catalog.clock_timestamp() + p_budget;
  v_read_only constant text := pg_catalog.current_setting('default_transaction_read_only');
  v_isolation constant text := pg_catalog.current_setting('default_transaction_isolation');
  v_neighbour text;
  v_dataset text;
  v_outcome text;
begin
  perform strata.prepare_session('off', 'read committed');
  commit;
  if strata.begin_turn('strata audit') then
    foreach v_neighbour in array strata.driven_links(p_dataset is not null) loop
      perform strata.hang_up(v_neighbour);
      foreach v_dataset in array strata.audits_due(v_neighbour, p_dataset) loop
        perform strata.start_audit(v_neighbour, v_dataset);
        loop
          commit;
          v_outcome := strata.audit_step(v_neighbour, v_dataset);
          commit;
          if v_outcome = 'busy' then
            perform pg_catalog.pg_sleep(0.1);
          end if;
          exit when v_outcome in ('done', 'failed', 'link down') or pg_catalog.clock_timestamp() > v_deadline;
        end loop;
        exit when v_outcome = 'link down' or pg_catalog.clock_timestamp() > v_deadline;
      end loop;
      perform strata.hang_up(v_neighbour);
    end loop;
    perform strata.start_relay_audits(p_dataset);
  end if;
  perform strata.begin_turn(null), strata.prepare_session(v_read_only, v_isolation);
  commit;
end
$$;
comment on procedure strata.audit(interval, text) is
  'Compares what settled over the links this tier dials with what is there, dataset after dataset: those not '
  'audited for audit_every days, or the given one, until the budget is spent; the next call goes on. What '
  'it finds is in strata.audit_findings and an alert. Where an edge function drives, it is only begun here. '
  'Commits: must be the only statement, outside a transaction.';

create function strata.prune_audit()
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  with gone as (
    delete from strata.audit_turns as t
     where not exists (select from strata.links as l cross join lateral strata.audited_datasets(l) as d (name)
                        where strata.audits_link(l) and l.neighbour = t.neighbour and d.name = t.dataset)
    returning t.neighbour, t.dataset
  ), findings as (
    delete from strata.audit_findings as f using gone as g
     where (f.neighbour, f.dataset) = (g.neighbour, g.dataset)
    returning f.dataset
  )
  update strata.alerts as a set cleared_at = strata.clock()
   where a.kind = 'audit_mismatch' and a.heard_from is null and a.cleared_at is null
     and a.subject in (select f.dataset from findings as f);
  delete from strata.audit_accounts as a
   where not exists (select from strata.audit_turns as t
                      where (t.neighbour, t.dataset) = (a.neighbour, a.dataset));
  delete from strata.audit_notes as n
   where not exists (select from strata.audit_turns as t
                      where (t.neighbour, t.dataset) = (n.neighbour, n.dataset));
  delete from strata.keys_beyond as b
   where b.seen_at < strata.clock() - make_interval(days => 4 * strata.setting('audit_every')::integer);
  delete from strata.passed_keys as p
   where strata.colder() is null or not exists (select from strata.datasets as d where d.name = p.dataset);
  delete from strata.books as b where not exists (select from strata.datasets as d where d.name = b.dataset);
  delete from strata.forgotten as f
   where not exists (select from strata.datasets as d where d.name = f.dataset);
  delete from strata.met as m
   where not exists (select from strata.arrivals as a where a.move_id = m.move_id and a.closed_at is null)
$$;
comment on function strata.prune_audit() is
  'Drops audits of datasets and links that are no more. What is kept is a row per dataset and month.';
