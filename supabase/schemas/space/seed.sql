insert into strata.alert_kinds (kind, is_condition, says) values
  ('drain_blocked', false,
   'a tier is critical and the next one takes nothing in, or nothing can be given back')
on conflict (kind) do update set is_condition = excluded.is_condition, says = excluded.says;

update strata.alert_kinds as k set grace = '10 minutes' where k.kind = 'drain_blocked';

insert into strata.settings (name, value, unit, says) values
  ('drain_to_percent', 80, '% of the warning size', 'a drain goes on until the bill is below this'),
  ('drain_wait', 60, 'minutes', 'how long a drain waits for transactions that keep the room of deleted rows, '
                                'before it gives back what it can'),
  ('drain_rounds', 4, 'rounds',
   'how often a drain moves, gives back and measures before it says that it is exhausted'),
  ('drain_patience', 20, 'minutes',
   'the next tier, where it is the one that dials, may be silent for so long before a drain is blocked'),
  ('drain_stall', 30, 'minutes',
   'without any progress for so long a drain gives back what it has freed so far'),
  ('drain_again', 240, 'minutes', 'how long after an exhausted drain the next one begins by itself'),
  ('drain_sample', 2000, 'pages', 'how much of each dataset is looked at when a drain is planned')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.settings (name, value, unit, says) values
  ('reclaim_min_mb', 10, 'MB', 'weekly upkeep gives back what is at least this much of one table'),
  ('reclaim_min_percent', 20, '%',
   'and at least this share of it; a drain takes whatever is over 1 MB and 5 %'),
  ('reclaim_from_hour', 1, 'hour, UTC', 'outside of a drain space is given back from this hour on'),
  ('reclaim_until_hour', 6, 'hour, UTC', 'until this one'),
  ('reclaim_attempts', 3, 'attempts',
   'how often a reclaim that gave way or failed is tried before it is left'),
  ('reclaim_wait', 5, 'seconds',
   'nobody waits longer than this for a table that is rewritten: the rewriting gives way'),
  ('disk_percent', 200, '% of the capacity',
   'how large the disk is; a copy of a table must fit on what is free (free plan: 1 GB for 500 MB)'),
  ('keep_reclaims', 400, 'days', 'how long finished drains and reclaims stay in the log')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.schedules (job, cron, command, says) values
  ('strata-continue', '* * * * *', 'call strata.go_on()',
   'goes on with what a run left behind, with drains and reclaims; asleep otherwise')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;

insert into strata.settings (name, value, unit, says) values
  ('hysteresis', 5, '%', 'a level is left when the size is this much below its threshold'),
  ('keep_samples', 7, 'days', 'how long every sample stays; after that one a day'),
  ('keep_daily_samples', 730, 'days', 'how long the daily samples stay')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.registry (occasion, place, routine) values
  ('left_over', 10, 'wants_space'),
  ('rewriting', 10, 'is_rewriting'),
  ('prune', 20, 'thin_samples');
