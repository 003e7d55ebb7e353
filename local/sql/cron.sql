-- pg_cron with hosted's grants: postgres schedules through functions, reads the jobs, and may tidy
-- up their history. Runs in database `postgres` alone, where pg_cron lives, as supabase_admin.

create extension pg_cron with schema pg_catalog;
grant usage on schema cron to postgres with grant option;
grant execute on all functions in schema cron to postgres with grant option;
grant select on cron.job to postgres with grant option;
grant all on cron.job_run_details to postgres with grant option;
revoke trigger on cron.job_run_details from postgres;
