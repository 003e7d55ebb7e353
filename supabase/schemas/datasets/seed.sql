insert into strata.errors (code, cause, remedy) values
  ('ST028', 'a condition is SQL that only the owner of that tier may run there',
            'read strata.waiting_conditions() on that tier, and as its owner with what may run there: '
            'select strata.take_conditions(<dataset>, array[…]);')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.errors (code, cause, remedy) values
  ('ST010', 'the table cannot be managed',
   'change what the message names, or let go of the table with strata.unmanage()'),
  ('ST011', 'there is no such dataset', 'select name from strata.datasets'),
  ('ST012', 'the policy makes no sense',
   'retentions are whole days that grow down the chain; null or -1 means never'),
  ('ST013', 'the table has delete triggers and nobody said whether a move may fire them',
            'call strata.manage() again with p_delete_triggers => ''fire'' or ''skip'''),
  ('ST014', 'the condition is not a boolean expression over the row',
   'write it as you would in a WHERE clause'),
  ('ST015', 'a condition, trigger, check or function of yours raises an error that otherwise only a line, '
            'a server or a cancel has',
            'mend the function that the message is of, or do without it: a condition is changed with '
            'select strata.manage(<table>, p_due_when => …); then run `deno task strata sync`'),
  ('ST050', 'what is to be held or explained is not named as it must be',
   'give the key, one value of its type for each key column; or, for a hold, a condition; and its reason')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;
