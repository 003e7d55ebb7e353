create table strata.owners (
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

create table strata.affirmations (
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

create table strata.briefings (
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

create index briefings_affirmation_idx on strata.briefings (affirmation_id, day);

-- ---------------------------------------------------------------------------- days

create table public.daily_summaries (
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

create table public.shadow_work_current (
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

create table public.journal_entries (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  date date not null,
  content text not null,
  mood text,
  tags text[] not null default '{}'
);
comment on table public.journal_entries is 'The journal, any number of entries a day.';
comment on column public.journal_entries.mood is 'One word, as the writer put it.';

create index idx_daily_summaries_date on public.daily_summaries (date);

create index idx_shadow_work_date on public.shadow_work_current (date);

create index idx_journal_date on public.journal_entries (date);

-- ---------------------------------------------------------------------------- work

create table public.projects (
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

create table public.tasks (
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

create index idx_tasks_project_id on public.tasks (project_id);

create table public.productivity_analytics (
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

create table public.research_notes (
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

create table public.learning_materials (
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

create table public.contacts (
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

create table public.templates (
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

create table public.bot_sessions (
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

create table public.analytics_events (
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

create table public.historical_analytics (
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

create table public.raw_exports (
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

create table public.voice_recordings (
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

create table public.media_files (
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

create table public.system_backups (
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

create index idx_daily_summaries_created_at on public.daily_summaries (created_at);
create index idx_shadow_work_created_at on public.shadow_work_current (created_at);
create index idx_journal_created_at on public.journal_entries (created_at);
create index idx_projects_created_at on public.projects (created_at);
create index idx_tasks_created_at on public.tasks (created_at);
create index idx_productivity_analytics_created_at
  on public.productivity_analytics (created_at);
create index idx_research_notes_created_at on public.research_notes (created_at);
create index idx_learning_materials_created_at on public.learning_materials (created_at);
create index idx_contacts_created_at on public.contacts (created_at);
create index idx_templates_created_at on public.templates (created_at);
create index idx_bot_sessions_created_at on public.bot_sessions (created_at);
create index idx_analytics_events_created_at on public.analytics_events (created_at);
create index idx_historical_analytics_created_at on public.historical_analytics (created_at);
create index idx_raw_exports_created_at on public.raw_exports (created_at);
create index idx_voice_recordings_created_at on public.voice_recordings (created_at);
create index idx_media_files_created_at on public.media_files (created_at);
create index idx_system_backups_created_at on public.system_backups (created_at);
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
