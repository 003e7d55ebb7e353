insert into strata.errors (code, cause, remedy) values
  ('ST090', 'nobody has said what this costs', 'add its price to strata.prices, or use an item that has one'),
  ('ST091', 'that is not an amount to be spent', 'give a kind and a number that is not negative'),
  ('ST092', 'there is no such reservation, or it was settled already',
   'look at strata.costs; a call is settled or released once')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('cost_per_day', 10000, 'USD/1000000',
   'the most that one day (UTC) may be billed; more than that, spent all the same, is an alert')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.prices (service, item, unit, usd, credits, source) values
  ('elevenlabs', 'eleven_flash_v2_5', 'character', 0.00005, 0.5,
   'elevenlabs.io/pricing/api: 0.05 USD per 1,000; help article 21811236079505: half a credit'),
  ('elevenlabs', 'eleven_turbo_v2_5', 'character', 0.00005, 0.5,
   'elevenlabs.io/pricing/api: 0.05 USD per 1,000; help article 21811236079505: half a credit'),
  ('elevenlabs', 'eleven_multilingual_v2', 'character', 0.0001, 1,
   'elevenlabs.io/pricing/api: 0.10 USD per 1,000; help article 21811236079505: one credit'),
  ('elevenlabs', 'eleven_v3', 'character', 0.0001, 1,
   'elevenlabs.io/pricing/api: 0.10 USD per 1,000; help article 21811236079505: one credit')
on conflict do nothing; -- what it costs, its owner may know better

insert into strata.allowances (service, unit, amount, resets_at, source) values
  ('elevenlabs', 'credits', 10000, '2026-01-01T00:00:00Z',
   'free plan: 10,000 credits a month (elevenlabs.io/pricing); the service''s own answer replaces it')
on conflict do nothing;

insert into strata.budgets (kind, usd_per_month, is_daily, says) values
  ('briefing', null, true, 'the spoken briefing of the morning'),
  ('deploy-notice', 0.12, false, 'one spoken line when something was deployed'),
  ('voice-test', 0.05, false, 'a sentence to hear whether the voice works')
on conflict do nothing;

insert into strata.registry (occasion, place, routine) values
  ('condition', 90, 'cost_conditions');

insert into strata.registry (occasion, place, routine) values
  ('prune', 40, 'roll_up_costs');
