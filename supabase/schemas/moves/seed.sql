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

insert into strata.errors (code, cause, remedy) values
  ('ST030', 'there is no such move, or it is not in that step',
   'nothing: the next run takes up what is open'),
  ('ST031', 'the move was closed already; a late copy of it is refused',
   'nothing: this is a straggler being turned away'),
  ('ST032', 'the shape of the table changed while the batch was under way',
   'nothing: the next run starts with the new shape'),
  ('ST033', 'a move is still under way',
   'call strata.move_due() on the tier that drives the link until it is closed, then try again'),
  ('ST040', 'the colder tier holds another row under the same key',
   'nothing was overwritten: compare the two (deno task strata explain), and delete one of them, or give it '
   'another key, on its tier; the rest follows by itself'),
  ('ST041', 'the colder tier took the row and did not keep it',
   'on the colder tier, drop or guard the trigger or rule of <table> that keeps rows from being inserted; '
   'then run `deno task strata sync`'),
  ('ST042', 'a trigger on the colder tier changes the row as it arrives',
   'on the colder tier, drop or guard that trigger of <table>: values must cross unchanged; then run '
   '`deno task strata sync`'),
  ('ST043', 'a trigger here keeps the row from being deleted',
   'guard it (current_setting(''strata.purging'', true) is ''on'' while Strata deletes), or drop it; then '
   'run `deno task strata sync`'),
  ('ST044', 'the row is too large to cross in one piece',
   'rows up to about 200 MB of text can move: make it smaller, or hold it: '
   'select strata.hold(<dataset>, p_key => …, p_reason => …);')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('batch_rows', 20000, 'rows', 'the most rows of one move'),
  ('batch_bytes', 4194304, 'bytes', 'a move is closed to further rows when their stored size passes this')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.registry (occasion, place, routine) values
  ('unmanage', 10, 'unmanage_moves'),
  ('new_colder', 10, 'turn_to');
