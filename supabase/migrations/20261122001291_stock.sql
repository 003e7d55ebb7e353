-- Stock: what there is of a dataset on this tier, month by month, beside what the ledger says has left.

-- From month to month through the age column's index: as many look-ups as there are months.
create function strata.stock_months(p_dataset text)
returns text[]
language plpgsql
volatile
security definer -- a hotter tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_months text[] := array[]::text[];
  v_month text;
  v_from timestamp := timestamp '1970-01-01';
  v_there boolean;
begin
  perform strata.check_asker('hotter'), strata.check_settled(p_dataset);
  perform strata.settle_contested(p_dataset) where current_setting('transaction_read_only') = 'off';
  if to_regclass(strata.relation(v_dataset)) is null then
    return v_months;
  end if;
  foreach v_month in array array['before 1970', 'from 2100', 'no age'] loop
    execute format('select exists (select from %s as t where %s)', strata.relation(v_dataset), strata.month_sql(v_dataset, v_month)) into v_there;
    if v_there then
      v_months := v_months || v_month;
    end if;
  end loop;
  loop
    execute format('select date_trunc(''month'', t.%1$I::timestamp) from %2$s as t where t.%1$I >= $1 and t.%1$I < $2 order by t.%1$I limit 1',
                   v_dataset.age_column, strata.relation(v_dataset)) into v_from using v_from, timestamp '2100-01-01';
    exit when v_from is null;
    v_months := v_months || strata.month_of(v_from);
    v_from := v_from + interval '1 month';
  end loop;
  return v_months;
end
$$;
comment on function strata.stock_months(text) is 'The months of a dataset''s rows on this tier.';
revoke execute on function strata.stock_months(text) from public;
select strata.pin('strata.stock_months(text)');
grant execute on function strata.stock_months(text) to strata_mover;

-- Stable, and so all of it as of one moment: rows, arrivals and ledger agree with each other.
create function strata.take_stock(p_dataset text, p_month text, p_columns text[])
returns jsonb
language plpgsql
stable
security definer -- a hotter tier that audits asks as strata_mover
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
declare
  v_dataset constant strata.datasets := strata.dataset(p_dataset);
  v_columns text[] := p_columns;
  v_rows bigint := 0;
  v_digest bigint := 0;
begin
  perform strata.check_asker('hotter'), strata.check_settled(p_dataset);
  if strata.twin(v_dataset) is not null then
    v_columns := coalesce(p_columns, array(
      select a.attname::text from pg_catalog.pg_attribute as a
       where a.attrelid = strata.twin(v_dataset) and a.attnum > 0 and not a.attisdropped order by a.attnum));
    if strata.missing_columns(v_dataset, v_columns) = '{}' and not strata.asks_for_part(v_dataset, v_columns) then
      execute format('select count(*), coalesce(bit_xor(strata.digest(strata.fingerprint(%s))), 0) from %s as t where %s',
        strata.content_sql(strata.twin(v_dataset), v_columns), strata.relation(v_dataset), strata.month_sql(v_dataset, p_month))
        into v_rows, v_digest;
    else
      execute format('select count(*) from %s as t where %s', strata.relation(v_dataset), strata.month_sql(v_dataset, p_month)) into v_rows;
      v_columns := null;
    end if;
  end if;
  return jsonb_build_object('rows', v_rows, 'digest', v_digest, 'columns', v_columns, 'open', exists (
             select from strata.arrivals as a where a.dataset = p_dataset and a.closed_at is null))
         || strata.ledger_entry(p_dataset, '{moved,deleted}', p_month, 'left') || strata.ledger_entry(p_dataset, '{met}', p_month, 'met');
end
$$;
comment on function strata.take_stock(text, text, text[]) is
  'What there is of a dataset''s month on this tier: rows, their digest over the given columns (null: the table''s own; the '
  'answer has none where one is missing), whether an arrival is open, and the ledger''s entries. Reads every row of the month.';
revoke execute on function strata.take_stock(text, text, text[]) from public;
select strata.pin('strata.take_stock(text, text, text[])');
grant execute on function strata.take_stock(text, text, text[]) to strata_mover;
