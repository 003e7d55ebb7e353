-- Traces: nothing tells of rows that are no more.
--
-- Strata writes down keys (rows set aside, holds, findings of the audit) and sentences in which a key or a
-- value may stand (what Postgres said of a row it refused). While the row is there, so may they be. With each
-- upkeep what tells of rows that have left goes; of rows that no tier can be asked about at that moment
-- (audits, alerts, failures, messages) everything does, and what still holds is written anew by the next
-- look. In plpgsql, where audits and messages come in later chapters.

create function strata.plain_trouble(p_sqlstate text, p_says text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when strata.is_row_error(p_sqlstate)
              then coalesce(substring(p_says from '^[a-z]{1,20}: '), '')
                   || coalesce((select e.cause from strata.errors as e
                                 where e.code in (p_sqlstate, left(p_sqlstate, 2))
                                 order by length(e.code) desc limit 1), 'a row was refused')
              else p_says end
$$;
comment on function strata.plain_trouble(text, text) is
  'A sentence about trouble without anything of a row: for an error that tells of one, the step and '
  'what the SQLSTATE means.';

create function strata.forget_alert()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if (select k.of_rows from strata.alert_kinds as k where k.kind = new.kind) then
    new.says := (select k.says from strata.alert_kinds as k where k.kind = new.kind);
    new.remedy := null;
  end if;
  return new;
end
$$;
comment on function strata.forget_alert() is
  'Trigger: an alert whose cause is gone says no more than of which kind it was, if '
  'it may have told of rows.';

create trigger alerts_forget
  before update on strata.alerts
  for each row when (new.cleared_at is not null and old.cleared_at is null)
  execute function strata.forget_alert();
comment on trigger alerts_forget on strata.alerts is 'What a cleared alert said of rows goes at once.';
-- under session_replication_role = replica as well
alter table strata.alerts enable always trigger alerts_forget;

create function strata.forget_keys()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_asides record;
  v_hold record;
begin
  for v_asides in
    select s.dataset, jsonb_agg(to_jsonb(s.key) order by s.key) as keys
      from strata.set_aside as s group by s.dataset
  loop
    delete from strata.set_aside as s
     using unnest(strata.keys_gone(v_asides.dataset, strata.keys_side_by_side(v_asides.keys))) as g (o)
     where s.dataset = v_asides.dataset and to_jsonb(s.key) = v_asides.keys -> (g.o - 1);
  end loop;
  -- The next tier has to hear first that a hold is over.
  for v_hold in
    select h.hold_id, h.dataset, h.key
      from strata.holds as h join strata.datasets as d on d.name = h.dataset
     where h.key is not null and least(h.released_at, h.hold_until) < strata.clock()
       and (strata.colder() is null or d.told_revision = d.revision)
  loop
    continue when strata.keys_gone(v_hold.dataset,
                                   strata.keys_side_by_side(jsonb_build_array(to_jsonb(v_hold.key)))) = '{}';
    delete from strata.holds as h where h.hold_id = v_hold.hold_id and h.made_on = strata.tier();
    -- One that came from a hotter tier may come once more, and has to be known as over.
    update strata.holds as h set key = null, condition = 'false', reason = 'over',
                                 released_at = coalesce(h.released_at, h.hold_until)
     where h.hold_id = v_hold.hold_id;
  end loop;
end
$$;
comment on function strata.forget_keys() is
  'Drops rows set aside, and holds that are over and that the colder tier knows to be, of '
  'which there is no row here.';

create function strata.forget_sentences()
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  update strata.failures as f set says = strata.plain_trouble(f.code, f.says)
   where strata.is_row_error(f.code) and f.says <> strata.plain_trouble(f.code, f.says);
  update strata.moves as m set last_error = strata.plain_trouble(m.last_sqlstate, m.last_error)
   where strata.is_row_error(m.last_sqlstate)
     and m.last_error <> strata.plain_trouble(m.last_sqlstate, m.last_error);
  update strata.datasets as d set trouble = strata.plain_trouble(d.trouble_sqlstate, d.trouble)
   where strata.is_row_error(d.trouble_sqlstate)
     and d.trouble <> strata.plain_trouble(d.trouble_sqlstate, d.trouble);
$$;
comment on function strata.forget_sentences() is
  'Of failed steps, what they said of a row goes; code, step and time stay.';

create function strata.forget()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.forget_keys();
  perform strata.forget_sentences();
  perform strata.check_alerts();
  perform strata.call_registered('forget');
end
$$;
comment on function strata.forget() is
  'What tells of rows that are no more goes from every table of Strata''s on this tier.';
