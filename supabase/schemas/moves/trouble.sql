-- Trouble: why a dataset stands still, and until when.

create function strata.note_failure(p_dataset text, p_code text, p_says text)
returns void
language plpgsql
security definer -- a pulling tier calls it as strata_mover
set search_path = pg_catalog, pg_temp
as $$
declare
  v_says constant text := strata.plain_text(p_says, 1000);
begin
  perform strata.check_asker('colder');
  update strata.datasets as d
     set trouble_sqlstate = left(p_code, 5), trouble = v_says, remedy = strata.remedy(p_code, d.name),
         failures = d.failures + 1,
         next_try_at = strata.clock() + interval '1 minute' * power(2, least(d.failures, 8)),
         -- whatever was agreed with the neighbour may be what failed: agree anew
         told_revision = case when left(p_code, 2) in ('ST', '42') then null else d.told_revision end
   where d.name = p_dataset;
  update strata.moves as m set last_sqlstate = left(p_code, 5), last_error = v_says
   where m.dataset = p_dataset and m.state <> 'closed';
  insert into strata.failures (failed_at, dataset, code, says) select strata.clock(), left(p_dataset, 200),
                                                                      left(p_code, 5), v_says
   where not exists (select from strata.failures as f where f.failed_at > strata.clock() - interval '1 day'
                     offset strata.setting('failures_daily') - 1);
end
$$;
comment on function strata.note_failure(text, text, text) is
  'Writes down why a dataset stands still, with the remedy, and pauses it: a minute, '
  'doubling, at most four hours.';
grant execute on function strata.note_failure(text, text, text) to strata_mover;
