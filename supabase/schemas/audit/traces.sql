-- Traces: what findings and turns of the audit say of rows goes with each upkeep.

create function strata.forget_audits()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- the next audit of the link to the hotter tier passes them on again
  delete from strata.passed_keys as p where true;
  -- it stands at a key
  perform strata.start_audit(t.neighbour, t.dataset, true) from strata.audit_turns as t
    where t.trouble is not null;
  update strata.audit_findings as f set keys = '' where f.keys <> '';
  perform strata.audit_alert(l, f.dataset)
     from (select distinct x.neighbour, x.dataset from strata.audit_findings as x) as f
     join strata.links as l on l.neighbour = f.neighbour;
end
$$;
comment on function strata.forget_audits() is
  'Findings of the audit stay, without the keys they name; the next audit names them again. Turns that '
  'stand still begin anew.';
