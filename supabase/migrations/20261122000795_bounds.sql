-- Bounds: what a neighbour may send, and what of it people read.
--
-- Whatever a neighbour says is taken as a whole or not at all. How much is too much is in strata.settings; what is refused is
-- counted, and one alert (excess) says who sent it, until the next upkeep.

insert into strata.errors (code, cause, remedy) values
  ('ST065', 'a neighbour sends more than it may', 'see who sends it: on that tier, lessen the alerts, holds or types of its own, or look whether it has been taken over');

insert into strata.settings (name, value, unit, says) values
  ('heard_heartbeat', 1048576, 'bytes', 'the largest heartbeat that is taken from a neighbour'),
  ('heard_alerts', 200, 'alerts', 'the most alerts that are taken from a neighbour, and passed on to one, at a time'),
  ('heard_alerts_daily', 2000, 'alerts', 'the most new alerts that are taken from a neighbour within a day'),
  ('heard_list', 33554432, 'bytes', 'the largest description, list of keys or list of refused rows that is taken from a neighbour'),
  ('heard_hourly', 33554432, 'bytes', 'the most that is taken of a neighbour''s heartbeats within an hour'),
  ('heard_keys', 67108864, 'bytes', 'the most keys of a neighbour that wait for the audit beyond'),
  ('failures_daily', 1000, 'failures', 'the most failed steps of which a line is kept within a day');

-- Counted by sequences, because what is refused is rolled back, and the count must not be.
create sequence strata.excess_hotter minvalue 0 start 1;
comment on sequence strata.excess_hotter is 'How often the hotter neighbour has sent more than it may, since the last upkeep.';
revoke all on strata.excess_hotter from public;
create sequence strata.excess_colder minvalue 0 start 1;
comment on sequence strata.excess_colder is 'How often the colder neighbour has sent more than it may, since the last upkeep.';
revoke all on strata.excess_colder from public;

create function strata.check_heard(p_direction text, p_what text, p_amount bigint, p_setting text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_amount > strata.setting(p_setting) then
    perform nextval(case p_direction when 'hotter' then 'strata.excess_hotter' else 'strata.excess_colder' end::regclass);
    raise exception 'the % tier sends % of %, and % is the most that is taken (%)', p_direction, p_what, p_amount, strata.setting(p_setting), p_setting
      using errcode = 'ST065', hint = strata.remedy('ST065');
  end if;
end
$$;
comment on function strata.check_heard(text, text, bigint, text) is
  'Refuses what a neighbour (hotter or colder) sends if it is larger than a setting allows, and counts that. ST065: it is.';
revoke execute on function strata.check_heard(text, text, bigint, text) from public;

-- What is read by people is text: nothing in it ends a line, moves a cursor or turns letters around.
create function strata.plain_text(p_text text, p_length integer)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$ select left(regexp_replace(p_text, '[\u0001-\u001F\u007F-\u009F\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF]+', ' ', 'g'), p_length) $$;
comment on function strata.plain_text(text, integer) is 'A text without control characters, and not longer than that.';
revoke execute on function strata.plain_text(text, integer) from public;
