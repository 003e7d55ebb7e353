insert into strata.errors (code, cause, remedy) values
  ('ST029', 'a neighbour''s description is about a table, type or schema that is not for it to use',
            'if a table of yours may become a twin, on that tier: select strata.allow_twin(…); '
            'else manage the dataset under another name on the hotter tier')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.errors (code, cause, remedy) values
  ('ST034', 'labels of an enum were renamed on the hotter tier',
            'run the statements that the message ends with on the colder tier, as its owner; or, '
            'if its labels mean something else there, on that tier: select strata.forget_twin(<dataset>);'),
  ('ST035', 'a label of an enum is gone from the hotter tier, or stands in another place there',
            'if it was renamed, on the colder tier, with what the message names: alter type … rename value … '
            'to …; to keep it there as it is, on that tier: select strata.forget_twin(<dataset>);')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.errors (code, cause, remedy) values
  ('ST037', 'a type of the table''s name is in the way on the colder tier',
            'on that tier give the type another name: alter type <table> rename to …; '
            'when the table has been made, alter the columns of that type to the new one'),
  ('ST038', 'a column is computed on the colder tier, and otherwise than on the hotter one',
            'on the colder tier, with the column that the message names: alter table <table> alter column … '
            'drop expression; its rows keep their values, and those that come are kept as they come'),
  ('ST039', 'a virtual column is computed on the colder tier, and otherwise than on the hotter one',
            'on the colder tier, put a plain column in its place, with the column that the message names, '
            'and its type: alter table <table> add column "kept here" …; update <table> set "kept here" = …; '
            'alter table <table> drop column …; alter table <table> rename column "kept here" to …;')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.errors (code, cause, remedy) values
  ('ST020', 'the twin is gone from the colder tier',
   'restore the table on that tier from a backup; if there is none, make it anew there, without those rows: '
   'select strata.forget_twin(<dataset>);'),
  ('ST021', 'a column is gone from the twin',
   'add it again on that tier: alter table <table> add column …; or accept that its values there are lost: '
   'select strata.forget_twin(<dataset>);'),
  ('ST022', 'a column has another type on the two tiers',
   'on the colder tier, with the column '
   'and the type that the message names: alter table <table> alter column … type …;'),
  ('ST023', 'a column was dropped or renamed on the hotter tier',
   'on the colder tier, with the column that the message names: alter table <table> drop column …; '
   'or alter table <table> rename column … to …;'),
  ('ST024', 'the twin has another primary key, or none',
   'on the colder tier, with the columns that the message names: alter table <table> drop constraint if '
   'exists …, add primary key (…);'),
  ('ST025', 'the twin has a column that must be filled and that the hotter tier does not know',
   'on the colder tier, with the column that the message names: alter table <table> alter column … drop not '
   'null; or, where its type is a domain that allows no null: alter table <table> alter column … type …;'),
  ('ST026', 'a type could not be made on the colder tier, or is another one there',
   'create or alter it there by hand so that both are the same'),
  ('ST027', 'the twin is unlogged: a crash would empty it',
   'on the colder tier: alter table <table> set logged;')
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
