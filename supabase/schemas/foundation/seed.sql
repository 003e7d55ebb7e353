delete from strata.registry as r where r.product = 'strata'; -- all of them are entered again

insert into strata.errors (code, cause, remedy) values
  ('ST001', 'this database does not know which tier it is',
   'select strata.become(''core''), ''main'' or ''archive'''),
  ('ST002', 'there is no such tier, or it cannot take that place in the chain',
   'use core, main or archive, each once'),
  ('ST003', 'the database behind the link is another tier than the one it was declared as',
   'run strata.join_tier() with the right address'),
  ('ST004', 'the two ends of a link do not fit together',
   'run `deno task strata setup --init`: it pushes the same migrations to both tiers, grants what they '
   'grant, and sets both up again'),
  ('ST005', 'the neighbour did not answer in time', 'check the line; the work is taken up again by itself'),
  ('ST010', 'the table cannot be managed',
   'change what the message names, or let go of the table with strata.unmanage()'),
  ('ST011', 'there is no such dataset', 'select name from strata.datasets'),
  ('ST012', 'the policy makes no sense',
   'retentions are whole days that grow down the chain; null or -1 means never'),
  ('ST013', 'the table has delete triggers and nobody said whether a move may fire them',
            'call strata.manage() again with p_delete_triggers => ''fire'' or ''skip'''),
  ('ST014', 'the condition is not a boolean expression over the row',
   'write it as you would in a WHERE clause'),
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
   'on the colder tier, with the columns that the message names: alter table <table> drop constraint …, '
   'add primary key (…);'),
  ('ST025', 'the twin has a column that must be filled and that the hotter tier does not know',
   'on the colder tier, '
   'with the column that the message names: alter table <table> alter column … drop not null;'),
  ('ST026', 'a type could not be made on the colder tier, or is another one there',
   'create or alter it there by hand so that both are the same'),
  ('ST027', 'the twin is unlogged: a crash would empty it',
   'on the colder tier: alter table <table> set logged;'),
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
   'select strata.hold(<dataset>, p_key => …, p_reason => …);'),
  ('ST050', 'what is to be held or explained is not named as it must be',
   'give the key, one value of its type for each key column; or, for a hold, a condition; and its reason'),
  ('ST067', 'the database has a newer release of Strata than the file that is pushed',
            'update this copy of Strata; in a project of your own, run `deno task strata add <folder>` '
            'from the newer copy'),
  ('ST069', 'two neighbours have releases of Strata that cannot work together',
            'run `deno task strata setup --init` from a copy of the newer release: it upgrades every tier; '
            'moves go on by themselves'),
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
  ('42P01', 'a table is missing', 'restore <table>, or let go of it: select strata.unmanage(<dataset>);'),
  ('42', 'the statement does not fit the table',
   'read the message: put back on this tier what it names, or change the policy that needs it with '
   'strata.manage(); then run `deno task strata sync`'),
  ('53100', 'the disk there is full', 'free space on that server; moves go on by themselves'),
  ('53300', 'all connections of the link''s login, or of the server, are in use',
            'run `deno task strata setup --rotate`: it gives the login a new password and ends the sessions '
            'of others; if it is the server that is full, end sessions there'),
  ('53', 'the server there is out of resources', 'look at its memory, disk and connection limit'),
  ('54', 'a limit of Postgres is exceeded', 'the row or an index entry is too large for that tier'),
  ('55', 'something held a lock for too long', 'nothing: it is tried again'),
  ('57', 'the server there was stopped or the statement cancelled', 'nothing: it is tried again'),
  ('58', 'the server there has trouble with its files', 'look at its log and its disk'),
  ('P0', 'a trigger or function on the table raised an error',
   'read the message: guard the trigger (current_setting(''strata.purging'', true) is ''on'' while Strata '
   'deletes), or mend the row; then run `deno task strata sync`'),
  ('XX', 'the server there reports an internal error', 'look at its log; check its disks')
on conflict (code) do update set cause = excluded.cause, remedy = excluded.remedy;

insert into strata.settings (name, value, unit, says) values
  ('batch_rows', 20000, 'rows', 'the most rows of one move'),
  ('flow_batches', 64, 'batches', 'so many batches follow each other without a pause in which the same '
                                  'dataset may move on from the colder tier'),
  ('batch_bytes', 4194304, 'bytes', 'a move is closed to further rows when their stored size passes this'),
  ('relay_batch_bytes', 3145728, 'bytes',
   'as batch_bytes, for links that an edge function drives: all of it passes through its memory'),
  ('relay_text_bytes', 6291456, 'bytes',
   'the most text one call of the relay carries; a longer row is set aside'),
  ('link_timeout', 60, 'seconds', 'how long one call to a neighbour may take before the line is given up'),
  ('keep_closed_arrivals', 30, 'days',
   'how long a tier remembers finished arrivals, to turn stragglers away'),
  ('keep_job_runs', 7, 'days', 'how long rows of our own jobs stay in cron.job_run_details')
on conflict (name) do update set unit = excluded.unit, says = excluded.says; -- the value is the owner's

insert into strata.schedules (job, cron, command, active, says) values
  ('strata-move', '0 */4 * * *', 'call strata.move_due()', true, 'moves what is due'),
  ('strata-continue', '* * * * *', 'call strata.go_on()', true,
   'goes on with what a run left behind, with drains and reclaims; asleep otherwise'),
  ('strata-upkeep', '0 2 * * 0', 'call strata.upkeep()', true, 'deletions at the last tier, housekeeping')
-- when, and whether, is the owner's
on conflict (job) do update set command = excluded.command, tiers = excluded.tiers, says = excluded.says;
