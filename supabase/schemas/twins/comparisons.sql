-- Comparisons: neighbours tell each other what they believe, and what follows.

create function strata.last_told(p_dataset strata.datasets)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select t.digest from strata.tellings as t
   where t.dataset = p_dataset.name and t.revision = p_dataset.revision
     and p_dataset.told_revision = p_dataset.revision and p_dataset.ahead is null
   order by t.telling_id desc limit 1
$$;
comment on function strata.last_told(strata.datasets) is
  'The digest of what the colder tier was told of a dataset; null while there is news for it.';

create function strata.agreed(p_neighbour text)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object('clock', strata.clock()) || case l.direction
      when 'colder' then jsonb_build_object('told', (
        select coalesce(jsonb_agg(jsonb_build_object('name', d.name, 'digest', strata.last_told(d))
                                  || strata.confirmed(d)), '[]')
          from strata.datasets as d))
      else jsonb_build_object('accepted', (
        select coalesce(jsonb_agg(jsonb_build_object('name', d.name, 'revision', d.accepted_revision,
                                                     'digest', d.accepted_digest,
                 'content', d.accepted_content, 'core', d.core_retention_days, 'main', d.main_retention_days,
                 'deleted', d.delete_after_days,
                 'holds', (select count(*) from strata.holds as h
                            where h.dataset = d.name and h.released_at is null))), '[]')
          from strata.datasets as d
         where d.accepted_from = p_neighbour and d.accepted_revision is not null)) end
      from strata.links as l where l.neighbour = p_neighbour);
end
$$;
comment on function strata.agreed(text) is
  'What a neighbour is told: this clock; if it is the colder one, what it was told of each dataset and when '
  'that was known to hold; if it is the hotter one, what was accepted from it.';

create function strata.hear_told(p_from text, p_told jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.note_confirmed(d.name, case when t.digest = d.accepted_digest then t.ago end,
                                t.digest is distinct from d.accepted_digest,
                                case when t.name is null then strata.tier() else t.waits_on end)
     from (select x.* from strata.datasets as x where x.accepted_from = p_from order by x.name) as d
     left join (select distinct on (x.name) x.*
                  from jsonb_to_recordset(p_told) as x (name text, digest text, ago bigint, waits_on text)
                 order by x.name) as t on t.name = d.name;
end
$$;
comment on function strata.hear_told(text, jsonb) is
  'What the hotter tier has told, compared with what was accepted here.';

create function strata.policy_says(
  p_revision bigint, p_core integer, p_main integer, p_deleted integer, p_holds bigint
)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select format('revision %1$s: core %2$s, main %3$s, deleted %4$s, %5$s', p_revision,
                coalesce(p_core::text, 'never'), coalesce(p_main::text, 'never'),
                coalesce(p_deleted::text, 'never'), strata.counted(p_holds, 'hold'))
$$;
comment on function strata.policy_says(bigint, integer, integer, integer, bigint) is
  'A policy in a few words.';

create function strata.ahead_says(p_dataset strata.datasets)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select format('%1$s has accepted a policy of "%2$s" that %3$s has forgotten (%4$s); here it is %5$s',
                  strata.colder(), p_dataset.name, strata.tier(),
             strata.policy_says(a.revision, a.core, a.main, a.deleted, a.holds),
             strata.policy_says(p_dataset.revision, p_dataset.core_retention_days,
                                p_dataset.main_retention_days, p_dataset.delete_after_days,
               (select count(*) from strata.holds as h
                 where h.dataset = p_dataset.name and h.released_at is null)))
      from jsonb_to_record(p_dataset.ahead) as a (revision bigint, core integer, main integer,
                                                  deleted integer, holds bigint));
end
$$;
comment on function strata.ahead_says(strata.datasets) is
  'What the colder tier knows of a dataset''s policy and this one has forgotten.';

create function strata.ahead_remedy(p_dataset text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('Was %1$s put back from a backup? Set policy '
                'and holds there as they should be (strata.manage(), strata.hold()), then on %2$s: '
                'select strata.keep_policy(%3$L); until then none of its rows settle, and none are deleted.',
                strata.tier(), strata.tier(), p_dataset)
$$;
comment on function strata.ahead_remedy(text) is 'What its owner does about a policy that was forgotten.';

create function strata.set_ahead(p_dataset text, p_ahead jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_ahead is not null then
    update strata.datasets as d set ahead = p_ahead where d.name = p_dataset;
    update strata.datasets as d
       set trouble_sqlstate = 'ST051', trouble = strata.plain_text(strata.ahead_says(d), 1000),
           remedy = strata.ahead_remedy(p_dataset)
     where d.name = p_dataset;
  else
    update strata.datasets as d set ahead = null, trouble = null, trouble_sqlstate = null, remedy = null,
                                    failures = 0, next_try_at = null
     where d.name = p_dataset and (d.ahead is not null or d.trouble_sqlstate = 'ST051');
  end if;
end
$$;
comment on function strata.set_ahead(text, jsonb) is
  'Notes the newer policy that the colder tier has of a dataset, which makes it rest; or '
  '(null) that it has none.';

-- What one dataset is believed to be there, and what is there. p_theirs is null when the colder tier knows
-- nothing of it.
create function strata.judge_accepted(p_dataset strata.datasets, p_theirs jsonb)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_revision constant bigint := (p_theirs ->> 'revision')::bigint;
  v_digest constant text := p_theirs ->> 'digest';
begin
  return case
    when p_theirs is null then 'behind'
    when v_digest = strata.last_told(p_dataset) then 'agrees'
    when v_revision < coalesce((select min(t.revision) from strata.tellings as t
                                 where t.dataset = p_dataset.name), 0)
      or exists (select from strata.tellings as t
                  where (t.dataset, t.revision, t.digest) = (p_dataset.name, v_revision, v_digest))
      then 'behind'
    when strata.unconfirmed(p_dataset) is not null then 'unknown' -- it is about to be told itself
    when p_theirs ->> 'content' = strata.policy_digest(strata.describe(p_dataset.name), true) then 'same'
    else 'ahead' end;
end
$$;
comment on function strata.judge_accepted(strata.datasets, jsonb) is
  'What the colder tier''s policy of a dataset is: it agrees; it is behind; it says the same, '
  'by another revision; or it is ahead of this tier, which was put back; unknown, while this '
  'tier''s own is not confirmed.';

create function strata.hear_accepted(p_accepted jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most constant bigint := 1000000000000000; -- a revision is never so high, whatever a neighbour says
  v_one record;
  v_verdict text;
begin
  for v_one in
    select d, case when a.name is not null then to_jsonb(a)
             || jsonb_build_object('revision', least(a.revision, c_most), 'digest', left(a.digest, 40),
                                   'content', left(a.content, 40)) end as theirs
      from strata.datasets as d
      left join (select distinct on (x.name) x.* from jsonb_to_recordset(p_accepted)
                   as x (name text, revision bigint, digest text, content text, core integer, main integer,
                         deleted integer, holds bigint)
                  order by x.name) as a on a.name = d.name
     order by d.name
  loop
    continue when to_regclass(strata.relation(v_one.d)) is null;
    v_verdict := strata.judge_accepted(v_one.d, v_one.theirs);
    if v_verdict in ('ahead', 'unknown') then
      perform strata.set_ahead((v_one.d).name, v_one.theirs - 'content') where v_verdict = 'ahead';
      continue;
    end if;
    perform strata.set_ahead((v_one.d).name, null);
    update strata.datasets as d
       set told_revision = null, revision = case v_verdict when 'same' then greatest(
         d.revision, (v_one.theirs ->> 'revision')::bigint) else d.revision end
     where d.name = (v_one.d).name and v_verdict <> 'agrees'
       and (d.told_revision is not null or v_verdict = 'same');
  end loop;
end
$$;
comment on function strata.hear_accepted(jsonb) is
  'What the colder tier has accepted, compared with what it was told: what it has forgotten is told again; '
  'where it is this tier that has forgotten, the dataset rests.';

create function strata.compare(p_from text, p_said jsonb)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_direction constant text := (select l.direction from strata.links as l where l.neighbour = p_from);
begin
  if v_direction is null then
    raise exception '% is no neighbour of %', p_from, strata.tier()
      using errcode = 'ST061', hint = strata.remedy('ST061');
  end if;
  perform strata.check_heard(v_direction, 'an agreement', pg_column_size(p_said), 'heard_list'),
          strata.hear_clock(p_from, p_said ->> 'clock');
  if v_direction = 'hotter' then
    perform strata.hear_told(p_from, coalesce(p_said -> 'told', '[]'));
  else
    perform strata.hear_accepted(coalesce(p_said -> 'accepted', '[]'));
  end if;
end
$$;
comment on function strata.compare(text, jsonb) is
  'Compares what a neighbour says (agreed) with what is believed here: its clock, and policies. ST061: not a '
  'neighbour. ST065: too much.';

create function strata.exchange_agreements(p_from text, p_said jsonb)
returns jsonb
language plpgsql
security definer -- the neighbour that dials calls it as strata_mover
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.check_asker(null, p_from);
  perform strata.compare(p_from, p_said);
  return strata.agreed(p_from);
end
$$;
comment on function strata.exchange_agreements(text, jsonb) is
  'Called by the neighbour that dials, with what it has told or accepted; returns what was accepted or told '
  'here. ST061: not a neighbour.';
grant execute on function strata.exchange_agreements(text, jsonb) to strata_mover;

create function strata.agree(p_neighbour text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.compare(p_neighbour, strata.ask(p_neighbour,
    format('select strata.exchange_agreements(%L, strata.take_over(''agreed'')::jsonb)::text', strata.tier()),
    strata.unlogged_sql(strata.handing_sql('agreed', strata.agreed(p_neighbour)::text)))::jsonb);
end
$$;
comment on function strata.agree(text) is
  'Compares with a neighbour that this tier dials what either believes of the other.';

create function strata.keep_policy(p_dataset text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform strata.lock_dataset(p_dataset), strata.dataset(p_dataset);
  insert into strata.tellings (dataset, revision, digest) -- it is known here again
  select d.name, (d.ahead ->> 'revision')::bigint, left(d.ahead ->> 'digest', 40) from strata.datasets as d
   where d.name = p_dataset and d.ahead is not null on conflict do nothing;
  update strata.datasets as d
     set revision = greatest(d.revision, (d.ahead ->> 'revision')::bigint) + 1, told_revision = null
   where d.name = p_dataset and d.ahead is not null;
  if not found then
    return false;
  end if;
  perform strata.set_ahead(p_dataset, null);
  return true;
end
$$;
comment on function strata.keep_policy(text) is
  'The owner of a tier that was put back from a backup says that a dataset''s policy and holds are right as '
  'they are here now: the colder tiers take the policy over, and keep holds they have. False when there is '
  'nothing to decide. ST011: no such dataset.';
