-- Audit questions: what an audit asks of either end of a link, over whatever line there is.

-- The arguments' types are those of the function here: both ends have the same migrations.
create function strata.audit_arguments(p_call text, p_args text[])
returns table (place integer, value text, type text, is_of_keys boolean)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select a.o::integer, a.value, format_type(p.proargtypes[a.o - 1], null),
         p.proargnames[a.o] in ('p_keys', 'p_after')
    from unnest(p_args) with ordinality as a (value, o)
    join pg_catalog.pg_proc as p on p.pronamespace = 'strata'::regnamespace and p.proname = p_call
$$;
comment on function strata.audit_arguments(text, text[]) is
  'The arguments of a question of the audit, with their types; which are keys of rows?';
select strata.pin('strata.audit_arguments(text, text[])');

create function strata.audit_question(
  p_call text, p_args text[], out question text, out handing text
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('select strata.%1$I(%2$s)', p_call, string_agg(
           case when a.is_of_keys then strata.handed_sql('argument_' || a.place, a.value, a.type)
                else quote_nullable(a.value) end, ', ' order by a.place)),
         strata.unlogged_sql(
           string_agg(strata.handing_sql('argument_' || a.place, a.value), '') filter (where a.is_of_keys))
    from strata.audit_arguments(p_call, p_args) as a
$$;
comment on function strata.audit_question(text, text[]) is
  'SQL of a question of the audit: one of its functions, with its arguments as texts; and what is '
  'to be handed over for it.';

create function strata.audit_answer(p_call text, p_args text[])
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_answer text;
begin
  execute format('select strata.%1$I(%2$s)', p_call, (
    select string_agg(format('($1[%1$s])::%2$s', a.place, a.type), ', ' order by a.place)
      from strata.audit_arguments(p_call, p_args) as a))
    into v_answer using p_args;
  return v_answer;
end
$$;
comment on function strata.audit_answer(text, text[]) is
  'The answer to a question of the audit, of this tier.';

create function strata.ask_end(
  p_link strata.links, p_end text, p_call text, variadic p_args text[]
)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_link.driver = 'relay' then
    return strata.ask_over_relay(p_link, p_end, p_call, p_args);
  elsif p_end = p_link.direction then
    return (select strata.ask(p_link.neighbour, q.question, q.handing)
              from strata.audit_question(p_call, p_args) as q);
  end if;
  return strata.audit_answer(p_call, p_args);
end
$$;
comment on function strata.ask_end(strata.links, text, text, text[]) is
  'Asks a question at the hotter or the colder end of a link, near or far.';
