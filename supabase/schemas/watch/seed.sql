insert into strata.errors (code, cause, remedy) values
  ('ST060', 'there is no such kind of alert or no such severity',
   'kinds are in strata.alert_kinds; severities are info, warning, critical')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('failed_moves', 5, 'failures',
   'more failed attempts than this in 24 hours are an alert, until what failed works again'),
  ('silent_after', 20, 'minutes',
   'after so long a neighbour that is down, or that dials and does not, is critical'),
  ('keep_failures', 30, 'days', 'how long failed steps stay in strata.failures'),
  ('keep_alerts', 90, 'days', 'how long cleared alerts stay'),
  ('keep_costs', 400, 'days', 'how long costs and counted usage stay')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.alert_kinds (kind, is_condition, says) values
  ('size_warning', true, 'a tier is above its warning size'),
  ('size_critical', true, 'a tier is above its critical size'),
  ('failed_moves', true,
   'many attempts to move rows failed within a day, and what failed last does not work yet'),
  ('overdue', true, 'rows have been due for longer than twice the schedule, and nothing moves'),
  ('link_down', true, 'a neighbour cannot be worked with'),
  ('insecure_link', true, 'a neighbour is dialled without checking its certificate'),
  ('silent', true, 'a neighbour that should dial has not been heard from'),
  ('job_stopped', true, 'a job of a tier has not run, or its last run failed'),
  ('row_set_aside', true, 'rows of a dataset could not be moved'),
  ('forecast', true, 'at the present pace a tier will soon be full'),
  ('egress', true, 'the month''s egress is nearly used up'),
  ('average_size', true, 'the average size of the billing month is nearly at its limit'),
  ('edge_invocations', true, 'the month''s function invocations are nearly used up'),
  ('cost', true, 'a day cost more than it should'),
  ('key_overdue', true, 'a key has not been rotated for too long'),
  ('clock', true, 'the clock of a tier cannot be trusted, so nothing is due there'),
  ('unconfirmed', true, 'rows are not deleted, because the hotter tier has not confirmed their policy'),
  ('policy_lost', true, 'a tier has forgotten a policy that the colder one has'),
  ('left_copies', true, 'rows were deleted here that a colder tier still has: it changed or keeps them, or '
                        'this one was put back from a backup'),
  ('excess', true, 'a neighbour sent more than it may'),
  ('audit_mismatch', false, 'what the log says moved is not what is there'),
  ('nothing_movable', false, 'a tier is critical and nothing on it may move'),
  ('stands_still', true, 'a dataset stands still'),
  ('not_as_set_up', true, 'a tier is not as setup made it')
on conflict (kind) do update set is_condition = excluded.is_condition, says = excluded.says;

update strata.alert_kinds as k set at_once = true where k.kind in ('cost', 'size_warning');

update strata.alert_kinds as k set of_moves = true
 where k.kind in ('link_down', 'silent', 'overdue', 'row_set_aside', 'stands_still');

insert into strata.schedules (job, cron, command, says) values
  ('strata-watch', '*/15 * * * *', 'call strata.watch()',
   'watches the billed size, and says when it is too large')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;

insert into strata.errors (code, cause, remedy) values
  ('ST062', 'that is not an amount of use', 'give a name and a number that is not negative')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('billing_day', 1, 'day of the month', 'on which the billing month begins'),
  ('quota_warning', 80, '%',
   'an alert is raised when this much of a quota is used, or all of it is foreseen to be')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.quotas (name, amount, unit, period, tiers, changeable, source) values
  ('database_size', null, 'bytes', 'now', '{core,main,archive}', false,
   'the tier''s capacity, strata.set_tier(); of a free project 500 MB, then read-only '
   '(supabase.com/docs/guides/platform/database-size)'),
  ('average_size', 524288000, 'bytes', 'month', '{core}', true,
   'fair use: average daily size over the billing month (supabase.com/docs/guides/platform/database-size)'),
  ('egress', 5368709120, 'bytes', 'month', '{core}', true,
   'free plan: 5 GB (supabase.com/docs/guides/platform/billing-on-supabase)'),
  ('rows', null, 'rows', 'now', '{core,main,archive}', true, 'no plan limits rows'),
  ('edge_invocations', 500000, 'calls', 'month', '{core}', true,
   'free plan: 500,000 (supabase.com/docs/guides/platform/billing-on-supabase)')
on conflict (name) do update set unit = excluded.unit, period = excluded.period, tiers = excluded.tiers,
  changeable = excluded.changeable, source = excluded.source; -- the amount is the owner's

insert into strata.settings (name, value, unit, says) values
  ('forecast_days', 30, 'days', 'how far back the pace of growth is taken from'),
  ('forecast_needs', 3, 'days', 'with samples of less time than this nothing is foretold'),
  ('forecast_alert', 14, 'days', 'an alert is raised when a tier will be full within this time'),
  ('step_percent', 1, '%', 'a fall by more than this between two samples is space given back, not growth'),
  ('step_bytes', 5242880, 'bytes', 'so is a fall by more than this')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.errors (code, cause, remedy) values
  ('ST061', 'a heartbeat came from a tier that is no neighbour',
   'run setup on both tiers: both ends must name each other')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('overdue_rows', 500, 'rows', 'how many of the oldest rows of a dataset are looked at for something due')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.schedules (job, cron, command, says) values
  ('strata-watchdog', '2-57/5 * * * *', 'call strata.watchdog()',
   'listens to the neighbours; finds what is due and does not move')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;

insert into strata.alert_kinds (kind, is_condition, says) values
  ('link_crowded', true, 'all connections of a link''s login are in use'),
  ('login_changed', true, 'somebody has changed a link''s login')
on conflict (kind) do update set is_condition = excluded.is_condition, says = excluded.says;

update strata.alert_kinds as k set grace = '5 minutes', of_moves = true where k.kind = 'link_crowded';

insert into strata.schedules (job, cron, command, says) values
  ('strata-rotate', '20 4 * * *', 'call strata.rotate_links()',
   'gives links that this tier dials new passwords when theirs are old; idle otherwise')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;

insert into strata.settings (name, value, unit, says) values
  ('keep_moves', 90, 'days', 'how long closed moves stay one by one before they are rolled up into totals')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

update strata.alert_kinds as k set of_rows = true
 where k.kind in ('failed_moves', 'overdue', 'row_set_aside', 'stands_still', 'not_as_set_up',
                  'audit_mismatch', 'job_stopped', 'link_down');

insert into strata.registry (occasion, place, routine) values
  ('condition', 10, 'size_conditions'),
  ('condition', 20, 'move_conditions'),
  ('condition', 30, 'key_conditions'),
  ('condition', 40, 'login_conditions'),
  ('condition', 50, 'security_conditions'),
  ('condition', 60, 'excess_conditions'),
  ('condition', 70, 'clock_conditions'),
  ('condition', 80, 'agreement_conditions'),
  ('condition', 110, 'quota_conditions'),
  ('condition', 120, 'forecast_conditions'),
  ('condition', 130, 'watchdog_conditions'),
  ('condition', 160, 'set_up_conditions');

insert into strata.registry (occasion, place, routine) values
  ('prune', 10, 'roll_up_moves');

insert into strata.settings (name, value, unit, says) values
  ('keep_closed_arrivals', 30, 'days',
   'how long a tier remembers finished arrivals, to turn stragglers away'),
  ('keep_job_runs', 7, 'days', 'how long rows of our own jobs stay in cron.job_run_details')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.schedules (job, cron, command, says) values
  ('strata-upkeep', '0 2 * * 0', 'call strata.upkeep()', 'deletions at the last tier, housekeeping')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;

insert into strata.schedules (job, cron, command, tiers, says) values
  ('strata-relay', '*/5 * * * *', 'call strata.wake_relay()', '{core,main}',
   'wakes the relay when there is something to carry; idle without such a link')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;
