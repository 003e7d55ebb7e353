-- Audit: is what the ledger says has settled still there, and is every row in one tier only?
--
-- The side that dials a link audits it (over a relay the hotter tier, see audit_relay), one dataset's turn after the other,
-- in small steps it can go on with after any interruption (audit_turns). A turn first goes through the months: what left the hotter tier, less what left the colder
-- one, since the account was last in order, must be the difference between what was there then and what is there now. Then
-- it goes through the hotter tier's keys and asks the colder one for them: none may be there.
--
--   missing   fewer rows than there should be        altered   as many, with another content
--   rewound   the hotter tier's ledger went back     doubled   the same key on both tiers
--   beyond    the same key on the hotter tier and on the one after the colder (audit_beyond)
--
-- More rows than came by moves are no mismatch: somebody wrote them there. They are taken into the account, as is every
-- month found in order; so in a month that gained rows this way the content is trusted, not proved, and a loss may hide
-- behind a gain of the same week. Whoever deletes or changes rows on a colder tier himself finds a mismatch, and accepts it
-- (accept_audit). Content cannot be compared after the columns changed while rows moved: then only counts are.
--
-- What is seen of one month is of one moment on the colder tier, with no arrival open, and the hotter tier's ledger is
-- read before and after: rows on their way are never taken for lost or doubled. A month that is never quiet is skipped.

insert into strata.errors (code, cause, remedy) values
  ('ST080', 'the audit has found nothing there that could be accepted', 'select dataset, month, kind from strata.audit_findings on the tier that dials the link');

insert into strata.settings (name, value, unit, says) values
  ('audit_every', 7, 'days', 'how long after its last audit a dataset is audited again'),
  ('audit_page', 5000, 'keys', 'so many keys of the hotter tier are looked for on the colder one at a time');

create type strata.sight as (
  rows bigint, digest bigint, columns text[],
  came_rows bigint, came_digest bigint, came_frames integer, came_columns text[],
  left_rows bigint, left_digest bigint, left_frames integer, left_columns text[],
  met_rows bigint, met_digest bigint, met_frames integer, met_columns text[]
);
comment on type strata.sight is
  'One month of a dataset on a colder tier: what is there, what the hotter tier says came, what this one says left, and what '
  'of what came was there before.';

create table strata.audit_accounts (
  neighbour text not null,
  dataset text not null,
  month text not null,
  good strata.sight not null,
  seen strata.sight not null,
  seen_at timestamptz not null,
  constraint audit_accounts_pkey primary key (neighbour, dataset, month)
);
comment on table strata.audit_accounts is 'Per link, dataset and month: how it was when last in order or accepted, and how it was last seen.';
revoke all on strata.audit_accounts from public;
alter table strata.audit_accounts enable row level security;

create table strata.audit_findings (
  neighbour text not null,
  dataset text not null,
  month text not null,
  kind text not null,
  rows bigint,
  accepted_rows bigint not null default 0,
  says text not null,
  turn_at timestamptz not null,
  first_seen_at timestamptz not null,
  constraint audit_findings_pkey primary key (neighbour, dataset, month, kind),
  constraint audit_findings_kind_is_known check (kind in ('missing', 'altered', 'rewound', 'doubled', 'beyond'))
);
comment on table strata.audit_findings is
  'What the audit of a link finds wrong now: how many rows (null: cannot be told) and a sentence. Gone when the cause is.';
revoke all on strata.audit_findings from public;
alter table strata.audit_findings enable row level security;

create table strata.audit_turns (
  neighbour text not null,
  dataset text not null,
  step text not null,
  started_at timestamptz not null,
  finished_at timestamptz,
  months_left text[] not null default '{}',
  key_after text[],
  busy integer not null default 0,
  months bigint not null default 0,
  rows bigint not null default 0,
  keys bigint not null default 0,
  skipped bigint not null default 0,
  besides bigint not null default 0,
  milliseconds bigint not null default 0,
  trouble_sqlstate text,
  trouble text,
  constraint audit_turns_pkey primary key (neighbour, dataset),
  constraint audit_turns_step_is_known check (step in ('begin', 'months', 'keys', 'passed', 'finish', 'done')),
  constraint audit_turns_finish_when_done check ((step = 'done') = (finished_at is not null))
);
comment on table strata.audit_turns is
  'The last audit of each dataset over a link this tier dials, and where it is: months and keys looked at, rows read on the '
  'colder tier, months or pages skipped because they were never quiet, rows found besides those that came by moves.';
revoke all on strata.audit_turns from public;
alter table strata.audit_turns enable row level security;

create function strata.audit_call(p_call text, p_args text[])
returns text
language sql
immutable
set search_path = ''
as $$ select format('select strata.%I(%s)', p_call, (select string_agg(quote_nullable(a.text), ', ' order by a.o) from unnest(p_args) with ordinality as a (text, o))) $$;
comment on function strata.audit_call(text, text[]) is 'SQL of a question of the audit: one of its functions, with its arguments as texts.';
revoke execute on function strata.audit_call(text, text[]) from public;

create function strata.ask_end(p_link strata.links, p_end text, p_call text, variadic p_args text[])
returns text
language plpgsql
set search_path = ''
as $$
declare
  v_question constant text := strata.audit_call(p_call, p_args);
  v_answer text;
begin
  if p_link.driver = 'relay' then
    return strata.ask_over_relay(p_link, p_end, p_call, p_args);
  elsif p_end = p_link.direction then
    return strata.ask(p_link.neighbour, v_question);
  end if;
  execute v_question into v_answer;
  return v_answer;
end
$$;
comment on function strata.ask_end(strata.links, text, text, text[]) is 'Asks a question at the hotter or the colder end of a link, near or far.';
revoke execute on function strata.ask_end(strata.links, text, text, text[]) from public;

-- Months: the account.
create function strata.judge(p_good strata.sight, p_now strata.sight, out kind text, out rows bigint, out expected bigint)
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_came constant bigint := p_now.came_rows - coalesce(p_good.came_rows, 0);
  v_left constant bigint := p_now.left_rows - coalesce(p_good.left_rows, 0);
  v_met constant bigint := p_now.met_rows - coalesce(p_good.met_rows, 0);
  v_comparable constant boolean := p_now.columns is not null
    and (p_good.columns is null or p_good.columns = p_now.columns)
    and (v_came = 0 or (p_now.came_columns = p_now.columns and p_now.came_frames = greatest(p_good.came_frames, 1)))
    and (v_left = 0 or (p_now.left_columns = p_now.columns and p_now.left_frames = greatest(p_good.left_frames, 1)))
    and (v_met = 0 or (p_now.met_columns = p_now.columns and p_now.met_frames = greatest(p_good.met_frames, 1)));
begin
  expected := coalesce(p_good.rows, 0) + v_came - v_left - v_met;
  rows := abs(p_now.rows - expected);
  kind := case
    when v_came < 0 then 'rewound'
    when p_now.rows < expected then 'missing'
    when p_now.rows > expected then 'besides'
    when not v_comparable then 'counted'
    when p_now.digest <> (coalesce(p_good.digest, 0) # p_now.came_digest # coalesce(p_good.came_digest, 0)
                          # p_now.left_digest # coalesce(p_good.left_digest, 0) # p_now.met_digest # coalesce(p_good.met_digest, 0))
      then 'altered'
    else 'good' end;
end
$$;
comment on function strata.judge(strata.sight, strata.sight) is
  'Compares a month with how it was when in order (null: never): good; counted (the content could not be compared); besides '
  '(more rows than came); missing, altered or rewound.';
revoke execute on function strata.judge(strata.sight, strata.sight) from public;

create function strata.finding_says(p_kind text, p_link strata.links, p_month text, p_rows bigint, p_expected bigint, p_there bigint)
returns text
language sql
stable
set search_path = ''
as $$
  select case p_kind
    when 'missing' then format('%s of %s rows of %s are gone', p_rows, p_expected, p_month)
    when 'altered' then format('of the %s rows of %s some have another content than when they came', p_there, p_month)
    when 'rewound' then format('%s has forgotten moves of %s: was it put back from a backup?', e.hotter, p_month) end
    from (select case p_link.direction when 'hotter' then p_link.neighbour else strata.tier() end as hotter) as e
$$;
comment on function strata.finding_says(text, strata.links, text, bigint, bigint, bigint) is 'What is wrong with a month, in words.';
revoke execute on function strata.finding_says(text, strata.links, text, bigint, bigint, bigint) from public;

-- Looks at one month; false when rows are on their way and it must be looked at again.
create function strata.audit_month(p_link strata.links, p_turn strata.audit_turns, p_month text)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_before constant jsonb := strata.ask_end(p_link, 'hotter', 'ledger_entry', p_turn.dataset, '{moved}', p_month, 'came')::jsonb;
  v_account strata.audit_accounts;
  v_stock jsonb;
  v_now strata.sight;
  v_verdict record;
begin
  select a.* into v_account from strata.audit_accounts as a
   where a.neighbour = p_link.neighbour and a.dataset = p_turn.dataset and a.month = p_month;
  v_stock := strata.ask_end(p_link, 'colder', 'take_stock', p_turn.dataset, p_month, coalesce(
    (select array_agg(c.name order by c.o) from jsonb_array_elements_text(nullif(v_before -> 'came_columns', 'null')) with ordinality as c (name, o)),
    (v_account.good).columns)::text)::jsonb;
  if (v_stock ->> 'open')::boolean
     or strata.ask_end(p_link, 'hotter', 'ledger_entry', p_turn.dataset, '{moved}', p_month, 'came')::jsonb <> v_before then
    return false;
  end if;
  v_now := jsonb_populate_record(null::strata.sight, v_stock || v_before);
  v_verdict := strata.judge(v_account.good, v_now);
  delete from strata.audit_findings as f
   where f.neighbour = p_link.neighbour and f.dataset = p_turn.dataset and f.month = p_month and f.kind not in ('doubled', 'beyond', v_verdict.kind);
  insert into strata.audit_findings as f (neighbour, dataset, month, kind, rows, says, turn_at, first_seen_at)
  select p_link.neighbour, p_turn.dataset, p_month, v_verdict.kind, case v_verdict.kind when 'missing' then v_verdict.rows end,
         strata.finding_says(v_verdict.kind, p_link, p_month, v_verdict.rows, v_verdict.expected, v_now.rows), p_turn.started_at, strata.clock()
   where v_verdict.kind in ('missing', 'altered', 'rewound')
  on conflict (neighbour, dataset, month, kind) do update set rows = excluded.rows, says = excluded.says, turn_at = excluded.turn_at;
  insert into strata.audit_accounts as a (neighbour, dataset, month, good, seen, seen_at)
  values (p_link.neighbour, p_turn.dataset, p_month,
          -- never in order yet: nothing was there and nothing had come
          case when v_verdict.kind in ('good', 'counted', 'besides') then v_now else jsonb_populate_record(null::strata.sight, '{"rows": 0}') end,
          v_now, strata.clock())
  on conflict (neighbour, dataset, month) do update
     set seen = excluded.seen, seen_at = excluded.seen_at,
         good = case when v_verdict.kind in ('good', 'counted', 'besides') then excluded.good else a.good end;
  update strata.audit_turns as t
     set months = t.months + 1, rows = t.rows + v_now.rows,
         besides = t.besides + case v_verdict.kind when 'besides' then v_verdict.rows else 0 end
   where t.neighbour = p_link.neighbour and t.dataset = p_turn.dataset;
  return true;
end
$$;
comment on function strata.audit_month(strata.links, strata.audit_turns, text) is
  'Compares one month with its account, and brings the account up to date or writes a finding; false, and nothing, while rows are on their way.';
revoke execute on function strata.audit_month(strata.links, strata.audit_turns, text) from public;

-- Keys: nothing twice.
create function strata.keys_page(p_dataset text, p_after text[])
returns text[]
language plpgsql
stable
security definer -- a colder tier that audits asks as strata_mover
set search_path = ''
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set timezone = 'UTC'
set extra_float_digits = 1
set bytea_output = 'hex'
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_sql record;
  v_keys text[];
begin
  select string_agg(strata.value_sql(a.atttypid, k.name) || ' as k' || k.position, ', ' order by k.position) as texts,
         string_agg('array_agg(z.k' || k.position || ')', ', ' order by k.position) as arrays,
         string_agg(format('t.%I', k.name), ', ' order by k.position) as names,
         string_agg(format('$1[%s]::%s', k.position, format_type(a.atttypid, a.atttypmod)), ', ' order by k.position) as after
    into v_sql
    from unnest(v_dataset.key_columns) with ordinality as k (name, position)
    join pg_catalog.pg_attribute as a
      on a.attrelid = strata.relation(v_dataset)::regclass and a.attname = k.name and not a.attisdropped;
  execute format('select array[%s] from (select %s from %s as t where %s order by %s limit %s) as z', v_sql.arrays, v_sql.texts,
                 strata.relation(v_dataset), case when p_after is null then 'true' else format('(%s) > (%s)', v_sql.names, v_sql.after) end,
                 v_sql.names, strata.setting('audit_page')) into v_keys using p_after;
  return v_keys;
end
$$;
comment on function strata.keys_page(text, text[]) is
  'The next keys of a dataset on this tier in their order, as a manifest has them (a row of texts per key column); nulls when there are none.';
revoke execute on function strata.keys_page(text, text[]) from public;
grant execute on function strata.keys_page(text, text[]) to strata_mover;

create function strata.keys_here(p_dataset text, p_keys text[])
returns integer[]
language plpgsql
stable
security definer -- a hotter tier that audits asks as strata_mover
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_sql record;
  v_found integer[] := array[]::integer[];
begin
  if strata.twin(v_dataset) is not null then
    v_sql := strata.manifest_sql(v_dataset, '$1');
    execute format('select coalesce(array_agg(m.o::integer order by m.o), ''{}'') from unnest(%s) with ordinality as m (%s, o) join %s as t on %s',
                   v_sql.items, v_sql.names, strata.relation(v_dataset), v_sql.same_key) into v_found using p_keys;
  end if;
  return v_found;
end
$$;
comment on function strata.keys_here(text, text[]) is 'The positions of those keys under which there is a row on this tier.';
revoke execute on function strata.keys_here(text, text[]) from public;
grant execute on function strata.keys_here(text, text[]) to strata_mover;

-- The same mark before and after means: no move of the dataset was open or began in between.
create function strata.move_mark(p_dataset text)
returns text
language sql
stable
security definer -- a colder tier that audits asks as strata_mover
set search_path = ''
as $$
  select case when count(*) filter (where m.state <> 'closed') = 0 then coalesce(max(m.started_at)::text, 'none') end
    from strata.moves as m where m.dataset = p_dataset
$$;
comment on function strata.move_mark(text) is 'Changes with every move of a dataset that begins; null while one is open.';
revoke execute on function strata.move_mark(text) from public;
grant execute on function strata.move_mark(text) to strata_mover;

create function strata.still_here(p_dataset text, p_keys text[], p_mark text)
returns jsonb
language plpgsql
stable
security definer -- a colder tier that audits asks as strata_mover
set search_path = ''
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_sql constant record := strata.manifest_sql(v_dataset, '$1');
  v_found jsonb;
begin
  if strata.move_mark(p_dataset) is distinct from p_mark then
    return null;
  end if;
  execute format('select coalesce(jsonb_agg(jsonb_build_object(''month'', f.month, ''rows'', f.rows, ''keys'', f.keys)), ''[]'') from ( '
                 '  select strata.month_of(t.%I::timestamp) as month, count(*) as rows, '
                 '         (array_agg(array_to_string(%s, '', '') order by m.o))[1:3] as keys '
                 '    from unnest(%s) with ordinality as m (%s, o) join %s as t on %s group by 1) as f',
                 v_dataset.age_column, strata.key_sql(v_dataset.key_columns), v_sql.items, v_sql.names, strata.relation(v_dataset), v_sql.same_key)
    into v_found using p_keys;
  return v_found;
end
$$;
comment on function strata.still_here(text, text[], text) is
  'Of those keys the ones with a row on this tier, by month: how many and the first three. Null if a move has begun since the mark.';
revoke execute on function strata.still_here(text, text[], text) from public;
grant execute on function strata.still_here(text, text[], text) to strata_mover;

create function strata.pick_keys(p_keys text[], p_positions integer[])
returns text[]
language sql
immutable
set search_path = ''
as $$
  select array_agg(x.texts order by x.k)
    from (select k, array_agg(p_keys[k][i.o] order by i.p) as texts
            from generate_series(1, array_length(p_keys, 1)) as k, unnest(p_positions) with ordinality as i (o, p) group by k) as x
$$;
comment on function strata.pick_keys(text[], integer[]) is 'The keys at some positions of a manifest''s keys; null for none.';
revoke execute on function strata.pick_keys(text[], integer[]) from public;

-- Which of a page's keys are on both tiers, beyond doubt: between two looks at the colder tier and one at the hotter no move
-- was open. Null when one was. What was seen on the tier after the colder one needs only be here still.
create function strata.find_doubled(p_link strata.links, p_turn strata.audit_turns, p_page text[])
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_seen constant jsonb := strata.ask_end(p_link, 'colder', 'look_for', p_turn.dataset, p_page::text, p_turn.started_at::text)::jsonb;
  v_keys record;
  v_mark text;
  v_found jsonb;
  v_all jsonb := jsonb '[]';
begin
  for v_keys in
    select k.kind, strata.pick_keys(p_page, k.positions::integer[]) as keys
      from (values ('doubled', v_seen ->> 'here'), ('beyond', v_seen ->> 'beyond')) as k (kind, positions) where k.positions <> '{}'
  loop
    v_mark := coalesce(v_mark, strata.ask_end(p_link, 'hotter', 'move_mark', p_turn.dataset));
    if v_mark is null then
      return null;
    end if;
    if v_keys.kind = 'doubled' then
      v_keys.keys := strata.pick_keys(v_keys.keys,
        strata.ask_end(p_link, 'colder', 'keys_here', p_turn.dataset, v_keys.keys::text)::integer[]);
    end if;
    if v_keys.keys is not null then
      v_found := strata.ask_end(p_link, 'hotter', 'still_here', p_turn.dataset, v_keys.keys::text, v_mark)::jsonb;
      if v_found is null then
        return null;
      end if;
      v_all := v_all || (select coalesce(jsonb_agg(f.one || jsonb_build_object('kind', v_keys.kind)), '[]') from jsonb_array_elements(v_found) as f (one));
    end if;
  end loop;
  return v_all;
end
$$;
comment on function strata.find_doubled(strata.links, strata.audit_turns, text[]) is
  'Of a page of keys of the hotter tier those with a row on a colder one as well, by kind and month; null while a move is open.';
revoke execute on function strata.find_doubled(strata.links, strata.audit_turns, text[]) from public;
