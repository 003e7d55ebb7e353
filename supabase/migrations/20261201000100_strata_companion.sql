-- Strata 0.1.0, companion: made by `deno task release` from supabase/schemas; not to be edited.
-- digest aa4e7b0048a1f4ce50368687966c9b53ffa2a93f45a772084ffce89e46df6895
-- Long because it is a whole release.

-- release/open.sql

-- The whole file is one transaction, as the Supabase CLI and the SQL editor send it; with psql, that is `psql
-- -1`. Statement by statement a failure in the middle would leave half a release: so that nothing is done
-- then, what follows finds itself read-only.

select pg_catalog.set_config('strata.read_only', case s.source when 'session' then s.setting else 'reset' end,
                             true)
  from pg_catalog.pg_settings as s where s.name = 'default_transaction_read_only';

do $$
begin
  if coalesce(pg_catalog.current_setting('strata.read_only', true), '') = '' then
    raise exception 'this file is one transaction, and was sent statement by statement: nothing is changed'
      using errcode = '25P01',
            hint = 'Push it with the Supabase CLI, or run psql -1 -v ON_ERROR_STOP=1 -f with it.';
  end if;
end
$$;

-- of transactions that begin from here on
select pg_catalog.set_config('default_transaction_read_only', 'on', false);

-- Names mean the same whatever search_path its owner has given the role or the database.
select pg_catalog.set_config('strata.search_path', pg_catalog.current_setting('search_path'), true);
select pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

-- One after the other, and never waiting for good: what cannot be locked within a minute ends the whole.
select pg_catalog.set_config('lock_timeout', '60s', true);
select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('strata.release', 0));

-- companion/release/begin.sql

-- The companion's release: the personal system and the spoken briefing, for whoever wants them (setup
-- --personal).

select pg_catalog.set_config('client_min_messages', 'warning', true);
select pg_catalog.set_config('check_function_bodies', 'off', true);

do $$
begin
  if pg_catalog.to_regclass('strata.releases') is null then
    raise exception 'the companion needs Strata, and this database has none of this release'
      using errcode = '55000', hint = 'Push the file of Strata itself, <date>_strata.sql, before this one.';
  end if;
  perform pg_catalog.set_config('strata.from', coalesce((
    select r.version from strata.releases as r
     where r.product = 'companion' order by r.installed_at desc limit 1), ''), true);
end
$$;

-- A table of the owner's that is called like one of the companion's stays as it is: nothing is made, granted
-- or taken there. The companion's own, left from before, is known by its comment.
do $$
declare
  v_taken text;
begin
  if pg_catalog.current_setting('strata.from') <> ''
     or pg_catalog.to_regclass('strata.owners') is not null then
    return;
  end if;
  select string_agg('public.' || o.name, ', ' order by o.name) into v_taken
    from (values
      ('daily_summaries', 'One day in a few sentences and numbers; written in the evening.'),
      ('shadow_work_current', 'Patterns the owner is working on: what set one off, and what it says.'),
      ('journal_entries', 'The journal, any number of entries a day.'),
      ('projects', 'Undertakings of more than one task. Only completed ones ever settle.'),
      ('tasks', 'Things to do. Only completed ones ever settle.'),
      ('productivity_analytics', 'Where a day''s attention went, as the tracker counted it.'),
      ('research_notes', 'Notes from reading, from a paragraph to a whole transcript.'),
      ('learning_materials', 'Books, courses and talks, and how far the owner got.'),
      ('contacts', 'People. Kept for ever: they settle, but no policy deletes them.'),
      ('templates', 'Texts to use again: mails, checklists, prompts, affirmations. Kept for ever.'),
      ('bot_sessions', 'Conversations with the assistant.'),
      ('analytics_events', 'Small things that happened, many a day.'),
      ('historical_analytics', 'A metric over a closed period, computed once and kept.'),
      ('raw_exports', 'What other services handed out about the owner, untouched.'),
      ('voice_recordings', 'Spoken words: the owner''s memos, and what was spoken to the owner.'),
      ('media_files', 'Pictures and scans, content included.'),
      ('system_backups', 'Which backups exist, where, and whether one was ever restored.')
    ) as o (name, says)
   where pg_catalog.to_regclass('public.' || o.name) is not null
     and pg_catalog.obj_description(pg_catalog.to_regclass('public.' || o.name),
                                    'pg_class') is distinct from o.says;
  if v_taken is not null then
    raise exception 'the companion has tables of these names, and they are taken: %', v_taken
      using errcode = '42P07', hint = 'Give yours other names, or set Strata up without the companion (no '
                                      '--personal, personal: false).';
  end if;
end
$$;

-- release/remember.sql

-- What is here before code and tables are made anew: which routines are this product's, and what its owner
-- has granted on them. He is asked for nothing twice: grants.sql and regrant.sql give it back.

do $$
declare
  v_old oid[] := '{}';
  v_granted jsonb := '[]';
begin
  if pg_catalog.current_setting('strata.from') = '0.0.0' then
    v_old := array(select p.oid from pg_catalog.pg_proc as p
                    where p.pronamespace = 'strata'::regnamespace and p.prorettype <> 'trigger'::regtype);
  elsif pg_catalog.current_setting('strata.from') <> '' then
    execute $sql$
      select array(select pg_catalog.to_regprocedure(unnest(r.routines))::oid
                     from (select r.routines from strata.releases as r where r.product = 'companion'
                            order by r.installed_at desc limit 1) as r)$sql$ into v_old;
    v_old := array(select p.oid from pg_catalog.pg_proc as p where p.oid = any (v_old));
  end if;
  -- What the release that was here has granted is in strata.rights; one from before there was that table
  -- granted to these two.
  execute $sql$
    select coalesce(jsonb_agg(jsonb_build_object(
             'routine', p.oid::regprocedure::text, 'name', p.proname, 'grantable', a.is_grantable,
             'grantee', case a.grantee when 0 then 'public' else a.grantee::regrole::text end)), '[]')
      from pg_catalog.pg_proc as p cross join lateral aclexplode(p.proacl) as a
     where p.oid = any ($1) and a.grantee <> p.proowner and $sql$
    || case when pg_catalog.to_regclass('strata.rights') is null
              then $sql$ a.grantee::regrole::text not in ('service_role', 'strata_mover')$sql$
            else $sql$ not exists (select from strata.rights as r
                                    where r.object = p.oid::regprocedure::text
                                      and r.grantee = a.grantee::regrole::text)$sql$ end
    into v_granted using v_old;
  perform pg_catalog.set_config('strata.old', v_old::text, true);
  perform pg_catalog.set_config('strata.old_routines',
    (select coalesce(jsonb_agg(o::regprocedure::text), '[]') from unnest(v_old) as o)::text, true);
  perform pg_catalog.set_config('strata.old_relations', array(
    select c.oid from pg_catalog.pg_class as c
     where c.relnamespace = pg_catalog.to_regnamespace('strata'))::text, true);
  perform pg_catalog.set_config('strata.granted', v_granted::text, true);
  perform pg_catalog.set_config('strata.open_relations', coalesce((
    select jsonb_agg(distinct format('%1$s to %2$s', c.oid::regclass,
                                     case a.grantee when 0 then 'public' else a.grantee::regrole::text end))
      from pg_catalog.pg_class as c cross join lateral aclexplode(c.relacl) as a
     where c.relnamespace = pg_catalog.to_regnamespace('strata')
       and (a.grantee = 0 or a.grantee in (select r.oid from pg_catalog.pg_roles as r
                                            where r.rolname in ('anon', 'authenticated')))), '[]')::text,
                                true);
end
$$;

-- release/drop.sql

-- Code is brought anew as a whole: `create or replace` cannot change what a routine returns, and keeps old
-- grants. What triggers call stays until it is replaced; so does a type that is still used.
do $$
declare
  v_old constant oid[] := pg_catalog.current_setting('strata.old')::oid[];
  v_users text;
begin
  select string_agg(distinct pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), ', ') into v_users
    from pg_catalog.pg_depend as d
   where d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = any (v_old)
     and not (d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = any (v_old));
  if v_users is not null then
    raise exception 'what is not of Strata needs its functions, which a release makes anew: %', v_users
      using errcode = 'ST068', hint = 'Drop the objects that the message names and push again; after an '
                                      'upgrade, make them anew.';
  end if;
  if v_old <> '{}' then
    execute 'drop routine ' || (select string_agg(o::regprocedure::text, ', ') from unnest(v_old) as o);
  end if;
end
$$;

-- What is still there is of the companion, or its owner's: note_release() does not count it as what this file
-- brings.
select pg_catalog.set_config('strata.not_ours', array(
  select p.oid from pg_catalog.pg_proc as p where p.pronamespace = pg_catalog.to_regnamespace('strata')
     and ('companion' <> 'strata' or pg_catalog.current_setting('strata.from') <> ''))::text, true);

-- A type that nothing stores goes as well, and then those that only it was made of.
do $$
declare
  v_type oid;
begin
  if pg_catalog.current_setting('strata.from') = '' then
    return;
  end if;
  loop
    select t.oid into v_type
      from pg_catalog.pg_type as t join pg_catalog.pg_class as c on c.oid = t.typrelid and c.relkind = 'c'
     where t.typnamespace = 'strata'::regnamespace and not exists (
       select from pg_catalog.pg_depend as d
        where d.refclassid = 'pg_catalog.pg_type'::regclass and d.refobjid in (t.oid, t.typarray)
          and d.deptype = 'n')
     limit 1;
    exit when not found;
    execute pg_catalog.format('drop type %s', v_type::regtype);
  end loop;
end
$$;

-- companion/tables.sql

create table if not exists strata.owners (
  owner text not null default 'owner',
  name text,
  language text not null default 'en',
  timezone text not null default 'UTC',
  wants_briefing boolean not null default true,
  voice_id text,
  model text not null default 'eleven_flash_v2_5',
  chat_id text,
  constraint owners_pkey primary key (owner),
  constraint owners_language_is_known check (language in ('en', 'de')),
  constraint owners_are_named check (owner ~ '^[a-z0-9_-]{1,40}$'),
  constraint owners_timezone_is_known check ((timestamptz 'epoch' at time zone timezone) is not null),
  constraint owners_names_are_short check (length(name) between 1 and 60)
);
comment on table strata.owners is
  'Who hears the briefing: by which name (null: none), in which language (en, de) and time zone; voice, '
  'model and chat are those of the function''s environment unless named here.';
alter table strata.owners enable row level security;

create table if not exists strata.affirmations (
  affirmation_id uuid not null default gen_random_uuid(),
  language text not null,
  says text not null,
  active boolean not null default true,
  template_id uuid,
  constraint affirmations_pkey primary key (affirmation_id),
  constraint affirmations_are_said_once unique (language, says),
  constraint affirmations_template_key unique (template_id),
  constraint affirmations_language_is_known check (language in ('en', 'de')),
  constraint affirmations_are_a_sentence check (length(says) between 3 and 300)
);
comment on table strata.affirmations is
  'Sentences the briefing chooses from; add with INSERT, silence with active = false. template_id: the '
  'template one was copied from.';
alter table strata.affirmations enable row level security;

create table if not exists strata.briefings (
  owner text not null,
  day date not null,
  state text not null,
  due_at timestamptz not null,
  attempts integer not null default 0,
  lease uuid,
  leased_until timestamptz,
  language text,
  channel text,
  reason text,
  says text,
  characters integer,
  seconds numeric,
  affirmation_id uuid,
  cost_id uuid,
  recording_id uuid,
  message_id text,
  sent_at timestamptz,
  trouble text,
  constraint briefings_pkey primary key (owner, day),
  constraint briefings_state_is_known check (state in ('due', 'composing', 'delivering', 'sent', 'failed',
                                                       'unknown')),
  constraint briefings_channel_is_known check (channel in ('voice', 'text')),
  constraint briefings_are_leased_while_worked_on check (state not in ('composing', 'delivering')
                                                         or (lease is not null and leased_until is not null)),
  constraint briefings_say_something check ((state <> 'delivering' or says is not null)
                                            and (state not in ('delivering', 'sent') or channel is not null)),
  constraint briefings_are_sent_at_a_time check ((state = 'sent') = (sent_at is not null)),
  constraint briefings_fail_for_a_reason check (state not in ('failed', 'unknown') or trouble is not null)
);
comment on table strata.briefings is
  'One row per owner and day: state, what was said (for keep_briefing_texts days), spoken or written and why '
  '(reason: which limit made it text, or shorter), what it cost (strata.costs), the recording, Telegram''s '
  'message, and what went wrong.';
alter table strata.briefings enable row level security;

create index if not exists briefings_affirmation_idx on strata.briefings (affirmation_id, day);

-- ---------------------------------------------------------------------------- days

create table if not exists public.daily_summaries (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  date date not null,
  summary text,
  highlights text[] not null default '{}',
  mood_score smallint check (mood_score between 1 and 10),
  energy_score smallint check (energy_score between 1 and 10),
  slept interval check (slept >= interval '0'),
  steps integer check (steps >= 0),
  weight_kg numeric(5, 2) check (weight_kg > 0),
  metrics jsonb not null default '{}'
);
comment on table public.daily_summaries is 'One day in a few sentences and numbers; written in the evening.';
comment on column public.daily_summaries.slept is 'Sleep in the night that led into this day.';
comment on column public.daily_summaries.metrics is
  'Whatever else was measured: {"coffee": 2, "pages_read": 14}.';

create table if not exists public.shadow_work_current (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  date date not null,
  theme text,
  occasion text,
  reflection text,
  reframe text,
  intensity smallint check (intensity between 0 and 10),
  state text not null default 'noticed' check (state in ('noticed', 'working', 'integrated'))
);
comment on table public.shadow_work_current is
  'Patterns the owner is working on: what set one off, and what it says.';
comment on column public.shadow_work_current.occasion is 'What set the pattern off.';
comment on column public.shadow_work_current.reframe is 'The same thing seen kindly; a sentence to keep.';

create table if not exists public.journal_entries (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  date date not null,
  content text not null,
  mood text,
  tags text[] not null default '{}'
);
comment on table public.journal_entries is 'The journal, any number of entries a day.';
comment on column public.journal_entries.mood is 'One word, as the writer put it.';

create index if not exists idx_daily_summaries_date on public.daily_summaries (date);

create index if not exists idx_shadow_work_date on public.shadow_work_current (date);

create index if not exists idx_journal_date on public.journal_entries (date);

-- ---------------------------------------------------------------------------- work

create table if not exists public.projects (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  name text not null,
  description text,
  status text not null default 'open' check (status in ('open', 'paused', 'completed', 'cancelled')),
  goals text[] not null default '{}',
  budget_eur numeric(12, 2) check (budget_eur >= 0),
  due_on date,
  completed_at timestamptz
);
comment on table public.projects is 'Undertakings of more than one task. Only completed ones ever settle.';
comment on column public.projects.completed_at is 'When it was last completed; kept when it is opened again.';

create table if not exists public.tasks (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  project_id uuid references public.projects (id),
  title text not null,
  notes text,
  status text not null default 'open'
    check (status in ('open', 'in_progress', 'waiting', 'completed', 'cancelled')),
  priority smallint not null default 3 check (priority between 1 and 5),
  due_on date,
  estimate interval check (estimate >= interval '0'),
  tags text[] not null default '{}',
  completed_at timestamptz
);
comment on table public.tasks is 'Things to do. Only completed ones ever settle.';
comment on column public.tasks.project_id is
  'Never cascades: a project stays while one of its tasks is still here. Colder tiers have no such key.';
comment on column public.tasks.priority is '1 is first, 5 is some day.';
comment on column public.tasks.completed_at is 'When it was last completed; kept when it is opened again.';

create index if not exists idx_tasks_project_id on public.tasks (project_id);

create table if not exists public.productivity_analytics (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  period tstzrange,
  focused interval,
  in_meetings interval,
  tasks_completed integer check (tasks_completed >= 0),
  by_hour integer[] check (cardinality(by_hour) = 24),
  by_application jsonb not null default '{}',
  score numeric(5, 2) check (score between 0 and 100)
);
comment on table public.productivity_analytics is 'Where a day''s attention went, as the tracker counted it.';
comment on column public.productivity_analytics.by_hour is 'Active minutes in each hour of the day, 0 to 23.';
comment on column public.productivity_analytics.by_application is 'Minutes by application name.';

-- ---------------------------------------------------------------------------- knowledge

create table if not exists public.research_notes (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  title text,
  content text,
  language text check (language in ('de', 'en')),
  source_url text,
  tags text[] not null default '{}',
  citations jsonb not null default '[]',
  confidence real check (confidence between 0 and 1)
);
comment on table public.research_notes is 'Notes from reading, from a paragraph to a whole transcript.';
comment on column public.research_notes.citations is 'Array of {"title", "year", "url"}.';
comment on column public.research_notes.confidence is 'How far the owner trusts the note, 0 to 1.';

create table if not exists public.learning_materials (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  title text,
  kind text not null default 'article' check (kind in ('article', 'book', 'course', 'podcast', 'video')),
  author text,
  language text check (language in ('de', 'en')),
  url text,
  excerpt text,
  duration interval check (duration >= interval '0'),
  progress numeric(4, 3) not null default 0 check (progress between 0 and 1),
  finished_on date
);
comment on table public.learning_materials is 'Books, courses and talks, and how far the owner got.';

create table if not exists public.contacts (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  name text not null,
  relation text check (relation in ('family', 'friend', 'colleague', 'client', 'service')),
  emails text[] not null default '{}',
  phones text[] not null default '{}',
  address jsonb,
  birthday date,
  notes text,
  last_met_on date
);
comment on table public.contacts is 'People. Kept for ever: they settle, but no policy deletes them.';
comment on column public.contacts.address is '{"street", "postcode", "city", "country"}';

create table if not exists public.templates (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  name text,
  kind text not null default 'text'
    check (kind in ('affirmation', 'checklist', 'email', 'journal', 'prompt', 'text')),
  language text check (language in ('de', 'en')),
  body text,
  variables text[] not null default '{}',
  version integer not null default 1 check (version > 0),
  last_used_at timestamptz
);
comment on table public.templates is
  'Texts to use again: mails, checklists, prompts, affirmations. Kept for ever.';
comment on column public.templates.variables is 'Names that stand in {{braces}} in the body.';

-- ---------------------------------------------------------------------------- machines

create table if not exists public.bot_sessions (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  channel text not null default 'telegram' check (channel in ('telegram', 'web', 'voice')),
  language text check (language in ('de', 'en')),
  messages jsonb not null default '[]',
  tokens_in bigint not null default 0 check (tokens_in >= 0),
  tokens_out bigint not null default 0 check (tokens_out >= 0),
  cost_usd numeric(12, 6) not null default 0 check (cost_usd >= 0),
  ended_at timestamptz
);
comment on table public.bot_sessions is 'Conversations with the assistant.';
comment on column public.bot_sessions.messages is 'Array of {"role", "text"} in the order they were said.';

create table if not exists public.analytics_events (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  name text,
  source text not null default 'web' check (source in ('app', 'bot', 'phone', 'web')),
  session_id uuid,
  client inet,
  value double precision,
  took interval,
  properties jsonb not null default '{}'
);
comment on table public.analytics_events is 'Small things that happened, many a day.';
comment on column public.analytics_events.session_id is
  'Events of one sitting share it. Not a key of bot_sessions: either may settle first.';

create table if not exists public.historical_analytics (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  metric text,
  period daterange,
  sample_count bigint check (sample_count >= 0),
  total numeric,
  mean double precision,
  percentiles double precision[] not null default '{}',
  breakdown jsonb not null default '{}'
);
comment on table public.historical_analytics is 'A metric over a closed period, computed once and kept.';
comment on column public.historical_analytics.percentiles is 'The 5th, 25th, 50th, 75th and 95th.';

-- ---------------------------------------------------------------------------- files

create table if not exists public.raw_exports (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  source text,
  payload json,
  record_count bigint check (record_count >= 0),
  sha256 bytea check (octet_length(sha256) = 32)
);
comment on table public.raw_exports is 'What other services handed out about the owner, untouched.';
comment on column public.raw_exports.payload is 'json, not jsonb: the text stays exactly as it was exported.';
comment on column public.raw_exports.sha256 is 'Of the payload''s text in UTF-8.';

create table if not exists public.voice_recordings (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  kind text not null default 'memo' check (kind in ('briefing', 'memo', 'notice')),
  language text check (language in ('de', 'en')),
  transcript text,
  mime_type text not null default 'audio/ogg',
  audio bytea,
  duration interval check (duration >= interval '0'),
  metadata jsonb not null default '{}'
);
comment on table public.voice_recordings is
  'Spoken words: the owner''s memos, and what was spoken to the owner.';
comment on column public.voice_recordings.metadata is 'About the making: voice, model, characters, cost.';

create table if not exists public.media_files (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  name text,
  mime_type text,
  content bytea,
  sha256 bytea check (octet_length(sha256) = 32),
  width integer check (width > 0),
  height integer check (height > 0),
  latitude double precision check (latitude between -90 and 90),
  longitude double precision check (longitude between -180 and 180),
  taken_at timestamptz
);
comment on table public.media_files is 'Pictures and scans, content included.';

create table if not exists public.system_backups (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  system text,
  kind text not null default 'full' check (kind in ('full', 'incremental')),
  location text,
  size_bytes bigint check (size_bytes >= 0),
  took interval,
  manifest jsonb not null default '{}',
  verified boolean not null default false
);
comment on table public.system_backups is 'Which backups exist, where, and whether one was ever restored.';
comment on column public.system_backups.manifest is 'File names and their CRC-32, in hexadecimal.';
comment on column public.system_backups.verified is 'True once it was restored and compared.';

-- ---------------------------------------------------------------------------- for every table

create index if not exists idx_daily_summaries_created_at on public.daily_summaries (created_at);
create index if not exists idx_shadow_work_created_at on public.shadow_work_current (created_at);
create index if not exists idx_journal_created_at on public.journal_entries (created_at);
create index if not exists idx_projects_created_at on public.projects (created_at);
create index if not exists idx_tasks_created_at on public.tasks (created_at);
create index if not exists idx_productivity_analytics_created_at
  on public.productivity_analytics (created_at);
create index if not exists idx_research_notes_created_at on public.research_notes (created_at);
create index if not exists idx_learning_materials_created_at on public.learning_materials (created_at);
create index if not exists idx_contacts_created_at on public.contacts (created_at);
create index if not exists idx_templates_created_at on public.templates (created_at);
create index if not exists idx_bot_sessions_created_at on public.bot_sessions (created_at);
create index if not exists idx_analytics_events_created_at on public.analytics_events (created_at);
create index if not exists idx_historical_analytics_created_at on public.historical_analytics (created_at);
create index if not exists idx_raw_exports_created_at on public.raw_exports (created_at);
create index if not exists idx_voice_recordings_created_at on public.voice_recordings (created_at);
create index if not exists idx_media_files_created_at on public.media_files (created_at);
create index if not exists idx_system_backups_created_at on public.system_backups (created_at);
alter table public.daily_summaries enable row level security;
alter table public.shadow_work_current enable row level security;
alter table public.journal_entries enable row level security;
alter table public.projects enable row level security;
alter table public.tasks enable row level security;
alter table public.productivity_analytics enable row level security;
alter table public.research_notes enable row level security;
alter table public.learning_materials enable row level security;
alter table public.contacts enable row level security;
alter table public.templates enable row level security;
alter table public.bot_sessions enable row level security;
alter table public.analytics_events enable row level security;
alter table public.historical_analytics enable row level security;
alter table public.raw_exports enable row level security;
alter table public.voice_recordings enable row level security;
alter table public.media_files enable row level security;
alter table public.system_backups enable row level security;
grant select, insert, update, delete on table
  public.daily_summaries, public.shadow_work_current, public.journal_entries, public.projects,
  public.tasks, public.productivity_analytics, public.research_notes, public.learning_materials,
  public.contacts, public.templates, public.bot_sessions, public.analytics_events,
  public.historical_analytics, public.raw_exports, public.voice_recordings, public.media_files,
  public.system_backups
  to service_role;

-- companion/briefing_times.sql

-- Briefing times: waking the function that speaks, the log it leaves, and what is wrong with it.
--
-- wake_voice() runs at the hour of the briefing: it writes down that today's is due and wakes the function.
-- What is not done is woken for again every 15 minutes (watchdog), a few times, and shows as an alert until
-- one is sent.

create or replace function strata.briefings_due()
returns integer
language sql
set search_path = pg_catalog, pg_temp
as $$
  with due as (
    insert into strata.briefings as b (owner, day, state, due_at)
    select o.owner, (strata.clock() at time zone o.timezone)::date, 'due', strata.clock()
      from strata.owners as o where o.wants_briefing
    on conflict (owner, day) do nothing
    returning 1
  )
  select count(*)::integer from due
$$;
comment on function strata.briefings_due() is
  'Notes that today''s briefings are due; returns how many were not noted yet.';

-- One that failed rests for as long as an attempt may take: waking the function again and again must not use
-- its attempts up.
create or replace function strata.briefings_to_send()
returns text[]
language sql
stable
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(b.owner order by b.owner), '{}')
    from strata.briefings as b join strata.owners as o on o.owner = b.owner and o.wants_briefing
   where b.day = (strata.clock() at time zone o.timezone)::date
     and b.due_at > strata.clock() - interval '6 hours' -- nobody wants to hear it in the evening
     and b.attempts < strata.setting('briefing_attempts')
     and (b.state = 'due'
          or (b.state in ('failed', 'composing', 'delivering') and b.leased_until < strata.clock()))
$$;
comment on function strata.briefings_to_send() is
  'Whose briefing of today is still to be sent, by whoever is woken for it.';

create or replace function strata.retry_briefings()
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_owners constant text[] := strata.briefings_to_send();
begin
  if cardinality(v_owners) > 0 then
    perform strata.invoke('strata-voice', '{"action": "send"}');
  end if;
  return cardinality(v_owners);
end
$$;
comment on function strata.retry_briefings() is
  'Wakes the function that speaks when a briefing of today is still to be sent; returns how many are.';

create or replace procedure strata.wake_voice()
language plpgsql
as $$
begin
  perform pg_catalog.set_config('default_transaction_read_only', 'off', false);
  commit;
  perform strata.briefings_due();
  perform strata.retry_briefings();
  commit;
end
$$;
comment on procedure strata.wake_voice() is
  'What cron calls at the hour of the briefing. Works on a read-only database. Commits: must be the only '
  'statement, outside a transaction.';

create or replace function strata.briefing_log(p_owner text, p_limit integer default 14)
returns table (
  day date, state text, channel text, reason text, says text, characters integer, seconds numeric,
  usd numeric, sent_at timestamptz, attempts integer, trouble text, recording_id uuid
)
language sql
stable
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
  select b.day, b.state, b.channel, b.reason, b.says, b.characters, b.seconds, c.usd, b.sent_at, b.attempts,
         b.trouble, b.recording_id
    from strata.briefings as b left join strata.costs as c on c.cost_id = b.cost_id
   where b.owner = (strata.owner_named(p_owner)).owner
   order by b.day desc limit least(greatest(p_limit, 1), 100)
$$;
comment on function strata.briefing_log(text, integer) is
  'The last briefings of an owner, newest first; at most 100. ST093: no such owner.';

create or replace function strata.briefing_conditions()
returns setof strata.condition
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'briefing', strata.tier(), b.owner, 'warning',
         format('the briefing of %1$s %2$s', b.day, case b.state
           when 'failed' then 'could not be sent: ' || b.trouble
           when 'unknown' then 'may not have arrived: ' || b.trouble
           when 'due' then 'was due at ' || to_char(b.due_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
                           || ' and nobody has sent it'
           else 'was begun and not finished' end),
         case b.state when 'unknown' then 'Look at the chat; deno task strata voice preview shows it. '
                                          'Tomorrow''s is sent as usual.'
              else 'deno task strata voice send tries again and says what is in the way; '
                   'strata.owners turns briefings off.' end
    from (select distinct on (x.owner) x.* from strata.briefings as x order by x.owner, x.day desc) as b
    join strata.owners as o on o.owner = b.owner and o.wants_briefing
   where b.state in ('failed', 'unknown')
      -- where none was ever sent, nobody has set it up
      or (b.state = 'due' and b.due_at < strata.clock() - interval '1 hour'
          and exists (select from strata.briefings as x where x.owner = b.owner and x.state = 'sent'))
      or (b.state in ('composing', 'delivering') and b.leased_until < strata.clock() - interval '1 hour')
$$;
comment on function strata.briefing_conditions() is 'The alert that an owner''s last briefing was not sent.';

create or replace function strata.prune_briefings()
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  delete from strata.briefings as b
   where b.day < (strata.clock() at time zone 'UTC')::date - strata.setting('keep_briefings')::integer;
  update strata.briefings as b set says = null,
         trouble = coalesce(b.trouble,
                            case b.state when 'delivering' then 'nobody noted whether it arrived' end),
         state = case b.state when 'delivering' then 'unknown' else b.state end
   where b.day < (strata.clock() at time zone 'UTC')::date - strata.setting('keep_briefing_texts')::integer
     and b.says is not null
$$;
comment on function strata.prune_briefings() is
  'Drops briefings older than keep_briefings, and what those said that are older than keep_briefing_texts.';

-- companion/briefings.sql

-- Briefings: one spoken message a day for each owner, and the log of them.
--
-- The function `strata-voice` composes, speaks and sends; what it must not forget is here. A briefing is a
-- row per owner and day (of the owner's time zone), so that nobody hears the same day twice:
--
--   due ──▶ composing ──▶ delivering ──▶ sent
--              │              ├──▶ failed     refused for certain: may be tried again the same day
--              └──▶ failed    └──▶ unknown    the answer was lost: it may have arrived, and is not sent again
--
-- Whoever works on one holds its lease. A lease that runs out while composing may be taken over; one that
-- runs out while delivering ends in `unknown`. What was spoken is stored before it is sent, so that another
-- attempt does not pay again.
--
-- pg_net only wakes the function (wake_voice, at the hour of the briefing); what then is not done within
-- minutes is woken for again by watchdog(), and is an alert when it stays undone.
--
-- Affirmations have a table of their own because they are wanted every day, for ever, on core: templates of
-- that kind settle with the others, so learn_affirmations() (personal facts) copies them while they are here.
-- One that was spoken rests 14 days.

create or replace function strata.owner_named(p_owner text)
returns strata.owners
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_owner strata.owners;
begin
  select o.* into v_owner from strata.owners as o where o.owner = p_owner;
  if not found then
    raise exception 'there is no owner "%"', p_owner using errcode = 'ST093', hint = strata.remedy('ST093');
  end if;
  return v_owner;
end
$$;
comment on function strata.owner_named(text) is 'An owner by key. ST093: there is none.';

create or replace function strata.briefing_owners()
returns text[]
language sql
stable
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(o.owner order by o.owner), '{}') from strata.owners as o where o.wants_briefing
$$;
comment on function strata.briefing_owners() is 'Who wants a briefing.';

-- The one that has rested longest; of several, another one each day.
create or replace function strata.choose_affirmation(
  p_owner text, p_language text, p_day date, out affirmation_id uuid, out says text
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select a.affirmation_id, a.says
    from strata.affirmations as a
    left join lateral (select max(b.day) as day from strata.briefings as b
                        where b.affirmation_id = a.affirmation_id and b.owner = p_owner
                          and b.state in ('delivering', 'sent', 'unknown')) as l on true
   where a.active and a.language = p_language
     and (l.day is null or p_day - l.day > strata.setting('affirmation_rests'))
   order by l.day nulls first, md5(a.affirmation_id::text || p_day) limit 1
$$;
comment on function strata.choose_affirmation(text, text, date) is
  'An affirmation this owner has not heard in the last 14 days, the longest rested first; '
  'nulls when there is none.';

create or replace function strata.open_briefing(
  p_owner text, out day date, out state text, out lease uuid, out says text, out recording_id uuid
)
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
declare
  v_owner constant strata.owners := strata.owner_named(p_owner);
  v_briefing strata.briefings;
begin
  day := (strata.clock() at time zone v_owner.timezone)::date;
  insert into strata.briefings as b (owner, day, state, due_at)
  values (p_owner, open_briefing.day, 'due', strata.clock())
  on conflict on constraint briefings_pkey do nothing;
  select b.* into v_briefing from strata.briefings as b
   where b.owner = p_owner and b.day = open_briefing.day for update;
  if v_briefing.state = 'delivering' and v_briefing.leased_until < strata.clock() then
    update strata.briefings as b
       set state = 'unknown', trouble = 'whoever sent it did not say whether it arrived'
     where b.owner = p_owner and b.day = open_briefing.day returning b.* into v_briefing;
  elsif v_briefing.state in ('due', 'failed')
    or (v_briefing.state = 'composing' and v_briefing.leased_until < strata.clock()) then
    update strata.briefings as b
       set state = 'composing', lease = gen_random_uuid(), attempts = b.attempts + 1,
           leased_until = strata.clock() + make_interval(secs => strata.setting('briefing_lease'))
     where b.owner = p_owner and b.day = open_briefing.day returning b.* into v_briefing;
    lease := v_briefing.lease;
  end if;
  state := v_briefing.state;
  says := coalesce(v_briefing.says, v_briefing.trouble);
  recording_id := v_briefing.recording_id;
end
$$;
comment on function strata.open_briefing(text) is
  'Takes today''s briefing of an owner in hand, with a lease; no lease: it was sent (or may have '
  'been), or somebody is at it. Recording: what an earlier attempt paid for. Two at once: one gets the '
  'lease. ST093: no such owner.';

create or replace function strata.start_delivery(
  p_lease uuid, p_says text, p_language text, p_channel text, p_characters integer,
  p_reason text default null, p_seconds numeric default null,
  p_affirmation_id uuid default null, p_cost_id uuid default null, p_recording_id uuid default null
)
returns void
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
begin
  update strata.briefings as b
     set state = 'delivering', says = p_says, language = p_language, channel = p_channel,
         characters = p_characters, reason = p_reason,
         seconds = p_seconds, affirmation_id = p_affirmation_id, cost_id = coalesce(p_cost_id, b.cost_id),
         recording_id = p_recording_id, trouble = null,
         leased_until = strata.clock() + make_interval(secs => strata.setting('briefing_lease'))
   where b.lease = p_lease and b.state = 'composing' and b.leased_until >= strata.clock();
  if not found then
    raise exception 'that briefing is not being composed under this lease'
      using errcode = 'ST094', hint = strata.remedy('ST094');
  end if;
end
$$;
comment on function strata.start_delivery(uuid, text, text, text, integer, text, numeric, uuid, uuid, uuid) is
  'Says that the next thing is to send the briefing: from here on it is not sent a second time unless it is '
  'refused for certain. ST094: not composing under this lease.';

create or replace function strata.finish_briefing(
  p_lease uuid, p_message_id text, p_channel text default null, p_reason text default null
)
returns void
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Late is better than never: that it was sent is true whatever somebody concluded meanwhile.
  update strata.briefings as b
     set state = 'sent', sent_at = strata.clock(), message_id = p_message_id, trouble = null,
         channel = coalesce(p_channel, b.channel), reason = coalesce(p_reason, b.reason)
   where b.lease = p_lease and b.state in ('delivering', 'unknown');
  if not found then
    raise exception 'that briefing is not being delivered under this lease'
      using errcode = 'ST094', hint = strata.remedy('ST094');
  end if;
end
$$;
comment on function strata.finish_briefing(uuid, text, text, text) is
  'The briefing was sent, as this message, and after all over this channel. ST094: not '
  'delivering under this lease.';

create or replace function strata.fail_briefing(p_lease uuid, p_trouble text, p_may_have_arrived boolean)
returns void
language plpgsql
security definer -- the edge functions call it as service_role
set search_path = pg_catalog, pg_temp
as $$
begin
  update strata.briefings as b
     set state = case when p_may_have_arrived then 'unknown' else 'failed' end, trouble = left(p_trouble, 500)
   where b.lease = p_lease and b.state in ('composing', 'delivering');
  if not found then
    raise exception 'that briefing is not being worked on under this lease'
      using errcode = 'ST094', hint = strata.remedy('ST094');
  end if;
end
$$;
comment on function strata.fail_briefing(uuid, text, boolean) is
  'The briefing was not sent, and why; or it may have been, and is not sent again. '
  'ST094: not under this lease.';

-- companion/facts.sql

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
create or replace function strata.fact_part(p_function text, p_owner strata.owners, p_day date)
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

create or replace function strata.task_facts(p_owner strata.owners, p_day date)
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

create or replace function strata.completed_tasks(p_owner strata.owners, p_from date, p_to date)
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

create or replace function strata.yesterday_facts(p_owner strata.owners, p_day date)
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

create or replace function strata.week_facts(p_owner strata.owners, p_day date)
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

create or replace function strata.learn_affirmations()
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

create or replace function strata.briefing_facts(p_owner text)
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

create or replace function strata.store_recording(
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

create or replace function strata.read_recording(
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

-- companion/personal.sql

-- The personal system: seventeen tables of one person's life and work, and the last chapter.
--
-- Strata works without it: nothing else mentions these tables, so whoever brings their own deletes
-- this file. Every tier gets the same chapter; which rows live where, and for how long, is said in
-- strata.yaml, not here.
--
-- What all tables share: `id`, `created_at` (the row's age, indexed), row level security, and access
-- for service_role alone. It is one owner's diary, so neither anon nor authenticated is let in. To
-- open a table to a signed-in owner, grant it and name that owner:
--
--   grant select on public.tasks to authenticated;
--   create policy owner_reads on public.tasks for select to authenticated
--     using ((select auth.uid()) = '<the owner''s id>');
--
-- Days: `date` is the day a row is about. When it is not given it is the UTC day of `created_at`.

create or replace function public.date_from_created_at ()
returns trigger
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  new.date := (new.created_at at time zone 'utc')::date;
  return new;
end;
$$;
comment on function public.date_from_created_at () is
  'Trigger: the UTC day of created_at, for a row that came without a date. A row that has one passes '
  'untouched, as it must on a colder tier.';

create or replace trigger fill_date before insert on public.daily_summaries
  for each row when (new.date is null) execute function public.date_from_created_at();

create or replace trigger fill_date before insert on public.shadow_work_current
  for each row when (new.date is null) execute function public.date_from_created_at();

create or replace trigger fill_date before insert on public.journal_entries
  for each row when (new.date is null) execute function public.date_from_created_at();

-- companion/seed.sql

insert into strata.errors (code, cause, remedy) values
  ('ST093', 'there is no such owner', 'select owner from strata.owners; add one with an INSERT'),
  ('ST094', 'the briefing is not in that step, or somebody else is working on it',
   'nothing: whoever holds it goes on, and it is looked at again')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('affirmation_rests', 14, 'days', 'how long an affirmation is not repeated'),
  ('briefing_lease', 180, 'seconds',
   'how long whoever composes or delivers a briefing has for it; more than a function may run'),
  ('briefing_attempts', 5, 'attempts', 'how often a day''s briefing is tried, by itself'),
  ('keep_briefings', 400, 'days', 'how long briefings stay in the log'),
  ('keep_briefing_texts', 30, 'days', 'how long the log keeps what a briefing said')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.alert_kinds (kind, is_condition, says) values
  ('briefing', true, 'the last briefing was not sent')
on conflict (kind) do update set is_condition = excluded.is_condition, says = excluded.says;

insert into strata.owners default values
on conflict do nothing;

insert into strata.affirmations (language, says) values
  ('en', 'One thing at a time is enough.'),
  ('en', 'I may begin before I feel ready.'),
  ('en', 'What I finish today does not wait for me tomorrow.'),
  ('en', 'I can be kind and clear at the same time.'),
  ('en', 'Rest is part of the work.'),
  ('en', 'I do not have to carry everything at once.'),
  ('en', 'A small step still moves me forward.'),
  ('en', 'I can ask for help, and I can say no.'),
  ('en', 'My worth is not the length of my list.'),
  ('en', 'I notice what went well.'),
  ('en', 'I choose what gets my attention.'),
  ('en', 'Today I can do something that I will be glad of.'),
  ('en', 'I am allowed to change my mind.'),
  ('en', 'Done is better than perfect.'),
  ('en', 'I have got through hard days before.'),
  ('en', 'I can let go of what is not mine to do.'),
  ('en', 'There is time for what matters.'),
  ('en', 'I learn from what did not work.'),
  ('en', 'I breathe first and answer then.'),
  ('en', 'I keep the promises I make to myself.'),
  ('en', 'Slow is fine as long as I do not stop.'),
  ('en', 'I am further than I was a year ago.'),
  ('en', 'I can enjoy this day before it is perfect.'),
  ('en', 'What I need to know next, I can find out.'),
  ('de', 'Eins nach dem anderen genügt.'),
  ('de', 'Ich darf anfangen, bevor ich mich bereit fühle.'),
  ('de', 'Was ich heute abschließe, wartet morgen nicht auf mich.'),
  ('de', 'Ich kann freundlich und klar zugleich sein.'),
  ('de', 'Ausruhen gehört zur Arbeit.'),
  ('de', 'Ich muss nicht alles auf einmal tragen.'),
  ('de', 'Auch ein kleiner Schritt bringt mich weiter.'),
  ('de', 'Ich darf um Hilfe bitten, und ich darf nein sagen.'),
  ('de', 'Mein Wert hängt nicht von der Länge meiner Liste ab.'),
  ('de', 'Ich bemerke, was gut gelaufen ist.'),
  ('de', 'Ich entscheide, worauf ich achte.'),
  ('de', 'Heute kann ich etwas tun, über das ich mich freuen werde.'),
  ('de', 'Ich darf meine Meinung ändern.'),
  ('de', 'Fertig ist besser als vollkommen.'),
  ('de', 'Ich habe schon schwere Tage überstanden.'),
  ('de', 'Ich kann loslassen, was nicht meine Aufgabe ist.'),
  ('de', 'Für das Wichtige ist Zeit.'),
  ('de', 'Ich lerne aus dem, was nicht gelungen ist.'),
  ('de', 'Ich atme erst und antworte dann.'),
  ('de', 'Ich halte, was ich mir selbst verspreche.'),
  ('de', 'Langsam ist in Ordnung, solange ich nicht stehen bleibe.'),
  ('de', 'Ich bin weiter als vor einem Jahr.'),
  ('de', 'Ich kann diesen Tag genießen, bevor er vollkommen ist.'),
  ('de', 'Was ich als Nächstes wissen muss, kann ich herausfinden.')
on conflict do nothing;

insert into strata.schedules (job, cron, command, tiers, says) values
  ('strata-briefing', '0 7 * * *', 'call strata.wake_voice()', '{core}', 'the spoken briefing of the morning')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;

insert into strata.registry (product, occasion, place, routine) values
  ('companion', 'condition', 100, 'briefing_conditions')
on conflict (occasion, routine) do update set place = excluded.place;

insert into strata.registry (product, occasion, place, routine) values
  ('companion', 'watchdog', 10, 'retry_briefings')
on conflict (occasion, routine) do update set place = excluded.place;

insert into strata.registry (product, occasion, place, routine) values
  ('companion', 'prune', 50, 'prune_briefings')
on conflict (occasion, routine) do update set place = excluded.place;

-- release/grants.sql

-- One sweep, before the grants that follow: nobody has a right to what this file made. What default
-- privileges of the owner's gave on new routines is remembered; on those that were here before counts what
-- was granted on each.
--
-- Nothing of schema strata is open to public, anon and authenticated, whom a publishable key makes everybody.

revoke all on schema strata from public;
revoke all on all tables in schema strata from public;
revoke all on all sequences in schema strata from public;
revoke all on all routines in schema strata from public;

do $$
declare
  v_role name;
  v_one record;
begin
  for v_role in
    select r.rolname from pg_catalog.pg_roles as r where r.rolname in ('anon', 'authenticated')
  loop
    execute format('revoke all on schema strata from %I', v_role);
    execute format('revoke all on all tables in schema strata from %I', v_role);
    execute format('revoke all on all sequences in schema strata from %I', v_role);
    execute format('revoke all on all routines in schema strata from %I', v_role);
  end loop;
  for v_one in
    select p.oid::regprocedure::text as routine, p.proname as name, a.grantee::regrole::text as grantee,
           a.is_grantable as grantable
      from pg_catalog.pg_proc as p cross join lateral aclexplode(p.proacl) as a
     where p.pronamespace = 'strata'::regnamespace and a.grantee not in (0, p.proowner)
       and p.oid <> all (current_setting('strata.not_ours')::oid[])
  loop
    execute format('revoke all on routine %1$s from %2$s cascade', v_one.routine, v_one.grantee);
    if v_one.grantee not in ('service_role', 'strata_mover')
       and not current_setting('strata.old_routines')::jsonb ? v_one.routine then
      perform pg_catalog.set_config(
        'strata.granted', (current_setting('strata.granted')::jsonb || to_jsonb(v_one))::text, true);
    end if;
  end loop;
  for v_one in
    select c.oid::regclass::text as relation, a.grantee::regrole::text as grantee
      from pg_catalog.pg_class as c cross join lateral aclexplode(c.relacl) as a
     where c.relnamespace = 'strata'::regnamespace and c.relkind in ('r', 'p', 'v', 'S')
       and a.grantee in
    (select r.oid from pg_catalog.pg_roles as r where r.rolname in ('service_role', 'strata_mover'))
       and c.oid <> all (current_setting('strata.old_relations')::oid[])
     group by c.oid, a.grantee
  loop
    execute format('revoke all on table %1$s from %2$s', v_one.relation, v_one.grantee);
  end loop;
end
$$;

grant execute on function strata.briefings_to_send() to service_role;
grant execute on function strata.briefing_log(text, integer) to service_role;
grant execute on function strata.briefing_owners() to service_role;
grant execute on function strata.open_briefing(text) to service_role;
grant execute on function strata.start_delivery(uuid, text, text, text, integer, text, numeric, uuid, uuid,
                                                uuid) to service_role;
grant execute on function strata.finish_briefing(uuid, text, text, text) to service_role;
grant execute on function strata.fail_briefing(uuid, text, boolean) to service_role;
grant execute on function strata.briefing_facts(text) to service_role;
grant execute on function strata.store_recording(text, text, text, text, text, numeric, text) to service_role;
grant execute on function strata.read_recording(uuid) to service_role;
-- companion/release/end.sql

-- The end: nobody may do more than is granted above.

-- Older projects grant what is new to everyone by themselves: taken back, so that old and new are alike.
-- A plain Postgres has no such roles.
do $$
declare
  v_role name;
begin
  for v_role in
    select r.rolname from pg_catalog.pg_roles as r where r.rolname in ('anon', 'authenticated')
  loop
    execute format('revoke execute on function public.date_from_created_at () from %I', v_role);
    execute format('revoke all on table
      public.daily_summaries, public.shadow_work_current, public.journal_entries, public.projects,
      public.tasks, public.productivity_analytics, public.research_notes, public.learning_materials,
      public.contacts, public.templates, public.bot_sessions, public.analytics_events,
      public.historical_analytics, public.raw_exports, public.voice_recordings, public.media_files,
      public.system_backups from %I', v_role);
  end loop;
end
$$;

revoke execute on function public.date_from_created_at() from public;
select strata.note_rights();
select strata.note_release('companion', '0.1.0',
  'aa4e7b0048a1f4ce50368687966c9b53ffa2a93f45a772084ffce89e46df6895');

notify pgrst, 'reload schema';

-- release/regrant.sql

-- What the owner granted is granted again: on the same routine, else on the one of that name, where there is
-- one. Not to whoever has a publishable key, and not to neighbours, who may do what a release says: that is
-- named.

do $$
declare
  v_one record;
  v_routine text;
  v_left text[] := array(select jsonb_array_elements_text(current_setting('strata.open_relations')::jsonb));
begin
  for v_one in
    select g.routine, g.name, g.grantee, g.grantable
      from jsonb_to_recordset(current_setting('strata.granted')::jsonb) as g (routine text, name text,
                                                                              grantee text, grantable boolean)
     order by g.routine, g.grantee
  loop
    v_routine := coalesce(to_regprocedure(v_one.routine)::text, (
      select min(p.oid::regprocedure::text) from pg_catalog.pg_proc as p
       where p.pronamespace = 'strata'::regnamespace and p.proname = v_one.name having count(*) = 1));
    if v_routine is null or v_one.grantee in ('public', 'anon', 'authenticated', 'strata_mover') then
      v_left := v_left || format('%1$s to %2$s', v_one.routine, v_one.grantee);
    else
      execute format('grant execute on routine %1$s to %2$s%3$s', v_routine, v_one.grantee,
                     case when v_one.grantable then ' with grant option' end);
    end if;
  end loop;
  if v_left <> '{}' then
    raise warning 'not granted again: %', array_to_string(v_left, '; ')
      using hint = 'Whoever comes with a publishable key is to call a function of your own, in a schema of '
                   'your own, that calls Strata''s.';
  end if;
end
$$;

-- release/close.sql

-- The session is again as it was.

select pg_catalog.set_config('search_path', pg_catalog.current_setting('strata.search_path', true), true);
select pg_catalog.set_config('default_transaction_read_only',
                             case pg_catalog.current_setting('strata.read_only', true)
                               -- null: what it is by default
                               when 'on' then 'on' when 'off' then 'off' end, false);
