-- Report parts: what each tier says of itself for the report, and what is heard of the colder ones.

create function strata.report_part()
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_part jsonb := jsonb_build_object('tier', strata.tier(), 'made_at', strata.clock());
  v_name text;
  v_section jsonb;
  v_context text;
begin
  for v_name in select r.routine from strata.registered('report') as r (routine) loop
    begin
      execute format('select %s()', strata.registered_call('report_' || v_name)) into v_section;
    exception when query_canceled or assert_failure or others then
      get stacked diagnostics v_context = pg_exception_context;
      if strata.is_our_end(sqlstate, sqlerrm, v_context) then
        raise;
      end if;
      v_section := jsonb_build_object('failed', format('%1$s [%2$s]', sqlerrm, sqlstate));
    end;
    v_part := v_part || jsonb_build_object(v_name, v_section);
  end loop;
  return v_part;
end
$$;
comment on function strata.report_part() is
  'What this tier says of itself for reports, as of now: one entry per section; a section that '
  'failed has {"failed": why}.';

create function strata.note_part()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from strata.report_parts as p where p.tier = strata.tier()
                and p.made_at > strata.clock() - make_interval(
                  mins => strata.setting('report_every')::integer)) then
    return;
  end if;
  insert into strata.report_parts (tier, made_at, heard_from, says)
  values (strata.tier(), strata.clock(), null, strata.report_part())
  on conflict (tier) do update set made_at = excluded.made_at, heard_from = null, says = excluded.says;
end
$$;
comment on function strata.note_part() is
  'Makes this tier''s part of the report anew, unless the last one is recent.';

create function strata.hear_parts(p_from text, p_parts jsonb)
returns void
language sql
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
  insert into strata.report_parts (tier, made_at, heard_from, says)
  select distinct on (x.says ->> 'tier') x.says ->> 'tier', (x.says ->> 'made_at')::timestamptz, p_from,
                     x.says
    from jsonb_array_elements(case when jsonb_typeof(p_parts) = 'array' then p_parts
                                   else '[]' end) as x (says)
    join strata.tiers as t on t.name = x.says ->> 'tier'
   where t.name <> strata.tier() and octet_length(x.says::text) < 200000
     and x.says ->> 'made_at' ~ '^\d{4}-\d\d-\d\dT[0-9:.]+[+-]\d\d:\d\d$'
   order by x.says ->> 'tier'
  on conflict (tier) do update
     set made_at = excluded.made_at, heard_from = excluded.heard_from, says = excluded.says
$$;
comment on function strata.hear_parts(text, jsonb) is
  'Keeps what a colder neighbour passes on for the report: its own part, and those of tiers behind it.';
