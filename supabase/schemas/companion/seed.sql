insert into strata.errors (code, cause, remedy) values
  ('ST093', 'there is no such owner', 'select owner from strata.owners; add one with an INSERT'),
  ('ST094', 'the briefing is not in that step, or somebody else is working on it',
   'nothing: whoever holds it goes on, and it is looked at again')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('affirmation_rests', 14, 'days', 'how long an affirmation is not repeated'),
  ('briefing_lease', 180, 'seconds',
   'how long whoever composes or delivers a briefing has for it; more than a function may run'),
  ('briefing_attempts', 5, 'attempts', 'how often a day''s briefing is tried, by itself'),
  ('keep_briefings', 400, 'days', 'how long briefings stay in the log'),
  ('keep_briefing_texts', 30, 'days', 'how long the log keeps what a briefing said')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.alert_kinds (kind, is_condition, says) values
  ('briefing', true, 'the last briefing was not sent')
on conflict (kind) do update set is_condition = excluded.is_condition, says = excluded.says;

insert into strata.owners default values
on conflict do nothing;

insert into strata.affirmations (language, says) values
  ('en', 'One thing at a time is enough.'),
  ('en', 'I may begin before I feel ready.'),
  ('en', 'What I finish today does not wait for me tomorrow.'),
  ('en', 'I can be kind and clear at the same time.'),
  ('en', 'Rest is part of the work.'),
  ('en', 'I do not have to carry everything at once.'),
  ('en', 'A small step still moves me forward.'),
  ('en', 'I can ask for help, and I can say no.'),
  ('en', 'My worth is not the length of my list.'),
  ('en', 'I notice what went well.'),
  ('en', 'I choose what gets my attention.'),
  ('en', 'Today I can do something that I will be glad of.'),
  ('en', 'I am allowed to change my mind.'),
  ('en', 'Done is better than perfect.'),
  ('en', 'I have got through hard days before.'),
  ('en', 'I can let go of what is not mine to do.'),
  ('en', 'There is time for what matters.'),
  ('en', 'I learn from what did not work.'),
  ('en', 'I breathe first and answer then.'),
  ('en', 'I keep the promises I make to myself.'),
  ('en', 'Slow is fine as long as I do not stop.'),
  ('en', 'I am further than I was a year ago.'),
  ('en', 'I can enjoy this day before it is perfect.'),
  ('en', 'What I need to know next, I can find out.'),
  ('de', 'Eins nach dem anderen genügt.'),
  ('de', 'Ich darf anfangen, bevor ich mich bereit fühle.'),
  ('de', 'Was ich heute abschließe, wartet morgen nicht auf mich.'),
  ('de', 'Ich kann freundlich und klar zugleich sein.'),
  ('de', 'Ausruhen gehört zur Arbeit.'),
  ('de', 'Ich muss nicht alles auf einmal tragen.'),
  ('de', 'Auch ein kleiner Schritt bringt mich weiter.'),
  ('de', 'Ich darf um Hilfe bitten, und ich darf nein sagen.'),
  ('de', 'Mein Wert hängt nicht von der Länge meiner Liste ab.'),
  ('de', 'Ich bemerke, was gut gelaufen ist.'),
  ('de', 'Ich entscheide, worauf ich achte.'),
  ('de', 'Heute kann ich etwas tun, über das ich mich freuen werde.'),
  ('de', 'Ich darf meine Meinung ändern.'),
  ('de', 'Fertig ist besser als vollkommen.'),
  ('de', 'Ich habe schon schwere Tage überstanden.'),
  ('de', 'Ich kann loslassen, was nicht meine Aufgabe ist.'),
  ('de', 'Für das Wichtige ist Zeit.'),
  ('de', 'Ich lerne aus dem, was nicht gelungen ist.'),
  ('de', 'Ich atme erst und antworte dann.'),
  ('de', 'Ich halte, was ich mir selbst verspreche.'),
  ('de', 'Langsam ist in Ordnung, solange ich nicht stehen bleibe.'),
  ('de', 'Ich bin weiter als vor einem Jahr.'),
  ('de', 'Ich kann diesen Tag genießen, bevor er vollkommen ist.'),
  ('de', 'Was ich als Nächstes wissen muss, kann ich herausfinden.')
on conflict do nothing;

insert into strata.schedules (job, cron, command, tiers, says) values
  ('strata-briefing', '0 7 * * *', 'call strata.wake_voice()', '{core}', 'the spoken briefing of the morning')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;

insert into strata.registry (product, occasion, place, routine) values
  ('companion', 'condition', 100, 'briefing_conditions')
on conflict (occasion, routine) do update set place = excluded.place;

insert into strata.registry (product, occasion, place, routine) values
  ('companion', 'watchdog', 10, 'retry_briefings')
on conflict (occasion, routine) do update set place = excluded.place;

insert into strata.registry (product, occasion, place, routine) values
  ('companion', 'prune', 50, 'prune_briefings')
on conflict (occasion, routine) do update set place = excluded.place;
