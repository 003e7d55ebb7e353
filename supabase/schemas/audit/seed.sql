insert into strata.errors (code, cause, remedy) values
  ('ST066', 'a neighbour tells or asks of a month that there is not',
   'run setup on both tiers, so that they are of one version; else look whether that '
   'tier has been taken over')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.errors (code, cause, remedy) values
  ('ST080', 'the audit has found nothing there that could be accepted',
   'select dataset, month, kind from strata.audit_findings on the tier that dials the link')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('audit_every', 7, 'days', 'how long after its last audit a dataset is audited again'),
  ('audit_page', 5000, 'keys', 'so many keys of the hotter tier are looked for on the colder one at a time')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.schedules (job, cron, command, says) values
  ('strata-audit', '40 3 * * *', 'call strata.audit()',
   'audits each dataset once a week; goes on where the budget ended')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;

insert into strata.errors (code, cause, remedy) values
  ('ST081', 'an audit over a relay needs an answer of the other end', 'nothing: the relay brings it')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.registry (occasion, place, routine) values
  ('prune', 30, 'prune_audit');

insert into strata.registry (occasion, place, routine) values
  ('forget', 10, 'forget_audits');
