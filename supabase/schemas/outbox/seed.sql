insert into strata.errors (code, cause, remedy) values
  ('ST110', 'there is no such channel or no such outcome',
   'channels are in strata.channels; outcomes are retry, uncertain, refused, stop'),
  ('ST111', 'a message needs a key and a body',
   'give a key that says what is told, and what to tell as a JSON object')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('digest_hour', 9, 'hour (UTC)', 'after which warnings nobody was told of today are told in one message'),
  ('delivery_attempts', 8, 'attempts', 'after so many a message is given up on that channel'),
  ('delivery_lease', 180, 'seconds', 'how long a claimed message is nobody else''s'),
  ('delivery_retry', 60, 'seconds', 'the pause before the second attempt; doubles, up to an hour'),
  ('channel_retry', 360, 'minutes',
   'how long a channel that refuses us is left alone, unless its configuration changes'),
  ('repeat_alerts', 30, 'minutes', 'the same thing is not told again at once before so long'),
  ('keep_messages', 30, 'days', 'how long messages, and what they said, stay after they were made')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.alert_kinds (kind, is_condition, says) values
  ('channel_down', true, 'a channel does not take our messages'),
  ('undelivered', true, 'messages were given up')
on conflict (kind) do update set is_condition = excluded.is_condition, says = excluded.says;

insert into strata.quiet_hours default values
on conflict do nothing;

insert into strata.channels (name) values ('telegram'), ('webhook')
on conflict do nothing;

insert into strata.schedules (job, cron, command, tiers, says) values
  ('strata-deliver', '*/5 * * * *', 'call strata.deliver()', '{core,main,archive}',
   'wakes the function that sends what people should know')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;

insert into strata.registry (occasion, place, routine) values
  ('condition', 150, 'channel_conditions');

insert into strata.registry (occasion, place, routine) values
  ('prune', 60, 'prune_outbox');

insert into strata.registry (occasion, place, routine) values
  ('forget', 20, 'forget_messages');
