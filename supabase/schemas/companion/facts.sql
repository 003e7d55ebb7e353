-- Briefing facts: what the personal system has to tell, and where spoken words are kept.
--
-- This chapter reads the personal system and is the only one that does. Every part looks first whether its
-- table is there and copes with one that is not, or that has other columns because it is somebody's own: that
-- part is then empty, and its trouble is among the facts. So the personal system can be removed, and this
-- chapter stays.
--
-- Only what is on core is read: the briefing is about today, yesterday and this week, and that has not
-- settled yet.

-- Parts are functions by name so that one that fails leaves the others whole.
create function strata.fact_part(p_function text, p_owner strata.owners, p_day date)
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_fact jsonb;
begin
  execute format('select strata.%I($1, $2)', p_function) into v_fact using p_owner, p_day;
  return v_fact;
exception when undefined_table or undefined_column or undefined_function or datatype_mismatch
or insufficient_privilege
            or cannot_coerce or invalid_text_representation then
  return jsonb_build_object('trouble', sqlerrm);
end
$$;
comment on function strata.fact_part(text, strata.owners, date) is
  'One part of the facts; {"trouble": …} when its tables are other ones than the personal system''s.';

create function strata.task_facts(p_owner strata.owners, p_day date)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if to_regclass('public.tasks') is null then
    return null;
  end if;
  return (
    with open as (
      select t.title, t.due_on, t.priority, t.status, t.created_at, t.id from public.tasks as t
       where t.status in ('open', 'in_progress') and trim(t.title) <> ''
    )
    select jsonb_build_object('open', (select count(*) from open),
                              'top', coalesce(jsonb_agg(x.task order by x.place), '[]'))
      from (select jsonb_build_object('title', left(o.title, 300), 'due_on', o.due_on) as task,
                   row_number() over (order by coalesce(o.due_on <= p_day, false) desc, o.priority,
                                               o.due_on nulls last,
                                               o.status = 'in_progress' desc, o.created_at, o.id) as place
              from open as o order by place limit 3) as x);
end
$$;
comment on function strata.task_facts(strata.owners, date) is
  'How many tasks are open, and the first three: due ones before others, then by '
  'priority, due date, begun, age.';

create function strata.completed_tasks(p_owner strata.owners, p_from date, p_to date)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if to_regclass('public.tasks') is null then
    return 0;
  end if;
  return (select count(*) from public.tasks as t
           where t.status = 'completed' and t.completed_at >= p_from::timestamp at time zone p_owner.timezone
             and t.completed_at < (p_to + 1)::timestamp at time zone p_owner.timezone);
exception when undefined_column or undefined_function or datatype_mismatch then
  return null; -- somebody's own table; task_facts() says so
end
$$;
comment on function strata.completed_tasks(strata.owners, date, date) is
  'How many tasks were completed from one day of the owner to another; null when the '
  'table is somebody''s own.';

create function strata.yesterday_facts(p_owner strata.owners, p_day date)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_fact jsonb := jsonb_build_object('completed', strata.completed_tasks(p_owner, p_day - 1, p_day - 1));
begin
  if to_regclass('public.daily_summaries') is not null then
    v_fact := v_fact || coalesce((
      select jsonb_build_object('summary', left(s.summary, 1000), 'mood', s.mood_score,
                                'slept_minutes', round(extract(epoch from s.slept) / 60)::integer,
                                'steps', s.steps)
        from public.daily_summaries as s where s.date = p_day - 1 order by s.created_at desc, s.id limit 1),
                                 '{}');
  end if;
  return v_fact;
end
$$;
comment on function strata.yesterday_facts(strata.owners, date) is
  'Yesterday: its summary and numbers, when there is one, and how many tasks were completed.';

create function strata.week_facts(p_owner strata.owners, p_day date)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- on a Monday there is only the last one to tell of
  v_is_over constant boolean := extract(isodow from p_day) = 1;
  v_from constant date := date_trunc('week', p_day::timestamp)::date - case when v_is_over then 7 else 0 end;
  v_to constant date := p_day - 1;
  v_fact jsonb := jsonb_build_object('is_over', v_is_over,
                                     'completed', strata.completed_tasks(p_owner, v_from, v_to));
begin
  if to_regclass('public.daily_summaries') is not null then
    v_fact := v_fact || (
      select jsonb_build_object('mood', round(avg(s.mood_score), 1),
                                'slept_minutes', round(extract(epoch from avg(s.slept)) / 60)::integer,
                                'days', count(*))
        from public.daily_summaries as s where s.date between v_from and v_to);
  end if;
  -- those of last Monday are settling
  if to_regclass('public.journal_entries') is not null and not v_is_over then
    v_fact := v_fact || (select jsonb_build_object('journal_days', count(distinct j.date))
                           from public.journal_entries as j where j.date between v_from and v_to);
  end if;
  return v_fact;
end
$$;
comment on function strata.week_facts(strata.owners, date) is
  'The week from Monday to yesterday, on a Monday the whole last one: tasks completed, days written '
  'in the journal, averages.';

create function strata.learn_affirmations()
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_learned integer;
begin
  if to_regclass('public.templates') is null then
    return 0;
  end if;
  update strata.affirmations as a set says = trim(t.body), language = t.language
    from public.templates as t
   where t.id = a.template_id and (a.says, a.language) is distinct from (trim(t.body), t.language)
     and t.language in ('en', 'de') and length(trim(t.body)) between 3 and 300
     and not exists (select from strata.affirmations as x
                      where x.says = trim(t.body) and x.language = t.language);
  insert into strata.affirmations as a (language, says, template_id)
  select distinct on (t.language, trim(t.body)) t.language, trim(t.body), t.id
    from public.templates as t
   where t.kind = 'affirmation' and t.language in ('en', 'de') and length(trim(t.body)) between 3 and 300
     and not exists (select from strata.affirmations as x where x.template_id = t.id)
   order by t.language, trim(t.body), t.created_at
  on conflict do nothing;
  get diagnostics v_learned = row_count;
  return v_learned;
end
$$;
comment on function strata.learn_affirmations() is
  'Copies templates of kind affirmation that are on core, because they settle; follows their changes while '
  'they are here. Returns how many are new.';

create function strata.briefing_facts(p_owner text)
returns jsonb
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
declare
  v_owner constant strata.owners := strata.owner_named(p_owner);
  v_local constant timestamp := strata.clock() at time zone v_owner.timezone;
  v_day constant date := v_local::date;
  v_affirmation record;
begin
  begin
    perform strata.learn_affirmations();
  exception when undefined_column or undefined_function or datatype_mismatch then
    raise notice 'public.templates is not the personal system''s: %', sqlerrm;
  end;
  v_affirmation := strata.choose_affirmation(p_owner, v_owner.language, v_day);
  return jsonb_build_object(
    'owner', to_jsonb(v_owner), 'day', v_day, 'hour', extract(hour from v_local)::integer,
    'tasks', strata.fact_part('task_facts', v_owner, v_day),
    'yesterday', strata.fact_part('yesterday_facts', v_owner, v_day),
    'week', strata.fact_part('week_facts', v_owner, v_day),
    'affirmation', case when v_affirmation.affirmation_id is not null
                        then jsonb_build_object('id', v_affirmation.affirmation_id,
                                                'says', v_affirmation.says) end);
end
$$;
comment on function strata.briefing_facts(text) is
  'Everything today''s briefing of an owner may say, as JSON: owner, day, hour, tasks, yesterday, '
  'week, affirmation; parts that are not known are null. Changes nothing but the affirmations it '
  'learns. ST093: no such owner.';
grant execute on function strata.briefing_facts(text) to service_role;

create function strata.store_recording(
  p_kind text, p_language text, p_transcript text, p_mime_type text, p_audio text,
  p_seconds numeric, p_metadata text
)
returns uuid
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  if to_regclass('public.voice_recordings') is null then
    return null;
  end if;
  insert into public.voice_recordings (created_at, kind, language, transcript, mime_type, audio, duration,
                                       metadata)
  values (strata.clock(), p_kind, p_language, p_transcript, p_mime_type, decode(p_audio, 'hex'),
          make_interval(secs => p_seconds::double precision), p_metadata::jsonb)
  returning id into v_id;
  return v_id;
end
$$;
comment on function strata.store_recording(text, text, text, text, text, numeric, text) is
  'Keeps what was spoken (in hexadecimal; and JSON about it as text: either crosses REST untouched) as a '
  'voice recording, which settles like everything else; null where there is no such table.';
grant execute on function strata.store_recording(text, text, text, text, text, numeric, text) to service_role;

create function strata.read_recording(
  p_recording_id uuid, out mime_type text, out audio text, out seconds numeric
)
language plpgsql
stable
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
begin
  if to_regclass('public.voice_recordings') is not null then
    select r.mime_type, encode(r.audio, 'hex'), extract(epoch from r.duration) into mime_type, audio, seconds
      from public.voice_recordings as r where r.id = p_recording_id;
  end if;
end
$$;
comment on function strata.read_recording(uuid) is
  'A voice recording that is still on this tier, in hexadecimal; nulls when it has settled.';
grant execute on function strata.read_recording(uuid) to service_role;
