-- Audit beyond: is a row of the hotter tier on the tier after the next one?
--
-- No tier reaches further than its neighbours, and which of them dials differs from link to link. So the
-- question is left where both audits come by. The audit of the hotter link looks for each page of keys on the
-- tier in the middle and leaves the page there (passed_keys); the audit of the colder link takes it up, looks
-- for the keys on the colder tier and leaves there which it has seen (keys_beyond); when the audit of the
-- hotter link comes by again and the hotter tier still has such a key, the row is on both: no row ever moves
-- up.
--
--   hotter tier ──audit──▶ middle: passed_keys ──audit──▶ colder tier
--        ▲                                                     │
--        └────────────audit── middle: keys_beyond ◀────audit───┘
--
-- So it is found with the second audit after it happened, or the night after the first where the tier in the
-- middle dials. A page that is looked for is dropped; what is kept for that while is the hotter tier's keys,
-- about 40 bytes a row.

create function strata.key_mark(p_ledger_key bytea, p_dataset text, p_key text[])
returns bytea
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select sha256(p_ledger_key || convert_to(p_dataset || p_key::text, 'UTF8')) $$;
comment on function strata.key_mark(bytea, text, text[]) is
  'Stands for a key in keys_beyond: who has only the tables cannot guess it.';

create function strata.known_beyond(p_dataset text, p_keys text[])
returns integer[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key bytea;
begin
  if not exists (select from strata.keys_beyond as b where b.dataset = p_dataset) then
    return array[]::integer[]; -- nearly always
  end if;
  v_key := strata.ledger_key();
  return array(select o from generate_series(1, array_length(p_keys, 2)) as o
                where exists (select from strata.keys_beyond as b
                               where b.dataset = p_dataset and b.key = strata.key_mark(
                                 v_key, p_dataset, strata.nth_key(p_keys, o))) order by o);
end
$$;
comment on function strata.known_beyond(text, text[]) is
  'The positions of those keys that were last seen on the colder tier.';

create function strata.look_for(p_dataset text, p_keys text[], p_turn timestamptz)
returns jsonb
language plpgsql
security definer -- a hotter tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.check_asker('hotter'), strata.check_settled(p_dataset);
  perform strata.check_heard('hotter', 'a page of keys', pg_column_size(p_keys), 'heard_list'),
          strata.check_heard('hotter', 'keys for the audit',
                             pg_total_relation_size('strata.passed_keys') + pg_column_size(p_keys),
                             'heard_keys')
    where strata.colder() is not null;
  if strata.colder() is not null then
    delete from strata.passed_keys as p where p.dataset = p_dataset and p.turn_at <> p_turn;
    insert into strata.passed_keys as p (dataset, first_key, keys, turn_at)
    values (p_dataset, strata.nth_key(p_keys, 1), p_keys, p_turn)
    on conflict (dataset, first_key) do update set keys = excluded.keys;
  end if;
  return jsonb_build_object('here', strata.keys_here(p_dataset, p_keys)::text,
                            'beyond', strata.known_beyond(p_dataset, p_keys)::text);
end
$$;
comment on function strata.look_for(text, text[], timestamptz) is
  'Which positions of a page of the hotter tier''s keys have a row here, and which had one on the colder '
  'tier when last looked for; leaves the page for the next such look. p_turn: since when the audit goes; '
  'what an earlier one left is dropped.';
grant execute on function strata.look_for(text, text[], timestamptz) to strata_mover;

create function strata.passed_page(p_dataset text)
returns text[]
language sql
stable
security definer -- a colder tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
as $$ select p.keys from strata.passed_keys as p
  where p.dataset = p_dataset and strata.check_asker('colder') order by p.first_key limit 1 $$;
comment on function strata.passed_page(text) is
  'A page of keys to look for on the colder tier; null when there is none.';
grant execute on function strata.passed_page(text) to strata_mover;

create function strata.note_beyond(p_dataset text, p_keys text[], p_found integer[])
returns void
language plpgsql
security definer -- a colder tier that audits tells as strata_mover
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key constant bytea := strata.make_ledger_key();
begin
  perform strata.check_asker('colder');
  perform strata.check_heard('colder', 'a page of keys', pg_column_size(p_keys), 'heard_list'),
          strata.check_heard('colder', 'keys for the audit', pg_total_relation_size('strata.keys_beyond'),
                             'heard_keys'),
          strata.dataset(p_dataset);
  delete from strata.keys_beyond as b
   where b.dataset = p_dataset
     and b.key in (select strata.key_mark(v_key, p_dataset, strata.nth_key(p_keys, o))
                     from unnest(strata.known_beyond(p_dataset, p_keys)) as o);
  insert into strata.keys_beyond (dataset, key, seen_at)
  select p_dataset, strata.key_mark(v_key, p_dataset, strata.nth_key(p_keys, o)), strata.clock()
    from unnest(p_found) as o on conflict do nothing;
  delete from strata.passed_keys as p where p.dataset = p_dataset and p.first_key = strata.nth_key(p_keys, 1);
end
$$;
comment on function strata.note_beyond(text, text[], integer[]) is
  'Notes which positions of a page that was passed on have a row on the colder tier, and drops the page.';
grant execute on function strata.note_beyond(text, text[], integer[]) to strata_mover;

-- One page of what the tier before the hotter one has: more or end.
create function strata.audit_passed(p_link strata.links, p_turn strata.audit_turns)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_page constant text[] := strata.ask_end(p_link, 'hotter', 'passed_page', p_turn.dataset)::text[];
  v_found text;
begin
  if v_page is null then
    return 'end';
  end if;
  v_found := strata.ask_end(p_link, 'colder', 'keys_here', p_turn.dataset, v_page::text);
  perform strata.ask_end(p_link, 'hotter', 'note_beyond', p_turn.dataset, v_page::text, v_found);
  return 'more';
end
$$;
comment on function strata.audit_passed(strata.links, strata.audit_turns) is
  'Looks for a page of keys, left by the audit of the link before, on the colder tier, and leaves '
  'what it finds: more or end.';
