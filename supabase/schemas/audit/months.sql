-- Audit: is what the ledger says has settled still there, and is every row in one tier only?
--
-- The side that dials a link audits it (over a relay the hotter tier, see audit_relay), one dataset's turn
-- after the other, in small steps it can go on with after any interruption (audit_turns). A turn first goes
-- through the months: what left the hotter tier, less what left the colder one, since the account was last in
-- order, must be the difference between what was there then and what is there now. Then it goes through the
-- hotter tier's keys and asks the colder one for them: none may be there.
--
--   doubled   the same key on both tiers
--   beyond    the same key on the hotter tier and on the one after the colder (audit_beyond)
--
-- What is found of a month is in audit_verdicts. Only a month found in order is taken into the account, and
-- so one in which rows are missing, too many or changed is found again until it is mended or accepted
-- (accept_audit). Whoever deletes, changes or writes rows on a colder tier himself finds a mismatch, and
-- accepts it.
--
-- What is seen of one month is of one moment on the colder tier, with no arrival open, and the hotter tier's
-- ledger is read before and after: rows on their way are never taken for lost or doubled. A month that is
-- never quiet is skipped.

create function strata.keep_findings(
  p_link strata.links, p_turn strata.audit_turns, p_month text, p_verdict strata.verdict,
  p_now strata.sight
)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  delete from strata.audit_notes as n
   where (n.neighbour, n.dataset, n.month) = (p_link.neighbour, p_turn.dataset, p_month)
     and (n.kind = 'partly' or p_now.rows = 0);
  insert into strata.audit_notes as n (neighbour, dataset, month, kind, rows, says, first_seen_at)
  select p_link.neighbour, p_turn.dataset, p_month, k.kind, p_now.rows,
         strata.finding_says(k.kind, p_link, p_month, p_verdict, p_now), strata.clock()
    from unnest(p_verdict.kinds) as k (kind) where k.kind in ('counted', 'partly')
  on conflict (neighbour, dataset, month, kind) do update set rows = excluded.rows, says = excluded.says;
  delete from strata.audit_findings as f
   where (f.neighbour, f.dataset, f.month) = (p_link.neighbour, p_turn.dataset, p_month)
     and f.kind not in ('doubled', 'beyond') and f.kind <> all (p_verdict.kinds);
  insert into strata.audit_findings as f (neighbour, dataset, month, kind, rows, says, turn_at, first_seen_at)
  select p_link.neighbour, p_turn.dataset, p_month, k.kind,
         case when k.kind in ('missing', 'besides') then abs(p_verdict.diff) end,
         strata.finding_says(k.kind, p_link, p_month, p_verdict, p_now), p_turn.started_at, strata.clock()
    from unnest(p_verdict.kinds) as k (kind) where k.kind not in ('counted', 'partly')
  on conflict (neighbour, dataset, month, kind) do update
     set rows = excluded.rows, says = excluded.says, turn_at = excluded.turn_at
$$;
comment
  on function strata.keep_findings(strata.links, strata.audit_turns, text, strata.verdict, strata.sight) is
  'Writes down what was found of a month, and drops what is not so any more; what was only counted '
  'stays until it is accepted.';

create function strata.keep_account(
  p_account strata.audit_accounts, p_neighbour text, p_dataset text, p_month text, p_verdict strata.verdict,
  p_aside strata.sight, p_now strata.sight
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key constant bytea := strata.make_ledger_key();
  v_good strata.sight := strata.sight_of(p_account, 'good', v_key);
begin
  if p_verdict.kinds <@ array['counted', 'partly'] then
    v_good := p_now;
  elsif v_good.rows is null then -- never in order yet: nothing was there and nothing had come
    v_good := jsonb_populate_record(null::strata.sight, '{"rows": 0}');
  end if;
  insert into strata.audit_accounts as a (neighbour, dataset, month, good, aside, seen, seen_at, mask)
  select p_neighbour, p_dataset, p_month,
         strata.kept_sight(v_good, v_key, 'good', p_neighbour, p_dataset, p_month),
         case when p_aside.rows is not null
                then strata.kept_sight(p_aside, v_key, 'aside', p_neighbour, p_dataset, p_month) end,
         strata.kept_sight(p_now, v_key, 'seen', p_neighbour, p_dataset, p_month), strata.clock(),
         strata.key_name(v_key)
  on conflict (neighbour, dataset, month) do update
     set good = excluded.good, aside = excluded.aside, seen = excluded.seen, seen_at = excluded.seen_at,
         mask = excluded.mask;
end
$$;
comment on function strata.keep_account(strata.audit_accounts, text, text, text, strata.verdict, strata.sight,
                                        strata.sight) is
  'Brings the account of a month up to date: as it was seen, and as right if it is in order.';

create function strata.months_to_audit(p_link strata.links, p_dataset text)
returns text[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    select distinct m.month collate "C"
      from unnest(strata.ask_end(p_link, 'hotter', 'ledger_months', p_dataset, '{moved}')::text[]
                  || strata.ask_end(p_link, 'colder', 'stock_months', p_dataset)::text[]
                  || array(select a.month from strata.audit_accounts as a
                            where a.neighbour = p_link.neighbour and a.dataset = p_dataset)) as m (month)
     where strata.is_month(m.month) order by 1);
end
$$;
comment on function strata.months_to_audit(strata.links, text) is
  'The months of which a ledger, the rows of the colder tier or an account knows something.';

-- Looks at one month; false when rows are on their way and it must be looked at again.
create function strata.audit_month(p_link strata.links, p_turn strata.audit_turns, p_month text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before constant jsonb :=
    strata.ask_end(p_link, 'hotter', 'ledger_entry', p_turn.dataset, '{moved}', p_month, 'came')::jsonb;
  v_key constant bytea := strata.make_ledger_key();
  v_account strata.audit_accounts;
  v_stock jsonb;
  v_now strata.sight;
  v_judged record;
begin
  select a.* into v_account from strata.audit_accounts as a
   where a.neighbour = p_link.neighbour and a.dataset = p_turn.dataset and a.month = p_month;
  v_stock := strata.ask_end(p_link, 'colder', 'take_stock', p_turn.dataset, p_month, coalesce(
    (select array_agg(c.name order by c.o) from jsonb_array_elements_text(
      nullif(v_before -> 'came_columns', 'null')) with ordinality as c (name, o)),
    (v_account.good).columns)::text)::jsonb;
  if (v_stock ->> 'open')::boolean
     or strata.ask_end(p_link, 'hotter', 'ledger_entry', p_turn.dataset, '{moved}', p_month,
                       'came')::jsonb <> v_before then
    return false;
  end if;
  v_now := strata.reconciled(jsonb_populate_record(null::strata.sight, v_stock || v_before));
  v_judged := strata.judge_month(v_account, v_key, v_now);
  perform strata.ask_end(p_link, 'hotter', 'note_forgotten', p_turn.dataset, p_month,
                         greatest(-v_now.ahead, 0)::text)
    where v_now.came_forgotten <> greatest(-v_now.ahead, 0);
  perform strata.ask_end(p_link, 'colder', 'book_stock', p_turn.dataset, p_month)
    where (v_stock ->> 'to_book')::boolean
     and (v_judged.verdict).kinds <@ array['counted', 'partly', 'rewound'];
  perform strata.keep_findings(p_link, p_turn, p_month, v_judged.verdict, v_now);
  perform strata.keep_account(v_account, p_link.neighbour, p_turn.dataset, p_month, v_judged.verdict,
                              v_judged.aside, v_now);
  update strata.audit_turns as t
     set months = t.months + 1, rows = t.rows + v_now.rows,
         besides = t.besides + greatest((v_judged.verdict).diff, 0)
   where t.neighbour = p_link.neighbour and t.dataset = p_turn.dataset;
  return true;
end
$$;
comment on function strata.audit_month(strata.links, strata.audit_turns, text) is
  'Compares one month with its account, and brings the account up to date or writes a finding; false, and '
  'nothing, while rows are on their way.';

-- Keys: nothing twice.
create function strata.keys_page(p_dataset text, p_after text[])
returns text[]
language plpgsql
stable
security definer -- a colder tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_sql record;
  v_keys text[];
begin
  perform strata.check_asker('colder');
  select string_agg(strata.value_sql(a.atttypid, k.name) || ' as k' || k.position,
                    ', ' order by k.position) as texts,
         string_agg('array_agg(z.k' || k.position || ')', ', ' order by k.position) as arrays,
         string_agg(format('t.%I', k.name), ', ' order by k.position) as names,
         string_agg(strata.key_value_sql(a.atttypid, a.atttypmod, a.attcollation,
                                         format('$1[%s]', k.position)), ', ' order by k.position) as after
    into v_sql
    from unnest(v_dataset.key_columns) with ordinality as k (name, position)
    join pg_catalog.pg_attribute as a
      on a.attrelid = strata.relation(v_dataset)::regclass and a.attname = k.name and not a.attisdropped;
  execute format('select array[%1$s] from (select %2$s from %3$s as t where %4$s '
                 'order by %5$s limit %6$s) as z', v_sql.arrays, v_sql.texts,
                 strata.relation(v_dataset),
                 case when p_after is null then 'true'
                      else format('(%1$s) > (%2$s)', v_sql.names, v_sql.after) end,
                 v_sql.names, strata.setting('audit_page')) into v_keys using p_after;
  return v_keys;
end
$$;
comment on function strata.keys_page(text, text[]) is
  'The next keys of a dataset on this tier in their order, as a manifest has them (a row of texts per key '
  'column); nulls when there are none.';
select strata.pin('strata.keys_page(text, text[])');
grant execute on function strata.keys_page(text, text[]) to strata_mover;

-- The same mark before and after means: no move of the dataset was open or began in between.
create function strata.move_mark(p_dataset text)
returns text
language sql
stable
security definer -- a colder tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
as $$
  select case when count(*) filter (where m.state <> 'closed') = 0
                then coalesce(max(m.started_at)::text, 'none') end
    from strata.moves as m where m.dataset = p_dataset and strata.check_asker('colder')
$$;
comment on function strata.move_mark(text) is
  'Changes with every move of a dataset that begins; null while one is open.';
grant execute on function strata.move_mark(text) to strata_mover;

create function strata.still_here(p_dataset text, p_keys text[], p_mark text)
returns jsonb
language plpgsql
stable
security definer -- a colder tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_sql constant record := strata.manifest_sql(v_dataset, '$1');
  v_found jsonb;
begin
  perform strata.check_asker('colder');
  if strata.move_mark(p_dataset) is distinct from p_mark then
    return null;
  end if;
  execute format('select coalesce(jsonb_agg(jsonb_build_object(''month'', f.month, ''rows'', f.rows, '
                 '''keys'', f.keys)), ''[]'') from ( '
                 '  select strata.month_of(t.%1$I::timestamp) as month, count(*) as rows, '
                 '         (array_agg(array_to_string(%2$s, '', '') order by m.o))[1:3] as keys '
                 '    from unnest(%3$s) with ordinality as m (%4$s, o) join %5$s as t '
                 'on %6$s group by 1) as f',
                 v_dataset.age_column, strata.key_sql(v_dataset.key_columns), v_sql.items, v_sql.names,
                 strata.relation(v_dataset), v_sql.same_key)
    into v_found using p_keys;
  return v_found;
end
$$;
comment on function strata.still_here(text, text[], text) is
  'Of those keys the ones with a row on this tier, by month: how many and the first three. Null if a move '
  'has begun since the mark.';
select strata.pin('strata.still_here(text, text[], text)');
grant execute on function strata.still_here(text, text[], text) to strata_mover;

create function strata.pick_keys(p_keys text[], p_positions integer[])
returns text[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(x.texts order by x.k)
    from (select k, array_agg(p_keys[k][i.o] order by i.p) as texts
            from generate_series(1, array_length(p_keys, 1)) as k,
                 unnest(p_positions) with ordinality as i (o, p) group by k) as x
$$;
comment on function strata.pick_keys(text[], integer[]) is
  'The keys at some positions of a manifest''s keys; null for none.';

-- Which of a page's keys are on both tiers, beyond doubt: between two looks at the colder tier and one at the
-- hotter no move was open. Null when one was. What was seen on the tier after the colder one needs only be
-- here still.
create function strata.find_doubled(p_link strata.links, p_turn strata.audit_turns, p_page text[])
returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_seen constant jsonb := strata.ask_end(p_link, 'colder', 'look_for', p_turn.dataset, p_page::text,
                                          p_turn.started_at::text)::jsonb;
  v_keys record;
  v_mark text;
  v_found jsonb;
  v_all jsonb := jsonb '[]';
begin
  for v_keys in
    select k.kind, strata.pick_keys(p_page, k.positions::integer[]) as keys
      from (values ('doubled', v_seen ->> 'here'), ('beyond', v_seen ->> 'beyond')) as k (kind, positions)
     where k.positions <> '{}'
  loop
    v_mark := coalesce(v_mark, strata.ask_end(p_link, 'hotter', 'move_mark', p_turn.dataset));
    if v_mark is null then
      return null;
    end if;
    if v_keys.kind = 'doubled' then
      v_keys.keys := strata.pick_keys(v_keys.keys,
        strata.ask_end(p_link, 'colder', 'keys_here', p_turn.dataset, v_keys.keys::text)::integer[]);
    end if;
    if v_keys.keys is not null then
      v_found :=
        strata.ask_end(p_link, 'hotter', 'still_here', p_turn.dataset, v_keys.keys::text, v_mark)::jsonb;
      if v_found is null then
        return null;
      end if;
      v_all := v_all || (select coalesce(jsonb_agg(f.one || jsonb_build_object('kind', v_keys.kind)), '[]')
                           from jsonb_array_elements(v_found) as f (one));
    end if;
  end loop;
  return v_all;
end
$$;
comment on function strata.find_doubled(strata.links, strata.audit_turns, text[]) is
  'Of a page of keys of the hotter tier those with a row on a colder one as well, by kind and month; '
  'null while a move is open.';
