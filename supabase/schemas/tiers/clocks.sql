-- Clocks: whether this tier's clock may decide what is old.
--
-- A clock that is wrong makes everything due. So before anything is due, the clock is compared with what this
-- tier saw last and with its neighbours'. Postgres offers no time but the server's own that outlives a
-- session: between two looks it may not go further than looks are apart, and what bridges a longer pause is
-- the clock of a neighbour, or the word of the owner.

create function strata.clock_bound(p_setting text)
returns interval
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return make_interval(mins => strata.setting(p_setting)::integer);
end
$$;
comment on function strata.clock_bound(text) is 'One of the settings about clocks, as an interval.';

-- A middle tier whose one neighbour agrees with it now goes on, whatever the other one says: that one's clock
-- is wrong.
create function strata.clock_differs()
returns strata.links
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_bound constant interval := strata.clock_bound('clock_skew');
  v_link strata.links;
begin
  select l.* into v_link from strata.links as l
   where abs(extract(epoch from l.skew)) > extract(epoch from v_bound)
     and not exists (select from strata.links as o
                      where abs(extract(epoch from o.skew)) <= extract(epoch from v_bound)
                        and o.compared_at between strata.clock()
                              - strata.clock_bound('clock_gap') and strata.clock() + v_bound)
   order by abs(extract(epoch from l.skew)) desc limit 1;
  return v_link;
end
$$;
comment on function strata.clock_differs() is
  'The link to a neighbour whose clock is another one than ours, unless the other neighbour '
  'agrees with us; else null.';

create function strata.clock_trouble(p_is_lasting boolean default false)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := strata.clock();
  v_sure_at constant timestamptz := (select c.sure_at from strata.clock_seen as c);
  v_is_alone constant boolean := not exists (select from strata.links);
  v_link constant strata.links := strata.clock_differs();
begin
  return case
    when v_link.neighbour is not null then
      format('the clock of %1$s was at %2$s when that of %3$s was at %4$s', strata.tier(),
             strata.clock_says(v_link.compared_at),
             v_link.neighbour, strata.clock_says(v_link.compared_at + v_link.skew))
    when v_now - v_sure_at > strata.clock_bound(case when v_is_alone or p_is_lasting then 'clock_gap_alone'
                                                     else 'clock_gap' end) then
      format('the clock of %1$s is at %2$s, and was last known to be right at %3$s', strata.tier(),
             strata.clock_says(v_now), strata.clock_says(v_sure_at))
    when v_sure_at - v_now > strata.clock_bound('clock_skew') then
      format('the clock of %1$s went back from %2$s to %3$s', strata.tier(), strata.clock_says(v_sure_at),
             strata.clock_says(v_now)) end;
end
$$;
comment on function strata.clock_trouble(boolean) is
  'Why this tier''s clock may not decide what is due: it is another one than a neighbour''s, or has jumped '
  'since it was last seen and no neighbour has agreed with it yet. Null: it may. p_is_lasting: a pause that '
  'a neighbour is likely to settle within minutes is none.';

create function strata.clock_says(p_at timestamptz)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC' $$;
comment on function strata.clock_says(timestamptz) is 'A time as it stands in sentences about clocks.';

-- Nobody waits for a row that says how late it is.
create function strata.look_at_clock()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from strata.clock_seen) then
    insert into strata.clock_seen (sure_at) values (strata.clock()) on conflict do nothing;
  elsif strata.clock_trouble() is null then
    perform strata.set_clock_seen();
  end if;
end
$$;
comment on function strata.look_at_clock() is
  'Notes that the clock is where it may be; nothing, if it is not.';

create function strata.set_clock_seen()
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  update strata.clock_seen as c set sure_at = strata.clock()
   where c.only_row in (select s.only_row from strata.clock_seen as s
                         where s.sure_at not between strata.clock()
                                 - interval '1 minute' and strata.clock() for update skip locked)
$$;
comment on function strata.set_clock_seen() is
  'Writes down that the clock is in order now, at most once a minute.';

create function strata.hear_clock(p_from text, p_clock text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_theirs constant timestamptz := strata.as_time(p_clock);
  v_skew interval;
begin
  if v_theirs is null or not isfinite(v_theirs) then
    return;
  end if;
  v_skew := v_theirs - strata.clock();
  update strata.links as l set skew = v_skew, compared_at = strata.clock() where l.neighbour = p_from;
  if abs(extract(epoch from v_skew)) <= extract(epoch from strata.clock_bound('clock_skew')) then
    insert into strata.clock_seen (sure_at) values (strata.clock()) on conflict do nothing;
    perform strata.set_clock_seen();
  end if;
end
$$;
comment on function strata.hear_clock(text, text) is
  'Compares this tier''s clock with what a neighbour just said of its own; if they agree, ours is in order, '
  'whatever the pause before.';

-- The date is asked for, so that a wrong clock is not taken for right unseen.
create function strata.trust_clock(p_today date)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_here constant date := (strata.clock() at time zone 'UTC')::date;
begin
  -- it is another day already, or still, where the owner is
  if p_today is null or abs(p_today - v_here) > 1 then
    raise exception 'the clock of % is at %, not at %', strata.tier(), v_here, coalesce(p_today::text, 'null')
      using errcode = 'ST052', hint = strata.remedy('ST052');
  end if;
  update strata.links as l set skew = null, compared_at = null where l.skew is not null;
  insert into strata.clock_seen as c (sure_at) values (strata.clock()) on conflict (only_row) do update
     set sure_at = excluded.sure_at;
  return format('the clock of %1$s counts again: it is %2$s', strata.tier(),
                strata.clock_says(strata.clock()));
end
$$;
comment on function strata.trust_clock(date) is
  'The owner says that this tier''s clock is right after all, with the date of today from another clock: '
  'after a long pause, or beside a neighbour whose clock is wrong. What a neighbour says next counts again. '
  'ST052: that is not the date here.';
