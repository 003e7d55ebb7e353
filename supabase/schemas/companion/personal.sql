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

create function public.date_from_created_at ()
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

create trigger fill_date before insert on public.daily_summaries
  for each row when (new.date is null) execute function public.date_from_created_at();

create trigger fill_date before insert on public.shadow_work_current
  for each row when (new.date is null) execute function public.date_from_created_at();

create trigger fill_date before insert on public.journal_entries
  for each row when (new.date is null) execute function public.date_from_created_at();
