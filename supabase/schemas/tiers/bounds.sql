-- Bounds: what a neighbour may send, and what of it people read.
--
-- Whatever a neighbour says is taken as a whole or not at all. How much is too much is in strata.settings;
-- what is refused is counted, and one alert (excess) says who sent it, until the next upkeep.

create function strata.check_heard(p_direction text, p_what text, p_amount bigint, p_setting text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_amount > strata.setting(p_setting) then
    perform nextval(
      case p_direction when 'hotter' then 'strata.excess_hotter' else 'strata.excess_colder' end::regclass);
    raise exception 'the % tier sends % of %, and % is the most that is taken (%)', p_direction, p_what,
      p_amount, strata.setting(p_setting), p_setting
      using errcode = 'ST065', hint = strata.remedy('ST065');
  end if;
end
$$;
comment on function strata.check_heard(text, text, bigint, text) is
  'Refuses what a neighbour (hotter or colder) sends if it is larger than a setting allows, and '
  'counts that. ST065: it is.';

-- What is read by people is text: nothing in it ends a line, moves a cursor or turns letters around.
create function strata.plain_text(p_text text, p_length integer)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
  select left(
    regexp_replace(p_text, '[\u0001-\u001F\u007F-\u009F\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF]+',
                   ' ', 'g'), p_length)
$$;
comment on function strata.plain_text(text, integer) is
  'A text without control characters, and not longer than that.';

create function strata.as_time(p_text text)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return p_text::timestamptz;
exception when data_exception then -- before version 16 there is no other way to ask whether a text is a time
  return null;
end
$$;
comment on function strata.as_time(text) is 'A text as a time; null when it is none.';
