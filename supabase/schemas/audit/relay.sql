-- Audit over a relay: an edge function carries the audit's questions where neither tier can dial the other.
--
-- The hotter tier audits, with the same steps. A step that needs an answer of the colder tier is broken off
-- with the question (ST081) and taken again with it, and again with the next one; so that nothing is asked
-- twice, and everything is as of the moment it was asked, the relay also carries what was answered so far,
-- near and far. What it carries belongs to one step of one turn: brought to any other, it is dropped, and the
-- step begins anew.
--
--   hotter                                     relay                          colder
--   relay_audit(nothing yet)  ──── question, answers so far ────▶ relay_answer(question)
--   relay_audit(answers, answer) ◀──────────────── answer ───────────────────┘
--   … until the turn is done

create function strata.ask_over_relay(p_link strata.links, p_end text, p_call text, p_args text[])
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_answers constant jsonb := current_setting('strata.audit_answers')::jsonb;
  v_at constant integer := current_setting('strata.audit_asked')::integer;
  v_answer text;
begin
  perform set_config('strata.audit_asked', (v_at + 1)::text, true);
  if v_at < jsonb_array_length(v_answers) then
    return v_answers ->> v_at;
  elsif p_end = p_link.direction then
    raise exception 'the audit needs an answer of %', p_link.neighbour
      using errcode = 'ST081', hint = strata.remedy('ST081'),
            detail = jsonb_build_object('question', jsonb_build_object('call', p_call, 'args', p_args),
                                        'answers', v_answers);
  end if;
  v_answer := strata.audit_answer(p_call, p_args);
  perform set_config('strata.audit_answers', (v_answers || jsonb_build_array(v_answer))::text, true);
  return v_answer;
end
$$;
comment on function strata.ask_over_relay(strata.links, text, text, text[]) is
  'ask_end() over a relay: the answer that was brought, or that is found here. ST081, with the question as '
  'its detail: it has to be brought first.';

create function strata.start_relay_audits(p_dataset text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.start_audit(l.neighbour, d.name)
     from strata.links as l cross join lateral unnest(strata.audits_due(l.neighbour, p_dataset)) as d (name)
    where l.driver = 'relay' and strata.audits_link(l);
  perform strata.invoke('strata-relay', jsonb_build_object('from', strata.tier(), 'to', l.neighbour))
     from strata.links as l
    where l.driver = 'relay'
     and exists (select from strata.audit_turns as t where t.neighbour = l.neighbour and t.step <> 'done');
end
$$;
comment on function strata.start_relay_audits(text) is
  'Begins the turns that are due (or of one dataset) over a link that an edge function drives, and wakes it.';

-- One that cannot go on must not keep the others waiting.
create function strata.relay_turn(p_neighbour text)
returns strata.audit_turns
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select t.* from strata.audit_turns as t join strata.links as l on l.neighbour = t.neighbour
   where t.neighbour = p_neighbour and t.step <> 'done' and t.dataset in (select strata.audited_datasets(l))
   order by t.trouble is not null, t.dataset limit 1
$$;
comment on function strata.relay_turn(text) is 'The turn over a link that is to be gone on with.';

create function strata.relay_audit(
  p_neighbour text, p_so_far text default null, p_answer text default null
)
returns text
language plpgsql
security definer -- the relay asks what the audit wants to know
set search_path = pg_catalog, pg_temp
as $$
declare
  v_link constant strata.links := strata.relay_link(p_neighbour, 'colder');
  v_turn constant strata.audit_turns := strata.relay_turn(v_link.neighbour);
  v_place constant text := md5((v_turn.dataset, v_turn.started_at, v_turn.step, v_turn.months_left,
                                v_turn.key_after, v_turn.busy)::text);
  v_so_far constant jsonb := p_so_far::jsonb;
  v_detail text;
begin
  if v_turn.dataset is null then
    return jsonb_build_object('state', 'nothing');
  end if;
  perform set_config('strata.audit_asked', '0', true), set_config('strata.audit_answers', case
    when v_so_far ->> 'place' = v_place then ((v_so_far -> 'answers') || jsonb_build_array(p_answer))::text
    else '[]' end, true);
  return jsonb_build_object('state', strata.audit_step(v_link.neighbour, v_turn.dataset));
exception when sqlstate 'ST081' then
  get stacked diagnostics v_detail = pg_exception_detail;
  return jsonb_build_object('state', 'ask', 'dataset', v_turn.dataset,
                            'question', (v_detail::jsonb -> 'question')::text,
                            'so_far', jsonb_build_object('place', v_place,
                                                         'answers', v_detail::jsonb -> 'answers')::text);
end
$$;
comment on function strata.relay_audit(text, text, text) is
  'Goes on with an audit of the link to a colder neighbour. {"state": "ask"} has a question for its '
  'relay_answer(); call again with what was so far and the answer. Otherwise the outcome of a step: more, '
  'busy, end, done, failed, or nothing to audit.';
select strata.pin('strata.relay_audit(text, text, text)');
grant execute on function strata.relay_audit(text, text, text) to service_role;

create function strata.relay_audit_failed(
  p_neighbour text, p_dataset text, p_code text, p_says text
)
returns void
language sql
security definer -- the relay says why it has no answer
set search_path = pg_catalog, pg_temp
as $$
  select strata.note_audit_trouble(l, t, p_code, left(p_says, 1000))
    from strata.relay_link(p_neighbour, 'colder') as l
    join strata.audit_turns as t on t.neighbour = l.neighbour and t.dataset = p_dataset
$$;
comment on function strata.relay_audit_failed(text, text, text, text) is
  'note_audit_trouble(), for the relay: the other end has no answer.';
grant execute on function strata.relay_audit_failed(text, text, text, text) to service_role;

create function strata.relay_answer(p_from text, p_question text)
returns text
language plpgsql
security definer -- the relay asks for a hotter tier that audits
set search_path = pg_catalog, pg_temp
as $$
declare
  v_question constant jsonb := p_question::jsonb;
begin
  perform strata.relay_link(p_from, 'hotter');
  if not (v_question ->> 'call' = any (array['stock_months', 'take_stock', 'book_stock', 'look_for',
                                             'keys_here'])) then
    raise exception 'an audit asks for % here, which is no question of it', v_question ->> 'call'
      using errcode = 'ST004', hint = strata.remedy('ST004');
  end if;
  return strata.audit_answer(v_question ->> 'call', array(
    select a.text
      from jsonb_array_elements_text(v_question -> 'args') with ordinality as a (text, o) order by a.o));
end
$$;
comment on function strata.relay_answer(text, text) is
  'Answers a question of an audit that the tier before this one makes. ST004: it is '
  'none. ST006: no such relay.';
select strata.pin('strata.relay_answer(text, text)');
grant execute on function strata.relay_answer(text, text) to service_role;
