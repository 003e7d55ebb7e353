-- Audit accounts: per month what there should be, kept so that it tells nothing of any row.

-- What is kept of the digests is their xor: nothing, as long as a month is in order. If one row is lost, it
-- is that row's fingerprint; so it is masked. To mask twice is to take the mask off.
create function strata.kept_sight(
  p_sight strata.sight, p_key bytea, p_which text, p_neighbour text, p_dataset text, p_month text
)
returns strata.sight
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_kept strata.sight := p_sight;
begin
  v_kept.digest := coalesce(p_sight.digest, 0) # coalesce(p_sight.came_digest, 0)
                     # coalesce(p_sight.left_digest, 0) # coalesce(p_sight.met_digest, 0)
    # strata.mask(p_key, p_which, p_neighbour, p_dataset, p_month, p_sight.rows::text,
                  p_sight.came_rows::text, p_sight.left_rows::text);
  v_kept.came_digest := 0; v_kept.left_digest := 0; v_kept.met_digest := 0;
  v_kept.strips := strata.seal_strips(
    strata.add_strips(strata.add_strips(
      strata.add_strips(p_sight.strips, coalesce(p_sight.came_strips, strata.no_strips()), -1),
      coalesce(p_sight.left_strips, strata.no_strips())), coalesce(p_sight.met_strips, strata.no_strips())),
    p_key, p_which, p_neighbour, p_dataset, p_month, p_sight.rows::text, p_sight.came_rows::text,
    p_sight.left_rows::text);
  v_kept.came_strips := null; v_kept.left_strips := null; v_kept.met_strips := null;
  v_kept.differs := null; v_kept.unseen := null;
  return v_kept;
end
$$;
comment on function strata.kept_sight(strata.sight, bytea, text, text, text, text) is
  'A month as an account keeps it (p_which: good, aside or seen), or as it was, of one that is kept.';

create function strata.sight_of(p_account strata.audit_accounts, p_which text, p_key bytea)
returns strata.sight
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_sight strata.sight := case p_which when 'good' then p_account.good else p_account.aside end;
begin
  if v_sight.rows is null then
    return null;
  end if;
  v_sight := strata.kept_sight(v_sight, p_key, p_which, p_account.neighbour, p_account.dataset,
                               p_account.month);
  if p_account.mask <> strata.key_name(p_key) then
    v_sight.columns := '{}'; -- the digest cannot be read any more: content cannot be compared
  end if;
  return v_sight;
end
$$;
comment on function strata.sight_of(strata.audit_accounts, text, bytea) is
  'How a month was when last in order (good), or with the rows it has too many (aside), of its account; '
  'null when there is none.';
