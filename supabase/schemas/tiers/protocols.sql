-- Protocols: what neighbours of different releases say to each other, by number.
--
-- A release speaks a range of them (strata.protocols()). Two tiers whose ranges overlap work together; else
-- the link rests, and says which of the two has to be upgraded. What there was before releases had numbers
-- spoke protocol 1 and told no range.

create function strata.protocols_of(p_said jsonb)
returns integer[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select array[coalesce(substring(p_said #>> '{protocols,0}' from '^[0-9]{1,6}$'), s.only_one, '0')::integer,
               coalesce(substring(p_said #>> '{protocols,1}' from '^[0-9]{1,6}$'), s.only_one, '0')::integer]
    from (select substring(p_said ->> 'protocol' from '^[0-9]{1,6}$') as only_one) as s
$$;
comment on function strata.protocols_of(jsonb) is
  'The least and the most protocol that a neighbour speaks, by what it said; 0 for one that says nothing.';

create function strata.check_protocols(p_tier text, p_said jsonb)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_theirs constant integer[] := strata.protocols_of(p_said);
  v_ours constant integer[] := strata.protocols();
  v_older constant text := case when v_theirs[2] < v_ours[1] then p_tier
                                when v_ours[2] < v_theirs[1] then strata.tier() end;
begin
  if v_older is not null then
    raise exception '% has Strata % (protocols % to %), % has % (% to %): upgrade %',
      p_tier, coalesce(strata.plain_text(p_said ->> 'version', 20), '0.0'), v_theirs[1], v_theirs[2],
      strata.tier(), strata.version(), v_ours[1], v_ours[2], v_older
      using errcode = 'ST069', hint = strata.remedy('ST069');
  end if;
end
$$;
comment on function strata.check_protocols(text, jsonb) is
  'ST069: a neighbour, by what it says of itself, speaks no protocol that this tier speaks; the error says '
  'which of the two is to be upgraded.';
