-- Upkeep: the weekly job, and the whole lifecycle at once, by hand or where there is no pg_cron.

create procedure strata.upkeep(p_budget interval default '50 seconds')
language plpgsql
as $$
begin
  perform pg_catalog.set_config('default_transaction_read_only', 'off', false);
  commit;
  call strata.delete_due(p_budget);
  perform strata.prune();
  commit;
  perform strata.queue_reclaims('upkeep');
  perform strata.keep_going(true) where strata.wants_space();
  commit;
end
$$;
comment on procedure strata.upkeep(interval) is
  'The weekly job: deletions at the last tier, Strata''s own housekeeping, then plans to '
  'give space back. Commits.';

-- Whoever runs something by hand knows, or wants to know, that what failed before works again.
create function strata.end_pauses(p_dataset text default null)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  update strata.links as l set next_try_at = null where l.next_try_at > strata.clock();
  update strata.datasets as d set next_try_at = null
   where d.next_try_at > strata.clock() and (p_dataset is null or d.name = p_dataset);
  update strata.set_aside as s set next_try_at = strata.clock()
   where s.next_try_at > strata.clock() and (p_dataset is null or s.dataset = p_dataset);
end
$$;
comment on function strata.end_pauses(text) is
  'Has links, and datasets or one of them with their rows set aside, that failed tried again with the next '
  'run instead of after their pause.';

create procedure strata.process(p_budget interval default '50 seconds')
language plpgsql
as $$
declare
  v_failed text[];
begin
  call strata.see_to_space('0 seconds');
  call strata.move_due(p_budget);
  call strata.upkeep(p_budget);
  call strata.rotate_links(false, v_failed); -- logged
  call strata.watch();
  call strata.watchdog();
end
$$;
comment on procedure strata.process(interval) is
  'The whole lifecycle at once: moves, deletions, upkeep, old passwords, watch. Commits.';
