insert into strata.settings (name, value, unit, says) values
  ('share_beside_others', 10, 'percent',
   'for so much of the time rows leave this tier while others use it; 100: all the time')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.errors (code, cause, remedy) values
  ('ST006', 'the link is not one that an edge function drives',
   'set driver: relay for that link and run setup on both tiers, or stop calling the relay')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('flow_batches', 64, 'batches', 'so many batches follow each other without a pause in which the same '
                                  'dataset may move on from the colder tier'),
  ('relay_batch_bytes', 3145728, 'bytes',
   'as batch_bytes, for links that an edge function drives: all of it passes through its memory'),
  ('relay_text_bytes', 6291456, 'bytes',
   'the most text one call of the relay carries; a longer row is set aside')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.schedules (job, cron, command, says) values
  ('strata-move', '0 */4 * * *', 'call strata.move_due()', 'moves what is due')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;
