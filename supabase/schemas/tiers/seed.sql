insert into strata.tiers (name, position, capacity_mb, warn_mb, critical_mb, pool_size) values
  ('core', 1, 500, 400, 450, 10),
  ('main', 2, 10000, 8500, 9500, 20),
  ('archive', 3, 50000, 42500, 47500, 5)
on conflict do nothing; -- how large a tier is, its owner says

insert into strata.errors (code, cause, remedy) values
  ('ST007', 'the link would be dialled in clear, or without checking whose certificate the other side shows',
            'leave sslmode out of the link in strata.yaml, name the CA of that server there as ca, and run '
            'setup again; or write insecure_because with a reason beside the sslmode'),
  ('ST008',
   'the other side does not encrypt, or shows a certificate that cannot be checked, so nothing was sent',
            'turn ssl on there with a certificate for the address that is dialled (deno task strata '
            'certificates makes one), name the CA file that lies on the dialling server as ca of the link in '
            'strata.yaml, and run setup again; if all that was so before, somebody stands between the two')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('rotate_links_after', 90, 'days',
   'so old a link''s password may become before the tier that dials changes it')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.errors (code, cause, remedy) values
  ('ST009', 'a neighbour asks what the driver of its link does not let it ask',
            'if that link is to be driven the other way, change driver in strata.yaml and run setup on both '
            'tiers; else change the link''s password with setup --rotate')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.errors (code, cause, remedy) values
  ('ST052', 'the date that was given is not the one this tier has',
   'set the server''s clock by network time, then give today''s date once more')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('clock_skew', 10, 'minutes',
   'how far the clocks of two neighbours may differ before nothing is due by them'),
  ('clock_gap', 120, 'minutes', 'how long a tier with neighbours may not have looked at its clock; after '
                                'that, one of them must agree with it'),
  ('clock_gap_alone', 2880, 'minutes',
   'the same for a tier without neighbours; after that, its owner must say that the clock is right '
   '(trust_clock); and until an alert says that a pause has not been settled')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.errors (code, cause, remedy) values
  ('ST065', 'a neighbour sends more than it may',
   'see who sends it: on that tier, lessen the alerts, holds or types of its own, or look '
   'whether it has been taken over')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('heard_heartbeat', 1048576, 'bytes', 'the largest heartbeat that is taken from a neighbour'),
  ('heard_alerts', 200, 'alerts',
   'the most alerts that are taken from a neighbour, and passed on to one, at a time'),
  ('heard_alerts_daily', 2000, 'alerts', 'the most new alerts that are taken from a neighbour within a day'),
  ('heard_list', 33554432, 'bytes',
   'the largest description, list of keys or list of refused rows that is taken from a neighbour'),
  ('heard_hourly', 33554432, 'bytes', 'the most that is taken of a neighbour''s heartbeats within an hour'),
  ('heard_keys', 67108864, 'bytes', 'the most keys of a neighbour that wait for the audit beyond'),
  ('failures_daily', 1000, 'failures', 'the most failed steps of which a line is kept within a day')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.errors (code, cause, remedy) values
  ('ST001', 'this database does not know which tier it is',
   'select strata.become(''core''), ''main'' or ''archive'''),
  ('ST002', 'there is no such tier, or it cannot take that place in the chain',
   'use core, main or archive, each once'),
  ('ST003', 'the database behind the link is another tier than the one it was declared as',
   'run strata.join_tier() with the right address'),
  ('ST004', 'the two ends of a link do not fit together',
   'run `deno task strata setup --init`: it pushes the same migrations to both tiers, grants what they '
   'grant, and sets both up again'),
  ('ST005', 'the neighbour did not answer in time', 'check the line; the work is taken up again by itself'),
  ('ST069', 'two neighbours have releases of Strata that cannot work together',
            'run `deno task strata setup --init` from a copy of the newer release: it upgrades every tier; '
            'moves go on by themselves')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('link_timeout', 60, 'seconds', 'how long one call to a neighbour may take before the line is given up')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.errors (code, cause, remedy) values
  ('ST036', 'the values a question works on were not handed over before it',
   'nothing: the next run dials anew and hands them over')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;
