-- Audit verdicts: what follows from how a month is, and how it was when last in order.
--
--   missing   fewer rows than there should be        besides   more rows than came by moves
--   altered   rows that are not as they came         rewound   the hotter tier's ledger has forgotten moves
--   counted   as many rows as there should be, but their content could not be compared
--   partly    compared, but for a column that is new or has another type
--
-- The content is compared by the ledgers' digests, strip by strip, so that a row too many does not hide what
-- happened to others; where columns have changed since, by the colder tier's book, column by column. Where
-- neither can tell, it says so: what was only counted stays noted until it is accepted, since nothing will
-- prove it any more.

-- Moves that a tier put back from a backup makes once more meet their rows here; they have not been
-- somebody's copies then.
create function strata.reconciled(p_now strata.sight)
returns strata.sight
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now strata.sight := p_now;
begin
  v_now.ahead := v_now.came_rows - v_now.arrived_rows;
  if v_now.arrived_rows + v_now.met_rows <= v_now.came_rows then
    return v_now; -- every row came once, or some are lost
  end if;
  v_now.met_rows := 0; v_now.met_digest := 0; v_now.met_strips := strata.no_strips();
  if v_now.came_rows <> v_now.arrived_rows then
    v_now.came_rows := greatest(v_now.arrived_rows, p_now.came_rows - p_now.met_rows);
    v_now.came_frames := -1; -- digest and rows are not of the same
  end if;
  return v_now;
end
$$;
comment on function strata.reconciled(strata.sight) is
  'A month as the ledgers and the book of its rows have it together: what either tier has '
  'forgotten, the other knows.';

create function strata.is_comparable(p_good strata.sight, p_now strata.sight)
returns boolean
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_came constant bigint := p_now.came_rows - coalesce(p_good.came_rows, 0);
  v_left constant bigint := p_now.left_rows - coalesce(p_good.left_rows, 0);
  v_met constant bigint := p_now.met_rows - coalesce(p_good.met_rows, 0);
begin
  return p_now.columns is not null and p_now.strips is not null
    and coalesce(p_now.left_forgotten, 0) = coalesce(p_good.left_forgotten, 0)
    and v_came >= 0 and v_met >= 0
    and (coalesce(p_good.came_frames, 0) < 0) = (p_now.came_frames < 0 and p_good.came_frames is not null)
    and (p_good.columns is null or p_good.columns = p_now.columns)
    and (case when p_good.shape is null then not coalesce(p_now.unseen && p_now.columns, false)
              else p_good.shape = p_now.shape end)
    and (p_good.came_frames = p_now.came_frames or v_came <> 0 or p_good.came_frames is null)
    and (p_good.left_frames = p_now.left_frames or v_left <> 0 or p_good.left_frames is null)
    and (p_good.met_frames = p_now.met_frames or v_met <> 0 or p_good.met_frames is null)
    and (v_came = 0
         or (p_now.came_columns = p_now.columns and p_now.came_frames = greatest(p_good.came_frames, 1)))
    and (v_left = 0
         or (p_now.left_columns = p_now.columns and p_now.left_frames = greatest(p_good.left_frames, 1)))
    and (v_met = 0
         or (p_now.met_columns = p_now.columns and p_now.met_frames = greatest(p_good.met_frames, 1)));
end
$$;
comment on function strata.is_comparable(strata.sight, strata.sight) is
  'Whether the digests of a month, and of what came and left since it was in order, are over the '
  'same columns and types.';

create function strata.judge(p_good strata.sight, p_now strata.sight)
returns strata.verdict
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v strata.verdict;
  v_expected bigint[];
begin
  v.kinds := '{}';
  v.expected := coalesce(p_good.rows, 0) + (p_now.came_rows - coalesce(p_good.came_rows, 0))
                  - (p_now.met_rows - coalesce(p_good.met_rows, 0))
    - (p_now.left_rows + coalesce(p_now.left_forgotten, 0) - coalesce(
      p_good.left_rows + coalesce(p_good.left_forgotten, 0), 0));
  -- rows too many may have left
  v.diff := case when p_now.rows > 0 then p_now.rows - v.expected else least(-v.expected, 0) end;
  v.rewound := greatest(least(coalesce(p_good.ahead, 0), 0) - p_now.ahead,
                        coalesce(p_good.came_rows, 0) - p_now.came_rows, 0);
  if strata.is_comparable(p_good, p_now) then
    v_expected := strata.add_strips(strata.add_strips(strata.add_strips(
      case when coalesce(p_good.rows, 0) = 0 and p_good.strips is null then strata.no_strips()
           else p_good.strips end, p_now.came_strips), p_now.left_strips, -1), p_now.met_strips, -1);
    select c.hurt, c.unknown into v.hurt, v.unknown from strata.compare_strips(v_expected, p_now.strips) as c
     where v_expected is not null;
    v.hurt := v.hurt - greatest(-v.diff, 0);
    v.kinds := v.kinds || case when v_expected is null then array['counted']
                               when v.hurt > 0 then array['altered'] else '{}' end;
  elsif v.diff <> 0 or p_now.differs is null then
    v.kinds := v.kinds || case when p_now.rows > 0 then array['counted'] else '{}' end;
  else
    v.columns := case when p_now.differs <> '{}' then p_now.differs else p_now.unseen end;
    v.kinds := v.kinds
               || case when p_now.differs <> '{}' then array['altered']
                       when p_now.unseen <> '{}' and p_now.rows > 0 then array['partly'] else '{}' end;
  end if;
  -- how many others were changed, or could only be counted, is said with those that are gone or too many
  v.kinds := case when v.diff < 0 then '{}'
                  when v.diff > 0 then array_remove(v.kinds, 'counted') else v.kinds end
                     || case when v.diff < 0 then array['missing']
                             when v.diff > 0 then array['besides'] else '{}' end
                     || case when v.rewound > 0 then array['rewound'] else '{}' end;
  return v;
end
$$;
comment on function strata.judge(strata.sight, strata.sight) is
  'Compares a month with how it was when in order (null: never). No kinds: as many '
  'rows, and all as they came.';

create function strata.finding_says(
  p_kind text, p_link strata.links, p_month text, p_verdict strata.verdict, p_now strata.sight
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case p_kind
    when 'missing' then format('%1$s of %2$s of %3$s %4$s gone', -p_verdict.diff,
                               strata.counted(p_verdict.expected, 'row'), p_month,
                                   case -p_verdict.diff when 1 then 'is' else 'are' end)
      || case when p_verdict.hurt > 0 then format('; at least %s not as they came',
                                                  strata.counted(p_verdict.hurt, 'other is', 'others are'))
              else '' end
      || case when p_now.left_forgotten > 0
                then format('; %1$s more %2$s moved on, which %3$s has forgotten: they are on the next tier',
                            p_now.left_forgotten, case p_now.left_forgotten when 1 then 'has' else 'have' end,
                            e.colder) else '' end
    when 'besides' then format('%1$s of %2$s came by no move', strata.counted(p_verdict.diff, 'row'), p_month)
      || case when p_verdict.unknown is null and p_verdict.expected > 0
                then format('; the other %s only counted', strata.counted(p_verdict.expected, 'was', 'were'))
              when p_verdict.unknown > p_verdict.diff
              then format('; of the other %1$s, %2$s only counted, as what cannot be told from them',
                          p_verdict.expected,
                          strata.counted(p_verdict.unknown - p_verdict.diff, 'was', 'were'))
              else '' end
    when 'altered' then case p_now.rows when 1 then format(
      'the one row of %s has another content than when it came', p_month)
                        else format('of the %1$s rows of %2$s some have another content than when they came',
                                    p_now.rows, p_month) end
      || case when p_verdict.columns is not null
                then format(' (in %s)', array_to_string(p_verdict.columns, ', '))
              when p_verdict.hurt > 1 then format(' (at least %s)', p_verdict.hurt) else '' end
    when 'rewound'
      then format('%1$s has forgotten moves of %2$s: was it put back from a backup?', e.hotter, p_month)
    when 'counted' then format('%1$s of %2$s %3$s only counted', strata.counted(p_now.rows, 'row'), p_month,
                               case p_now.rows when 1 then 'was' else 'were' end)
    when 'partly' then format('%1$s of %2$s %3$s compared without column %4$s, which was not so then',
                              strata.counted(p_now.rows, 'row'), p_month,
                              case p_now.rows when 1 then 'was' else 'were' end,
                              array_to_string(p_verdict.columns, ', ')) end
    from (select case p_link.direction when 'hotter' then p_link.neighbour else strata.tier() end as hotter,
                 case p_link.direction when 'colder' then p_link.neighbour
                                       else strata.tier() end as colder) as e
$$;
comment on function strata.finding_says(text, strata.links, text, strata.verdict, strata.sight) is
  'What is to be said of a month, in words.';

create function strata.judge_month(
  p_account strata.audit_accounts, p_key bytea, p_now strata.sight
)
returns strata.judgement
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_verdict strata.verdict := strata.judge(strata.sight_of(p_account, 'good', p_key), p_now);
  v_aside strata.sight;
  v_beside strata.verdict;
begin
  if 'besides' = any (v_verdict.kinds) then
    v_aside := strata.sight_of(p_account, 'aside', p_key);
    if v_aside.rows is not null and not 'altered' = any (v_verdict.kinds) then
      v_beside := strata.judge(v_aside, p_now);
      if v_beside.kinds && array['altered', 'missing'] then
        v_verdict.kinds := v_verdict.kinds || array['altered'];
        v_verdict.hurt := greatest(v_beside.hurt, -v_beside.diff, 0);
        v_verdict.columns := v_beside.columns;
      end if;
    end if;
    if not 'altered' = any (v_verdict.kinds) then
      v_aside := p_now;
    end if;
  end if;
  return row(v_verdict, v_aside)::strata.judgement;
end
$$;
comment on function strata.judge_month(strata.audit_accounts, bytea, strata.sight) is
  'What is to be said of a month by its account, and how it is to be remembered beside '
  'the rows it has too many.';
