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
select strata.note_release('companion', '%VERSION%',
  '%DIGEST%');

notify pgrst, 'reload schema';
