-- The end of a release: nobody may do more than is granted above, and the release is written down.

revoke all on schema strata from public;
revoke all on all tables in schema strata from public;
revoke all on all routines in schema strata from public;

delete from strata.rights;
select strata.note_rights();
select strata.note_release('strata', '%VERSION%', '%DIGEST%');

notify pgrst, 'reload schema';
