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
            'on the colder tier, with the column that the message names: alter table '
            '<table> alter column … drop expression; its rows keep their values, '
            'and those that come are kept as they come. A virtual column of PostgreSQL 18 has no '
            'values to keep: give it the expression of the hotter tier (alter column … set expression), '
            'or put a plain column with the values in its place')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;
