insert into strata.errors (code, cause, remedy) values
  ('ST049', 'rows that refer to each other in a circle are more than a batch may hold',
            'raise the setting that the message names: update strata.settings set value = … where name = …; '
            'or break the circle: set one of its references to null. The rows are tried again by themselves')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.errors (code, cause, remedy) values
  ('ST045', 'the table refuses every deletion',
   'read the message: a trigger, a rule or a publication of that table refuses; mend it, or hold the rows, '
   'or unmanage the dataset')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.errors (code, cause, remedy) values
  ('ST048', 'a value cannot be read on this tier',
   'mend or delete that value here; the row is tried again by itself')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.errors (code, cause, remedy) values
  ('ST046', 'the colder tier makes another value of a column than it is given',
            'on the colder tier, if the column that the message names is computed there: alter table <table> '
            'alter column … drop expression; else make its type the one of the hotter tier'),
  ('ST047', 'a value names something that the colder tier does not have, or has as something else',
            'make there what the message names, or mend the value; the row is tried again by itself')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;
