-- Audit acceptance: what the last audits found, and what their owner takes as right.

create function strata.audit_report()
returns table (
  neighbour text, colder text, dataset text, finished_at timestamptz, months bigint, rows bigint, keys bigint,
  skipped bigint,
  besides bigint, milliseconds bigint, trouble text, carried boolean, findings jsonb, notes jsonb
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select t.neighbour, case l.direction when 'colder' then l.neighbour else strata.tier() end, t.dataset,
         t.finished_at, t.months, t.rows,
         t.keys, t.skipped, t.besides, t.milliseconds, t.trouble, l.driver = 'relay',
         (select coalesce(jsonb_agg(jsonb_build_object('month', f.month, 'kind', f.kind, 'rows', f.rows,
                                                       'says', f.says || f.keys,
                   'since', f.first_seen_at) order by f.month, f.kind), '[]')
            from strata.audit_findings as f
           where f.neighbour = t.neighbour and f.dataset = t.dataset
             and coalesce(f.rows, 1) > f.accepted_rows),
         (select coalesce(
           jsonb_agg(jsonb_build_object('month', n.month, 'kind', n.kind, 'rows', n.rows, 'says', n.says,
                                        'since', n.first_seen_at) order by n.month, n.kind), '[]')
            from strata.audit_notes as n where n.neighbour = t.neighbour and n.dataset = t.dataset)
    from strata.audit_turns as t join strata.links as l on l.neighbour = t.neighbour
   order by l.direction, t.dataset
$$;
comment on function strata.audit_report() is
  'The last audit of each dataset over the links this tier audits: how much was looked at, how long it took, '
  'and what is wrong and not accepted; notes: what was only counted, or compared in part. finished_at null: '
  'not finished yet; carried: a relay takes the steps.';

create function strata.accept_audit(p_dataset text, p_month text default null)
returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_accepted integer;
  v_notes integer;
begin
  update strata.audit_accounts as a
     set aside = null,
         good = strata.kept_sight(strata.kept_sight(a.seen, k.key, 'seen', a.neighbour, a.dataset, a.month),
                                  k.key, 'good', a.neighbour, a.dataset, a.month)
    from strata.audit_findings as f, (select strata.ledger_key() as key) as k
   where (f.neighbour, f.dataset, f.month) = (a.neighbour, a.dataset, a.month)
     and f.kind not in ('doubled', 'beyond')
     and f.dataset = p_dataset and f.month = coalesce(p_month, f.month);
  update strata.audit_findings as f set accepted_rows = coalesce(f.rows, 1)
   where f.dataset = p_dataset and f.month = coalesce(p_month, f.month)
     and coalesce(f.rows, 1) > f.accepted_rows;
  get diagnostics v_accepted = row_count;
  delete from strata.audit_notes as n where n.dataset = p_dataset and n.month = coalesce(p_month, n.month);
  get diagnostics v_notes = row_count;
  v_accepted := v_accepted + v_notes;
  if v_accepted = 0 then
    raise exception 'the audit has found nothing wrong with "%"%', p_dataset, coalesce(' in ' || p_month, '')
      using errcode = 'ST080', hint = strata.remedy('ST080');
  end if;
  delete from strata.audit_findings as f where f.dataset = p_dataset and f.month = coalesce(p_month, f.month)
     and f.kind not in ('doubled', 'beyond');
  perform strata.audit_alert(l, p_dataset) from strata.links as l where strata.audits_link(l);
  return v_accepted;
end
$$;
comment on function strata.accept_audit(text, text) is
  'Takes what the audit last saw of a dataset, or of one month of it, as right from now on; returns how many '
  'findings that settles. Call it on the tier that dials the link. ST080: there is nothing to accept.';
