-- Rights noted: the last chapter. What is granted by now is what is to be granted: see chapter rights.

select strata.note_rights();
