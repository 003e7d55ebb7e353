-- Pace: how a run gives way to those who use the hotter tier.
--
-- Whoever reads or writes there notices a move by its share of the processors and the disk. So with each
-- claim the hotter tier says whether others have been at work since the last one. As long as they have,
-- batches do not follow each other in a flow, and after each of them the run rests, so that it is at work
-- only share_beside_others percent of the time. While it rests it has nothing open on either side: no move,
-- no arrival, no transaction; only what a run that died has left may be. Nobody there: no rest. A drain that
-- moves rows does not rest, because the tier has no time for that.

create function strata.seen(p_pace strata.pace, p_share integer, p_at timestamptz)
returns strata.pace
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select case when p_share is null then p_pace else (p_at, p_share)::strata.pace end $$;
comment on function strata.seen(strata.pace, integer, timestamptz) is
  'The pace after another look; as it was when there was none (null).';

-- Not others: Strata itself (its login, its tools, pg_cron's sessions) and the platform's own services. A
-- role that may not see what others' sessions do (it lacks pg_monitor, which a project's postgres has) finds
-- nobody.
create function strata.has_others(p_since interval)
returns boolean
language sql
volatile -- clock_timestamp()
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
  select exists (
    select from pg_catalog.pg_stat_activity as a
     where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
       and a.usename not in ('supabase_admin', 'pgbouncer') and a.usename not like 'strata\_mover\_%'
       and a.application_name !~ '^(strata|pg_cron)'
       and (a.state = 'active' or a.state_change > clock_timestamp() - p_since))
$$;
comment on function strata.has_others(interval) is
  'Whether anybody but Strata has been at work in this database within the time given, as far '
  'as its owner may see it.';

create function strata.share_now(p_since interval)
returns integer
language plpgsql
security definer -- a pulling tier asks as strata_mover
set search_path = pg_catalog, pg_temp
as $$
declare
  v_share constant integer := least(strata.setting('share_beside_others'), 100);
begin
  perform strata.check_asker('colder');
  if v_share = 100 or p_since is null or not coalesce(strata.has_others(p_since), false)
     or exists (select from strata.drains as d where d.ended_at is null and d.state = 'moving') then
    return 100;
  end if;
  return v_share;
end
$$;
comment on function strata.share_now(interval) is
  'For how many percent of the time rows may leave this tier now: share_beside_others if others '
  'have been at work within the time given, 100 if not, or if it is not known since when (null), or '
  'while a drain moves rows.';
grant execute on function strata.share_now(interval) to strata_mover;

-- Unpinned, as all procedures that commit; everything in it is qualified. Each piece is a transaction of its
-- own, because a snapshot held all the time would keep what others delete or update from being cleared away.
create procedure strata.rest(p_neighbour text, p_pace strata.pace, p_deadline timestamptz)
language plpgsql
as $$
declare
  c_longest constant interval := interval '5 seconds'; -- a slow line makes a batch long, but hardly any work
  v_now constant timestamptz := pg_catalog.clock_timestamp();
  v_until constant timestamptz :=
    least(p_deadline, v_now + least(c_longest, (v_now - p_pace.looked_at) * (100.0 / p_pace.share - 1)));
begin
  if coalesce(p_pace.share, 100) = 100 or v_until <= v_now then
    return;
  end if;
  update strata.links as l set rested = l.rested + (v_until - v_now) where l.neighbour = p_neighbour;
  -- counted: a clock may be set back
  for v_piece in 1 .. pg_catalog.ceil(10 * extract(epoch from v_until - v_now)) loop
    commit;
    exit when pg_catalog.clock_timestamp() >= v_until;
    perform pg_catalog.pg_sleep(0.1);
  end loop;
  commit;
end
$$;
comment on procedure strata.rest(text, strata.pace, timestamptz) is
  'Waits as long as the work since the last look asks for, beside others: 5 seconds and the deadline at '
  'most. Notes it with the link. Commits.';
