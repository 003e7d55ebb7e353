-- Strips: the rows of a month sorted into 32 heaps by their fingerprints, each with how many there are and
-- their digest.
--
-- One digest of a month tells that something is different, not what: a row too many would hide any change of
-- the others. A row that came has its strip. If it is changed or gone, its strip has one too few, or as many
-- with another digest, however many rows were added; if rows were added, only the strips that have too many
-- cannot be told any more.
--
-- A list of 64 numbers: how many rows each strip has, then their digests. Of a month of few rows it tells as
-- much of them as a digest does, so it is handled as one: what is kept is sealed, numbers and all.

create function strata.strips_of(p_fingerprints bytea[])
returns bigint[]
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
set enable_sort = off -- few heaps of many rows: with a plan that is kept, the rows might be sorted into them
as $$
begin
  return (
    select array_agg(coalesce(g.rows, 0) order by s.at) || array_agg(coalesce(g.digest, 0) order by s.at)
      from generate_series(0, 31) as s (at)
      left join (select get_byte(f, 8) & 31 as at, count(*) as rows, bit_xor(strata.digest(f)) as digest
                   from unnest(p_fingerprints) as f group by 1) as g on g.at = s.at);
end
$$;
comment on function strata.strips_of(bytea[]) is
  'Rows in strips, of their fingerprints: how many in each, then the digest of each.';

-- What a neighbour sends counts only if it is as long as it must be.
create function strata.add_strips(p_to bigint[], p_strips bigint[], p_times integer default 1)
returns bigint[]
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select case when p_to is null then null
                when p_strips is null or cardinality(p_strips) <> 64 or cardinality(p_to) <> 64 then null
                else (select array_agg(
                  case when a.at <= 32 then a.one + p_times * a.other else a.one # a.other end order by a.at)
                        from unnest(p_to, p_strips) with ordinality as a (one, other, at)) end);
end
$$;
comment on function strata.add_strips(bigint[], bigint[], integer) is
  'Strips with others added (p_times 1) or taken away (-1), which is the same for their digests; '
  'null if either is unknown.';

create function strata.no_strips()
returns bigint[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$ select array_fill(0::bigint, array[64]) $$;
comment on function strata.no_strips() is 'The strips of no rows.';

create function strata.seal_strips(p_strips bigint[], p_key bytea, variadic p_of text[])
returns bigint[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select array_agg(s.one # strata.digest(substr(h.four, 1 + 8 * ((s.at - 1) % 4)::integer)) order by s.at)
      from unnest(p_strips) with ordinality as s (one, at)
      join (select i, sha256(p_key || convert_to(i || p_of::text, 'UTF8')) as four
              from generate_series(0, 15) as i offset 0) as h
        on h.i = (s.at - 1) / 4);
end
$$;
comment on function strata.seal_strips(bigint[], bytea, text[]) is
  'Strips as they are kept: xored with what a key makes of the thing they are of; '
  'sealed twice, they are open.';

create function strata.compare_strips(
  p_expected bigint[], p_there bigint[], out hurt bigint, out unknown bigint
)
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(sum(case when c.there < c.expected then c.expected - c.there
                           when c.there = c.expected and c.is_changed then 1 else 0 end), 0),
         coalesce(sum(c.there) filter (where c.there > c.expected), 0)
    from (select p_expected[s] as expected, p_there[s] as there,
                 p_expected[32 + s] <> p_there[32 + s] as is_changed
            from generate_series(1, 32) as s) as c
$$;
comment on function strata.compare_strips(bigint[], bigint[]) is
  'At least how many rows are not there as they should be (hurt: changed or gone), and how many lie in '
  'strips that have more than they should, in which a change cannot be told (unknown).';
