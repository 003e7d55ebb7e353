create type strata.condition as (kind text, tier text, subject text, severity text, says text, remedy text);
comment on type strata.condition is 'Something that is wrong now, as raise_alert() takes it.';
