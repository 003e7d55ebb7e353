-- Dial: the lines to neighbours, and what is asked over them.
--
-- A call goes out over dblink, by the name of the link's postgres_fdw server, and commits over there by
-- itself.

create function strata.hello()
returns jsonb
language sql
stable
security definer -- strata_mover asks who this is; whoever came to the wrong door is told as well
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'tier', (select s.tier from strata.self as s), 'clock', clock_timestamp(), 'strata_clock', strata.clock(),
    'postgres', current_setting('server_version_num')::integer,
    'encoding', current_setting('server_encoding'),
    'fsync', current_setting('fsync'), 'read_only', current_setting('transaction_read_only'),
    'links', (select coalesce(jsonb_object_agg(l.neighbour, l.driver), '{}') from strata.links as l),
    'version', strata.version(), 'protocols', strata.protocols(),
    'protocol', (strata.protocols())[2]) -- for neighbours of before there were ranges
$$;
comment on function strata.hello() is
  'Who this database is, for its neighbours: tier, clocks, versions, encoding, fsync, links, protocols.';
grant execute on function strata.hello() to strata_mover;

-- A line is named by its neighbour. A flow that pushes has a second one, so that the colder tier already has
-- the next message when it is done with one: 'main' and 'main/2'.
create function strata.neighbour_of(p_line text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select split_part(p_line, '/', 1) $$;
comment on function strata.neighbour_of(text) is 'The tier a line leads to.';

create function strata.hang_up(p_line text)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  select extensions.dblink_disconnect(c.name) from unnest(extensions.dblink_get_connections()) as c (name)
   where 'strata_' || p_line in (c.name, strata.neighbour_of(c.name))
$$;
comment on function strata.hang_up(text) is
  'Closes a line of this session, if it is open; with the first one to a neighbour, the second as well.';

create function strata.send(p_line text, p_question text, p_handing text default null)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_handing <> '' then
    perform strata.send(p_line, p_handing);
    perform strata.read_handing(p_line);
  end if;
  if extensions.dblink_send_query('strata_' || p_line, p_question) <> 1 then
    raise exception 'the line to % is broken or busy', p_line
      using errcode = '08006', hint = strata.remedy('08');
  end if;
end
$$;
comment on function strata.send(text, text, text) is
  'Sends a query over the open line to a neighbour; before it, what unlogged_sql() has to hand over. '
  '08006: it does not go out.';

create function strata.read_handing(p_line text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  loop
    exit when strata.read_next(p_line) is null;
  end loop;
end
$$;
comment on function strata.read_handing(text) is
  'Waits until a neighbour has what unlogged_sql() handed over, sent by itself.';

-- Waits for the answer without ever waiting for good: a line that neither answers nor breaks is given up.
create function strata.await(p_line text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_deadline constant timestamptz :=
    clock_timestamp() + make_interval(secs => strata.setting('link_timeout'));
  v_pause double precision := 0.0003;
begin
  while extensions.dblink_is_busy('strata_' || p_line) = 1 loop
    if clock_timestamp() > v_deadline then
      raise exception '% did not answer within % seconds', strata.neighbour_of(p_line),
        strata.setting('link_timeout')
        using errcode = 'ST005', hint = strata.remedy('ST005');
    end if;
    perform pg_sleep(v_pause);
    v_pause := least(v_pause * 1.1, 0.004);
  end loop;
end
$$;
comment on function strata.await(text) is
  'Waits until a neighbour has answered, at most link_timeout seconds. ST005: it did not.';

create function strata.dial(p_line text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name constant text := 'strata_' || p_line;
  v_tier constant text := strata.neighbour_of(p_line);
  v_hello jsonb;
  v_detail text;
  v_context text;
begin
  if v_name = any (coalesce(extensions.dblink_get_connections(), '{}')) then
    return;
  end if;
  perform strata.check_server(v_tier);
  begin
    perform strata.connect(v_name, v_tier);
  exception when others then
    get stacked diagnostics v_detail = pg_exception_detail;
    raise exception '% cannot be reached: %', v_tier, coalesce(nullif(v_detail, ''), sqlerrm)
      using errcode = strata.dial_code(sqlstate, v_detail),
            hint = strata.remedy(strata.dial_code(sqlstate, v_detail));
  end;
  perform strata.check_tls(p_line);
  perform extensions.dblink_exec(v_name, format(
    'set statement_timeout = %1$L; set lock_timeout = ''10s''; set default_transaction_isolation = ''read '
    'committed''; set idle_in_transaction_session_timeout = ''60s''; set idle_session_timeout = 0; set '
    'client_min_messages = ''error''; set plan_cache_mode = force_generic_plan; %2$s',
    strata.setting('link_timeout') || 's',
    (select string_agg(format('set %1$I = %2$L', p.name, p.value), '; ') from strata.pins() as p)));
  -- Rows may leave a database that is read-only because it is full; none may come into one.
  perform extensions.dblink_exec(v_name, 'set default_transaction_read_only = off')
     from strata.links as l where l.neighbour = v_tier and l.direction = 'hotter';
  select r.hello into v_hello from extensions.dblink(v_name, 'select strata.hello()') as r (hello jsonb);
  if v_hello ->> 'tier' is distinct from v_tier then
    raise exception 'the database behind the link to % says it is %', v_tier,
      coalesce(v_hello ->> 'tier', 'no tier yet')
      using errcode = 'ST003', hint = strata.remedy('ST003');
  end if;
  perform strata.check_protocols(v_tier, v_hello);
  if v_hello ->> 'encoding' is distinct from current_setting('server_encoding') then
    raise exception '% is in %, we are in %', v_tier, v_hello ->> 'encoding',
      current_setting('server_encoding')
      using errcode = 'ST004', hint = strata.remedy('ST004');
  end if;
exception when query_canceled or others then
  get stacked diagnostics v_context = pg_exception_context;
  perform strata.hang_up(p_line), strata.tell_canceled(p_line, sqlstate, sqlerrm, v_context);
  raise;
end
$$;
comment on function strata.dial(text) is
  'Opens a line of this session to a neighbour, unless it is open, and makes sure who answers. 08001: not '
  'reached. 28P01: login refused. 53300: no connection is free. ST003: another tier answers. ST004: it does '
  'not fit. ST007, ST008: the line is not safe. ST069: its release does not.';

-- A statement canceled over there comes through as query_canceled, which no `when others` catches: the whole
-- run would end, as if it had been canceled itself. That it was over there shows in the context, which names
-- the line.
create function strata.tell_canceled(p_line text, p_sqlstate text, p_says text, p_context text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_sqlstate = '57014' and strpos(p_context, format('"strata_%s"', p_line)) > 0 then
    raise exception '% did not finish: %', strata.neighbour_of(p_line), p_says
      using errcode = 'ST005', hint = strata.remedy('ST005');
  end if;
end
$$;
comment on function strata.tell_canceled(text, text, text, text) is
  'ST005 in place of an error that says that a neighbour canceled what it was asked; '
  'nothing for any other error.';

-- One message may hold several statements, each with a result of its own; null after the last. Not security
-- definer and not callable by strata_mover: what may be asked is what the neighbour grants.
create function strata.read_next(p_line text)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_answer text;
  v_context text;
begin
  perform strata.await(p_line);
  select r.answer into v_answer from extensions.dblink_get_result('strata_' || p_line) as r (answer text);
  return v_answer;
-- a question that was given up must not be answered to the next one
exception when query_canceled or others then
  get stacked diagnostics v_context = pg_exception_context;
  perform strata.hang_up(p_line), strata.tell_canceled(p_line, sqlstate, sqlerrm, v_context);
  raise;
end
$$;
comment on function strata.read_next(text) is
  'Waits for the next result of what was sent to a neighbour. Errors come through with their SQLSTATE; the '
  'line is closed after one.';

create function strata.read_answer(p_line text)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_answer constant text := strata.read_next(p_line);
begin
  perform strata.read_next(p_line); -- reads the end of the answer
  return v_answer;
end
$$;
comment on function strata.read_answer(text) is
  'Waits for the answer to one statement sent to a neighbour, and ends it.';

-- A statement of a message that is to commit before the next one begins, and its answer.
create function strata.committed_sql(p_statement text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select 'begin; ' || p_statement || '; commit; ' $$;
comment on function strata.committed_sql(text) is
  'A statement as a transaction of its own within a message of several.';

create function strata.read_committed(p_line text)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_answer text;
begin
  perform strata.read_next(p_line); -- begin
  v_answer := strata.read_next(p_line);
  perform strata.read_next(p_line); -- commit
  return v_answer;
end
$$;
comment on function strata.read_committed(text) is
  'The answer to a statement that was sent as committed_sql(), after its commit.';

create function strata.ask(p_tier text, p_question text, p_handing text default null)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.dial(p_tier);
  perform strata.send(p_tier, p_question, p_handing);
  return strata.read_answer(p_tier);
end
$$;
comment on function strata.ask(text, text, text) is
  'Runs one query of one text column on a neighbour, where it commits by itself; before it, what '
  'unlogged_sql() has to hand over.';

create function strata.note_link(p_tier text, p_code text, p_says text)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  update strata.links as l
     set trouble_sqlstate = p_code, trouble = strata.plain_text(p_says, 1000),
         failures = case when p_code is null then 0 else l.failures + 1 end,
         last_ok_at = case when p_code is null then strata.clock() else l.last_ok_at end,
         next_try_at = case when p_code is not null
                              then strata.clock() + interval '1 minute' * least(power(2, l.failures), 15) end
   where l.neighbour = p_tier;
  insert into strata.failures (failed_at, link, code, says)
  select strata.clock(), p_tier, p_code, strata.plain_text(p_says, 1000) where p_code is not null
$$;
comment on function strata.note_link(text, text, text) is
  'Notes that a link works (null) or why it does not; it is dialled again after a '
  'minute, doubling, at most 15.';

create function strata.is_pausing(p_neighbour text)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from strata.links as l
                  where l.neighbour = p_neighbour and l.next_try_at > strata.clock())
$$;
comment on function strata.is_pausing(text) is 'Whether a link is down and not to be dialled yet.';
