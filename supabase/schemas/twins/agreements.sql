-- Agreements: what two neighbours believe of each other's datasets, compared whenever they speak.
--
-- A tier that is put back from a backup has forgotten what it was told, and its neighbour believes that it
-- knows. So the colder one says which policy it has accepted of each dataset, and the hotter one which it has
-- told, each by its digest:
--
--   the colder one has one that the hotter one told before    it was put back: it is told again
--   the colder one has one that the hotter one never told     the hotter one was put back: that dataset
--                                                             rests until its owner decides (keep_policy)
--   the hotter one has told another one than the colder has   the colder one deletes nothing of it until it
--                                                             was told
--
-- At the end of the chain rows are deleted only by a policy that was confirmed, from tier to tier down from
-- where it is made, within `confirmed_within`, since this server was started, and in this very database.

-- Columns and types are told anew whenever they change, and nothing is deleted by them. Holds that are over
-- weigh nothing.
create function strata.policy_digest(p_description jsonb, p_content_only boolean default false)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select md5((case when p_content_only
    then p_description - 'revision'
         || jsonb_build_object('holds', (select jsonb_agg(h.it order by h.it ->> 'hold_id')
                                           from jsonb_array_elements(p_description -> 'holds') as h (it)
                                          where h.it ->> 'released_at' is null))
    else p_description end - 'types' - 'columns' - 'shape' - 'confirmed')::text)
$$;
comment on function strata.policy_digest(jsonb, boolean) is
  'A short text for the policy and holds of a description, with its revision or for what they say alone.';

create function strata.offer(p_dataset text)
returns jsonb
language plpgsql
security definer -- a pulling tier asks as strata_mover
set search_path = pg_catalog, pg_temp
as $$
declare
  v_description constant jsonb := strata.describe(p_dataset);
begin
  if (strata.dataset(p_dataset)).ahead is not null then
    raise exception '%', strata.ahead_says(strata.dataset(p_dataset))
      using errcode = 'ST051', hint = strata.remedy('ST051', p_dataset);
  end if;
  insert into strata.tellings as t (dataset, revision, digest)
  values (p_dataset, (v_description ->> 'revision')::bigint, strata.policy_digest(v_description))
  on conflict (dataset, revision, digest) do update set telling_id = default;
  delete from strata.tellings as t
   where t.dataset = p_dataset
     and t.telling_id <= (select o.telling_id from strata.tellings as o
                           where o.dataset = p_dataset order by o.telling_id desc offset 100 limit 1);
  return v_description;
end
$$;
comment on function strata.offer(text) is
  'describe(), for a colder tier that is to accept it: what was told is remembered. ST051: that '
  'one has a newer policy.';
grant execute on function strata.offer(text) to strata_mover;

create function strata.is_new_offer(p_dataset text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_description constant jsonb := strata.describe(p_dataset);
begin
  if (select t.digest from strata.tellings as t
       where t.dataset = p_dataset order by t.telling_id desc limit 1)
     is not distinct from strata.policy_digest(v_description) then
    return false;
  end if;
  perform strata.offer(p_dataset);
  return true;
end
$$;
comment on function strata.is_new_offer(text) is
  'Remembers what is about to be told of a dataset; false if it is what was told last.';

create function strata.check_revision(p_old strata.datasets, p_description jsonb, p_from text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_old.accepted_from = p_from and (p_description ->> 'revision')::bigint < p_old.accepted_revision then
    raise exception '% has accepted revision % of "%", revision % is older', strata.tier(),
      p_old.accepted_revision, p_old.name,
      p_description ->> 'revision' using errcode = 'ST051', hint = strata.remedy('ST051', p_old.name);
  end if;
end
$$;
comment on function strata.check_revision(strata.datasets, jsonb, text) is
  'ST051: a neighbour describes an older policy than was accepted from it.';

create function strata.server_mark()
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select format('%1$s/%2$s/%3$s', s.system_identifier, d.oid,
                        extract(epoch from pg_postmaster_start_time()))
            from pg_catalog.pg_control_system() as s, pg_catalog.pg_database as d
           where d.datname = current_database());
end
$$;
comment on function strata.server_mark() is
  'This database on this server since it was started: a backup that was put back has another one.';

create function strata.note_confirmed(
  p_dataset text, p_ago bigint, p_is_contradicted boolean, p_waits_on text
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into strata.confirmations as c (dataset, confirmed_at, is_contradicted, waits_on, server)
  values (p_dataset,
          case when p_ago is not null then strata.clock() - make_interval(secs => greatest(p_ago, 0)) end,
          p_is_contradicted or p_ago is null, strata.plain_text(p_waits_on, 40), strata.server_mark())
  on conflict (dataset) do update
     set confirmed_at = coalesce(excluded.confirmed_at, c.confirmed_at),
         is_contradicted = excluded.is_contradicted,
         waits_on = excluded.waits_on, server = excluded.server;
  -- the same for both, even in a subtransaction
  update strata.confirmations as c set version = c.xmin where c.dataset = p_dataset;
end
$$;
comment on function strata.note_confirmed(text, bigint, boolean, text) is
  'Notes what the hotter tier says of an accepted policy: how many seconds ago it was known to hold (null: '
  'it is not), or that it is another one.';

create function strata.note_accepted(p_description jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  update strata.datasets as d
     set accepted_revision = (p_description ->> 'revision')::bigint,
         accepted_digest = strata.policy_digest(p_description),
         accepted_content = strata.policy_digest(p_description, true)
   where d.name = p_description ->> 'name';
  perform strata.note_confirmed(p_description ->> 'name', (p_description -> 'confirmed' ->> 'ago')::bigint,
                                false,
                                p_description -> 'confirmed' ->> 'waits_on');
end
$$;
comment on function strata.note_accepted(jsonb) is
  'Notes which description was accepted; whoever describes it confirms it.';

create function strata.unconfirmed(p_dataset strata.datasets)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_last record;
begin
  if p_dataset.accepted_from is null then
    return null; -- its policy is made here
  end if;
  select c.*, c.server = strata.server_mark() and c.version = c.xmin as is_original into v_last
    from strata.confirmations as c where c.dataset = p_dataset.name;
  return case
    when v_last.confirmed_at is null then format('%s has not confirmed it yet', p_dataset.accepted_from)
    when v_last.is_contradicted and v_last.waits_on <> strata.tier()
      then format('%s waits for the word of the tier above it', v_last.waits_on)
    when v_last.is_contradicted then format('%s has another one, or none, by now', p_dataset.accepted_from)
    when not coalesce(v_last.is_original, false)
      then format('%s has not confirmed it since this server was started or put back from a backup',
                  p_dataset.accepted_from)
    when v_last.confirmed_at < strata.clock() - make_interval(
      mins => strata.setting('confirmed_within')::integer)
      then format('it was last known to hold at %s', strata.clock_says(v_last.confirmed_at)) end;
end
$$;
comment on function strata.unconfirmed(strata.datasets) is
  'Why nothing may be deleted by the policy that was accepted of a dataset; null if it was '
  'confirmed, or is made here.';

create function strata.confirmed(p_dataset strata.datasets)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_is_missing constant boolean := strata.unconfirmed(p_dataset) is not null;
  v_last strata.confirmations;
begin
  select c.* into v_last from strata.confirmations as c where c.dataset = p_dataset.name;
  return jsonb_build_object(
    'ago', case when p_dataset.accepted_from is null then 0
                when not v_is_missing then ceil(
                  greatest(extract(epoch from strata.clock() - v_last.confirmed_at), 0))::bigint end,
    'waits_on', case when v_is_missing then coalesce(v_last.waits_on, strata.tier()) end);
end
$$;
comment on function strata.confirmed(strata.datasets) is
  'For the colder tier: how many seconds ago a policy was known to hold where it is made, or which '
  'tier waits to be told so.';
