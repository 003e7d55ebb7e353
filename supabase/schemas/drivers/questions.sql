-- Questions: the calls as SQL for the neighbour, alone or several in one message; and what is to be handed
-- over before them.

create function strata.receive_question(p_batch strata.batch)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('select strata.receive(%1$L, %2$L, %3$L, %4$L, strata.take_over(''lines''))', p_batch.move_id,
                p_batch.dataset, strata.tier(),
                p_batch.columns)
$$;
comment on function strata.receive_question(strata.batch) is
  'SQL with which a colder neighbour takes a batch in.';
select strata.pin('strata.receive_question(strata.batch)');

create function strata.lines_handing(p_batch strata.batch, p_lines text, p_before text default '')
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- The rows go as one dollar-quoted text: nothing in them is escaped, scanned for quotes or doubled on the
  -- way.
  v_quote constant text := '$m' || replace(p_batch.move_id::text, '-', '') || '$';
begin
  return (strata.unlogged_sql(p_before, 'select strata.hand_over(''lines'', ' || v_quote)) || p_lines
         || (v_quote || ')');
end
$$;
comment on function strata.lines_handing(strata.batch, text, text) is
  'A message that hands a batch over for receive_question(); with what else is to be handed over, since each '
  'copy of the rows counts.';

create function strata.prove_question(p_batch strata.batch, p_keys text[] default null)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('select strata.prove(%1$L, %2$L, %3$L, %4$s, %5$s)', p_batch.move_id,
                p_batch.dataset, p_batch.columns, strata.handed_sql('keys', p_keys::text, 'text[]'),
                strata.handed_sql('proof_hash', p_batch.proof_hash::text, 'bytea'))
$$;
comment on function strata.prove_question(strata.batch, text[]) is
  'SQL with which a colder neighbour proves a batch, by place or by key.';
select strata.pin('strata.prove_question(strata.batch, text[])');

create function strata.prove_handing(p_batch strata.batch, p_keys text[] default null)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select strata.handing_sql('proof_hash', p_batch.proof_hash::text)
         || strata.handing_sql('keys', p_keys::text)
$$;
comment on function strata.prove_handing(strata.batch, text[]) is 'What is handed over for prove_question().';

create function strata.purge_question(p_batch strata.batch, p_proofs bytea[], p_refused jsonb)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('select strata.purge(%1$L, %2$s, %3$s)', p_batch.move_id,
                strata.handed_sql('proofs', p_proofs::text, 'bytea[]'),
                strata.handed_sql('refused', p_refused::text, 'jsonb'))
$$;
comment on function strata.purge_question(strata.batch, bytea[], jsonb) is
  'SQL with which a hotter neighbour purges a batch.';
select strata.pin('strata.purge_question(strata.batch, bytea[], jsonb)');

create function strata.purge_handing(p_proofs bytea[], p_refused jsonb)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select strata.unlogged_sql(strata.handing_sql('proofs', p_proofs::text),
                             strata.handing_sql('refused', p_refused::text))
$$;
comment on function strata.purge_handing(bytea[], jsonb) is 'What is handed over for purge_question().';

create function strata.close_question(p_batch strata.batch, p_kept strata.kept)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('select strata.close_arrival(%1$L, %2$L, %3$L, %4$L, %5$L, %6$s, %7$s)', p_batch.move_id,
                p_batch.dataset, strata.tier(), p_batch.columns, p_kept.ordinals,
                case when p_kept.ordinals <> '{}'
                       then strata.handed_sql('kept_keys', p_kept.keys::text, 'text[]') else '''{}''' end,
                case when p_kept.ordinals <> '{}' then strata.handed_sql(
                  'kept_fingerprints', p_kept.fingerprints::text, 'bytea[]') else '''{}''' end)
$$;
comment on function strata.close_question(strata.batch, strata.kept) is
  'SQL with which a colder neighbour closes an arrival.';
select strata.pin('strata.close_question(strata.batch, strata.kept)');

create function strata.close_handing(p_kept strata.kept)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when p_kept.ordinals <> '{}'
    then strata.handing_sql('kept_keys', p_kept.keys::text)
         || strata.handing_sql('kept_fingerprints', p_kept.fingerprints::text) else '' end
$$;
comment on function strata.close_handing(strata.kept) is
  'What is handed over for close_question(): nothing, if no row was kept.';

create function strata.finish_question(p_move uuid, p_outcomes text[])
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select format('select strata.close_move(%1$L, %2$L)::text', p_move, p_outcomes) $$;
comment on function strata.finish_question(uuid, text[]) is 'SQL with which a hotter neighbour ends a move.';
select strata.pin('strata.finish_question(uuid, text[])');

-- claim() over there. The columns are read one by one, because a batch inside a quoted record would be copied
-- twice more; and in a select list, because a function in FROM would write the batch to a temporary file
-- first.
create function strata.claim_question(p_dataset text, p_besides uuid[], p_since interval)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select format('select (c.b).status, (c.b).move_id, (c.b).columns, (c.b).proof_hash, '
                  '(c.b).lines, strata.share_now(%1$L)'
                  '  from (select strata.claim(%2$L, %3$L, %4$L) as b offset 0) as c', p_since, p_dataset,
                  strata.tier(), p_besides));
end
$$;
comment on function strata.claim_question(text, uuid[], interval) is
  'SQL that asks a hotter neighbour to claim(), and for its share_now(); read_batch() waits for its answer.';

create function strata.read_batch(p_tier text, p_dataset text)
returns strata.batch
language plpgsql
set search_path = pg_catalog, pg_temp
set work_mem = '64MB' -- dblink would write the batch to a temporary file first
as $$
declare
  v_batch strata.batch;
  v_context text;
begin
  perform strata.await(p_tier);
  select r.status, r.move_id, p_dataset, r.columns, r.proof_hash, r.lines, r.share into v_batch
    from extensions.dblink_get_result('strata_' || p_tier) as r (status text, move_id uuid, columns text[],
                                                                 proof_hash bytea, lines text, share integer);
  perform strata.read_next(p_tier);
  return v_batch;
exception when query_canceled or others then
  get stacked diagnostics v_context = pg_exception_context;
  perform strata.hang_up(p_tier), strata.tell_canceled(p_tier, sqlstate, sqlerrm, v_context);
  raise;
end
$$;
comment on function strata.read_batch(text, text) is
  'The batch that claim_question() asked for, the last statement of its message.';
