insert into strata.settings (name, value, unit, says) values
  ('kept_alive_within', 3, 'days',
   'an alert is raised when the daily call of core''s health function has not arrived for so long')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.alert_kinds (kind, is_condition, says) values
  ('cannot_wake', true, 'a tier knows functions that it has to wake and cannot'),
  ('not_kept_alive', true,
   'the daily call that keeps the hotter tier''s project from being paused does not arrive there')
on conflict (kind) do update set is_condition = excluded.is_condition, says = excluded.says;

insert into strata.schedules (job, cron, command, tiers, says) values
  ('strata-keep-alive', '30 5 * * *', 'call strata.keep_alive()', '{main,archive}',
   'calls core''s health function, so that a quiet free project is not paused')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;

insert into strata.settings (name, value, unit, says) values
  ('report_every', 55, 'minutes', 'a tier makes its part of the report anew when the last one is older'),
  ('report_due_rows', 2000, 'rows',
   'of each dataset so many of the oldest rows are looked at to say how many are due')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.errors (code, cause, remedy) values
  ('ST112', 'there is no such report or no such reader of it',
   'reports are day and month; readers are owner and admin')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.schedules (job, cron, command, tiers, says) values
  ('strata-report', '0 9 * * *', 'call strata.report_daily()', '{core}',
   'checks all alerts and tells the daily report'),
  ('strata-report-monthly', '0 9 1 * *', 'call strata.report_monthly()', '{core}',
   'tells the admin the report of last month')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;

insert into strata.registry (occasion, place, routine) values
  ('condition', 140, 'health_conditions');

insert into strata.registry (occasion, place, routine) values
  ('report', 10, 'size'),
  ('report', 20, 'moves'),
  ('report', 30, 'due'),
  ('report', 40, 'limits'),
  ('report', 50, 'costs'),
  ('report', 60, 'months');
