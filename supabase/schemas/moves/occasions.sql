-- Occasions: what moves have to say when a dataset is let go of, or another tier becomes the next one
-- (registry).

create function strata.unmanage_moves(p_dataset text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from strata.moves as m where m.dataset = p_dataset and m.state <> 'closed')
     or exists (select from strata.arrivals as a where a.dataset = p_dataset and a.closed_at is null) then
    raise exception 'dataset "%" has an open move', p_dataset
      using errcode = 'ST033', hint = strata.remedy('ST033');
  end if;
  delete from strata.set_aside as a where a.dataset = p_dataset;
  delete from strata.left_copies as c where c.dataset = p_dataset;
end
$$;
comment on function strata.unmanage_moves(text) is
  'Before a dataset is let go of: refuses while a move of it is open, and drops what was noted of its '
  'rows. ST033: a move is open.';

create function strata.turn_to(p_tier text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from strata.moves as m where m.state <> 'closed' and m.to_tier <> p_tier) then
    raise exception 'a move to another tier is open, so % cannot be the next one yet', p_tier
      using errcode = 'ST033',
            hint = 'Join that tier again and call strata.move_due() until nothing is open.';
  end if;
  update strata.datasets as d set told_revision = null where d.told_revision is not null;
end
$$;
comment on function strata.turn_to(text) is
  'Before another tier becomes the colder neighbour: what the one before was told counts no more. ST033: a '
  'move to that one is open.';
