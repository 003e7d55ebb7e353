-- The end of a release: what it grants is noted, and the release is written down.

select strata.note_rights();
select strata.note_release('strata', '%VERSION%',
  '%DIGEST%');

notify pgrst, 'reload schema';
