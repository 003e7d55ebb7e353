-- Runs: what cron calls. A run goes over the links this tier drives, and over each link's datasets, one turn
-- each.
--
-- A turn takes batch after batch, each step in a transaction of its own. Only one session at a time is at a
-- dataset's turn over one link; another passes it by. Datasets whose last turn is longest ago come first, so
-- that a large one does not starve the others; a run that has spent its budget stops between two batches, and
-- the next goes on.

-- Arrivals whose source knows nothing of them: it was put back from a backup. The copies stay (an identical
-- row is fine when it comes again); the arrival must not block the dataset for ever.
create function strata.open_arrivals(p_from text)
returns uuid[]
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(a.move_id), '{}') from strata.arrivals as a
   where a.from_tier = p_from and a.closed_at is null and strata.check_asker('hotter', p_from)
$$;
comment on function strata.open_arrivals(text) is 'The arrivals from a tier that are still open here.';
grant execute on function strata.open_arrivals(text) to strata_mover;

create function strata.not_open(p_moves uuid[])
returns uuid[]
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(i.id), '{}') from unnest(p_moves) as i (id)
   where strata.check_asker('colder')
     and not exists (select from strata.moves as m where m.move_id = i.id and m.state <> 'closed')
$$;
comment on function strata.not_open(uuid[]) is 'Those of the given moves that are not open on this tier.';
grant execute on function strata.not_open(uuid[]) to strata_mover;

create function strata.abandon_arrivals(p_moves uuid[])
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.check_asker('hotter');
  perform strata.close_arrival(a.move_id, a.dataset, a.from_tier, '{}', '{}', '{}', '{}')
     from strata.arrivals as a
    where a.move_id = any (p_moves) and a.closed_at is null
     and a.from_tier = coalesce(strata.asked_by(), a.from_tier);
  return cardinality(p_moves);
end
$$;
comment on function strata.abandon_arrivals(uuid[]) is
  'Closes arrivals whose source no longer knows them; their rows stay.';
grant execute on function strata.abandon_arrivals(uuid[]) to strata_mover;

create function strata.tidy_arrivals(p_link strata.links)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_moves uuid[];
begin
  -- The arrivals are read before the moves, each in a statement of its own: a move is older than its arrival,
  -- so one that another run is making at this moment is seen.
  if p_link.direction = 'colder' then
    v_moves := strata.ask(p_link.neighbour, format('select strata.open_arrivals(%L)', strata.tier()))::uuid[];
    v_moves := strata.not_open(v_moves);
    if v_moves <> '{}' then
      perform strata.ask(p_link.neighbour, format('select strata.abandon_arrivals(%L)', v_moves));
    end if;
  else
    v_moves := strata.open_arrivals(p_link.neighbour);
    if v_moves <> '{}' then
      perform strata.abandon_arrivals(
        strata.ask(p_link.neighbour, format('select strata.not_open(%L)', v_moves))::uuid[]);
    end if;
  end if;
end
$$;
comment on function strata.tidy_arrivals(strata.links) is
  'Closes open arrivals at the colder end of a link that its hotter end does not know.';

create function strata.look_for_work(p_neighbour text, p_dataset text, p_read_only boolean)
returns text[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_link strata.links;
  v_work text[];
begin
  select l.* into v_link from strata.links as l where l.neighbour = p_neighbour;
  perform strata.hang_up(p_neighbour); -- a run that was cancelled in this session may have left the line open
  if v_link.direction = 'colder' then
    v_work := strata.datasets_with_work();
    if v_work = '{}' and v_link.last_ok_at > strata.clock() - interval '1 day'
       and strata.clock_trouble() is null then
      return v_work; -- nothing to say: the neighbour is left in peace
    end if;
    perform strata.agree(p_neighbour);
    v_work := strata.datasets_with_work();
  elsif p_read_only then
    raise exception '% is read-only: nothing is taken in', strata.tier() using errcode = '25006';
  else
    perform strata.agree(p_neighbour);
    v_work := strata.ask(p_neighbour, 'select strata.datasets_with_work()')::text[];
  end if;
  perform strata.tidy_arrivals(v_link);
  perform strata.note_link(p_neighbour, null, null);
  return case when p_dataset is null then v_work
              when p_dataset = any (v_work) then array[p_dataset] else '{}' end;
exception when others then
  perform strata.note_link(p_neighbour, sqlstate, sqlerrm);
  return null;
end
$$;
comment on function strata.look_for_work(text, text, boolean) is
  'Which datasets there is something to do for over a link, tidying it first; null, and noted, when it is '
  'down. p_read_only: this database is to take nothing in.';

create function strata.driven_links(p_retry boolean)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(l.neighbour order by l.direction), '{}') from strata.links as l
   where l.server is not null and (p_retry or l.next_try_at is null or l.next_try_at <= strata.clock())
$$;
comment on function strata.driven_links(boolean) is
  'The neighbours this tier dials; without p_retry, only those whose pause is over.';

create function strata.at_work()
returns setof text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select distinct d.name from strata.datasets as d
    join strata.links as l on l.server is not null
    join pg_catalog.pg_locks as k on k.locktype = 'advisory' and k.granted and k.objsubid = 1
     and (k.classid::bigint << 32) | k.objid::bigint = hashtextextended(
       'strata move/' || l.neighbour || '/' || d.name, 0)
    join pg_catalog.pg_database as b on b.oid = k.database and b.datname = current_database()
   order by d.name
$$;
comment on function strata.at_work() is
  'The datasets that a session is moving at this moment over a link that this tier drives.';

create function strata.prepare_session(p_read_only text, p_isolation text)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  select set_config('default_transaction_read_only', p_read_only, false),
         set_config('default_transaction_isolation', p_isolation, false)
$$;
comment on function strata.prepare_session(text, text) is
  'Sets, for the transactions to come, whether they are read-only and how isolated.';

-- Unpinned, as all procedures that commit; everything in it is qualified.
create procedure strata.move_dataset(
  p_neighbour text, p_dataset text, p_deadline timestamptz, inout p_left boolean,
  inout p_looked_at timestamptz, inout p_share integer
)
language plpgsql
as $$
declare
  v_journey strata.journey := strata.journey_of(p_dataset, p_deadline,
                                                p_pace => (p_looked_at, p_share)::strata.pace);
  v_lines text;
  v_blocked integer := 0;
begin
  if strata.begin_turn('strata move/' || p_neighbour || '/' || p_dataset) then
    loop
      commit;
      v_journey := strata.advance(p_neighbour, v_journey, v_lines);
      commit;
      v_lines := v_journey.lines;
      v_journey.lines := null;
      if v_journey.step in ('claim', 'later') then -- nothing is open
        call strata.rest(p_neighbour, v_journey.pace, p_deadline);
      end if;
      -- an arrival is open here: it closes soon, if only for a moment
      if v_journey.step = 'blocked' and v_blocked < 100 then
        v_blocked := v_blocked + 1;
        perform pg_catalog.pg_sleep(0.03);
        v_journey.step := 'claim';
      end if;
      exit when v_journey.step in ('done', 'blocked', 'later', 'failed', 'link down')
             or (v_journey.step = 'claim' and pg_catalog.clock_timestamp() > p_deadline);
    end loop;
  end if;
  perform strata.begin_turn(null);
  p_left := v_journey.step <> 'done';
  p_looked_at := (v_journey.pace).looked_at;
  p_share := (v_journey.pace).share;
end
$$;
comment on procedure strata.move_dataset(text, text, timestamptz, boolean, timestamptz, integer) is
  'One dataset''s turn over one link: batch after batch until nothing is due or the deadline has passed, '
  'at least one. p_left: is there anything left to do? p_looked_at, p_share: the pace, from turn to turn; '
  'beside others it rests after each batch. Commits.';

create procedure strata.move_due(
  p_budget interval default '50 seconds',
  p_dataset text default null
)
language plpgsql
as $$
declare
  v_deadline constant timestamptz := pg_catalog.clock_timestamp() + p_budget;
  v_read_only constant text := pg_catalog.current_setting('default_transaction_read_only');
  v_isolation constant text := pg_catalog.current_setting('default_transaction_isolation');
  v_neighbour text;
  v_dataset text;
  v_work text[];
  v_left boolean;
  v_looked_at timestamptz;
  v_share integer;
  v_any_left boolean := false;
begin
  -- A database that is read-only because it is full can still give rows away.
  perform strata.prepare_session('off', 'read committed');
  commit;
  foreach v_neighbour in array strata.driven_links(p_dataset is not null) loop
    v_work := strata.look_for_work(v_neighbour, p_dataset, v_read_only = 'on');
    v_any_left := v_any_left or v_work is null;
    if v_work <> '{}' then
      perform strata.keep_going(true);
    end if;
    commit;
    v_looked_at := null;
    foreach v_dataset in array coalesce(v_work, '{}') loop
      call strata.move_dataset(v_neighbour, v_dataset, v_deadline, v_left, v_looked_at, v_share);
      v_any_left := v_any_left or v_left;
      if pg_catalog.clock_timestamp() > v_deadline or strata.is_pausing(v_neighbour) then
        v_any_left := v_any_left or v_dataset <> v_work[pg_catalog.cardinality(v_work)];
        exit;
      end if;
    end loop;
    perform strata.hang_up(v_neighbour);
  end loop;
  perform strata.keep_going(v_any_left), strata.prepare_session(v_read_only, v_isolation),
          pg_catalog.pg_stat_force_next_flush(); -- how much room the rows left is asked for soon
  commit;
end
$$;
comment on procedure strata.move_due(interval, text) is
  'What cron calls: moves what is due over every link this tier drives, until nothing is left or the budget '
  'is spent (then it goes on within a minute). One dataset only with p_dataset, which also dials a link that '
  'is pausing. Commits: must be the only statement, outside a transaction. Failures are in strata.datasets, '
  'strata.links and strata.set_aside.';
