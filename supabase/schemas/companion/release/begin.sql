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
