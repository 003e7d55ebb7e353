-- Halves: how the rows that cannot be deleted are found in a batch that is refused.

create function strata.part_of(p_manifest strata.manifests, p_span strata.span)
returns strata.manifests
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_part strata.manifests;
begin
  v_part.shape := p_manifest.shape;
  v_part.columns := p_manifest.columns;
  v_part.keys := p_manifest.keys[:][p_span.first : p_span.last];
  v_part.tids := p_manifest.tids[p_span.first : p_span.last];
  v_part.versions := p_manifest.versions[p_span.first : p_span.last];
  v_part.fingerprints := p_manifest.fingerprints[p_span.first : p_span.last];
  v_part.file := p_manifest.file;
  v_part.for_drain := p_manifest.for_drain;
  return v_part;
end
$$;
comment on function strata.part_of(strata.manifests, strata.span) is
  'Some positions of a manifest, as a manifest of their own.';

-- Halves, and halves of those that are refused: a few bad rows among many are found in few steps. After a
-- while it ends, with what was not tried left for later: what went is committed with the purge, and who was
-- refused is set aside and not claimed again, so each batch is further than the one before. Where row after
-- row is refused by the same error and none went, it is the table that refuses: its error is raised, so that
-- the dataset says so and no row is set aside for it.
create function strata.delete_in_halves(
  p_dataset strata.datasets, p_manifest strata.manifests, p_proofs bytea[],
  out deleted integer[], out refused jsonb, out tried integer[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most constant interval := interval '15 seconds';
  c_all_alike constant integer := 50;
  v_began constant timestamptz := clock_timestamp();
  v_locked constant integer[] := strata.lock_claimed(p_dataset, p_manifest);
  v_left strata.span[] := array[row(1, cardinality(p_manifest.tids))]::strata.span[];
  v_span strata.span;
  v_only integer[];
  v_gone integer[];
  v_context text;
begin
  deleted := '{}';
  refused := '[]';
  while cardinality(v_left) > 0 and clock_timestamp() < v_began + c_most loop
    v_span := v_left[cardinality(v_left)];
    v_left := v_left[: cardinality(v_left) - 1];
    v_only := array(select x - v_span.first + 1 from unnest(v_locked) as x
                     where x between v_span.first and v_span.last);
    continue when v_only = '{}';
    begin
      v_gone := strata.delete_part(p_dataset, strata.part_of(p_manifest, v_span),
                                   p_proofs[v_span.first : v_span.last], v_only);
      deleted := deleted || array(select x + v_span.first - 1 from unnest(v_gone) as x);
    exception when query_canceled or assert_failure or others then
      get stacked diagnostics v_context = pg_exception_context;
      if strata.is_our_end(sqlstate, sqlerrm, v_context) then
        raise;
      end if;
      if v_span.first < v_span.last then
        v_left := v_left || array[row((v_span.first + v_span.last) / 2 + 1, v_span.last),
                                  row(v_span.first, (v_span.first + v_span.last) / 2)]::strata.span[];
      else
        refused := refused || jsonb_build_object('ordinal', v_span.first, 'code', strata.code_to_note(
          sqlstate, v_context), 'says', strata.tier() || ' refused to delete the row: ' || sqlerrm);
        if deleted = '{}' and jsonb_array_length(refused) = c_all_alike
           and (select count(distinct r ->> 'code') from jsonb_array_elements(refused) as r) = 1 then
          raise exception '% refuses every deletion: %', strata.relation(p_dataset), sqlerrm
            using errcode = 'ST045', hint = strata.remedy('ST045');
        end if;
      end if;
    end;
  end loop;
  tried := array(select case when exists (select from unnest(v_left) as l where x between l.first and l.last)
                               then -x else x end from unnest(v_locked) as x);
end
$$;
comment on function strata.delete_in_halves(strata.datasets, strata.manifests, bytea[]) is
  'delete_proved() for a batch that is refused as a whole: for halves of it, down to single rows; a row that '
  'is refused is reported, the others go. tried: the rows that nobody else held; negative those for which '
  'there was no time. ST045: the table refuses all.';

create function strata.delete_part(
  p_dataset strata.datasets, p_manifest strata.manifests, p_proofs bytea[], p_only integer[],
  out deleted integer[]
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  -- a trigger on another row may have taken some along
  v_there constant integer[] := strata.lock_claimed(p_dataset, p_manifest);
begin
  deleted := strata.delete_proved(p_dataset, p_manifest, p_proofs, strata.closed_positions(
    strata.relation(p_dataset)::regclass, p_manifest, p_proofs,
    array(select x from unnest(p_only) as x where x = any (v_there))));
  perform strata.check_kept(p_dataset, p_manifest, v_there, deleted);
end
$$;
comment on function strata.delete_part(strata.datasets, strata.manifests, bytea[], integer[]) is
  'delete_proved() for some rows, those of them that are still there. ST043: a trigger kept one by '
  'deleting or changing it.';
