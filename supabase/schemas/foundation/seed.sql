delete from strata.registry as r where r.product = 'strata'; -- all of them are entered again

insert into strata.errors (code, cause, remedy) values
  ('ST067', 'the database has a newer release of Strata than the file that is pushed',
            'update this copy of Strata; in a project of your own, run `deno task strata add <folder>` '
            'from the newer copy'),
  ('ST068', 'objects that are not Strata''s depend on what a release makes anew, or a removal takes away',
            'drop the objects that the message names and push again; after an upgrade, make them anew'),
  ('ST070', 'rows have settled on colder tiers, and without Strata nobody would look after them',
            'bring them back first; or let them stay where they are: `deno task strata '
            'remove <folder> --leave-rows`'),
  ('08', 'the neighbour cannot be reached',
   'check that it runs and that host, port and firewall are right; it is tried again by itself'),
  ('2F003', 'the neighbour does not ask for a password',
   'use an address where Postgres asks for one (scram-sha-256), not a trusted or local one'),
  ('28', 'the neighbour refuses the login: the password was changed there, or the login is gone',
         'run `deno task strata setup --init`: it gives a link that is refused a new password'),
  ('22', 'a value does not fit', 'widen the column of <table> on the colder tier, or mend the value here; '
                                 'then run `deno task strata sync`'),
  ('23', 'a constraint on the colder tier refuses the row',
   'on the colder tier, with the constraint that the message names: alter table <table> drop constraint …; '
   'or mend the row here; then run `deno task strata sync`'),
  ('25006', 'the neighbour is read-only',
   'free space there, '
   'or: alter database … reset default_transaction_read_only; then run `deno task strata sync`'),
  ('40', 'it collided with other work', 'nothing: it is tried again'),
  ('42501', 'a privilege is missing',
   'run `deno task strata setup --init`, which grants what it granted before; what is your own, grant to the '
   'owner of Strata as the message names it'),
  ('3F', 'a schema is missing', 'restore <table>, or let go of it: select strata.unmanage(<dataset>);'),
  ('42P01', 'a table is missing', 'restore <table>, or let go of it: select strata.unmanage(<dataset>);'),
  ('42', 'the statement does not fit the table',
   'read the message: put back on this tier what it names, or change the policy that needs it with '
   'strata.manage(); then run `deno task strata sync`'),
  ('53100', 'the disk there is full', 'free space on that server; moves go on by themselves'),
  ('53300', 'all connections of the link''s login, or of the server, are in use',
            'run `deno task strata setup --rotate`: it gives the login a new password and ends the sessions '
            'of others; if it is the server that is full, end sessions there'),
  ('53', 'the server there is out of resources', 'look at its memory, disk and connection limit'),
  ('54', 'a limit of Postgres is exceeded',
   'make the value shorter that is too long, or on the colder tier drop the index that the message names; '
   'then run `deno task strata sync`'),
  ('55', 'something held a lock for too long', 'nothing: it is tried again'),
  ('57', 'the server there was stopped or the statement cancelled', 'nothing: it is tried again'),
  ('58', 'the server there has trouble with its files', 'look at its log and its disk'),
  ('P0', 'a trigger or function on the table raised an error',
   'read the message: guard the trigger (current_setting(''strata.purging'', true) is ''on'' while Strata '
   'deletes), or mend the row; then run `deno task strata sync`'),
  ('XX', 'an internal error, of the server or of a function that the table uses',
         'read the message: where it is of a function or a value, mend that; else look at the server''s log, '
         'and check its disks; then run `deno task strata sync`')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;
