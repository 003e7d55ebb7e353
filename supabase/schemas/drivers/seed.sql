insert into strata.errors (code, cause, remedy) values
  ('ST036', 'the values a question works on were not handed over before it',
   'nothing: the next run dials anew and hands them over')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('share_beside_others', 10, 'percent',
   'for so much of the time rows leave this tier while others use it; 100: all the time')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.errors (code, cause, remedy) values
  ('ST006', 'the link is not one that an edge function drives',
   'set driver: relay for that link and run setup on both tiers, or stop calling the relay')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.schedules (job, cron, command, tiers, says) values
  ('strata-relay', '*/5 * * * *', 'call strata.wake_relay()', '{core,main}',
   'wakes the relay when there is something to carry; idle without such a link')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;
