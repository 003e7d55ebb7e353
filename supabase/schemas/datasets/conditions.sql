-- Conditions as data: how `due_when` and the condition of a hold cross a link.
--
-- A condition is SQL that its owner wrote for the tier on which it runs. A neighbour is not an owner, so no
-- SQL crosses: what can be said in the grammar below crosses as a tree of names, operators and literals, and
-- the other tier writes SQL of its own from it, with columns it has looked up. What cannot be said in it
-- waits there until the owner of that tier takes it (take_conditions); until then nothing of the dataset
-- leaves that tier, and nothing is deleted from it.
--
--   condition  = conjunction { or conjunction }            {"or": [...]}
--   conjunction = negation { and negation }                {"and": [...]}
--   negation   = [ not ] ( '(' condition ')' | test )      {"not": ...}
--   test       = term op term                              {"op": "<", "of": [term, term]}
--              | term is [ not ] null | true | false       {"is": "null", "of": [term]}
--              | term [ not ] in ( term {, term} )         {"in": [term, ...], "of": [term]}
--              | term [ not ] between term and term        {"between": [term, term], "of": [term]}
--              | column | true | false
--   term       = product { + | - product }                 {"op": "+", "of": [term, term]}
--   product    = factor { * | / | % factor }               as term
--   factor     = ( term ) | column | 'text' | number | true | false | null | now() [ - interval 'text' ]
--   op         = = <> != < <= > >= like ilike, and not like, not ilike

create function strata.condition_tokens(p_condition text)
returns text[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(m.token[1] order by m.o), '{}')
    from regexp_matches(
      p_condition,
      $r$("(?:[^"]|"")+"|'(?:[^']|'')*'|[[:alpha:]_][[:alnum:]_$]*|\d+(?:\.\d+)?|<=|>=|<>|!=|\S)$r$, 'g')
         with ordinality as m (token, o)
$$;
comment on function strata.condition_tokens(text) is
  'A condition cut into names, texts, numbers and signs; a sign that is none of the grammar '
  'stays a token of its own.';

-- Each of the parsers reads from position `at` on and leaves it behind what it has read; tree is null where
-- the grammar ends.
create function strata.parse_factor(p_tokens text[], inout at integer, out tree jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  c_words constant text[] := array['and', 'or', 'not', 'is', 'in', 'like', 'ilike', 'between', 'null', 'case',
                                   'exists', 'select',
    'array', 'row', 'cast', 'interval', 'date', 'time', 'timestamp', 'timestamptz', 'any', 'all', 'some',
    'distinct', 'from'];
  v_token text := p_tokens[at];
  v_inner record;
begin
  if v_token = '(' then
    v_inner := strata.parse_term(p_tokens, at + 1);
    at := v_inner.at;
    tree := case when p_tokens[at] = ')' then v_inner.tree end;
  elsif v_token = 't' and p_tokens[at + 1] = '.' then -- the row itself may be named
    at := at + 2;
    v_token := p_tokens[at];
  end if;
  if v_token ~ '^''' then
    tree := jsonb_build_object('text', replace(substr(v_token, 2, length(v_token) - 2), '''''', ''''));
  elsif v_token ~ '^\d' then
    tree := jsonb_build_object('number', v_token);
  elsif v_token = '-' and p_tokens[at + 1] ~ '^\d' then
    at := at + 1;
    tree := jsonb_build_object('number', '-' || p_tokens[at]);
  elsif v_token ~ '^"' then
    tree := jsonb_build_object('column', replace(substr(v_token, 2, length(v_token) - 2), '""', '"'));
  elsif lower(v_token) in ('true', 'false', 'null') then
    tree := jsonb_build_object('word', lower(v_token));
  elsif lower(v_token) = 'now' and p_tokens[at + 1 : at + 2] = array['(', ')'] then
    at := at + 2;
    tree := jsonb_build_object('ago', '0');
    if p_tokens[at + 1] = '-' and lower(p_tokens[at + 2]) = 'interval'
       and p_tokens[at + 3] ~ '^''[^'']*''$' then
      tree := jsonb_build_object('ago', trim(p_tokens[at + 3], ''''));
      at := at + 3;
    end if;
  elsif v_token ~ '^[[:alpha:]_]' and lower(v_token) <> all (c_words)
    and p_tokens[at + 1] is distinct from '(' then
    tree := jsonb_build_object('column', lower(v_token));
  end if;
  at := at + 1;
end
$$;
comment on function strata.parse_factor(text[], integer) is
  'A column, a literal, a time ago or a term in brackets; null if there is none.';

create function strata.parse_product(p_tokens text[], inout at integer, out tree jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_part record := strata.parse_factor(p_tokens, at);
  v_sign text;
begin
  tree := v_part.tree;
  while tree is not null and p_tokens[v_part.at] in ('*', '/', '%') loop
    v_sign := p_tokens[v_part.at];
    v_part := strata.parse_factor(p_tokens, v_part.at + 1);
    tree := case when v_part.tree is not null
                   then jsonb_build_object('op', v_sign, 'of', jsonb_build_array(tree, v_part.tree)) end;
  end loop;
  at := v_part.at;
end
$$;
comment on function strata.parse_product(text[], integer) is
  'Factors multiplied or divided; null if one of them is none.';

create function strata.parse_term(p_tokens text[], inout at integer, out tree jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_part record := strata.parse_product(p_tokens, at);
  v_sign text;
begin
  tree := v_part.tree;
  while tree is not null and p_tokens[v_part.at] in ('+', '-') loop
    v_sign := p_tokens[v_part.at];
    v_part := strata.parse_product(p_tokens, v_part.at + 1);
    tree := case when v_part.tree is not null
                   then jsonb_build_object('op', v_sign, 'of', jsonb_build_array(tree, v_part.tree)) end;
  end loop;
  at := v_part.at;
end
$$;
comment on function strata.parse_term(text[], integer) is
  'One side of a comparison: products added or subtracted; null if one of them is none.';

create function strata.parse_terms(
  p_tokens text[], p_between text, p_most integer, inout at integer, out trees jsonb
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_term record;
begin
  trees := '[]';
  loop
    v_term := strata.parse_term(p_tokens, at);
    at := v_term.at;
    trees := case when v_term.tree is not null then trees || jsonb_build_array(v_term.tree) end;
    exit when trees is null or jsonb_array_length(trees) = p_most
      or lower(p_tokens[at]) is distinct from p_between;
    at := at + 1;
  end loop;
end
$$;
comment on function strata.parse_terms(text[], text, integer, integer) is
  'Terms with a token between them, so many at most; null if one of them is none.';

create function strata.parse_test(p_tokens text[], inout at integer, out tree jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_left record;
  v_right record;
  v_word text;
  v_not boolean;
begin
  v_left := strata.parse_term(p_tokens, at);
  at := v_left.at;
  if v_left.tree is null then
    return;
  end if;
  v_not := lower(p_tokens[at]) = 'not' or (lower(p_tokens[at]) = 'is' and lower(p_tokens[at + 1]) = 'not');
  v_word := lower(p_tokens[at + case when lower(p_tokens[at]) = 'not' then 1 else 0 end]);
  if v_word = 'is' then
    at := at + case when v_not then 2 else 1 end;
    if lower(p_tokens[at]) in ('null', 'true', 'false') then
      tree := jsonb_build_object('is', lower(p_tokens[at]), 'of', jsonb_build_array(v_left.tree));
    end if;
    at := at + 1;
  elsif v_word in ('in', 'between') then
    at := at + case when v_not then 2 else 1 end;
    v_right := strata.parse_terms(p_tokens, case v_word when 'in' then ',' else 'and' end,
      case v_word when 'in' then 100 else 2 end, at + case v_word when 'in' then 1 else 0 end);
    if v_word = 'in' and p_tokens[at] = '(' and p_tokens[v_right.at] = ')' and v_right.trees is not null then
      tree := jsonb_build_object('in', v_right.trees, 'of', jsonb_build_array(v_left.tree));
    elsif v_word = 'between' and jsonb_array_length(v_right.trees) = 2 then
      tree := jsonb_build_object('between', v_right.trees, 'of', jsonb_build_array(v_left.tree));
    end if;
    at := v_right.at + case v_word when 'in' then 1 else 0 end;
  elsif v_word in ('=', '<>', '!=', '<', '<=', '>', '>=', 'like', 'ilike')
    and (not coalesce(v_not, false) or v_word in ('like', 'ilike')) then
    at := at + case when v_not then 2 else 1 end;
    v_right := strata.parse_term(p_tokens, at);
    at := v_right.at;
    if v_right.tree is not null then
      tree := jsonb_build_object('op', replace(v_word, '!=', '<>'),
                                 'of', jsonb_build_array(v_left.tree, v_right.tree));
    end if;
  elsif v_left.tree ?| array['column', 'word'] then -- by itself
    tree := v_left.tree;
    v_not := false;
  end if;
  if v_not and tree is not null then
    tree := jsonb_build_object('not', tree);
  end if;
end
$$;
comment on function strata.parse_test(text[], integer) is
  'One comparison of a condition; null if it is none of the grammar.';

create function strata.parse_negation(p_tokens text[], inout at integer, out tree jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_not constant boolean := lower(p_tokens[at]) = 'not';
  v_is_bracket boolean := false;
  v_part record;
begin
  at := at + case when v_not then 1 else 0 end;
  if p_tokens[at] = '(' then
    v_part := strata.parse_condition(p_tokens, at + 1);
    -- a bracket may also be one of a term: (id - 1) = 5
    v_is_bracket := v_part.tree is not null and p_tokens[v_part.at] = ')'
                    and not coalesce(p_tokens[v_part.at + 1] ~ '^[-+*/%<>=!]'
                                     or lower(p_tokens[v_part.at + 1])
                                        in ('is', 'in', 'between', 'like', 'ilike', 'not'), false);
  end if;
  if v_is_bracket then
    at := v_part.at + 1;
    tree := v_part.tree;
  elsif v_not and lower(p_tokens[at]) = 'not' then -- once is enough for anybody
    return;
  else
    v_part := strata.parse_test(p_tokens, at);
    at := v_part.at;
    tree := v_part.tree;
  end if;
  if v_not and tree is not null then
    tree := jsonb_build_object('not', tree);
  end if;
end
$$;
comment on function strata.parse_negation(text[], integer) is
  'A comparison or a condition in brackets, perhaps negated.';

create function strata.parse_condition(p_tokens text[], inout at integer, out tree jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_ors jsonb := jsonb_build_array();
  v_ands jsonb := jsonb_build_array();
  v_part record;
  v_word text;
begin
  loop
    v_part := strata.parse_negation(p_tokens, at);
    at := v_part.at;
    if v_part.tree is null then
      return;
    end if;
    v_ands := v_ands || jsonb_build_array(v_part.tree);
    v_word := coalesce(lower(p_tokens[at]), '');
    if v_word <> 'and' then
      v_ors := v_ors || jsonb_build_array(
        case jsonb_array_length(v_ands) when 1 then v_ands -> 0 else jsonb_build_object('and', v_ands) end);
      v_ands := '[]';
    end if;
    exit when v_word not in ('and', 'or');
    at := at + 1;
  end loop;
  tree := case jsonb_array_length(v_ors) when 1 then v_ors -> 0 else jsonb_build_object('or', v_ors) end;
end
$$;
comment on function strata.parse_condition(text[], integer) is
  'A condition from a token on; null if it is none of the grammar.';

create function strata.condition_tree(p_condition text)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_tokens constant text[] := strata.condition_tokens(p_condition);
  v_parsed record;
begin
  -- each may be tried as two things
  if cardinality(v_tokens) > 400 or (select count(*) from unnest(v_tokens) as t where t = '(') > 10 then
    return null;
  end if;
  v_parsed := strata.parse_condition(v_tokens, 1);
  return case when v_parsed.at = cardinality(v_tokens) + 1 then v_parsed.tree end;
end
$$;
comment on function strata.condition_tree(text) is
  'A condition as data, for a neighbour to write SQL of its own from; null when it says more than the '
  'grammar of this chapter can.';

-- SQL of our own from a neighbour's tree: columns are looked up, signs and words are those written here, all
-- else is a literal.
create function strata.term_sql(p_term jsonb, p_relation regclass, p_depth integer default 0)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  v_kind constant text := case when jsonb_typeof(
    p_term) = 'object' then (select min(k) from jsonb_object_keys(p_term) as k having count(*) = 1) end;
  v_is_sum constant boolean := p_depth < 20 and jsonb_typeof(p_term -> 'of') = 'array'
                               and coalesce(p_term ->> 'op' = any (array['+', '-', '*', '/', '%']), false);
  v_value constant text := case when v_kind is not null
                                 and jsonb_typeof(p_term -> v_kind) = 'string' then p_term ->> v_kind end;
  v_sql constant text := case when v_is_sum then '(' || strata.term_sql(
    p_term -> 'of' -> 0, p_relation, p_depth + 1) || ' ' || (p_term ->> 'op')
      || ' ' || strata.term_sql(p_term -> 'of' -> 1, p_relation, p_depth + 1) || ')' else case v_kind
    when 'column' then (select quote_ident(a.attname) from pg_catalog.pg_attribute as a
                         where a.attrelid = p_relation and a.attname = v_value and a.attnum > 0
                           and not a.attisdropped)
    when 'text' then quote_literal(v_value)
    when 'number' then substring(v_value from '^-?\d+(?:\.\d+)?$')
    when 'word' then substring(v_value from '^(?:true|false|null)$')
    when 'ago' then case v_value when '0' then 'now()'
                                 else 'now() - ' || quote_literal(v_value) || '::interval' end end end;
begin
  if v_sql is null then
    raise exception 'a condition of the neighbour names "%", which % does not have',
      left(coalesce(v_value, p_term::text, 'nothing'), 60), p_relation
      using errcode = 'ST014', hint = strata.remedy('ST014');
  end if;
  return v_sql;
end
$$;
comment on function strata.term_sql(jsonb, regclass, integer) is
  'SQL of one term of a condition that came as data. ST014: no such column, or no term.';

create function strata.condition_sql(p_tree jsonb, p_relation regclass, p_depth integer default 0)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_of text[];
  v_sql text;
begin
  if p_tree is null or jsonb_typeof(p_tree) = 'null' then
    return null;
  elsif p_depth < 50 and jsonb_typeof(p_tree) = 'object' then
    v_of := case when jsonb_typeof(p_tree -> 'of') = 'array'
                 then array(select strata.term_sql(t.it, p_relation)
                              from jsonb_array_elements(p_tree -> 'of') with ordinality as t (it, o)
                             order by t.o) end;
    v_sql := case -- joined by ||: what is missing makes all of it null, where format() would make it nothing
      when p_tree ? 'or' or p_tree ? 'and' then
        (select string_agg(format(case when c.it ?| array['or', 'and'] then '(%s)' else '%s' end,
                                  strata.condition_sql(c.it, p_relation, p_depth + 1)),
                           case when p_tree ? 'or' then ' or ' else ' and ' end order by c.o)
           from jsonb_array_elements(coalesce(p_tree -> 'or', p_tree -> 'and')) with ordinality as c (it, o))
      when p_tree ? 'not'
        then format('not (%s)', strata.condition_sql(p_tree -> 'not', p_relation, p_depth + 1))
      when p_tree ->> 'op' = any (array['=', '<>', '<', '<=', '>', '>=', 'like', 'ilike'])
        then v_of[1] || ' ' || (p_tree ->> 'op') || ' ' || v_of[2]
      when p_tree ->> 'is' = any (array['null', 'true', 'false']) then v_of[1] || ' is ' || (p_tree ->> 'is')
      when p_tree ? 'in' then v_of[1] || ' in (' || (
        select string_agg(strata.term_sql(t.it, p_relation), ', ' order by t.o)
          from jsonb_array_elements(p_tree -> 'in') with ordinality as t (it, o)) || ')'
      when p_tree ? 'between' then v_of[1] || ' between '
        || strata.term_sql(p_tree -> 'between' -> 0, p_relation) || ' and '
                                   || strata.term_sql(p_tree -> 'between' -> 1, p_relation)
      when p_tree ?| array['column', 'word'] then strata.term_sql(p_tree, p_relation) end;
  end if;
  if v_sql is null then
    raise exception 'a condition of the neighbour is none: %', left(p_tree::text, 200)
      using errcode = 'ST014', hint = strata.remedy('ST014');
  end if;
  return v_sql;
end
$$;
comment on function strata.condition_sql(jsonb, regclass, integer) is
  'SQL over a row of the table, written here, of a condition that came as data; null for none. ST014: it is '
  'none, or names what the table lacks.';
