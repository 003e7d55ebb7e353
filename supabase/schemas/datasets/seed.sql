insert into strata.errors (code, cause, remedy) values
  ('ST028', 'a condition is SQL that only the owner of that tier may run there',
            'read strata.waiting_conditions() on that tier, and as its owner with what may run there: '
            'select strata.take_conditions(<dataset>, array[…]);')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.errors (code, cause, remedy) values
  ('ST051',
   'the colder tier has a newer policy of the dataset than this one, which was put back from a backup',
            'set policy and holds here as they should be, with strata.manage() and strata.hold(), then: '
            'select strata.keep_policy(<dataset>);')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('confirmed_within', 1440, 'minutes', 'how old the hotter tier''s word may be on which rows are deleted at '
                                        'the end of the chain; also until an alert says that it is missing')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's
